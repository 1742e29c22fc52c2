"""Which models run code of their own is found out here."""

from __future__ import annotations

import inspect
from typing import Any, Final, TypeAlias, get_args, get_origin

import pydantic
from typing_extensions import TypeAliasType

_Model: TypeAlias = type[pydantic.BaseModel]

#: Modules of pydantic whose objects in an `Annotated` run code of the user's.
_CODE_MODULES: Final = frozenset({"pydantic.functional_validators", "pydantic.functional_serializers"})
_HOOK: Final = "__get_pydantic_core_schema__"


class Code:
    """Knows which models run code of their own, themselves or in what their fields name."""

    def __init__(self) -> None:
        self._known: dict[_Model, tuple[bool, set[_Model]]] = {}

    def runs(self, model: _Model) -> bool:
        """Tell whether a model, or one that it names, runs code."""
        pending, seen = [model], {model}
        while pending:
            here = pending.pop()
            if here not in self._known:
                self._known[here] = own(here)
            code, named = self._known[here]
            if code:
                return True
            pending.extend(named - seen)
            seen |= named
        return False


def own(model: _Model) -> tuple[bool, set[_Model]]:
    """Tell whether a model itself runs code, and which models it names."""
    found = model.__pydantic_decorators__
    code = (
        any(getattr(found, kind) for kind in found.__slots__)
        or model.__pydantic_custom_init__
        or not inspect.unwrap(model.model_post_init).__module__.startswith("pydantic.")
        or getattr(model, _HOOK).__func__
        not in {getattr(pydantic.BaseModel, _HOOK).__func__, getattr(pydantic.RootModel, _HOOK).__func__}
    )
    named: set[_Model] = set()
    pending: list[Any] = []
    for info in model.model_fields.values():
        pending += [info.annotation, *info.metadata]
    aliases: list[Any] = []
    while pending:
        part = pending.pop()
        if type(part).__module__ in _CODE_MODULES:
            code = True
        elif isinstance(part, type) and issubclass(part, pydantic.BaseModel):
            named.add(part)
        elif isinstance(part, TypeAliasType):
            if part not in aliases:
                aliases.append(part)
                pending.append(part.__value__)
        else:
            pending += get_args(part)
            if isinstance(get_origin(part), TypeAliasType):
                pending.append(get_origin(part))
    return code, named
