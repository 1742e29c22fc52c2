"""`Fast[Model]`: real instances of a pydantic model, decoded by msgspec through a Struct that nobody sees."""

from __future__ import annotations

import threading
import types
from typing import TYPE_CHECKING, Annotated, Any, Final, ForwardRef, TypeVar, Union, get_args

import msgspec
import pydantic

from headrace._models import foreign
from headrace.compat._structify import costs
from headrace.compat._structify.building import Builder
from headrace.compat._structify.kinds import is_model
from headrace.compat._structify.reasons import Mode
from headrace.compat._structify.workshop import Key, Struct, Workshop
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

_MODE: Final = Mode("error", frozenset(), twin=True)
#: What may stand around a `Fast[Model]` for pydantic to read it as msgspec does.
_PLAIN: Final = (str, int, float, bool, None, type(None))
_lock = threading.RLock()
_twins: Final[dict[Key, Struct]] = {}
_markers: Final[dict[type, type]] = {}


class _FastMeta(type):
    """Makes the types that stand for models in a response format."""

    model: type[pydantic.BaseModel]

    def __repr__(cls) -> str:
        return cls.__name__


if TYPE_CHECKING:
    Fast = Annotated[_T, "decoded by msgspec"]
else:

    class Fast(metaclass=_FastMeta):
        """`Fast[Model]` as a response format gives instances of a pydantic model that msgspec has decoded and checked.

        It may stand inside another type, such as ``list[Fast[Model]]``. The instances are what pydantic's strict mode
        would have made of the document, also in what `model_fields_set` says, and are not validated twice. What
        msgspec would read otherwise, pydantic reads. A model that runs code when it is read, or keeps extra fields,
        raises `StructifyError` here; inside another model, pydantic reads it. Where pydantic would read so many fields
        that it is quicker alone, the whole document is left to it, in its strict mode.
        """

        def __class_getitem__(cls, model: Any) -> type:
            """Make the type that stands for a model.

            Raises:
                StructifyError: The model cannot be decoded this way; it names every reason.
                ValidationError: `model` is not a pydantic v2 model class.
            """
            if not is_model(model):
                message = f"Fast: got {model!r}, takes a pydantic v2 model class"
                raise ValidationError(message)
            with _lock:
                if model not in _markers:
                    Workshop(_MODE, _twins).finished(Key(model))
                    _markers[model] = _FastMeta(f"Fast[{model.__name__}]", (), {"model": model})
                return _markers[model]


def is_fast(response_format: Any) -> bool:
    """Tell whether a response format is, or has inside, a `Fast[Model]`."""
    return isinstance(response_format, _FastMeta) or any(map(is_fast, get_args(response_format)))


def model_of(part: Any) -> Any:
    """Find the model that a `Fast[Model]` stands for; anything else stands for itself."""
    return part.model if isinstance(part, _FastMeta) else part


def decoder(response_format: Any) -> Callable[[bytes], Any]:
    """Make the function that decodes JSON bytes; it raises what msgspec raises, or pydantic where that is quicker.

    Args:
        response_format: A type with a `Fast[Model]` in it.
    """
    if hands_over(response_format):
        validate = pydantic.TypeAdapter(_put(response_format, model_of)).validator.validate_json
        return lambda body: validate(body, strict=True)
    with _lock:
        kind = _put(response_format, _twin_of)
        models = {struct: key.model for key, struct in _twins.items()}
    decode = msgspec.json.Decoder(kind, dec_hook=foreign.dec_hook).decode
    convert = Builder(models).build(kind)
    if convert is None:
        return decode
    return lambda body: convert(decode(body))


def hands_over(response_format: Any) -> bool:
    """Tell whether pydantic alone decodes a format more quickly, and all of it in the same way."""
    found, pending = [], [response_format]
    while pending:
        part = pending.pop()
        if isinstance(part, _FastMeta):
            found.append(part)
        elif get_args(part):
            pending += [arg for arg in get_args(part) if arg is not ...]
        elif not any(part is each for each in _PLAIN):
            return False
    return any(costs.is_slower(_twin_of(each)) for each in found)


def _twin_of(marker: _FastMeta) -> Any:
    return _twins[Key(marker.model)]


def _put(kind: Any, instead: Callable[[Any], Any]) -> Any:
    """Put something in place of what stands for models."""
    if isinstance(kind, _FastMeta):
        return instead(kind)
    args = get_args(kind)
    if not args or isinstance(kind, ForwardRef) or not is_fast(kind):
        return kind
    inner = tuple(_put(arg, instead) for arg in args)
    return kind.copy_with(inner) if hasattr(kind, "copy_with") else _origin(kind)[inner]


def _origin(kind: Any) -> Any:
    return Union if isinstance(kind, types.UnionType) else kind.__origin__
