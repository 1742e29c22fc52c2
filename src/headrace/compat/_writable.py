"""What can be written as source, and what cannot, is judged here."""

from __future__ import annotations

import datetime as dt
import enum
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import annotated_types as at
import pydantic

if TYPE_CHECKING:
    from collections.abc import Iterable


class UnwritableError(Exception):
    """Why something has no source."""


def constraints(metas: Iterable[Any]) -> Iterable[tuple[str, Any]]:
    """Name the constraints of pydantic's in an `Annotated`, as the arguments of its `Field`."""
    for meta in metas:
        if isinstance(meta, at.GroupedMetadata):
            yield from constraints(meta)
        elif isinstance(meta, pydantic.Strict):
            yield "strict", meta.strict
        elif isinstance(meta, at.BaseMetadata) and not hasattr(meta, "func"):
            yield from ((name, value) for name, value in _attributes(meta).items() if value is not None)
        else:
            raise UnwritableError(f"{type(meta).__name__} in an Annotated has no source")


def _attributes(meta: Any) -> dict[str, Any]:
    # Pydantic's own are no dataclasses, but have the names in the instance's dict.
    return {name: getattr(meta, name) for name in getattr(meta, "__dataclass_fields__", None) or vars(meta)}


def is_shared(value: Any) -> bool:
    """Tell whether all instances may have one and the same default."""
    if isinstance(value, tuple | frozenset):
        return all(map(is_shared, value))
    kinds = (type(None), bool, int, float, str, bytes, enum.Enum, UUID, Decimal, dt.date, dt.time, dt.timedelta)
    return isinstance(value, kinds)


def reached(module: str, name: str) -> Any:
    """Find what a name of a module stands for."""
    found = sys.modules.get(module)
    for step in name.split(".") if "<" not in name else ():
        found = getattr(found, step, None)
    return found
