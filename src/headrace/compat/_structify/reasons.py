"""Why a model cannot become a Struct: whatever it does beside its fields is judged."""

from __future__ import annotations

import inspect
import re
import types
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, Union

import pydantic

if TYPE_CHECKING:
    from collections.abc import Iterator

Model: TypeAlias = type[pydantic.BaseModel]
#: What becomes of the code of a model: it is a problem, it is left out, or it is run.
Validators: TypeAlias = Literal["error", "drop", "run"]

#: Values that set what pydantic does anyway; elsewhere it is `None` or `False` that does.
_CONFIG_DEFAULTS: Final[dict[str, Any]] = {
    **dict.fromkeys(("ser_json_bytes", "val_json_bytes"), "utf8"),
    **dict.fromkeys(("ser_json_temporal", "ser_json_timedelta"), "iso8601"),
    "json_encoders": {},
    "ser_json_inf_nan": "null",
    "str_min_length": 0,
    "val_temporal_unit": "infer",
}
#: Settings that do not change the JSON that is read or written, or that are dealt with elsewhere.
_IDLE_CONFIG: Final = frozenset(re.findall(r"\w+", """
    alias_generator allow_inf_nan arbitrary_types_allowed cache_strings coerce_numbers_to_str defer_build extra
    field_title_generator from_attributes frozen hide_input_in_errors ignored_types json_schema_extra
    json_schema_mode_override json_schema_serialization_defaults_required loc_by_alias model_title_generator
    plugin_settings populate_by_name protected_namespaces regex_engine revalidate_instances schema_generator
    serialize_by_alias strict title use_attribute_docstrings validate_assignment validate_by_alias validate_by_name
    validate_return validation_error_cause
"""))  # fmt: skip
#: Settings that only change what is written, which a model that pydantic itself writes does not hand over.
_WRITING_CONFIG: Final = frozenset(
    {"json_encoders", "polymorphic_serialization", "ser_json_bytes", "ser_json_inf_nan", "ser_json_temporal"}
    | {"ser_json_timedelta"}
)
#: What `int | str` and `Union[int, str]` are.
UNIONS: Final = frozenset({Union, types.UnionType})
_SCHEMA_HOOK: Final = "__get_pydantic_core_schema__"


class Mode(NamedTuple):
    """What is asked of the Structs."""

    validators: Validators = "error"
    """What becomes of the code of the models."""
    lossy: frozenset[str] = frozenset()
    """What may get lost: `"extra"` fields, or the `"names"` that a field has beside its alias."""
    twin: bool = False
    """The Structs only read, and the values become models again."""

    @property
    def lossy_hint(self) -> str:
        """Say that `structify` may let it get lost, which `Fast` never does."""
        return "; give the model itself as response_format" if self.twin else " (lossy may say so)"


class Unfaithful(Exception):
    """Why something cannot be carried over."""


def rebuilt(model: Model) -> Model:
    """Finish a model that was declared before the types that it names."""
    if not model.__pydantic_complete__:
        model.model_rebuild(raise_errors=False)
    return model


def of_model(model: Model, mode: Mode) -> Iterator[tuple[str, str]]:
    """Name what a model does beside its fields that a Struct cannot do.

    Args:
        model: The model.
        mode: What is asked of the Struct.

    Yields:
        The name of a setting, method or field, and the reason.
    """
    config = model.model_config
    if config.get("extra") == "allow" and "extra" not in mode.lossy:
        yield "model_config.extra", f"a Struct has no place for extra fields{mode.lossy_hint}"
    for key, value in config.items():
        if not (_is_idle(key, value) or (mode.twin and key in _WRITING_CONFIG)):
            yield f"model_config.{key}", "msgspec has no such setting"
    if issubclass(model, pydantic.RootModel):
        yield "root", "a root model is its value, a Struct is an object: name its root type instead"
    for name in sorted(getattr(getattr(model, "__struct_base__", None), "__abstractmethods__", ())):
        yield name, "methods are not carried over, and a page is nothing without them"
    yield from _of_reading_code(model, mode.validators)
    if not mode.twin:
        yield from _of_other_code(model, mode.validators)


def _is_idle(key: str, value: Any) -> bool:
    """Tell whether a setting changes nothing of the JSON that is read or written."""
    # `0` is no `False` here: `str_max_length=0` takes no text but the empty one.
    return key in _IDLE_CONFIG or value is None or value is False or value == _CONFIG_DEFAULTS.get(key)


def _of_reading_code(model: Model, validators: Validators) -> Iterator[tuple[str, str]]:
    """Name the code that runs when a model is read."""
    found = model.__pydantic_decorators__
    if validators == "error":
        decorators: tuple[Any, ...] = (*found.validators.values(), *found.field_validators.values())
        for decorator in decorators:
            for name in model.model_fields if "*" in decorator.info.fields else decorator.info.fields:
                yield name, f"{decorator.cls_var_name} runs code"
        for name in (*found.root_validators, *found.model_validators):
            yield name, "runs code on the whole model"
    elif validators == "run":
        yield from _of_code_not_run(model)
    if model.__pydantic_custom_init__ and validators != "drop":
        yield "__init__", "runs code"
    if getattr(model, _SCHEMA_HOOK).__func__ is not getattr(pydantic.BaseModel, _SCHEMA_HOOK).__func__:
        yield _SCHEMA_HOOK, "runs code"


def _of_code_not_run(model: Model) -> Iterator[tuple[str, str]]:
    """Name the validators that cannot be run on a Struct."""
    found = model.__pydantic_decorators__
    yield from ((name, "a validator of pydantic v1 cannot be run") for name in found.root_validators)
    for old in found.validators.values():
        yield from ((name, "a validator of pydantic v1 cannot be run") for name in old.info.fields)
    for name, decorator in found.model_validators.items():
        if decorator.info.mode != "after":
            yield name, f"it is a {decorator.info.mode!r} validator, and would see what a Struct never holds"


def _of_other_code(model: Model, validators: Validators) -> Iterator[tuple[str, str]]:
    """Name the code that runs when a model is written, or was read, and what is kept beside its fields."""
    if validators == "drop":
        return
    found = model.__pydantic_decorators__
    for decorator in found.field_serializers.values():
        for name in model.model_fields if "*" in decorator.info.fields else decorator.info.fields:
            yield name, f"{decorator.cls_var_name} runs code"
    for name in found.model_serializers:
        yield name, "runs code on the whole model"
    for name in found.computed_fields:
        yield name, "a computed field is written but never read"
    for name in model.__private_attributes__:
        if not name.startswith("_headrace_"):
            yield name, "a Struct has no private attributes"
    if validators == "error" and has_post_init(model):
        yield "model_post_init", "runs code"


def has_post_init(model: Model) -> bool:
    """Tell whether a model has a `model_post_init` of its own."""
    # Pydantic wraps the method when there are private attributes, and makes one itself when there is none.
    return not inspect.unwrap(model.model_post_init).__module__.startswith("pydantic.")


def decorated(model: Model, name: str) -> list[Any]:
    """List the field validators of a field, in the order in which the model declares them."""
    found = model.__pydantic_decorators__.field_validators.values()
    return [each for each in found if name in each.info.fields or "*" in each.info.fields]
