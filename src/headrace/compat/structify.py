"""From a pydantic model to a msgspec Struct.

The law: a Struct reads and writes the JSON that its model reads and writes in strict mode, or it is not made. What
msgspec does otherwise is left to pydantic, field by field, or is a problem, and every problem is named. Two differences
are meant: a Struct is strict, and does not read a number from text; and methods are not carried over.
"""

from __future__ import annotations

import copyreg
import threading
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args

import pydantic

from headrace import models
from headrace._checks import wrong
from headrace.compat._structify.portable import put_together, taken_apart
from headrace.compat._structify.reasons import Mode, Validators
from headrace.compat._structify.workshop import ORIGIN, Key, Workshop
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from headrace.compat._structify.unions import Tag

__all__ = ["structify"]

_Model = TypeVar("_Model", bound=pydantic.BaseModel)

_MODES: Final = get_args(Validators)
_LOSSY: Final = frozenset({"extra", "names"})
_lock = threading.RLock()
_made: Final[dict[Mode, dict[Key, type[models.BaseModel]]]] = {}


def structify(
    model: type[_Model],
    *,
    validators: Validators = "error",
    lossy: Collection[Literal["extra", "names"]] = (),
) -> type[_Model]:
    """Derive the msgspec Struct of a pydantic v2 model; asked again, it gives the same class.

    Args:
        model: The model; the models that its fields name are derived with it.
        validators: What becomes of the code of the models. ``"error"`` makes every validator, serializer and computed
            field a problem. ``"drop"`` leaves them out, and private attributes too. ``"run"`` runs the validators on
            what was decoded; what cannot be run is a problem.
        lossy: What may get lost. ``"extra"``: the fields that a model with ``extra="allow"`` does not name are ignored.
            ``"names"``: a field that pydantic reads by its alias and by its name is read by its alias only.

    Returns:
        A Struct class with the model's name, module, docstring and fields, but without its methods; a
        `headrace.BaseModel`. To type checkers it is the model's class: Python has no type for "another class with the
        same fields".

    Raises:
        StructifyError: Something of the model has no faithful counterpart; it names every such field, with the reason.
        ValidationError: `model` is not a pydantic v2 model class, or `validators` or `lossy` is none of their words.
    """
    given: Any = model
    if not (isinstance(given, type) and issubclass(given, pydantic.BaseModel)):
        raise ValidationError(f"model: got {model!r}, takes a pydantic v2 model class")
    if validators not in _MODES:
        raise wrong("validators", validators, '"error", "drop" or "run"')
    if isinstance(lossy, str) or not _LOSSY.issuperset(lossy):
        raise wrong("lossy", lossy, 'a collection of "extra" and "names"')
    made: Any = _derived(Mode(validators, frozenset(lossy)), model, None)
    return made  # type: ignore[no-any-return] # a Struct with the fields of the model


def _derived(mode: Mode, model: type[pydantic.BaseModel], tag: Tag | None) -> type[models.BaseModel]:
    """Find or make the Struct of a model: also one that a union tells from others by its tag."""
    with _lock:
        return Workshop(mode, _made.setdefault(mode, {})).finished(Key(model, tag))


def _again(mode: tuple[Any, ...], model: Any, tag: Tag | None) -> type[models.BaseModel]:
    """Derive a Struct again: what a pickle calls, in whatever process."""
    return _derived(Mode(*mode), put_together(model), tag)


def _reduced(cls: type) -> str | tuple[Callable[..., Any], tuple[Any, ...]]:
    """Say how the class of a Struct is pickled: by its name, or by what it was derived from, whose name it has."""
    origin = vars(cls).get(ORIGIN)
    if origin is None:
        return cls.__qualname__
    mode, model, tag = origin
    return _again, (tuple(mode), taken_apart(model), tag)


for _kind in {type(models.BaseModel), type(models.PaginatedResponse)}:
    copyreg.pickle(_kind, _reduced)
