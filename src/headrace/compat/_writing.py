"""What was set of a pydantic object goes out by alias, with secrets revealed and nothing lost in silence.

Pydantic masks secrets in JSON and writes NaN as `null`, and has no way to ask for anything else. So an object that may
hold one of them is dumped twice, as JSON and as Python values, and the two are laid side by side. What its class can
hold is found once: a class that can hold neither is dumped once, straight to text.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import functools
import math
import types
import uuid
from collections import abc, deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, cast, get_args, get_origin

import pydantic
import pydantic_core
from pydantic.dataclasses import is_pydantic_dataclass
from pydantic.fields import FieldInfo

from headrace._core.request.dump import Dump
from headrace.errors import ValidationError

_SECRETS: Final = (pydantic.SecretStr, pydantic.SecretBytes, pydantic.Secret)
_LISTS: Final = (list, tuple, set, frozenset, deque)

#: Classes whose values are neither secret nor a float, and hold nothing else.
_LEAVES: Final = frozenset(
    {
        *(str, int, bool, bytes, bytearray, type(None), None, uuid.UUID, decimal.Decimal),
        *(dt.date, dt.datetime, dt.time, dt.timedelta),
    }
)
_LEAF_MODULES: Final = ("ipaddress", "pathlib", "pydantic.networks")
_CONTAINERS: Final = frozenset(
    {dict, deque, frozenset, list, set, tuple, abc.Mapping, abc.MutableMapping, abc.Sequence, abc.Set, abc.Iterable}
)
#: What `Annotated` may hold that has no say in how a value is written.
_IDLE_METADATA: Final = (
    *(FieldInfo, str, pydantic.Discriminator, pydantic.Strict, pydantic.StringConstraints, pydantic.Tag),
)


#: What goes out of a model that is given as it is, as the older framework sent it.
_AS_SET: Final[dict[str, Any]] = {"exclude_unset": True}


class Sparse(Dump):
    """A model of which what was set is sent, as it is of a pydantic model alone: `Dump` with `exclude_unset=True`.

    Args:
        model: As in `headrace.Dump`, and so are the others.
        exclude_unset: Leave out fields that nobody set.
        exclude_defaults: Leave out fields that equal their default.
        exclude_none: Leave out fields that are `None`.
        by_alias: Whether the aliases are written.

    Raises:
        headrace.errors.ValidationError: `model` is no model, or an option is no bool.
    """

    __slots__ = ()

    def __init__(
        self,
        model: Any,
        *,
        exclude_unset: bool = True,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        by_alias: bool | None = None,
    ) -> None:
        super().__init__(
            model,
            exclude_unset=exclude_unset,
            exclude_defaults=exclude_defaults,
            exclude_none=exclude_none,
            by_alias=by_alias,
        )


class _OwnCode:
    """Stands for a value that is written by code of the user's own."""


class _Traits(NamedTuple):
    """What is known of a class: what its values may hold, and who writes them how."""

    secrets: bool
    floats: bool
    own_code: bool
    """Whether code of the user's own writes some of them."""
    is_model: bool
    by_alias: bool
    """Always, unless the settings of the model say not to."""
    is_v1: bool


def builtins(value: Any) -> Any:
    """Turn a value into what JSON knows, by alias and with secrets revealed; NaN and infinities stay what they are."""
    value, options = _unwrapped(value)
    return _tree(value, options)


def json(value: Any) -> bytes:
    """Encode a value as JSON text, by alias and with secrets revealed; NaN and infinities become `null`."""
    value, options = _unwrapped(value)
    found = _traits_of(value)
    if found.is_model and not found.secrets:
        return cast("bytes", value.model_dump_json(**{"by_alias": found.by_alias, **options}).encode())
    return pydantic_core.to_json(_tree(value, options), inf_nan_mode="null")


def loses_numbers(value: Any, text: bytes) -> bool:
    """Tell whether there is a NaN or an infinity in a value, which no JSON text has.

    Args:
        value: The value.
        text: Its JSON; where it has no word that such a number becomes, there is none.
    """
    value, options = _unwrapped(value)
    found = _traits_of(value)
    if not (found.floats and any(word in text for word in (b"null", b"NaN", b"Infinity"))):
        return False
    bare = _dump(value, "python", options)
    # A setting of the model may have made text of it.
    shown = pydantic_core.from_json(text)
    return _has_nonfinite(bare) and _has_nonfinite(_restored(shown, bare, floats=not found.own_code))


def _tree(value: Any, options: Mapping[str, Any]) -> Any:
    shown = _dump(value, "json", options)
    found = _traits_of(value)
    if not (found.secrets or found.floats):
        return shown
    return _restored(shown, _dump(value, "python", options), floats=not found.own_code)


def _unwrapped(value: Any) -> tuple[Any, Mapping[str, Any]]:
    options = _AS_SET
    if isinstance(value, Dump):
        options = value.options if value.by_alias is None else {**value.options, "by_alias": value.by_alias}
        value = value.model
    if _traits_of(value).is_v1:
        if hasattr(value, "get_secret_value"):
            return value.get_secret_value(), options
        if not isinstance(value, (str, int)):  # such as a URL
            raise ValidationError(v1_message(type(value)))
    return value, options


def is_v1(kind: type) -> bool:
    """Tell whether a class is, or inherits, one of pydantic v1's."""
    inherits = any(base.__module__.startswith("pydantic.v1.") for base in kind.__mro__)
    return inherits or hasattr(kind, "__pydantic_model__")


def v1_message(kind: type) -> str:
    """Say what is wrong with a class of pydantic v1, and what to do."""
    return (
        f"{kind.__name__} is a model of pydantic v1, which is not supported: make pydantic.BaseModel of v2, or"
        " headrace.BaseModel, its base"
    )


def _dump(value: Any, mode: str, options: Mapping[str, Any]) -> Any:
    """Dump any of pydantic's values by alias: mode `"json"` masks its secrets, `"python"` leaves them objects."""
    found = _traits_of(value)
    if found.is_model:
        return value.model_dump(**{"mode": mode, "by_alias": found.by_alias, **options})
    if is_pydantic_dataclass(type(value)):
        return value.__pydantic_serializer__.to_python(value, mode=mode, by_alias=True, **options)
    if mode == "python" or isinstance(value, _SECRETS):
        return value if mode == "python" else _mask(value)
    return pydantic_core.to_jsonable_python(value, fallback=str)


def _mask(secret: Any) -> str:
    """Show a secret as pydantic's JSON does; its `str()` of masked bytes has the quotes of bytes too."""
    shown = str(secret)
    return shown[2:-1] if shown.startswith("b'") else shown


def _restored(shown: Any, bare: Any, *, floats: bool) -> Any:
    """Put what the JSON dump masked or lost back from the Python dump; a serializer of the model's own has its say."""
    if isinstance(bare, _SECRETS):
        secret = bare.get_secret_value()
        return shown if shown != _mask(bare) else secret if type(secret) is str else builtins(secret)
    if isinstance(bare, float):
        return bare if floats and shown is None else shown
    if isinstance(bare, Mapping) and isinstance(shown, dict) and len(bare) == len(shown):
        pairs = zip(shown.items(), bare.values(), strict=True)
        return {key: _restored(item, inside, floats=floats) for (key, item), inside in pairs}
    if isinstance(bare, _LISTS) and isinstance(shown, list) and len(bare) == len(shown):
        if isinstance(bare, (set, frozenset)):
            bare = _in_order_of(shown, bare)
        return [_restored(item, inside, floats=floats) for item, inside in zip(shown, bare, strict=True)]
    return shown


def _in_order_of(shown: list[Any], bare: AbstractSet[Any]) -> list[Any]:
    """Put the members of a set into the order of its JSON: each dump makes a set of its own, in an order of its own."""
    left = sorted(bare, key=lambda member: not isinstance(member, (*_SECRETS, float, *_LISTS)))  # who are told first
    ordered = []
    for item in shown:
        ordered.append(next((member for member in left if _may_be(item, member)), left[0]))
        left.remove(ordered[-1])
    return ordered


def _may_be(shown: Any, bare: Any) -> bool:
    """Tell whether a JSON value may be that of a Python value."""
    if isinstance(bare, _SECRETS):
        return bool(shown == _mask(bare))
    if isinstance(bare, float):
        return bool(shown == bare) if math.isfinite(bare) else shown is None or isinstance(shown, (str, float))
    if isinstance(bare, tuple):
        return isinstance(shown, list) and len(shown) == len(bare) and all(map(_may_be, shown, bare))
    return isinstance(shown, list) == isinstance(bare, _LISTS)


def _has_nonfinite(tree: Any) -> bool:
    if isinstance(tree, float):
        return not math.isfinite(tree)
    if isinstance(tree, Mapping):
        return any(map(_has_nonfinite, tree.values()))
    return isinstance(tree, _LISTS) and any(map(_has_nonfinite, tree))


def _traits_of(value: Any) -> _Traits:
    kind: Any = type(value)
    return _traits(kind)


@functools.lru_cache(maxsize=4096)
def _traits(kind: Any) -> _Traits:
    """Find what the values of a class may hold; what is not known may hold anything."""
    secrets = floats = own_code = False
    pending: list[Any] = [kind]
    seen: set[int] = set()
    while pending:
        part = pending.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        inner = _members(part)
        own_code |= part is _OwnCode
        secrets |= inner is None or (isinstance(part, type) and issubclass(part, _SECRETS))
        floats |= inner is None or (isinstance(part, type) and issubclass(part, float))
        pending.extend(inner or ())
    is_model = issubclass(kind, pydantic.BaseModel)
    by_alias = not is_model or kind.model_config.get("serialize_by_alias") is not False
    return _Traits(secrets, floats, own_code, is_model, by_alias, is_v1(kind))


def _members(part: Any) -> list[Any] | None:
    """Name the types that a value of this type holds; `None` where that cannot be known."""
    origin, args = get_origin(part), get_args(part)
    is_leaf = origin is None and part in _LEAVES  # what stands inside another type may have no hash
    if origin is Literal or is_leaf or part is float:
        return []
    if origin is Annotated:
        return [args[0], *([] if all(map(_is_idle, args[1:])) else [_OwnCode])]
    if origin in {Union, types.UnionType} or (origin in _CONTAINERS and args):
        return [arg for arg in args if arg is not ...]
    if not isinstance(part, type):
        return None
    if issubclass(part, pydantic.BaseModel):
        return _fields(part)
    if issubclass(part, enum.Enum):
        return [type(member.value) for member in part]
    return [] if issubclass(part, _SECRETS) or part.__module__.startswith(_LEAF_MODULES) else None


def _fields(model: type[pydantic.BaseModel]) -> list[Any] | None:
    """Name the types of a model's fields, and whether code of its own decides what is written."""
    if model.model_config.get("extra") == "allow":
        return None
    found = [field.annotation for field in model.model_fields.values()]
    decorators: Any = model.__pydantic_decorators__
    hooks = ("model_dump", "model_dump_json", "__get_pydantic_core_schema__")
    if (
        any(getattr(decorators, name) for name in decorators.__slots__)
        or any(_function(model, hook) is not _function(pydantic.BaseModel, hook) for hook in hooks)
        or any(model.model_config.get(setting) for setting in ("json_encoders", "polymorphic_serialization"))
        or not all(_is_idle(metadata) for field in model.model_fields.values() for metadata in field.metadata)
    ):
        found.append(_OwnCode)
    return found


def _function(model: type, name: str) -> Any:
    found = getattr(model, name)
    return getattr(found, "__func__", found)


def _is_idle(metadata: Any) -> bool:
    """Tell whether metadata of `Annotated` only constrains a value."""
    module = type(metadata).__module__
    return isinstance(metadata, _IDLE_METADATA) or module.startswith(("annotated_types", "pydantic._internal._fields"))
