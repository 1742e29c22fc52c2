"""Everything that a user's model inherits lives here: Structs that answer the calls of pydantic v2.

A model is decoded by msgspec, straight from the body of a response. What pydantic keeps beside the fields (which were
set, which came extra) a Struct does not have; nothing here pretends that it has.
"""

from __future__ import annotations

import abc
import copy
import dataclasses
import datetime as dt
import functools
from collections import ChainMap
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Any, Final, Literal, Self, TypeAlias

import msgspec

from headrace.errors import ValidationError

#: Names (or, for lists, indices) to keep or to drop: a set of them, or a mapping of them to what holds one level down.
Filter: TypeAlias = AbstractSet[Any] | Mapping[Any, Any] | None

_ATOMS: Final = frozenset({str, int, float, bool, type(None)})
_ABSENT: Final = object()
_NO_DEFAULT: Final = (msgspec.NODEFAULT, dataclasses.MISSING)
_BASE_URI: Final = "_headrace_base_uri"
_TIME: Final = "_headrace_time"


class _ModelFields:
    """The mapping of field names to msgspec's `FieldInfo`, read from the class or from an instance."""

    def __get__(self, instance: object, owner: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
        return dict(_fields(owner))


class BaseModel(msgspec.Struct):
    """A `msgspec.Struct` that answers the calls of a pydantic v2 model.

    Every option of a Struct holds here too: ``kw_only=True`` lets a required field follow an optional one (as pydantic
    always does), ``rename="camel"`` is an alias for every field, ``forbid_unknown_fields=True`` is ``extra="forbid"``.
    """

    model_fields = _ModelFields()

    @classmethod
    def model_validate(cls, obj: Any, *, strict: bool | None = None) -> Self:
        """Make a model from a mapping, or from an object that has the fields as attributes.

        Args:
            obj: The values, by alias; an instance of the class itself is returned as it is.
            strict: `False` also takes a number or a bool written as text; `None` is as strict as decoding a response.

        Returns:
            The model.

        Raises:
            ValidationError: The values do not fit; the message ends in their JSON path.
        """
        if isinstance(obj, cls):
            return obj
        try:
            return msgspec.convert(obj, cls, strict=strict is not False, from_attributes=True)
        except msgspec.ValidationError as error:
            raise _refusal(cls, error) from error

    @classmethod
    def model_validate_json(cls, data: bytes | bytearray | memoryview | str) -> Self:
        """Decode a model from JSON text.

        Args:
            data: The JSON text.

        Returns:
            The model.

        Raises:
            ValidationError: The text is not JSON, or does not fit; then the message ends in the JSON path.
        """
        if not isinstance(data, (bytes, bytearray, memoryview, str)):
            raise ValidationError(f"data: got {type(data).__name__}, takes JSON text as bytes or str")
        try:
            return msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise _refusal(cls, error) from error

    def model_dump(
        self,
        *,
        mode: Literal["python", "json"] = "python",
        include: Filter = None,
        exclude: Filter = None,
        by_alias: bool = False,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
    ) -> dict[str, Any]:
        """Turn the model, and every model in it, into a dict.

        Args:
            mode: `"python"` leaves values such as dates as they are, `"json"` makes them what JSON knows.
            include: Names to keep; a mapping of names to filters goes a level down, list indices and ``"__all__"`` too.
            exclude: Names to drop, in the same form; it wins over `include`.
            by_alias: Use the names that the fields are encoded with.
            exclude_unset: The same as `exclude_defaults`, since msgspec does not record which fields were set.
            exclude_defaults: Leave out fields that equal their default.
            exclude_none: Leave out fields that are `None`.

        Returns:
            The dict.

        Raises:
            ValidationError: An argument has a wrong type or value.
        """
        if mode not in {"python", "json"}:
            raise ValidationError(f'mode: got {mode!r}, takes "python" or "json"')
        exclude_defaults = exclude_defaults or exclude_unset
        return _Dump(mode == "json", by_alias, exclude_defaults, exclude_none).members(self, include, exclude)

    def model_dump_json(
        self,
        *,
        indent: int | None = None,
        include: Filter = None,
        exclude: Filter = None,
        by_alias: bool = False,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
    ) -> str:
        """Encode the model as JSON text.

        Args:
            indent: Spaces a level; `None` is all on one line.
            include: As in `model_dump`, and so are the others.
            exclude: Names to drop.
            by_alias: Use the names that the fields are encoded with.
            exclude_unset: The same as `exclude_defaults`.
            exclude_defaults: Leave out fields that equal their default.
            exclude_none: Leave out fields that are `None`.

        Returns:
            The text.

        Raises:
            ValidationError: An argument has a wrong type or value.
        """
        dump = _Dump(True, by_alias, exclude_defaults or exclude_unset, exclude_none)
        text = msgspec.json.encode(dump.value(self, include, exclude))
        return (text if indent is None else msgspec.json.format(text, indent=indent)).decode()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy the model.

        Args:
            update: Field names and the values that the copy has instead; they are not validated.
            deep: Copy the values too.

        Returns:
            The copy.

        Raises:
            ValidationError: `update` names what is not a field.
        """
        copied = copy.deepcopy(self) if deep else copy.copy(self)
        for name, value in (update or {}).items():
            if name not in self.__struct_fields__:
                raise ValidationError(f"update: {type(self).__name__} has no field {name!r}")
            msgspec.structs.force_setattr(copied, name, value)
        return copied

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        """Describe the model as JSON Schema.

        Returns:
            The schema; the model itself is in its ``$defs``.
        """
        return msgspec.json.schema(cls)

    def flatten(self, separator: str = ".") -> dict[str, Any]:
        """Turn the model into one flat dict with dotted keys, such as ``{"address.city": "Ulm"}``.

        Args:
            separator: What stands between the names.

        Returns:
            The dict; a list stays a list, and a nested model or mapping without members leaves no key.
        """
        return flatten(self.model_dump(), separator)


class Response(BaseModel, dict=True):
    """A model that knows who answered and when; neither is a field, so neither is encoded, dumped or compared.

    A subclass that has a field of its own called `base_uri` or `time` keeps it.
    """

    @property
    def base_uri(self) -> str:
        """The URL that answered; empty when no client made the object."""
        return str(self.__dict__.get(_BASE_URI, ""))

    @property
    def time(self) -> dt.datetime:
        """When the response was received (aware, UTC); without a client, when this was first asked."""
        stamped: dt.datetime = vars(self).get(_TIME) or vars(self).setdefault(_TIME, dt.datetime.now(dt.UTC))
        return stamped

    # msgspec copies and pickles the fields only; what the client stamped is in the instance's dict.
    def __copy__(self) -> Self:
        copied: Self = super().__copy__()  # type: ignore[misc]  # msgspec's stub does not know it
        vars(copied).update(vars(self))
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        return (*super().__reduce__()[:2], dict(self.__dict__))


class _AbstractStructMeta(msgspec.StructMeta, abc.ABCMeta):
    """Makes Structs that may have abstract methods."""


class PaginatedResponse(Response, metaclass=_AbstractStructMeta):
    """One page of many; a subclass says, for its API, how to get from one to the others."""

    @abc.abstractmethod
    def is_paginating(self) -> bool:
        """Tell whether there are other pages."""

    @abc.abstractmethod
    def next(self) -> Any:
        """Return what leads to the next page in this API: a path, parameters, or the page itself."""

    @abc.abstractmethod
    def previous(self) -> Any:
        """Return what leads to the page before this one."""

    @abc.abstractmethod
    def start(self) -> Any:
        """Return what leads to the first page."""

    @abc.abstractmethod
    def end(self) -> Any:
        """Return what leads to the last page."""


def stamp(value: Any, base_uri: str, time: dt.datetime) -> None:
    """Note on a decoded `Response`, or on each one in a list, who answered and when; leave any other value alone.

    Args:
        value: What was decoded.
        base_uri: The URL that answered.
        time: When the response was received, aware.
    """
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, Response):
            # Into the dict, not through the properties: they have no setter, and a frozen Struct would refuse.
            vars(item).update({_BASE_URI: base_uri, _TIME: time})


def flatten(mapping: Mapping[Any, Any], separator: str = ".") -> dict[str, Any]:
    """Join the keys of nested mappings.

    Args:
        mapping: Mappings in mappings; all else is a value.
        separator: What stands between the keys.

    Returns:
        One flat dict.
    """
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        name = str(key.value if isinstance(key, Enum) else key)
        if isinstance(value, Mapping):
            flat.update((f"{name}{separator}{rest}", leaf) for rest, leaf in flatten(value, separator).items())
        else:
            flat[name] = value
    return flat


def _refusal(cls: type, error: Exception) -> ValidationError:
    """Make our error of msgspec's, which leaves the path out when the fault is in the document itself."""
    message = str(error)
    if isinstance(error, msgspec.ValidationError) and " - at `" not in message:
        message += " - at `$`"
    return ValidationError(f"{cls.__name__}: {message}")


@functools.lru_cache(maxsize=1024)
def _fields(cls: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.name: field for field in msgspec.structs.fields(cls)}


def _is_default(owner: Any, name: str, value: Any) -> bool:
    """Tell whether a member equals its default, of which a factory makes a fresh one to compare with."""
    field: Any = _fields(type(owner))[name] if isinstance(owner, msgspec.Struct) else owner.__dataclass_fields__[name]
    if field.default_factory not in _NO_DEFAULT:
        return bool(value == field.default_factory())
    return not any(field.default is nothing for nothing in _NO_DEFAULT) and bool(value == field.default)


def _entries(name: str, spec: Any) -> Mapping[Any, Any]:
    """Read a filter as a mapping, in which `True` stands for a whole member."""
    if isinstance(spec, Mapping):
        return spec
    if isinstance(spec, AbstractSet):
        return dict.fromkeys(spec, True)
    raise ValidationError(f"{name}: got {type(spec).__name__}, takes a set of names or a mapping of names to filters")


def _entry(name: str, spec: Filter, keys: tuple[Any, ...]) -> Any:
    """Find what a filter says of a member: `_ABSENT`, `None` for all of it, or the filter for its own members."""
    entries = _entries(name, spec)
    found = [entries[key] for key in keys if entries.get(key, False) is not False]
    if not found:
        return _ABSENT
    if found[0] is True or found[0] is ...:
        return None
    # An index and "__all__" may both speak of an item: it gets what either names, and the index comes first.
    return ChainMap(*(dict(_entries(name, inner)) for inner in found if inner is not True and inner is not ...))


def _narrow(include: Filter, exclude: Filter, *keys: Any) -> tuple[Filter, Filter] | None:
    """Find the filters that hold inside a member, or `None` when the member itself is dropped."""
    if include is not None:
        include = _entry("include", include, keys)
        if include is _ABSENT:
            return None
    if exclude is not None:
        exclude = _entry("exclude", exclude, keys)
        if exclude is None:
            return None
    return include, None if exclude is _ABSENT else exclude


@dataclasses.dataclass(frozen=True, slots=True)
class _Dump:
    """One way to turn models into dicts."""

    json: bool
    by_alias: bool
    exclude_defaults: bool
    exclude_none: bool

    def value(self, value: Any, include: Filter, exclude: Filter) -> Any:
        """Dump any value."""
        kind = type(value)
        if kind in _ATOMS:
            return value
        if isinstance(value, msgspec.Struct):
            dumped = self.members(value, include, exclude)
            # An array-like Struct has no names in JSON; whoever reads the text expects the array.
            return list(dumped.values()) if self.json and value.__struct_config__.array_like else dumped
        if hasattr(kind, "__dataclass_fields__"):
            return self.members(value, include, exclude)
        if isinstance(value, Mapping):
            narrowed = ((key, item, _narrow(include, exclude, key, "__all__")) for key, item in value.items())
            return {self.key(key): self.value(item, *inner) for key, item, inner in narrowed if inner is not None}
        if isinstance(value, (list, tuple)):
            # A filter may count from either end.
            numbered = ((item, _narrow(include, exclude, i, i - len(value), "__all__")) for i, item in enumerate(value))
            items = [self.value(item, *inner) for item, inner in numbered if inner is not None]
            return items if self.json or not isinstance(value, tuple) else tuple(items)
        if isinstance(value, (set, frozenset)):
            items = [self.value(item, None, None) for item in value]
            # A dict cannot be in a set.
            return items if self.json or any(isinstance(item, dict) for item in items) else kind(items)
        return msgspec.to_builtins(value, str_keys=True) if self.json else value

    def members(self, value: Any, include: Filter, exclude: Filter) -> dict[str, Any]:
        """Dump the fields of a Struct or dataclass."""
        if isinstance(value, msgspec.Struct):
            names, aliases = value.__struct_fields__, value.__struct_encode_fields__
        else:
            names = aliases = tuple(field.name for field in dataclasses.fields(value))
        dumped: dict[str, Any] = {}
        for name, alias in zip(names, aliases if self.by_alias else names, strict=True):
            member = getattr(value, name)
            inner = _narrow(include, exclude, name)
            if inner is None or member is msgspec.UNSET or (self.exclude_none and member is None):
                continue
            if self.exclude_defaults and _is_default(value, name, member):
                continue
            dumped[alias] = self.value(member, *inner)
        config = getattr(value, "__struct_config__", None)
        if config is not None and config.tag_field and _narrow(include, exclude, config.tag_field) is not None:
            # Without its tag, a member of a union could not be read back.
            return {config.tag_field: config.tag, **dumped}
        return dumped

    def key(self, key: Any) -> Any:
        """Dump the key of a mapping; JSON knows text only."""
        return (
            next(iter(msgspec.to_builtins({key: None}, str_keys=True))) if self.json and type(key) is not str else key
        )
