"""Pydantic's settings in the head of a class become options of a Struct, or an error.

What would be passed over in silence (a `Field()`, a validator, a setting that msgspec does not have) is refused when
the class is made, with its name and what to write instead.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from typing import Any, Final, dataclass_transform

import msgspec

from headrace._models import metadata
from headrace.errors import ValidationError

_KEEP_PYDANTIC: Final = "write it without, or keep the class a pydantic model"

#: Settings that change nothing here, whatever they say.
_IDLE: Final = frozenset(
    {
        *("allow_inf_nan", "arbitrary_types_allowed", "cache_strings", "defer_build", "from_attributes"),
        *(
            "hide_input_in_errors",
            "ignored_types",
            "orm_mode",
            "plugin_settings",
            "protected_namespaces",
            "use_attribute_docstrings",
        ),
    }
)
#: Settings with one value that is what a Struct does anyway, that value, and why it does no other.
_FIXED: Final[Mapping[str, tuple[bool, str]]] = {
    "allow_population_by_field_name": (False, "a Struct reads a field by one name, its alias"),
    "populate_by_name": (False, "a Struct reads a field by one name, its alias"),
    "serialize_by_alias": (False, "say by_alias=True when you dump; what a client sends always has the aliases"),
    "strict": (True, "decoding is strict; model_validate(…, strict=False) is not"),
    "validate_by_alias": (True, "a Struct reads a field by one name, its alias"),
    "validate_by_name": (False, "a Struct reads a field by one name, its alias"),
}
#: Settings of pydantic that no Struct has; those that are off are passed over.
_FOREIGN: Final = frozenset(
    {
        *("alias_priority", "anystr_lower", "anystr_strip_whitespace", "anystr_upper"),
        *("coerce_numbers_to_str", "copy_on_model_validation", "error_msg_templates", "field_title_generator"),
        *("fields", "getter_dict", "json_dumps", "json_encoders", "json_loads", "json_schema_extra"),
        *("json_schema_mode_override", "json_schema_serialization_defaults_required", "keep_untouched"),
        *("loc_by_alias", "max_anystr_length", "min_anystr_length", "model_title_generator"),
        *("polymorphic_serialization", "regex_engine", "revalidate_instances", "schema_extra", "schema_generator"),
        *("ser_json_bytes", "ser_json_inf_nan", "ser_json_temporal", "ser_json_timedelta", "smart_union"),
        *("str_max_length", "str_min_length", "str_strip_whitespace", "str_to_lower", "str_to_upper", "title"),
        *("underscore_attrs_are_private", "url_preserve_empty_path", "use_enum_values", "val_json_bytes"),
        *("val_temporal_unit", "validate_all", "validate_assignment", "validate_default", "validate_return"),
        "validation_error_cause",
    }
)
#: What stands in the body of a pydantic class and means nothing to a Struct, by the name of its type.
_STRANGERS: Final[Mapping[str, str]] = {
    "FieldInfo": "pydantic.Field() means nothing to a Struct: write msgspec.field(name=…, default=…), and constraints"
    " as Annotated[…, msgspec.Meta(…)]",
    "ModelPrivateAttr": f"a Struct has no private attributes: {_KEEP_PYDANTIC}",
    "PydanticDescriptorProxy": "a Struct runs no validators, serializers or computed fields: check in __post_init__, or"
    " keep the class a pydantic model",
}
_V1_VALIDATORS: Final = ("__validator_config__", "__root_validator_config__")


@dataclass_transform(field_specifiers=(msgspec.field,))
class ModelMeta(msgspec.StructMeta):
    """Makes Structs of classes whose head may speak pydantic's language."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **keywords: Any) -> Any:
        """Make the class; the keywords are those of msgspec and of pydantic's `ConfigDict`."""
        if "__slots__" in namespace and "__qualname__" not in namespace:
            # No class statement: msgspec.defstruct() asks for the bare class and then fills in the rest itself.
            layout: dict[str, Any] = {
                key[2:-2]: True for key in ("__dict__", "__weakref__") if key in namespace["__slots__"]
            }
            bare = {key: value for key, value in namespace.items() if key != "__slots__"}
            return super().__new__(mcls, name, bases, bare, kw_only=True, **layout)
        for key, value in namespace.items():
            _check_member(name, key, value)
        metadata.check(name, namespace)
        if "rename" in keywords and "alias_generator" in keywords:
            raise ValidationError(f"{name}: takes rename or alias_generator, not both")
        options = _options(name, _declared(name, namespace)) | _options(name, keywords)
        return super().__new__(mcls, name, bases, namespace, **options)


def _check_member(owner: str, key: str, value: Any) -> None:
    """Refuse what pydantic would have read, and a Struct would not."""
    kind = type(value)
    reason = _STRANGERS.get(kind.__name__) if kind.__module__.startswith("pydantic") else None
    if any(hasattr(value, mark) for mark in _V1_VALIDATORS):
        reason = _STRANGERS["PydanticDescriptorProxy"]
    if key == "model_post_init" and callable(value):
        reason = "a Struct calls it __post_init__(self)"
    if reason is not None:
        raise ValidationError(f"{owner}.{key}: {reason}")


def _declared(owner: str, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Read the settings in the body of a class: `model_config`, and the `class Config` of pydantic v1."""
    found: dict[str, Any] = {}
    old = namespace.get("Config")
    if type(old) is type and not hasattr(old, "__dataclass_fields__"):
        message = f"{owner}.Config: use keywords of the class, such as class {owner}(BaseModel, frozen=True)"
        warnings.warn(message, DeprecationWarning, stacklevel=3)
        found.update((key, value) for key, value in vars(old).items() if not key.startswith("__"))
    config = namespace.get("model_config")
    if isinstance(config, Mapping) and "ClassVar" in _annotation(namespace, "model_config"):  # else it is a field
        found.update(config)
    return found


def _annotation(namespace: Mapping[str, Any], name: str) -> str:
    """Read how a name is annotated in the body of a class; where it is not, it is as good as a `ClassVar`."""
    given = namespace.get("__annotations__", {})
    if sys.version_info >= (3, 14):  # where the body only has a function that tells (PEP 649)
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is not None:
            given = annotationlib.call_annotate_function(annotate, annotationlib.Format.STRING)
    return str(given.get(name, "ClassVar"))


def _options(owner: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Turn settings of pydantic into options of msgspec; what is not pydantic's is left for msgspec to judge."""
    options: dict[str, Any] = {}
    for key, value in settings.items():
        if key in _IDLE or (key in _FOREIGN and not value):
            continue
        if key == "extra":
            options["forbid_unknown_fields"] = _forbids(owner, value)
        elif key == "allow_mutation":
            options["frozen"] = not value
        elif key == "alias_generator":
            if value is not None:
                options["rename"] = _rename(owner, value)
        elif key in _FIXED:
            ours, reason = _FIXED[key]
            if value is not None and bool(value) is not ours:
                raise ValidationError(f"{owner}: {key}={value!r} cannot be: {reason}")
        elif key in _FOREIGN:
            raise ValidationError(f"{owner}: {key}: a Struct has no such setting: {_KEEP_PYDANTIC}")
        else:
            options[key] = value
    return options


def _forbids(owner: str, value: Any) -> bool:
    # The Extra of pydantic v1 is an enum of these words.
    word = getattr(value, "value", value)
    if word == "allow":
        raise ValidationError(f'{owner}: extra="allow" cannot be: a Struct has no place for other fields')
    if word not in {"forbid", "ignore"}:
        raise ValidationError(f'{owner}: extra: got {value!r}, takes "forbid" or "ignore"')
    return bool(word == "forbid")


def _rename(owner: str, value: Any) -> Any:
    """Find what msgspec takes for an alias generator: a function, or one of its own words such as `"camel"`."""
    if isinstance(value, str) or callable(value):
        return value
    if hasattr(value, "serialization_alias") and callable(getattr(value, "alias", None)):  # an AliasGenerator
        if value.validation_alias is None and value.serialization_alias is None:
            return value.alias
        raise ValidationError(f"{owner}: alias_generator: a Struct reads and writes a field by one name")
    takes = "a function of a field's name, or a word that msgspec knows, such as 'camel'"
    raise ValidationError(f"{owner}: alias_generator: got {value!r}, takes {takes}")
