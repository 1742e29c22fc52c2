"""Everything about what a field is called in JSON, and what it is when it is missing, lives here."""

from __future__ import annotations

import copy
import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast, get_args

import pydantic
from pydantic_core import PydanticUndefined

from headrace.compat._structify import reasons
from headrace.compat._structify.checked import BASE64, Utf8Bytes
from headrace.compat._structify.reasons import Unfaithful

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.fields import FieldInfo

    from headrace.compat._structify.reasons import Mode, Model

#: Defaults that instances may share.
IMMUTABLE: Final = (
    *(type(None), bool, int, float, str, enum.Enum, uuid.UUID, Decimal),
    *(dt.datetime, dt.date, dt.time, dt.timedelta),
)


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
        raise Unfaithful(f"a Struct reads a field by one name, not both as {name!r} and as {read!r} (lossy may say so)")
    return None if read == name else read


def default(info: FieldInfo, carried: Callable[[Any], Any]) -> dict[str, Any]:
    """Find the arguments of `msgspec.field` for what a field is when it is missing.

    Args:
        info: The field.
        carried: Makes the Struct of a model that is a default.
    """
    if info.exclude or getattr(info, "exclude_if", None) is not None:
        raise Unfaithful("it is read but not written")
    check_default(info)
    if info.default_factory_takes_validated_data:
        raise Unfaithful("its default is made from other fields")
    text = is_text(info)
    if isinstance(info.default, bytes):
        return {"default": Utf8Bytes(info.default) if text else info.default}
    factory = cast("Any", info.default_factory)
    if factory is not None:
        return {
            "default_factory": factory
            if factory in {list, dict, set}
            else lambda: copied(factory(), carried, text=text)
        }
    if info.default is PydanticUndefined:
        return {}
    if isinstance(info.default, IMMUTABLE):
        return {"default": info.default}
    return {"default_factory": lambda: copied(info.default, carried, text=text)}


def is_text(info: FieldInfo) -> bool:
    """Tell whether the bytes of a field are text in JSON, and not base64."""
    return BASE64 not in info.metadata and not _holds_base64(info.annotation)


def _holds_base64(kind: Any) -> bool:
    return BASE64 in getattr(kind, "__metadata__", ()) or any(map(_holds_base64, get_args(kind)))


def check_readable(model: Model, mode: Mode) -> None:
    """Raise `Unfaithful` for a model that a Struct cannot read as a whole."""
    if any(reasons.of_model(model, mode)):
        raise Unfaithful(f"{model.__name__} runs code or has settings that msgspec has not")
    for name, info in model.model_fields.items():
        json_name(model, name, info, mode)
        check_default(info)


def check_default(info: FieldInfo) -> None:
    """Raise `Unfaithful` for a default that pydantic validates."""
    if info.validate_default:
        raise Unfaithful("its default is validated")


def copied(value: Any, carried: Callable[[Any], Any], *, text: bool = True) -> Any:
    """Copy a default, with Structs in place of models, and bytes as what a field of bytes or base64 holds."""
    if isinstance(value, pydantic.BaseModel):
        return carried(value)
    if type(value) is bytes and text:
        return Utf8Bytes(value)
    if type(value) is dict:
        return {key: copied(item, carried, text=text) for key, item in value.items()}
    if type(value) in {list, tuple}:
        return type(value)([copied(item, carried, text=text) for item in value])
    return copy.deepcopy(value)
