"""What the columns of a model hold, found in its types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_origin

from msgspec import Raw, inspect

from headrace.errors import SinkError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The classes of what JSON holds, and of its text.
_OF_JSON: Final[frozenset[type]] = frozenset({dict, list, str, int, float, bool, type(None), Raw})
_OWN_CODE: Final = ("__post_init__", "__attrs_post_init__")
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


class Kind(NamedTuple):
    """What a column holds.

    Attributes:
        name: ``"bool"``, ``"int"``, ``"float"``, ``"text"``, ``"bytes"``, ``"date"``, ``"instant"`` (a datetime with
            its zone), ``"local"`` (one without), ``"json"``, ``"list"`` or ``"struct"``.
        parts: Of a list what its items are, of a struct its fields.
        model: Of a struct its class, where its fields are its attributes; else `None`.
        attributes: The names of these, in the order of the fields.
    """

    name: str
    parts: tuple[tuple[str, Kind], ...] = ()
    model: type | None = None
    attributes: tuple[str, ...] = ()


class Decoded(NamedTuple):
    """What is known of rows that are what JSON says: no code of a model's, nor of another library, made a value.

    Attributes:
        classes: Theirs.
        is_in_lines: Whether none has a part that was never decoded, and is written as it came, its line ends too.
    """

    classes: frozenset[type] = frozenset()
    is_in_lines: bool = False


def decoded(row_format: Any) -> Decoded:
    """Find what is known of the rows of a format."""
    if row_format in (None, Any):
        return Decoded(_OF_JSON)
    try:
        node = inspect.type_info(row_format)
    except TypeError:
        return Decoded()
    nodes = list(_within(node, set()))
    if any(map(_has_code, nodes)):
        return Decoded()
    return Decoded(_classes_of(node), not any(isinstance(each, inspect.RawType) for each in nodes))


def _within(node: Any, seen: set[int]) -> Iterator[Any]:
    """Give a type and all that it is made of, each once."""
    if id(node) not in seen:
        seen.add(id(node))
        yield node
        for each in _inside(node):
            yield from _within(each, seen)


def _has_code(node: Any) -> bool:
    kind = getattr(node, "cls", None)
    return isinstance(node, inspect.CustomType) or any(hasattr(kind, name) for name in _OWN_CODE)


def _classes_of(node: inspect.Type) -> frozenset[type]:
    if isinstance(node, inspect.Metadata):
        return _classes_of(node.type)
    if isinstance(node, inspect.UnionType):
        return frozenset().union(*map(_classes_of, node.types))
    if isinstance(node, (inspect.StructType, inspect.DataclassType)):
        return frozenset({get_origin(node.cls) or node.cls})
    return frozenset({dict}) if isinstance(node, (inspect.TypedDictType, inspect.DictType)) else frozenset()


def needs(what: str) -> str:
    """Say what has no columns, and what has."""
    return f"{what} has no columns: give a Struct, dataclass, attrs class or TypedDict as response_format"


def fields_of(row_type: Any) -> tuple[inspect.Field, ...]:
    """Read the fields of a model.

    Raises:
        headrace.errors.SinkError: It has none.
    """
    try:
        node = inspect.type_info(row_type)
    except TypeError as error:
        raise SinkError(needs(f"{row_type}")) from error
    if not isinstance(node, (inspect.StructType, inspect.DataclassType, inspect.TypedDictType)) or not node.fields:
        raise SinkError(needs(getattr(row_type, "__name__", str(row_type))))
    return node.fields


def kind_of(node: inspect.Type) -> Kind:
    """Find what a column of a type holds; what is not clear is JSON text."""
    if isinstance(node, inspect.Metadata):
        return kind_of(node.type)
    if isinstance(node, inspect.UnionType):
        rest = [each for each in node.types if not isinstance(each, inspect.NoneType)]
        kinds = {kind_of(each).name for each in rest}
        if kinds == {"int", "float"}:
            return Kind("float")
        return kind_of(rest[0]) if len(rest) == 1 else Kind("json")
    if isinstance(node, inspect.DateTimeType):
        return Kind("text" if node.tz is None else "instant" if node.tz else "local")
    if isinstance(node, (inspect.EnumType, inspect.LiteralType)):
        values = [each.value for each in node.cls] if isinstance(node, inspect.EnumType) else list(node.values)
        if all(isinstance(each, str) for each in values):
            return Kind("text")
        return Kind("int" if all(type(each) is int for each in values) else "json")
    if isinstance(node, inspect.StructType) and node.array_like:
        return Kind("json")
    if isinstance(node, (inspect.StructType, inspect.DataclassType)) and node.fields and not _recursive(node):
        parts = tuple((field.encode_name, kind_of(field.type)) for field in node.fields)
        return Kind("struct", parts, _open_model(node), tuple(field.name for field in node.fields))
    if isinstance(node, (inspect.ListType, inspect.VarTupleType, inspect.SetType, inspect.FrozenSetType)):
        inner = kind_of(node.item_type)
        return Kind("json") if inner.name == "json" else Kind("list", (("item", inner),))
    return Kind(_KINDS.get(type(node), "json"))


def _open_model(node: Any) -> type | None:
    """Name the class of a struct, unless it has attributes that are no fields of JSON."""
    model = node.cls if isinstance(node.cls, type) else None
    if isinstance(node, inspect.StructType):
        return model
    return None if any(field.name.startswith("_") for field in node.fields) else model


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


def kind_of_value(value: Any) -> Kind:
    """Find what a column of a tag holds."""
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float")):
        if isinstance(value, kind):
            return Kind(name)
    return Kind("text")
