"""What a user's model inherits: Structs that answer the calls of pydantic v2.

A model is decoded by msgspec, straight from the body of a response. What pydantic keeps beside the fields (which were
set, which came extra) a Struct does not have; nothing here pretends that it has.
"""

from __future__ import annotations

import abc
import copy
import datetime as dt
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, Self, dataclass_transform

import msgspec

from headrace._checks import wrong
from headrace._models import foreign
from headrace._models.arguments import refuse
from headrace._models.deprecated import DeprecatedCalls
from headrace._models.dumping import Dump, Filter, fields_of, is_default
from headrace._models.keywords import ModelMeta
from headrace._models.pages import Pages
from headrace.errors import ValidationError

_BASE_URI: Final = "_headrace_base_uri"
_TIME: Final = "_headrace_time"
_READING: Final = ("context", "by_alias", "by_name", "extra")
_WRITING: Final = (
    *("context", "exclude_computed_fields", "fallback", "polymorphic_serialization", "round_trip"),
    *("serialize_as_any", "warnings"),
)


class _ModelFields:
    """The mapping of field names to msgspec's `FieldInfo`, read from the class or from an instance."""

    def __get__(self, instance: object, owner: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
        return dict(fields_of(owner))


class BaseModel(DeprecatedCalls, msgspec.Struct, metaclass=ModelMeta):
    """A `msgspec.Struct` that answers the calls of a pydantic v2 model.

    Every option of a Struct is a keyword of the class: ``kw_only=True`` lets a required field follow an optional one
    (as pydantic always does), ``rename="camel"`` is an alias for every field. So are the settings of pydantic that a
    Struct can have: ``extra="forbid"`` or ``"ignore"``, ``frozen=True``, ``alias_generator=to_camel``.
    """

    if TYPE_CHECKING:

        def __init_subclass__(
            cls,
            *,
            extra: Literal["forbid", "ignore"] | None = None,
            alias_generator: Any = None,
            **keywords: Any,
        ) -> None: ...

    model_fields = _ModelFields()

    @classmethod
    def model_validate(
        cls, obj: Any, *, strict: bool | None = None, from_attributes: bool | None = None, **unsupported: Any
    ) -> Self:
        """Make a model from a mapping, or from an object that has the fields as attributes.

        Args:
            obj: The values, by alias; an instance of the class itself is returned as it is.
            strict: `False` also takes a number or a bool written as text; `None` is as strict as decoding a response.
            from_attributes: `False` takes only mappings; `None` is `True`.
            unsupported: Other arguments of pydantic, where they change nothing.

        Returns:
            The model.

        Raises:
            ValidationError: The values do not fit (the message ends in their JSON path), or an argument asks for what a
                Struct does not do.
        """
        refuse("model_validate", unsupported, *_READING)
        if isinstance(obj, cls):
            return obj
        try:
            return msgspec.convert(
                obj,
                cls,
                strict=strict is not False,
                from_attributes=from_attributes is not False,
                dec_hook=foreign.dec_hook,
            )
        except msgspec.ValidationError as error:
            raise _refusal(cls, error) from error

    @classmethod
    def model_validate_json(
        cls, data: bytes | bytearray | memoryview | str, *, strict: bool | None = None, **unsupported: Any
    ) -> Self:
        """Decode a model from JSON text.

        Args:
            data: The JSON text.
            strict: As in `model_validate`.
            unsupported: Other arguments of pydantic, where they change nothing.

        Returns:
            The model.

        Raises:
            ValidationError: The text is not JSON, or does not fit (then the message ends in the JSON path), or an
                argument asks for what a Struct does not do.
        """
        refuse("model_validate_json", unsupported, *_READING)
        if not isinstance(data, (bytes, bytearray, memoryview, str)):
            raise ValidationError(f"data: got {type(data).__name__}, takes JSON text as bytes or str")
        try:
            return msgspec.json.decode(data, type=cls, strict=strict is not False, dec_hook=foreign.dec_hook)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise _refusal(cls, error) from error

    @classmethod
    def model_construct(cls, _fields_set: Any = None, **values: Any) -> Self:
        """Make a model of values that are known to fit; nothing is validated.

        Args:
            _fields_set: Not used: a Struct does not record which fields were set.
            values: The values by name or by alias; what is no field is dropped. A field that is neither given nor has a
                default is `msgspec.UNSET`, which no dump shows.

        Returns:
            The model.
        """
        given: dict[str, Any] = {}
        for name, field in fields_of(cls).items():
            if field.encode_name in values:
                given[name] = values[field.encode_name]
            elif name in values:
                given[name] = values[name]
            elif field.required:
                given[name] = msgspec.UNSET
        return cls(**given)

    def model_dump(
        self,
        *,
        mode: Literal["python", "json"] = "python",
        include: Filter = None,
        exclude: Filter = None,
        by_alias: bool | None = None,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        **unsupported: Any,
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
            unsupported: Other arguments of pydantic, where they change nothing.

        Returns:
            The dict.

        Raises:
            ValidationError: An argument has a wrong type or value.
        """
        refuse("model_dump", unsupported, *_WRITING)
        if mode not in {"python", "json"}:
            raise ValidationError(f'mode: got {mode!r}, takes "python" or "json"')
        dump = Dump(mode == "json", bool(by_alias), exclude_defaults or exclude_unset, exclude_none)
        return dump.members(self, include, exclude)

    def model_dump_json(
        self,
        *,
        indent: int | None = None,
        include: Filter = None,
        exclude: Filter = None,
        by_alias: bool | None = None,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        **unsupported: Any,
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
            unsupported: Other arguments of pydantic, where they change nothing.

        Returns:
            The text.

        Raises:
            ValidationError: An argument has a wrong type or value.
        """
        refuse("model_dump_json", unsupported, *_WRITING, "ensure_ascii")
        dump = Dump(True, bool(by_alias), exclude_defaults or exclude_unset, exclude_none)
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
    def model_json_schema(
        cls,
        by_alias: bool = True,  # noqa: FBT001, FBT002 - as in pydantic
        ref_template: str = "#/$defs/{model}",
        **unsupported: Any,
    ) -> dict[str, Any]:
        """Describe the model as JSON Schema.

        Args:
            by_alias: Only `True`: a Struct has one name for a field, its alias.
            ref_template: How the schema of another model is referred to.
            unsupported: Other arguments of pydantic, where they change nothing.

        Returns:
            The schema. Its ``$defs`` has every model that takes part, this one too.

        Raises:
            ValidationError: An argument asks for what a Struct does not do.
        """
        unsupported["by_alias"] = by_alias
        refuse("model_json_schema", unsupported, "by_alias", "schema_generator", "mode", "union_format")
        template = ref_template.replace("{model}", "{name}")
        (reference,), known = msgspec.json.schema_components(
            [cls], ref_template=template, schema_hook=foreign.schema_hook
        )
        name = next(name for name in known if reference.get("$ref") == template.format(name=name))
        return {**known[name], "$defs": known}

    @classmethod
    def model_rebuild(cls, *, force: bool = False, raise_errors: bool = True, **unsupported: Any) -> bool | None:
        """Look up the names in the annotations of the fields; msgspec does so by itself when it decodes.

        Args:
            force: Say `True` where all names are known, and not `None`.
            raise_errors: Raise where a name is not known, instead of returning `False`.
            unsupported: Other arguments of pydantic, where they change nothing.

        Returns:
            `None` where there is nothing to do, as in pydantic.

        Raises:
            ValidationError: A name is not known, or an argument asks for what a Struct does not do.
        """
        refuse("model_rebuild", unsupported, "_parent_namespace_depth", "_types_namespace")
        try:
            msgspec.json.Decoder(cls, dec_hook=foreign.dec_hook)
        except (NameError, TypeError) as error:
            if raise_errors:
                raise ValidationError(f"{cls.__name__}: {error}") from error
            return False
        return True if force else None

    @property
    def model_fields_set(self) -> set[str]:
        """The fields that do not equal their default: what `exclude_unset` keeps, as nothing records what was set."""
        members = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name for name, value in members if value is not msgspec.UNSET and not is_default(self, name, value)}

    @property
    def model_extra(self) -> None:
        """Always `None`: a Struct has no place for other fields."""

    def flatten(self, separator: str = ".") -> dict[str, Any]:
        """Turn the model into one flat dict with dotted keys, such as ``{"address.city": "Ulm"}``.

        Args:
            separator: What stands between the names.

        Returns:
            The dict; a list stays a list, and a nested model or mapping without members leaves no key.

        Raises:
            ValidationError: `separator` is no text.
        """
        return flatten(self.model_dump(), separator)


class Response(BaseModel, dict=True, metaclass=ModelMeta):
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


@dataclass_transform(field_specifiers=(msgspec.field,))
class _AbstractModelMeta(ModelMeta, abc.ABCMeta):
    """Makes Structs that may have abstract methods."""


class PaginatedResponse(Pages, Response, metaclass=_AbstractModelMeta):
    """One page of many; a subclass says, for its API, how to get from one to the others.

    It has to have the methods `is_paginating()`, `next()`, `previous()`, `start()` and `end()`.
    """


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

    Raises:
        ValidationError: An argument has a wrong type.
    """
    if not isinstance(mapping, Mapping):
        raise wrong("mapping", mapping, "a mapping, such as what model_dump() gives")
    if not isinstance(separator, str):
        raise wrong("separator", separator, 'text, such as "."')
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
