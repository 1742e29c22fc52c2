"""What a field is called in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.compat._structify import reasons
from headrace.compat._structify.defaults import check_default
from headrace.compat._structify.reasons import Unfaithful

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from headrace.compat._structify.reasons import Mode, Model


def json_name(model: Model, name: str, info: FieldInfo, mode: Mode) -> str | None:
    """Find the one name that a field has in JSON, or `None` when it is its own."""
    config = model.model_config
    read = info.validation_alias or info.alias or name
    written = info.serialization_alias or info.alias or name
    if not isinstance(read, str):
        raise Unfaithful(f"a Struct reads a field by one name, not by {read!r}")
    if read != name and config.get("validate_by_alias") is False:
        read = name
    if read != written and not mode.twin:
        raise Unfaithful(f"it is read as {read!r} but written as {written!r}")
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    if read != name and by_name and "names" not in mode.lossy:
        raise Unfaithful(f"a Struct reads a field by one name, not both as {name!r} and as {read!r}{mode.lossy_hint}")
    return None if read == name else read


def check_readable(model: Model, mode: Mode) -> None:
    """Raise `Unfaithful` for a model that a Struct cannot read as a whole."""
    if any(reasons.of_model(model, mode)):
        raise Unfaithful(f"{model.__name__} runs code or has settings that msgspec has not")
    for name, info in model.model_fields.items():
        json_name(model, name, info, mode)
        check_default(info)
