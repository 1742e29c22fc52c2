"""Whether an object can be part of a cycle: where none can, the garbage collector need not look at it.

A collector that walks a million Structs of texts and numbers finds nothing, each time. msgspec leaves out the room for
it, and so an object is 16 bytes smaller, too (`gc=False`).
"""

from __future__ import annotations

import enum
from collections import abc
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from types import NoneType
from typing import Annotated, Any, Final, Literal, get_args, get_origin
from uuid import UUID

import msgspec

from headrace.compat._structify.reasons import UNIONS

_LEAVES: Final = (
    str, bytes, bytearray, int, float, bool, NoneType, date, datetime, time, timedelta, Decimal, UUID, PurePath,
    enum.Enum, msgspec.UnsetType,
)  # fmt: skip
_CONTAINERS: Final = {
    list, tuple, set, frozenset, dict, abc.Sequence, abc.Mapping, abc.MutableMapping, abc.Set, *UNIONS,
}  # fmt: skip


def possible(kind: Any) -> bool:
    """Tell whether what is of a type can lead back to what holds it; where that is not known, it can.

    Args:
        kind: The type of a field.
    """
    origin = get_origin(kind)
    if origin is Annotated:
        return possible(get_args(kind)[0])
    if origin is Literal or kind is ...:
        return False
    if origin in _CONTAINERS:
        return any(map(possible, get_args(kind)))
    if not isinstance(kind, type):
        return True
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_config__.gc
    return not issubclass(kind, _LEAVES)
