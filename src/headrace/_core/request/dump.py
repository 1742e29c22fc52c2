"""Which members of a model are sent, where the caller says more than "this model"."""

from __future__ import annotations

from typing import Any

import msgspec

from headrace._checks import wrong
from headrace._core.request import encode
from headrace._core.values import shims
from headrace._models import dumping
from headrace.errors import ValidationError


class Dump:
    """A model of which the caller says what is sent: as `body`, `data`, `parameters`, `headers` or `cookies`.

    A pydantic model alone sends the fields that were set, by alias. `Dump(model)` sends every field, as `model_dump`
    gives them; it may stand inside a list or a mapping too.

    Args:
        model: A pydantic v2 model or a Struct; it is read when the request is made, with its secrets revealed.
        exclude_unset: Leave out fields that nobody set. A Struct does not know, and leaves out its defaults.
        exclude_defaults: Leave out fields that equal their default.
        exclude_none: Leave out fields that are `None`.
        by_alias: Whether the aliases are written; `None` is yes, unless the model sets `serialize_by_alias=False`.

    Raises:
        headrace.errors.ValidationError: `model` is neither, or an option is no bool.
    """

    __slots__ = ("by_alias", "model", "options")

    def __init__(
        self,
        model: Any,
        *,
        exclude_unset: bool = False,
        exclude_defaults: bool = False,
        exclude_none: bool = False,
        by_alias: bool | None = None,
    ) -> None:
        is_model = isinstance(model, msgspec.Struct) or hasattr(type(model), "__pydantic_fields_set__")
        if isinstance(model, type) or not is_model:
            raise wrong("model", model, "an instance of a pydantic v2 model or of a Struct")
        if not (by_alias is None or isinstance(by_alias, bool)):
            raise wrong("by_alias", by_alias, "True, False or None")
        self.model = model
        self.by_alias = by_alias
        self.options: dict[str, bool] = {
            "exclude_unset": exclude_unset,
            "exclude_defaults": exclude_defaults,
            "exclude_none": exclude_none,
        }
        for name, value in self.options.items():
            if not isinstance(value, bool):
                raise wrong(name, value, "True or False")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"


class _Dumps:
    """How the core handles a `Dump`: it is the business of whoever knows its model."""

    def owns(self, value: object) -> bool:
        """Tell whether a value is a `Dump`."""
        return isinstance(value, Dump)

    def builtins(self, value: Any) -> Any:
        """Turn it into what JSON knows."""
        shim = shims.for_value(value.model)
        return _members(value) if shim is None else shim.builtins(value)

    def json(self, value: Any) -> bytes:
        """Encode it as JSON text."""
        shim = shims.for_value(value.model)
        return encode.json(_members(value)) if shim is None else shim.json(value)

    def loses_numbers(self, value: Any, text: bytes) -> bool:
        """Tell whether a NaN or an infinity did not get into its JSON text."""
        shim = shims.for_value(value.model)
        return shim is not None and shim.loses_numbers(value, text)


def _members(value: Dump) -> Any:
    """Dump a Struct as JSON knows it."""
    options = value.options
    defaults = options["exclude_defaults"] or options["exclude_unset"]
    dump = dumping.Dump(True, value.by_alias is not False, defaults, options["exclude_none"])
    try:
        return dump.value(value.model, None, None)
    except TypeError as error:
        raise ValidationError(f"{type(value.model).__name__} cannot be written: {error}") from error


shims.register_writer(_Dumps())
