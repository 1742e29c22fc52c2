"""Types that pydantic reads inside a Struct: whatever msgspec would read otherwise, or not at all.

msgspec hands over what the document has, and pydantic validates it as the field of a model is validated: strictly, as
JSON. That is slower than msgspec, and never wrong. What is written is judged here too, because msgspec writes it.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import functools
import ipaddress
import pathlib
import re
import uuid
from collections import abc
from decimal import Decimal
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    NewType,
    NotRequired,
    Required,
    TypeVar,
    get_args,
    get_origin,
)
from typing import get_type_hints as typing_hints

import annotated_types as at
import pydantic
import pydantic_core
from pydantic import types as types_of
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType, is_typeddict

from headrace._models import foreign
from headrace.compat._structify import reading, values
from headrace.compat._structify.reasons import UNIONS, Unfaithful

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_T = TypeVar("_T")

_TEMPORAL: Final = frozenset({dt.datetime, dt.date, dt.time, dt.timedelta})
#: Types whose values pydantic and msgspec write the same way, whatever type the field names.
_WRITTEN_ALIKE: Final = _TEMPORAL | {Any, bool, int, float, str, None, type(None), uuid.UUID, Decimal, complex}
_IP: Final = (ipaddress.IPv4Address, ipaddress.IPv4Interface, ipaddress.IPv4Network)
_IP6: Final = (ipaddress.IPv6Address, ipaddress.IPv6Interface, ipaddress.IPv6Network)
#: Classes whose values have one text; subclasses count.
_TEXTS: Final = (*_IP, *_IP6, pathlib.PurePath, re.Pattern)
_SECRETS: Final = (pydantic.SecretStr, pydantic.SecretBytes)
_PYDANTIC: Final = frozenset(
    {pydantic.EmailStr, pydantic.ByteSize, pydantic.PastDate, pydantic.FutureDate, pydantic.PastDatetime}
    | {pydantic.FutureDatetime, pydantic.AwareDatetime, pydantic.NaiveDatetime, pydantic.IPvAnyAddress}
    | {pydantic.IPvAnyInterface, pydantic.IPvAnyNetwork, pydantic.NameEmail}
)
#: Types that write whatever they are given, also what another member of a union has read.
_GREEDY: Final = frozenset(
    {pydantic.ByteSize, pydantic.IPvAnyAddress, pydantic.IPvAnyInterface, pydantic.IPvAnyNetwork, pydantic.NameEmail}
)
_URLS: Final = (pydantic.AnyUrl.__mro__[1], pydantic.PostgresDsn.__mro__[1])
_LISTS: Final = frozenset({list, set, frozenset, tuple, collections.deque, abc.Sequence, abc.Set})
_DICTS: Final = frozenset({dict, abc.Mapping, abc.MutableMapping, collections.OrderedDict, collections.Counter})
_NO_CLASSES: Final = UNIONS | {Required, NotRequired}
#: Keys that both libraries write the same way.
_KEYS: Final = frozenset({str, int, uuid.UUID})
#: Metadata of pydantic's that only says what is taken, and not what it becomes or how it is written.
_PLAIN_METADATA: Final = (
    *(at.BaseMetadata, at.GroupedMetadata, at.Not, FieldInfo, pydantic.UrlConstraints),
    *(types_of.PathType, types_of.UuidVersion, types_of.StringConstraints, types_of.AllowInfNan, pydantic.Strict),
)
BASE64: Final = get_args(pydantic.Base64Bytes)[1]
#: What says that an item which does not fit is left out: only the container can do it.
_OMIT: Final = get_args(pydantic.OnErrorOmit[int])[1]
#: Validators that stand in an `Annotated`.
VALIDATORS: Final = (pydantic.BeforeValidator, pydantic.AfterValidator, pydantic.WrapValidator, pydantic.PlainValidator)
#: Settings of a model that change how its fields are read.
_READING_CONFIG: Final = frozenset({"allow_inf_nan", "regex_engine", "arbitrary_types_allowed", "strict", "extra"})


class _CheckedMeta(type):
    """Makes types whose instances are what their reader has just read: msgspec asks right after it."""

    def __instancecheck__(cls, value: object) -> bool:
        last = reading.last
        expected, last.value = getattr(last, "value", last), last  # may be secret: keep it no longer than needed
        return expected is value

    def __repr__(cls) -> str:
        return f"Checked[{getattr(cls, 'annotation', '')!r}]"


@functools.cache
def _meta_for(made: type) -> type[_CheckedMeta]:
    """Make what makes types whose instances are those of a class; their checking calls nothing of ours."""
    return type(_CheckedMeta.__name__, (_CheckedMeta,), {"__instancecheck__": made.__instancecheck__})


if TYPE_CHECKING:
    Checked = Annotated[_T, "read by pydantic"]
else:

    class Checked(metaclass=_CheckedMeta):
        """`Checked[T]` is a field type for a Struct: pydantic validates it, and the value is what pydantic makes of it.

        `T` may be anything that pydantic knows, such as `HttpUrl` or `Annotated[str, Field(pattern=...)]`. Decoders of
        headrace know how to read it; a decoder of your own takes `dec_hook`, an encoder `enc_hook`.
        """

        annotation: Any = None

        def __class_getitem__(cls, annotation: Any) -> type:
            """Make the type."""
            try:
                return checked(annotation, None)
            except Unfaithful as reason:
                message = f"Checked: {reason}"
                raise TypeError(message) from reason


class Utf8Bytes(bytes):
    """Bytes that are the UTF-8 text itself in JSON, as pydantic has them, and not base64, as msgspec has them."""

    __slots__ = ()


def checked(annotation: Any, config: dict[str, Any] | None, finish: Callable[[Any], Any] | None = None) -> type:
    """Make a type that pydantic reads inside a Struct.

    Args:
        annotation: The type as pydantic knows it.
        config: The settings of the model that names it.
        finish: What makes the value of the Struct of pydantic's.

    Returns:
        The type.

    Raises:
        Unfaithful: Pydantic has no validator for it, or it may leave no value.
    """
    if _OMIT in getattr(annotation, "__metadata__", ()):
        raise Unfaithful("what does not fit is left out")
    settings: Any = {key: value for key, value in (config or {}).items() if key in _READING_CONFIG}
    try:
        # As the field of a model: strictness and settings hold there as nowhere else.
        holder: Any = pydantic.create_model("Holder", __config__=settings, value=(annotation, ...))
        bare, metadata = _parted(annotation)
        found = reading.way(
            holder,
            bare,
            config or {},
            finish,
            constrained=bool(metadata) or bool(settings.get("allow_inf_nan")),
            plain=all(isinstance(meta, _PLAIN_METADATA) for meta in metadata),
        )
    except (PydanticUserError, PydanticUndefinedAnnotation, TypeError, ImportError) as error:
        raise Unfaithful(f"pydantic has no validator for it: {error}") from error
    namespace = {
        "annotation": annotation,
        "is_quick": found.quick,
        "json_schema": staticmethod(lambda: _schema(holder)),
    }
    meta = _CheckedMeta if found.made is None else _meta_for(found.made)
    kind = meta(getattr(annotation, "__name__", "Checked"), (), namespace)
    foreign.register_reader(kind, found.read)
    return kind


def is_checked(kind: Any) -> bool:
    """Tell whether a type is read by pydantic, or by what does as pydantic does."""
    return isinstance(kind, _CheckedMeta) and hasattr(kind, "is_quick")


def _parted(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Part a type and its metadata."""
    metadata: tuple[Any, ...] = ()
    while get_origin(annotation) is Annotated:
        annotation, metadata = get_args(annotation)[0], (*annotation.__metadata__, *metadata)
    return annotation, metadata


def _schema(holder: type[pydantic.BaseModel]) -> dict[str, Any]:
    schema = holder.model_json_schema()
    described: dict[str, Any] = {key: value for key, value in schema["properties"]["value"].items() if key != "title"}
    return described | ({"$defs": schema["$defs"]} if "$defs" in schema else {})


def check_written(kind: Any, metadata: Iterable[Any] = (), *, code: bool = False) -> None:
    """Raise `Unfaithful` where msgspec would write the values of a type otherwise than pydantic does.

    Args:
        kind: The type.
        metadata: What stands beside it in an `Annotated`.
        code: Validators are run, and so no reason.
    """
    for meta in metadata:
        if hasattr(meta, "func"):
            if not (isinstance(meta, (at.Predicate, at.Not)) or (code and isinstance(meta, VALIDATORS))):
                raise Unfaithful(f"{type(meta).__name__} runs code")
        elif isinstance(meta, FieldInfo) and meta.discriminator is not None:
            raise Unfaithful("a discriminated union needs tagged Structs")
        elif meta == BASE64 and kind is bytes:
            return
        elif hasattr(meta, "__get_pydantic_core_schema__") and not isinstance(meta, _PLAIN_METADATA):
            raise Unfaithful(f"{type(meta).__name__} runs code or changes the type")
    _check_kind(kind, code)


def _check_kind(kind: Any, code: bool) -> None:  # noqa: FBT001 - handed down
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        check_written(args[0], args[1:], code=code)
    elif isinstance(kind, NewType):
        _check_kind(kind.__supertype__, code)
    elif _is_atom(kind):
        return
    elif isinstance(kind, TypeAliasType):
        _check_kind(kind.__value__, code)
    elif origin in _NO_CLASSES or origin in _LISTS:
        _check_beside(args if origin in UNIONS else ())
        for arg in args:
            if arg is not ...:
                _check_kind(arg, code)
    elif origin in _DICTS:
        _check_key(args[0])
        for arg in args[1:]:
            _check_kind(arg, code)
    else:
        _check_members(kind, code)


def _check_beside(members: Sequence[Any]) -> None:
    """Raise `Unfaithful` for a union of which one member writes the values of those behind it, in its own way."""
    first = next((i for i, member in enumerate(members) if _holds_greedy(member)), len(members))
    if not all(
        (get_origin(member) is None and member in {str, type(None)}) or _holds_greedy(member)
        for member in members[first:]
    ):
        raise Unfaithful(f"pydantic writes whatever the union has as a value of {members[first]}")


def _holds_greedy(kind: Any) -> bool:
    return (get_origin(kind) is None and kind in _GREEDY) or any(map(_holds_greedy, get_args(kind)))


def _check_key(kind: Any) -> None:
    bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    literal = get_origin(bare) is Literal and all(isinstance(value, str) for value in get_args(bare))
    if not (bare in _KEYS or literal or values.is_enum(bare)):
        raise Unfaithful(f"{kind} is no key that both libraries write the same way")


def _is_atom(kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return all(map(_is_literal, get_args(kind)))
    if get_origin(kind) is not None:  # what stands inside may have no hash
        return False
    if kind in _WRITTEN_ALIKE or kind in _LISTS or kind in _DICTS or kind in _PYDANTIC or kind is pydantic.JsonValue:
        return True
    return (isinstance(kind, type) and issubclass(kind, (*_URLS, *_TEXTS, *_SECRETS))) or values.is_enum(kind)


def _is_literal(value: Any) -> bool:
    """Tell whether both libraries write the value of a `Literal` the same way."""
    return values.is_written_alike(value) if isinstance(value, enum.Enum) else isinstance(value, (str, int, type(None)))


def _check_members(kind: Any, code: bool) -> None:  # noqa: FBT001 - handed down
    """Judge a class by its members."""
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        raise Unfaithful(f"{kind} has members that msgspec writes otherwise than pydantic")
    is_plain = isinstance(kind, type) and not issubclass(kind, pydantic.BaseModel)
    if is_plain and dataclasses.is_dataclass(kind) and not hasattr(kind, "__pydantic_validator__"):
        fields = dataclasses.fields(kind)
        if any(not field.init or isinstance(field.default, FieldInfo) for field in fields):
            raise Unfaithful(f"{kind} has fields that pydantic reads in its own way")
    elif not (is_typeddict(kind) or (is_plain and issubclass(kind, tuple) and hasattr(kind, "_field_defaults"))):
        raise Unfaithful(f"{kind} is no type that both libraries read and write the same way")
    if hasattr(kind, "__pydantic_config__"):
        raise Unfaithful(f"{kind} has settings of its own")
    try:
        hints = typing_hints(kind, include_extras=True)
    except (NameError, TypeError) as error:
        raise Unfaithful(f"its fields cannot be told: {error}") from error
    for hint in hints.values():
        if hint is kind or kind in get_args(hint):
            raise Unfaithful(f"{kind} names itself")
        _check_kind(hint, code)


def _written(value: Any) -> Any:
    """Write a value as pydantic does where nothing says otherwise."""
    if isinstance(value, Utf8Bytes):
        return value.decode()
    if isinstance(value, (*_TEXTS, *_URLS, pydantic.NameEmail)):
        return value.pattern if isinstance(value, re.Pattern) else str(value)
    if isinstance(value, (*_SECRETS, pydantic.Secret, complex, collections.deque)):
        return pydantic_core.to_jsonable_python(value) if not isinstance(value, collections.deque) else list(value)
    # A class of one's own may say of itself something else than what it is.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__index__(value)
    return float.__float__(value) if isinstance(value, float) else NotImplemented


foreign.register_writer(_written)
