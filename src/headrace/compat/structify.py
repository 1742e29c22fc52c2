"""From a pydantic model to a msgspec Struct.

The law: a Struct reads and writes the JSON that its model reads and writes in strict mode, or it is not made. What
msgspec does otherwise is left to pydantic, field by field, or is a problem, and every problem is named. Two differences
are meant: a Struct is strict, and does not read a number from text; and methods are not carried over.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import pydantic

from headrace._checks import wrong
from headrace.compat._structify.reasons import Mode, Validators
from headrace.compat._structify.workshop import Key, Workshop
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Collection

    from headrace import models

__all__ = ["structify"]

_MODES: Final = get_args(Validators)
_LOSSY: Final = frozenset({"extra", "names"})
_lock = threading.RLock()
_made: Final[dict[Mode, dict[Key, type[models.BaseModel]]]] = {}


def structify(
    model: type[pydantic.BaseModel],
    *,
    validators: Validators = "error",
    lossy: Collection[Literal["extra", "names"]] = (),
) -> type[models.BaseModel]:
    """Derive the msgspec Struct of a pydantic v2 model; asked again, it gives the same class.

    Args:
        model: The model; the models that its fields name are derived with it.
        validators: What becomes of the code of the models. ``"error"`` makes every validator, serializer and computed
            field a problem. ``"drop"`` leaves them out, and private attributes too. ``"run"`` runs the validators on
            what was decoded; what cannot be run is a problem.
        lossy: What may get lost. ``"extra"``: the fields that a model with ``extra="allow"`` does not name are ignored.
            ``"names"``: a field that pydantic reads by its alias and by its name is read by its alias only.

    Returns:
        A Struct class with the model's name, module, docstring and fields, but without its methods.

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
    mode = Mode(validators, frozenset(lossy))
    with _lock:
        return Workshop(mode, _made.setdefault(mode, {})).finished(Key(model))
