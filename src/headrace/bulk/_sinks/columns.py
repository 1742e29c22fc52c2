"""The columns of a model, found once: their names, their kinds, and how rows become values."""

from __future__ import annotations

import math
import operator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import inspect

from headrace._core.request import encode
from headrace.bulk._sinks.base import Misfit, Tagged
from headrace.bulk._sinks.kinds import Kind, fields_of, kind_of, kind_of_value, needs
from headrace.errors import SinkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: What stays as it is when a part of a row becomes plain.
_NATIVE: Final = (bytes,)
_MOST: Final = 2**63
#: By kind, the type whose values every target takes as they are, or refuses itself.
_OWN: Final = {"bool": bool, "int": int, "float": float, "text": str}
#: What is raised for a value that has no place in its column.
REFUSALS: Final = (TypeError, ValueError, OverflowError, RecursionError)
_encode: Final = msgspec.json.Encoder(enc_hook=encode.plain).encode
#: What JSON has a text for, whatever the value.
_SCALARS: Final = frozenset({int, str, bool, bytes, datetime, date, time, timedelta, type(None), type(msgspec.UNSET)})
#: Years in which a time may be none in UTC.
_EDGES: Final = (1, 9999)


class Columns:
    """The columns of rows of one type.

    Args:
        row_type: A Struct, dataclass, attrs class or TypedDict.
        tags: What the first row's call adds to it.

    Attributes:
        names: The names of the columns.
        kinds: What each holds.

    Raises:
        headrace.errors.SinkError: It has no columns.
    """

    def __init__(self, row_type: Any, tags: Mapping[str, Any]) -> None:
        fields = fields_of(row_type)
        self.row_type = row_type
        self._dict = isinstance(inspect.type_info(row_type), inspect.TypedDictType)
        self._tags = tuple(tags)
        doubled = {field.encode_name for field in fields} & set(tags)
        if doubled:
            raise SinkError(f"tags: {min(doubled)!r} is a column of {row_type.__name__} already")
        self.names = [field.encode_name for field in fields] + list(tags)
        self.kinds = [kind_of(field.type) for field in fields] + [kind_of_value(value) for value in tags.values()]
        attributes = [field.name for field in fields]
        self._attributes = attributes
        if self._dict:
            self._get: Callable[[Any], Sequence[Any]] = lambda row: [row.get(name) for name in attributes]
        elif len(attributes) == 1:
            one = operator.attrgetter(attributes[0])
            self._get = lambda row: (one(row),)
        else:
            self._get = operator.attrgetter(*attributes)

    def fits(self, row: Any, tags: Mapping[str, Any]) -> str | None:
        """Tell why a row has other columns; `None` where it has these."""
        if tuple(tags) != self._tags:
            return f"the tags are {', '.join(tags) or 'none'}, the columns {', '.join(self._tags) or 'none'}"
        if self._dict:
            return None if isinstance(row, dict) else f"a {type(row).__name__} is no mapping"
        if type(row) is not self.row_type:
            return f"a {type(row).__name__} has other columns than {self.row_type.__name__}"
        return None

    def values(self, row: Any, convert: Sequence[Callable[[Any], Any] | None]) -> list[Any]:
        """Read the values of a row.

        Args:
            row: A row that fits.
            convert: By column, what makes of a value what the target takes.

        Raises:
            ValueError: A value has no place in its column; the text names it.
        """
        own, tags = (row.row, row.tags) if type(row) is Tagged else (row, {})
        found = [*self._get(own), *tags.values()]
        for index, (value, change) in enumerate(zip(found, convert, strict=True)):
            if value is None or value is msgspec.UNSET:
                found[index] = None
            elif change is not None:
                try:
                    found[index] = change(value)
                except REFUSALS as error:
                    raise ValueError(self.names[index], str(error)) from error
        return found

    def gathered(self, rows: Sequence[Any]) -> list[list[Any]] | None:
        """Read the values of rows as they are, by column; `None` where one of the rows is none of these columns."""
        tagged: Sequence[Any] = ()
        types = set(map(type, rows))
        if types == {Tagged}:
            tagged, rows = rows, [each.row for each in rows]
            types = set(map(type, rows))
        if types != {dict if self._dict else self.row_type} or bool(tagged) != bool(self._tags):
            return None
        if any(tuple(each.tags) != self._tags for each in tagged):
            return None
        tags = [[each.tags[name] for each in tagged] for name in self._tags]
        if self._dict:
            return [[row.get(name) for row in rows] for name in self._attributes] + tags
        return [list(map(operator.attrgetter(name), rows)) for name in self._attributes] + tags


class Reader:
    """Turns rows into values by the columns of the first.

    Args:
        converter: Makes of a kind what makes of a value what the target takes.

    Attributes:
        columns: The columns; `None` until there was a row.
        row_format: What a row is, where that was said.
    """

    def __init__(self, converter: Callable[[Kind], Callable[[Any], Any] | None]) -> None:
        self._converter = converter
        self._convert: list[Callable[[Any], Any] | None] = []
        self.columns: Columns | None = None
        self.row_format: Any = None

    def expect(self, row_format: Any) -> None:
        """Hear what a row is; raises a `SinkError` for what has no columns."""
        if row_format in (None, Any):
            raise SinkError(needs("plain JSON"))
        fields_of(row_format)
        self.row_format = row_format

    def _columns_of(self, row: Any) -> Columns:
        """Find the columns, once."""
        if self.columns is None:
            own, tags = (row.row, row.tags) if type(row) is Tagged else (row, {})
            kind = self.row_format if type(own) is dict and self.row_format is not None else type(own)
            self.columns = Columns(kind, tags)
            self._convert = [self._converter(each) for each in self.columns.kinds]
        return self.columns

    def gather(self, rows: Sequence[Any]) -> list[list[Any]] | None:
        """Read rows that are all alike by column, which is faster than `read`; the values are what they were.

        Raises:
            headrace.errors.SinkError: The first row has no columns.
        """
        try:
            return self._columns_of(rows[0]).gathered(rows) if rows else None
        except AttributeError:  # a row that lacks a part: `read` tells
            return None

    def read(self, rows: Sequence[Any]) -> tuple[list[list[Any]], list[int], list[Misfit]]:
        """Read rows.

        Returns:
            The values of those that fit, which rows these are, and those that do not fit.

        Raises:
            headrace.errors.SinkError: The first row has no columns.
        """
        values: list[list[Any]] = []
        which: list[int] = []
        misfits: list[Misfit] = []
        for index, row in enumerate(rows):
            columns = self._columns_of(row)
            own, tags = (row.row, row.tags) if type(row) is Tagged else (row, {})
            why = columns.fits(own, tags)
            if why is not None:
                misfits.append(Misfit(index, "$", why))
                continue
            try:
                values.append(columns.values(row, self._convert))
            except ValueError as error:
                misfits.append(Misfit(index, f"$.{error.args[0]}", str(error.args[-1])))
            else:
                which.append(index)
        return values, which, misfits


def at_once(kind: Kind, change: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    """Make what changes the values of a column: those that are of its own type stay as they are.

    Args:
        kind: What the column holds.
        change: Makes of a value what the target takes.
    """
    plain = {_OWN.get(kind.name, type(None)), type(None)}

    def changed(values: list[Any]) -> list[Any]:
        if plain.issuperset(map(type, values)):
            return values
        return [None if value is None or value is msgspec.UNSET else change(value) for value in values]

    return changed


def builtins(value: Any) -> Any:
    """Make a part of a row plain: mappings, lists and scalars of JSON."""
    return msgspec.to_builtins(value, enc_hook=encode.plain)


def plain_rows(rows: Sequence[Any]) -> list[Any]:
    """Make mappings of tagged rows, for a sink that does not know them."""
    return [{**builtins(row.row), **row.tags} if type(row) is Tagged else row for row in rows]


def native(value: Any) -> Any:
    """Make a part of a row plain, but for bytes."""
    return msgspec.to_builtins(value, builtin_types=_NATIVE, enc_hook=encode.plain)


# What makes of a value what a column holds. Each raises what `Columns.values` makes a misfit of where it would have to
# be another value: a decoder gives none of that, but a transform may, and a model with code of its own.


def as_json(value: Any) -> str:
    """Write a part of a row as JSON text."""
    text = _encode(value).decode()
    if "null" in text and not is_row_finite(value):
        raise ValueError("NaN and infinities have no JSON text")
    return text


def is_finite(value: Any) -> bool:
    """Tell whether plain JSON has no NaN and no infinity in it, which encoders write as `null`."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return True
    return all(map(is_finite, value))


def is_row_finite(row: Any) -> bool:
    """Tell the same of a row, or a part of one, of which most are Structs of scalars."""
    if isinstance(row, msgspec.Struct):
        values: Any = msgspec.structs.astuple(row)
    else:
        values = row.values() if type(row) is dict else (row,)
    for value in values:
        kind = type(value)
        if kind is float:
            if value - value != 0.0:
                return False
        elif kind in _SCALARS:
            continue
        elif not (is_row_finite(value) if isinstance(value, msgspec.Struct) else is_finite(builtins(value))):
            return False
    return True


def whole(value: Any) -> int:
    """Check that a value is an integer of 64 bits."""
    plain = value if type(value) is int else builtins(value)
    if isinstance(plain, float) and plain.is_integer():
        plain = int(plain)
    if not isinstance(plain, int):
        raise ValueError(f"a {type(value).__name__} is no whole number")  # noqa: TRY004 - it is told by its text
    if not -_MOST <= plain < _MOST:
        raise ValueError("the number has more than 64 bits")
    return int(plain)


def real(value: Any) -> float:
    """Check that a value is a number that a float holds."""
    if type(value) is float:
        return value
    plain = value if isinstance(value, Decimal) else builtins(value)
    if not isinstance(plain, (int, float, Decimal)) or float(plain) != plain:
        raise ValueError(f"a {type(value).__name__} is no number, or has more digits than a float holds")
    return float(plain)


def truth(value: Any) -> bool:
    """Check that a value is true or false."""
    if value is True or value is False:
        return bool(value)
    plain = builtins(value)
    if not isinstance(plain, (int, float)) or plain not in (0, 1):
        raise ValueError(f"a {type(value).__name__} is neither true nor false")
    return bool(plain)


def octets(value: Any) -> bytes:
    """Check that a value is bytes."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"a {type(value).__name__} is no bytes")
    return bytes(value)


def day(value: Any) -> date:
    """Check that a value is a date, without a time."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError(f"a {type(value).__name__} is no date")
    return value


def instant(value: Any) -> datetime:
    """Check that a value is a time with its zone."""
    if not isinstance(value, datetime):
        raise TypeError(f"a {type(value).__name__} is no time")
    if value.tzinfo is None:
        raise ValueError("the time has no zone")
    return value


def instant_in_utc(value: Any) -> datetime:
    """Check that a value is a time with its zone, which is one in UTC too: as such it is kept, and has to be read."""
    found = instant(value)
    if found.year in _EDGES:
        _ = found.astimezone(UTC)
    return found


def local(value: Any) -> datetime:
    """Check that a value is a time without a zone."""
    if not isinstance(value, datetime):
        raise TypeError(f"a {type(value).__name__} is no time")
    if value.tzinfo is not None:
        raise ValueError("the time has a zone")
    return value


def as_text(value: Any) -> str:
    """Write a scalar as text: a string as it is, dates in ISO 8601."""
    plain = value if type(value) is str else builtins(value)
    if not isinstance(plain, str):
        raise TypeError(f"a {type(value).__name__} is no text")
    if not plain.isascii():
        plain.encode()
    return plain
