"""Everything that lets another modelling library into the core without importing it lives here.

A shim is registered by its own module in `headrace.compat`. That module is imported by the user, or at the first object
whose class comes from the library: nobody pays for a library that no object of theirs belongs to.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol, get_args

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

#: Root package of a modelling library, and the module that registers its shim.
_MODULES = {"pydantic": "headrace.compat.pydantic", "pydantic_core": "headrace.compat.pydantic"}

_MOST_PLAIN = 4096
_registered: list[Shim] = []
#: Classes of values that no shim owns; asked for every request body, so the answer is kept.
_plain: set[type] = set()


class Shim(Protocol):
    """What the core asks of another modelling library."""

    def owns(self, value: object) -> bool:
        """Tell whether a value is one of the library's."""
        ...

    def owns_type(self, response_format: object) -> bool:
        """Tell whether a response format is, or contains, one of the library's types."""
        ...

    def decoder(self, response_format: Any) -> Callable[[bytes], Any]:
        """Make the function that decodes JSON bytes into the response format."""
        ...

    def builtins(self, value: Any) -> Any:
        """Turn a value into what JSON knows, by alias and with secrets revealed."""
        ...

    def json(self, value: Any) -> bytes:
        """Encode a value as JSON text, by alias and with secrets revealed."""
        ...

    def stamp(self, value: Any, base_uri: str, time: datetime) -> None:
        """Note on a decoded `Response` (or a list of them) who answered and when."""
        ...


def register(shim: Shim) -> None:
    """Let a shim take part from now on."""
    _registered.append(shim)
    _plain.clear()


def _load_for(kind: type) -> None:
    """Import the shim of the library that a class comes from, once."""
    for base in kind.__mro__:
        module = _MODULES.get(base.__module__.partition(".")[0])
        if module is not None:
            importlib.import_module(module)
            return


def for_value(value: object) -> Shim | None:
    """Find the shim that a value belongs to."""
    kind = type(value)
    if kind in _plain:
        return None
    _load_for(kind)
    shim = next((shim for shim in _registered if shim.owns(value)), None)
    if shim is None:
        if len(_plain) >= _MOST_PLAIN:
            _plain.clear()
        _plain.add(kind)
    return shim


def for_type(response_format: object) -> Shim | None:
    """Find the shim that a response format, or a part of it, belongs to."""
    pending = [response_format]
    while pending:
        part = pending.pop()
        pending.extend(get_args(part))
        _load_for(part if isinstance(part, type) else type(part))
    return next((shim for shim in _registered if shim.owns_type(response_format)), None)
