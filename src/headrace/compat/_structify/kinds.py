"""A type of pydantic's is written for msgspec, or refused by name.

Where msgspec reads what pydantic's strict mode reads, its own type stands. Elsewhere the type is `Checked`, and
pydantic reads it. A model is a Struct; nothing that has a model inside is `Checked`, unless the Struct only reads.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import uuid
from collections import abc
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    NewType,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
import pydantic
from typing_extensions import TypeAliasType, is_typeddict

from headrace.compat._structify import checked, naming, reasons, unions, values
from headrace.compat._structify.constraints import constrained
from headrace.compat._structify.reasons import UNIONS, Unfaithful

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic.fields import FieldInfo

    from headrace.compat._structify.reasons import Mode, Model
    from headrace.compat._structify.unions import Tag

#: Types that both libraries read and write the same way.
_SAME: Final = frozenset({Any, bool, int, float, str, None, type(None), uuid.UUID, dt.datetime, dt.date, dt.time})
#: Datetimes that have a time zone, or have none.
_ZONED: Final = {pydantic.AwareDatetime: True, pydantic.NaiveDatetime: False}
#: Types of which no value can be missing in a set.
_HASHABLE: Final = _SAME - {Any}
_KEYS: Final = frozenset({str, int, uuid.UUID})
_MAPPINGS: Final = frozenset({dict, abc.Mapping, abc.MutableMapping})
_SETS: Final = {set: set, frozenset: frozenset, abc.Set: frozenset, abc.MutableSet: set}
_CONTAINERS: Final = frozenset({list, tuple, abc.Sequence}) | _MAPPINGS | frozenset(_SETS)
#: Types that take whatever the document has; a bare type variable is one of them.
_ANYTHING: Final = frozenset({object, pydantic.JsonValue})


class Kinds:
    """Writes the types of one model's fields.

    Args:
        model: The model.
        struct: Finds the Struct of a nested model, or what stands for it while it is made.
        mode: What is asked of the Structs.
    """

    def __init__(self, model: Model, struct: Callable[[Model, Tag | None], Any], mode: Mode) -> None:
        self.model = model
        self.config = dict(model.model_config)
        self.struct = struct
        self.mode = mode
        self._aliases: list[Any] = []

    def field(self, info: FieldInfo) -> Any:
        """Write the whole annotation of a field."""
        if info.frozen and not self.config.get("frozen") and not self.mode.twin:
            raise Unfaithful("a Struct is frozen as a whole")
        metadata = [*info.metadata, info] if info.discriminator is not None else info.metadata
        kind = self.kind(info.annotation, metadata)
        notes = ((note, getattr(info, note)) for note in ("title", "description", "examples"))
        given = {note: value for note, value in notes if value is not None}
        return Annotated[kind, msgspec.Meta(**given)] if given and not self.mode.twin else kind

    def kind(self, kind: Any, metadata: Sequence[Any] = ()) -> Any:
        """Write a type with its metadata, natively or else as one that pydantic reads."""
        try:
            return self._native(kind, metadata)
        except Unfaithful as reason:
            return self.checked(kind, metadata, reason)

    def checked(self, kind: Any, metadata: Sequence[Any], reason: Unfaithful) -> Any:
        """Let pydantic read a type, where the values can be written, and have no model inside."""
        if self.mode.validators == "drop":
            metadata = [meta for meta in metadata if not isinstance(meta, checked.VALIDATORS)]
        annotation = Annotated[(kind, *metadata)] if metadata else kind
        if self.mode.twin:
            return checked.checked(annotation, self.config)
        try:
            if holds_model(kind):
                raise reason
            if kind is bytes and not metadata and self.config.get("val_json_bytes") in {None, "utf8"}:
                return checked.checked(bytes, self.config, checked.Utf8Bytes)
            checked.check_written(kind, metadata)
            return checked.checked(annotation, self.config)
        except RecursionError:
            raise Unfaithful(f"{kind} names itself") from None

    def _native(self, kind: Any, metadata: Sequence[Any]) -> Any:
        origin, args = get_origin(kind), get_args(kind)
        while origin is Annotated:
            kind, metadata = args[0], (*args[1:], *metadata)
            origin, args = get_origin(kind), get_args(kind)
        if self.mode.validators == "drop":
            metadata = [meta for meta in metadata if not isinstance(meta, checked.VALIDATORS)]
        if origin in UNIONS:
            tag_field = unions.discriminator(metadata)
            others = [meta for meta in metadata if not unions.is_discriminator(meta)]
            return unions.checked(constrained(self._union(args, tag_field), others, self.model))
        return constrained(self._bare(kind, origin, args), metadata, self.model)

    def _union(self, members: Sequence[Any], tag_field: str | None) -> Any:
        """Write a union, of whose members the document shows which one it means."""
        members = unions.flat(members)
        models = [member for member in members if is_model(member)]
        tags = unions.tags(models, tag_field, self.mode) if tag_field is not None or len(models) > 1 else {}
        written = [
            self.struct(member, tags[member]) if is_model(member) and member in tags else self.kind(member)
            for member in members
        ]
        unions.check_apart(unions.flat(written))
        return Union[tuple(written)]  # noqa: UP007 - made at run time

    def _bare(self, kind: Any, origin: Any, args: tuple[Any, ...]) -> Any:
        """Write a type without metadata."""
        if origin is None and kind in _SAME:  # what stands inside another type may have no hash
            return kind
        if origin is None and kind in _ZONED:
            return Annotated[dt.datetime, msgspec.Meta(tz=_ZONED[kind])]
        is_free = isinstance(kind, TypeVar) and not (kind.__bound__ or kind.__constraints__)
        if is_free or (origin is None and kind in _ANYTHING):
            return Any
        if origin is Literal:
            if all(value is None or values.is_native(value) for value in args):
                return kind
            raise Unfaithful(f"msgspec takes no {kind}")
        if (origin or kind) in _CONTAINERS:
            return self._container(kind, origin, args)
        return self._named(kind)

    def _container(self, kind: Any, origin: Any, args: tuple[Any, ...]) -> Any:
        if origin is None and kind in _SETS:
            raise Unfaithful("what cannot be in a set is refused by pydantic, and makes msgspec stumble")
        if not args:
            return kind
        inner = tuple(arg if arg is ... else self.kind(arg) for arg in args)
        if origin in _SETS:
            if not is_hashable(inner[0]):
                raise Unfaithful("what cannot be in a set is refused by pydantic, and makes msgspec stumble")
            return cast("Any", _SETS[origin])[inner]
        if origin in _MAPPINGS and not is_key(inner[0]):
            raise Unfaithful(f"{args[0]} is no key that both libraries read and write the same way")
        return cast("Any", origin)[inner]

    def _named(self, kind: Any) -> Any:
        """Write a type that someone gave a name."""
        if isinstance(get_origin(kind), TypeAliasType):
            alias: Any = get_origin(kind)
            return self.kind(alias.__value__[get_args(kind)])
        if isinstance(kind, TypeAliasType):
            if kind in self._aliases:
                raise Unfaithful(f"{kind} names itself")
            self._aliases.append(kind)
            try:
                return self.kind(kind.__value__)
            finally:
                self._aliases.remove(kind)
        if isinstance(kind, NewType):
            return self.kind(kind.__supertype__)
        if is_root_model(kind) and not self.mode.twin:
            return self._root(kind)
        if is_model(kind):
            if self.mode.twin:
                naming.check_readable(reasons.rebuilt(kind), self.mode)
            return self.struct(kind, None)
        if isinstance(kind, type) and issubclass(kind, enum.Enum) and not issubclass(kind, enum.Flag):
            if values.is_read_alike(kind):
                return kind
            raise Unfaithful(f"{kind} is no enum of texts or of integers that both libraries read and write alike")
        raise Unfaithful(f"{kind} is no type that both libraries read and write the same way")

    def _root(self, kind: Model) -> Any:
        """Write a root model as its value."""
        found = kind.__pydantic_decorators__
        code = (found.field_validators, found.model_validators, found.field_serializers, found.model_serializers)
        if kind in self._aliases or any(code) or kind.model_config:
            raise Unfaithful(f"the root model {kind.__name__} names itself, runs code or has settings")
        self._aliases.append(kind)
        try:
            info = kind.model_fields["root"]
            if not info.is_required():
                raise Unfaithful(f"the root model {kind.__name__} has a default")
            return self.kind(info.annotation, [*info.metadata, info] if info.discriminator else info.metadata)
        finally:
            self._aliases.remove(kind)


def is_model(kind: Any) -> bool:
    """Tell whether a type is a model that becomes a Struct."""
    return isinstance(kind, type) and issubclass(kind, pydantic.BaseModel) and not is_root_model(kind)


def is_root_model(kind: Any) -> bool:
    """Tell whether a type is a root model."""
    return isinstance(kind, type) and issubclass(kind, pydantic.RootModel)


def holds_model(kind: Any, seen: tuple[Any, ...] = ()) -> bool:
    """Tell whether a type has a model anywhere inside."""
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        return True
    if kind in seen:
        return False
    inner: list[Any] = list(get_args(kind))
    if isinstance(kind, TypeAliasType):
        inner.append(kind.__value__)
    if isinstance(kind, NewType):
        inner.append(kind.__supertype__)
    if isinstance(kind, type) and (is_typeddict(kind) or hasattr(kind, "__dataclass_fields__")):
        with contextlib.suppress(NameError, TypeError):  # a name that only a type checker knows
            inner.extend(get_type_hints(kind).values())
    return any(holds_model(part, (*seen, kind)) for part in inner)


def is_hashable(kind: Any) -> bool:
    """Tell whether every value of a written type can be in a set."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in {tuple, *UNIONS}:
        return all(arg is ... or is_hashable(arg) for arg in get_args(kind))
    is_enum = isinstance(kind, type) and issubclass(kind, enum.Enum)
    return kind in _HASHABLE or get_origin(kind) is Literal or is_enum


def is_key(kind: Any) -> bool:
    """Tell whether both libraries read and write the keys of a written type the same way."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return all(isinstance(value, str) for value in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return values.is_read_alike(kind) and all(type(each.value) is str for each in kind)
    return kind in _KEYS
