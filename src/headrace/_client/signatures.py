"""A verb shows its keywords in its signature, though at run time it takes them as one mapping."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from headrace._core.call import Call

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")

_DEFAULTS = dict(zip(Call.__struct_fields__, Call.__struct_defaults__, strict=True))


def takes(options: type) -> Callable[[F], F]:
    """Let `inspect.signature`, `help` and `unittest.mock.create_autospec` see the keywords of a verb.

    Keywords that stand in a function's own signature cost time in every call that leaves them out, so at run time
    there is `**options` instead.

    Args:
        options: The `TypedDict` that names them; each has the default that it has in a `Call`.
    """

    def show(verb: F) -> F:
        own = inspect.signature(verb)
        shown = [each for each in own.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        shown += [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS[name], annotation=hint.__forward_arg__
            )
            for name, hint in options.__annotations__.items()
            if name not in own.parameters
        ]
        verb.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined] # every function takes it
        return verb

    return show
