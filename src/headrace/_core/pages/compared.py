"""Values of a field of rows that compare: where they are found, and the form in which JSON knows them."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import inspect

from headrace._core.values import places
from headrace.errors import ValidationError

_KINDS: Final[tuple[type, ...]] = (int, float, str, datetime, date, time, timedelta, Decimal, UUID)
NUMBERS: Final = (int, float, Decimal)
#: Those that JSON has not, by the name that is written beside them.
_NAMED: Final[dict[str, type]] = {kind.__name__: kind for kind in _KINDS if kind not in (float, str)}
#: Beyond it, JSON's readers lose digits (RFC 8259, section 6).
_MOST_INT: Final = 2**53
_MISSING: Final = msgspec.UNSET
#: The types of msgspec's `inspect`, and what they become.
_INSPECTED: Final[dict[type, type]] = {
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.StrType: str,
    inspect.DateTimeType: datetime,
    inspect.DateType: date,
    inspect.TimeType: time,
    inspect.TimeDeltaType: timedelta,
    inspect.DecimalType: Decimal,
    inspect.UUIDType: UUID,
}


def is_value(value: object) -> bool:
    """Tell whether a value compares with others of its kind."""
    if not isinstance(value, _KINDS) or isinstance(value, bool):
        return False
    return not isinstance(value, (float, Decimal)) or math.isfinite(value)


def plain(value: Any) -> Any:
    """Write a value so that JSON knows it, with the name of its type where JSON has none such."""
    if isinstance(value, int) and abs(value) > _MOST_INT:
        return {"int": str(value)}
    for name, kind in _NAMED.items():
        if kind is not int and isinstance(value, kind):
            return {name: msgspec.to_builtins(value)}
    return value


def read(written: Any) -> Any:
    """Read what `plain` has written; raises a `ValueError` or `TypeError` for anything else."""
    if isinstance(written, dict):
        ((name, text),) = written.items()
        return msgspec.convert(text, _NAMED[name], strict=False)
    if not is_value(written):
        raise ValueError("no value")
    return written


def at(row: Any, path: tuple[Any, ...]) -> Any:
    """Find what a row has at a place, by its name in the document; `UNSET` where there is nothing."""
    for part in path:
        if isinstance(row, Mapping):
            row = row.get(part, _MISSING)
        elif isinstance(row, (list, tuple)) and isinstance(part, int):
            row = row[part] if part < len(row) else _MISSING
        else:
            kind: Any = type(row)
            row = getattr(row, _attribute(kind, part), _MISSING)
    return row


@functools.lru_cache(maxsize=4096)
def _attribute(kind: type, part: Any) -> str:
    """Find the attribute that holds what a document has by a name."""
    if issubclass(kind, msgspec.Struct):
        return next((each.name for each in msgspec.structs.fields(kind) if each.encode_name == part), str(part))
    fields = getattr(kind, "model_fields", None)
    if isinstance(fields, Mapping):
        for name, field in fields.items():
            if part in (getattr(field, "validation_alias", None), getattr(field, "alias", None)):
                return str(name)
    return str(part)


def kind_at(row_format: Any, path: tuple[Any, ...], argument: str) -> type | None:
    """Find the type of what a row has at a place; `None` where that is not known before there are rows.

    Args:
        row_format: What a row is.
        path: The place.
        argument: What names it, for the error.

    Raises:
        headrace.errors.ValidationError: No row of that format has anything there.
    """
    try:
        found: Any = inspect.type_info(Any if row_format is None else row_format)
    except Exception:  # noqa: BLE001 - it is a format of another library's
        return None
    for part in path:
        found = _present(found)
        fields = getattr(found, "fields", None)
        if fields is None:
            return None
        inner = next((each.type for each in fields if each.encode_name == part), None)
        if inner is None:
            message = f"incremental: {argument}: {found.cls.__name__} has nothing at {places.shown(path)}"
            raise ValidationError(message)
        found = inner
    return _INSPECTED.get(type(_present(found)))


def _present(found: Any) -> Any:
    """Leave out what a type has for a value that is not there."""
    if isinstance(found, inspect.Metadata):
        return _present(found.type)
    if isinstance(found, inspect.UnionType):
        rest = [each for each in found.types if not isinstance(each, inspect.NoneType)]
        return rest[0] if len(rest) == 1 else found
    return found
