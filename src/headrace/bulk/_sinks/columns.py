"""The columns of a model, found once: their names, their kinds, and how a row becomes values."""

from __future__ import annotations

import math
import operator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec import inspect

from headrace._core.request import encode
from headrace.bulk._sinks.base import Misfit, Tagged
from headrace.errors import SinkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: What stays as it is when a part of a row becomes plain.
_NATIVE: Final = (bytes,)
_KINDS: Final[dict[type, str]] = {
    inspect.BoolType: "bool",
    inspect.IntType: "int",
    inspect.FloatType: "float",
    inspect.StrType: "text",
    inspect.BytesType: "bytes",
    inspect.ByteArrayType: "bytes",
    inspect.DateType: "date",
    inspect.TimeType: "text",
    inspect.UUIDType: "text",
    inspect.DecimalType: "text",
    inspect.TimeDeltaType: "text",
}
_MOST: Final = 2**63
#: What JSON has a text for, whatever the value.
_SCALARS: Final = frozenset({int, str, bool, bytes, datetime, date, time, timedelta, type(None), type(msgspec.UNSET)})
#: Years in which a time may be none in UTC.
_EDGES: Final = (1, 9999)


class Kind(NamedTuple):
    """What a column holds.

    Attributes:
        name: ``"bool"``, ``"int"``, ``"float"``, ``"text"``, ``"bytes"``, ``"date"``, ``"instant"`` (a datetime with
            its zone), ``"local"`` (one without), ``"json"``, ``"list"`` or ``"struct"``.
        parts: Of a list what its items are, of a struct its fields.
    """

    name: str
    parts: tuple[tuple[str, Kind], ...] = ()


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
        fields = _fields(row_type)
        self.row_type = row_type
        self._dict = isinstance(inspect.type_info(row_type), inspect.TypedDictType)
        self._tags = tuple(tags)
        doubled = {field.encode_name for field in fields} & set(tags)
        if doubled:
            raise SinkError(f"tags: {min(doubled)!r} is a column of {row_type.__name__} already")
        self.names = [field.encode_name for field in fields] + list(tags)
        self.kinds = [_kind(field.type) for field in fields] + [_kind_of_value(value) for value in tags.values()]
        attributes = [field.name for field in fields]
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
                except (TypeError, ValueError, OverflowError, RecursionError) as error:
                    raise ValueError(self.names[index], str(error)) from error
        return found


class Reader:
    """Turns rows into values by the columns of the first.

    Args:
        converter: Makes of a kind what makes of a value what the target takes.
    """

    def __init__(self, converter: Callable[[Kind], Callable[[Any], Any] | None]) -> None:
        self._converter = converter
        self._convert: list[Callable[[Any], Any] | None] = []
        self.columns: Columns | None = None
        self.row_format: Any = None

    def expect(self, row_format: Any) -> None:
        """Hear what a row is; raises a `SinkError` for what has no columns."""
        if row_format in (None, Any):
            raise SinkError(_needs("plain JSON"))
        _fields(row_format)
        self.row_format = row_format

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
            own, tags = (row.row, row.tags) if type(row) is Tagged else (row, {})
            if self.columns is None:
                kind = self.row_format if type(own) is dict and self.row_format is not None else type(own)
                self.columns = Columns(kind, tags)
                self._convert = [self._converter(each) for each in self.columns.kinds]
            why = self.columns.fits(own, tags)
            if why is not None:
                misfits.append(Misfit(index, "$", why))
                continue
            try:
                values.append(self.columns.values(row, self._convert))
            except ValueError as error:
                misfits.append(Misfit(index, f"$.{error.args[0]}", str(error.args[-1])))
            else:
                which.append(index)
        return values, which, misfits


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
    text = msgspec.json.encode(value, enc_hook=encode.plain).decode()
    if "null" in text and not is_finite(builtins(value)):
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
    """Tell the same of a row, which is mostly flat."""
    if isinstance(row, msgspec.Struct):
        values: Any = msgspec.structs.astuple(row)
    else:
        values = row.values() if type(row) is dict else (row,)
    for value in values:
        kind = type(value)
        if kind is float:
            if value - value != 0.0:
                return False
        elif kind not in _SCALARS and not is_finite(builtins(value)):
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


def is_as_decoded(row_format: Any) -> bool:
    """Tell whether rows are what JSON says: no code of a model's, nor of another library, has made a value."""
    if row_format in (None, Any):
        return True
    try:
        node = inspect.type_info(row_format)
    except TypeError:
        return False
    return _is_as_decoded(node, set())


def _is_as_decoded(node: Any, seen: set[int]) -> bool:
    if id(node) in seen:
        return True
    seen.add(id(node))
    kind = getattr(node, "cls", None)
    if isinstance(node, inspect.CustomType) or hasattr(kind, "__post_init__") or hasattr(kind, "__attrs_post_init__"):
        return False
    return all(_is_as_decoded(each, seen) for each in _inside(node))


def _needs(what: str) -> str:
    return f"{what} has no columns: give a Struct, dataclass, attrs class or TypedDict as response_format"


def _fields(row_type: Any) -> tuple[inspect.Field, ...]:
    try:
        node = inspect.type_info(row_type)
    except TypeError as error:
        raise SinkError(_needs(f"{row_type}")) from error
    if not isinstance(node, (inspect.StructType, inspect.DataclassType, inspect.TypedDictType)) or not node.fields:
        raise SinkError(_needs(getattr(row_type, "__name__", str(row_type))))
    return node.fields


def _kind(node: inspect.Type) -> Kind:
    """Find what a column of a type holds; what is not clear is JSON text."""
    if isinstance(node, inspect.Metadata):
        return _kind(node.type)
    if isinstance(node, inspect.UnionType):
        rest = [each for each in node.types if not isinstance(each, inspect.NoneType)]
        kinds = {_kind(each).name for each in rest}
        if kinds == {"int", "float"}:
            return Kind("float")
        return _kind(rest[0]) if len(rest) == 1 else Kind("json")
    if isinstance(node, inspect.DateTimeType):
        return Kind("text" if node.tz is None else "instant" if node.tz else "local")
    if isinstance(node, (inspect.EnumType, inspect.LiteralType)):
        values = [each.value for each in node.cls] if isinstance(node, inspect.EnumType) else list(node.values)
        if all(isinstance(each, str) for each in values):
            return Kind("text")
        return Kind("int" if all(type(each) is int for each in values) else "json")
    if isinstance(node, (inspect.StructType, inspect.DataclassType)) and node.fields and not _recursive(node):
        return Kind("struct", tuple((field.encode_name, _kind(field.type)) for field in node.fields))
    if isinstance(node, (inspect.ListType, inspect.VarTupleType, inspect.SetType, inspect.FrozenSetType)):
        inner = _kind(node.item_type)
        return Kind("json") if inner.name == "json" else Kind("list", (("item", inner),))
    return Kind(_KINDS.get(type(node), "json"))


def _recursive(node: Any, seen: tuple[int, ...] = ()) -> bool:
    """Tell whether a type holds itself: such a column would have no end."""
    if id(node) in seen:
        return True
    return any(_recursive(each, (*seen, id(node))) for each in _inside(node))


def _inside(node: Any) -> list[Any]:
    """Name the types that a type is made of."""
    inner: list[Any] = []
    for name in ("fields", "types", "item_types"):
        inner += getattr(node, name, ())
    names = ("type", "item_type", "key_type", "value_type")
    return inner + [each for name in names if (each := getattr(node, name, None)) is not None]


def _kind_of_value(value: Any) -> Kind:
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float")):
        if isinstance(value, kind):
            return Kind(name)
    return Kind("text")
