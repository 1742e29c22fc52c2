"""A model becomes dicts: which members, by which names, as values or as JSON."""

from __future__ import annotations

import dataclasses
import functools
from collections import ChainMap
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeAlias

import msgspec

from headrace._models import foreign
from headrace.errors import ValidationError

#: Names (or, for lists, indices) to keep or to drop: a set of them, or a mapping of them to what holds one level down.
Filter: TypeAlias = AbstractSet[Any] | Mapping[Any, Any] | None

_ATOMS: Final = frozenset({str, int, float, bool, type(None)})
_ABSENT: Final = object()
_NO_DEFAULT: Final = (msgspec.NODEFAULT, dataclasses.MISSING)
_builtins: Final = functools.partial(msgspec.to_builtins, str_keys=True, enc_hook=foreign.enc_hook)


@functools.lru_cache(maxsize=1024)
def fields_of(cls: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """Find the fields of a Struct by name; the mapping is shared, so it is not to be changed."""
    return {field.name: field for field in msgspec.structs.fields(cls)}


def is_default(owner: Any, name: str, value: Any) -> bool:
    """Tell whether a member equals its default, of which a factory makes a fresh one to compare with."""
    field: Any = fields_of(type(owner))[name] if isinstance(owner, msgspec.Struct) else owner.__dataclass_fields__[name]
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
class Dump:
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
        return _builtins(value) if self.json else value

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
            if self.exclude_defaults and is_default(value, name, member):
                continue
            dumped[alias] = self.value(member, *inner)
        config: Any = getattr(value, "__struct_config__", None)
        tag_name = config and (config.tag_field if self.by_alias else getattr(value, "__tag_name__", config.tag_field))
        if tag_name and _narrow(include, exclude, tag_name) is not None:  # without it, a union could not be read back
            return {tag_name: config.tag if self.json else getattr(value, tag_name, config.tag), **dumped}
        return dumped

    def key(self, key: Any) -> Any:
        """Dump the key of a mapping; JSON knows text only."""
        return key if not self.json or type(key) is str else next(iter(_builtins({key: None})))
