"""The columns of a model, found once: their names, their kinds, and how a row becomes values."""

from __future__ import annotations

import operator
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


def as_json(value: Any) -> str:
    """Write a part of a row as JSON text."""
    return msgspec.json.encode(value, enc_hook=encode.plain).decode()


def whole(value: Any) -> int:
    """Check that an integer has 64 bits."""
    number = int(builtins(value))
    if not -_MOST <= number < _MOST:
        raise ValueError("the number has more than 64 bits")
    return number


def as_text(value: Any) -> str:
    """Write a scalar as text: a string as it is, dates in ISO 8601."""
    plain = value if type(value) is str else builtins(value)
    if not isinstance(plain, str):
        raise TypeError(f"a {type(value).__name__} is no text")
    return plain


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
    inner: list[Any] = []
    for name in ("fields", "types"):
        inner += getattr(node, name, ())
    inner += [each for name in ("type", "item_type") if (each := getattr(node, name, None)) is not None]
    return any(_recursive(each, (*seen, id(node))) for each in inner)


def _kind_of_value(value: Any) -> Kind:
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float")):
        if isinstance(value, kind):
            return Kind(name)
    return Kind("text")
