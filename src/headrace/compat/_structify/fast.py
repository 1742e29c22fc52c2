"""`Fast[Model]`: real instances of a pydantic model, decoded by msgspec through a Struct that nobody sees."""

from __future__ import annotations

import threading
import types
from typing import TYPE_CHECKING, Annotated, Any, Final, ForwardRef, TypeVar, Union, get_args

import msgspec

from headrace._models import foreign
from headrace.compat._structify.building import Builder
from headrace.compat._structify.kinds import is_model
from headrace.compat._structify.reasons import Mode
from headrace.compat._structify.workshop import Key, Struct, Workshop
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pydantic

_T = TypeVar("_T")

_MODE: Final = Mode("error", frozenset(), twin=True)
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
        raises `StructifyError` here; inside another model, pydantic reads it.
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
    """Make the function that decodes JSON bytes; it raises what msgspec raises.

    Args:
        response_format: A type with a `Fast[Model]` in it.
    """
    with _lock:
        kind = _with_twins(response_format)
        models = {struct: key.model for key, struct in _twins.items()}
    decode = msgspec.json.Decoder(kind, dec_hook=foreign.dec_hook).decode
    convert = Builder(models).build(kind)
    if convert is None:
        return decode
    return lambda body: convert(decode(body))


def _with_twins(kind: Any) -> Any:
    """Put the Structs in place of what stands for models."""
    if isinstance(kind, _FastMeta):
        return _twins[Key(kind.model)]
    args = get_args(kind)
    if not args or isinstance(kind, ForwardRef) or not is_fast(kind):
        return kind
    inner = tuple(_with_twins(arg) for arg in args)
    return kind.copy_with(inner) if hasattr(kind, "copy_with") else _origin(kind)[inner]


def _origin(kind: Any) -> Any:
    return Union if isinstance(kind, types.UnionType) else kind.__origin__
