"""What a field is when the document does not have it."""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import enum
import uuid
from collections import abc
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, NewType, cast, get_args, get_origin

import msgspec
import pydantic
from pydantic_core import PydanticUndefined

from headrace._models import foreign
from headrace.compat._structify import values
from headrace.compat._structify.checked import BASE64, Utf8Bytes
from headrace.compat._structify.reasons import UNIONS, Unfaithful

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydantic.fields import FieldInfo

#: Defaults that instances may share.
_IMMUTABLE: Final = (
    *(type(None), bool, int, float, str, enum.Enum, uuid.UUID, Decimal),
    *(dt.datetime, dt.date, dt.time, dt.timedelta),
)
_LISTS: Final = frozenset({list, abc.Sequence, tuple, set, frozenset})
_DICTS: Final = frozenset({dict, abc.Mapping, abc.MutableMapping})
_read_duration: Final = pydantic.TypeAdapter(dt.timedelta).validate_python


def default(info: FieldInfo, carried: Callable[[Any], Any]) -> dict[str, Any]:
    """Find the arguments of `msgspec.field` for what a field is when it is missing.

    Args:
        info: The field.
        carried: Makes the Struct of a model that is a default.

    Raises:
        Unfaithful: The Struct would have another value, or write it otherwise.
    """
    if info.exclude or getattr(info, "exclude_if", None) is not None:
        raise Unfaithful("it is read but not written")
    check_default(info)
    text = is_text(info)
    factory = cast("Any", info.default_factory)
    if factory is not None:
        if factory in {list, dict, set}:
            return {"default_factory": factory}
        return {"default_factory": lambda: copied(fitted(info.annotation, factory()), carried, text=text)}
    if info.default is PydanticUndefined:
        return {}
    value = fitted(info.annotation, info.default)
    _check_written(info, value, text=text)
    if isinstance(value, bytes):
        return {"default": Utf8Bytes(value) if text else value}
    if isinstance(value, _IMMUTABLE):
        return {"default": value}
    return {"default_factory": lambda: copied(value, carried, text=text)}


def check_default(info: FieldInfo) -> None:
    """Raise `Unfaithful` for a default that takes more than the field to know."""
    if info.validate_default:
        raise Unfaithful("its default is validated")
    if info.default_factory_takes_validated_data:
        raise Unfaithful("its default is made from other fields")


def is_text(info: FieldInfo) -> bool:
    """Tell whether the bytes of a field are text in JSON, and not base64."""
    return BASE64 not in info.metadata and not _holds_base64(info.annotation)


def _holds_base64(kind: Any) -> bool:
    return BASE64 in getattr(kind, "__metadata__", ()) or any(map(_holds_base64, get_args(kind)))


def fitted(kind: Any, value: Any) -> Any:
    """Make the numbers of a default what its type says and pydantic writes: the `0` of a float is `0.0`."""
    while get_origin(kind) is Annotated or isinstance(kind, NewType):
        kind = kind.__supertype__ if isinstance(kind, NewType) else get_args(kind)[0]
    origin, args = get_origin(kind), get_args(kind)
    if type(value) in ({int, bool} if kind is float else {bool} if kind is int else ()):
        with contextlib.suppress(OverflowError):
            return kind(value)
    if origin in UNIONS:
        members = [arg for arg in args if arg is not type(None)]
        return fitted(members[0], value) if len(members) == 1 else value
    if origin in _DICTS and type(value) is dict:
        return {key: fitted(args[1], item) for key, item in value.items()}
    if origin in _LISTS and type(value) in _LISTS:
        one_kind = origin is not tuple or args[-1:] == (...,)
        kinds: Sequence[Any] = [args[0]] * len(value) if one_kind else args
        if len(kinds) == len(value):
            return type(value)([fitted(*pair) for pair in zip(kinds, value, strict=True)])
    return value


def _check_written(info: FieldInfo, value: Any, *, text: bool) -> None:
    """Raise `Unfaithful` for a default that msgspec would write otherwise; pydantic has not validated it."""
    plain = type(value) in {str, int, float, bool} and info.annotation is type(value)
    parts = list(_parts(value))
    if value is None or plain or any(isinstance(part, pydantic.BaseModel) for part in parts):
        return
    if not all(values.is_written_alike(part) for part in parts if isinstance(part, enum.Enum)):
        raise Unfaithful("its default is of an enum that msgspec writes otherwise than pydantic")
    annotation: Any = Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    try:
        holder: Any = pydantic.create_model("Holder", value=(annotation, info.default))
        theirs = msgspec.json.decode(holder.model_construct().model_dump_json(by_alias=True, warnings=False))["value"]
    except Exception:  # noqa: BLE001 - whatever it is: the model writes nothing that the Struct could write otherwise
        return
    try:
        held = copied(value, lambda model: model, text=text)
        ours = msgspec.json.decode(msgspec.json.encode(held, enc_hook=foreign.enc_hook))
    except (TypeError, ValueError) as error:
        raise Unfaithful(f"its default cannot be written: {error}") from error
    if not _is_same(theirs, ours):
        raise Unfaithful("its default is no value of its type, and msgspec writes it otherwise than pydantic")


def _is_same(theirs: Any, ours: Any) -> bool:
    """Tell whether two JSON values are the same; the order of a list may be that of a set."""
    if type(theirs) is not type(ours):
        return False
    if isinstance(theirs, dict):
        return theirs.keys() == ours.keys() and all(_is_same(value, ours[key]) for key, value in theirs.items())
    if isinstance(theirs, list):
        pairs = zip(sorted(theirs, key=repr), sorted(ours, key=repr), strict=False)
        return len(theirs) == len(ours) and all(_is_same(*pair) for pair in pairs)
    if theirs == ours:
        return True
    with contextlib.suppress(pydantic.ValidationError):  # one duration has many texts
        return isinstance(theirs, str) and bool(_read_duration(theirs) == _read_duration(ours))
    return False


def _parts(value: Any) -> Iterator[Any]:
    """Name a value and all that it holds."""
    yield value
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _parts(item)


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
    return value if is_shared(value) else copy.deepcopy(value)


def is_shared(value: Any) -> bool:
    """Tell whether pydantic gives all models one and the same default: it copies what has no hash."""
    try:
        hash(value)
    except TypeError:
        return False
    return True
