"""Another modelling library reaches the core through a shim, and is never imported by it.

A shim is registered by its own module in `headrace.compat`. That module is imported by the user, or at the first object
whose class comes from the library: nobody pays for a library that no object of theirs belongs to.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any, Literal, NewType, Protocol, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

#: Root package of a modelling library, and the module that registers its shim.
_MODULES = {"pydantic": "headrace.compat.pydantic", "pydantic_core": "headrace.compat.pydantic"}
#: Attributes by which a library marks classes that do not inherit from one of its own, such as pydantic's dataclasses.
_MARKS = {"__pydantic_validator__": "headrace.compat.pydantic", "__pydantic_model__": "headrace.compat.pydantic"}

#: Attributes of the classes whose fields are looked into: dataclasses, NamedTuples and TypedDicts.
_PLAIN_CLASSES = ("__dataclass_fields__", "_field_defaults", "__total__")

_MOST_OWNERS = 4096
_registered: list[Shim] = []
#: Whoever says how values are written: the shims, and what the core itself adds.
_writers: list[Writer] = []
#: Which shim owns the values of a class, or that none does; asked for every request body, so the answer is kept.
_owners: dict[type, Writer | None] = {}


class Writer(Protocol):
    """What the core asks of whoever knows how a value is sent."""

    def owns(self, value: object) -> bool:
        """Tell whether a value is one of the library's; the same for all values of a class."""
        ...

    def builtins(self, value: Any) -> Any:
        """Turn a value into what JSON knows, by alias and with secrets revealed."""
        ...

    def json(self, value: Any) -> bytes:
        """Encode a value as JSON text, by alias and with secrets revealed."""
        ...

    def loses_numbers(self, value: Any, text: bytes) -> bool:
        """Tell whether a NaN or an infinity in a value did not get into its JSON text."""
        ...


class Shim(Writer, Protocol):
    """What the core asks of another modelling library."""

    def owns_type(self, response_format: object) -> bool:
        """Tell whether a response format is, or contains, one of the library's types."""
        ...

    def validator(self, response_format: Any) -> Callable[[bytes], Any]:
        """Find the library's own function that decodes JSON bytes into the response format."""
        ...

    def refusal(self, error: ValueError, body: bytes) -> Exception:
        """Make our error of what that function raised; an error that is not the library's stays what it is."""
        ...

    def decoder(self, response_format: Any) -> Callable[[bytes], Any]:
        """Make the function that decodes JSON bytes into the response format and raises our errors."""
        ...

    def stamp_for(self, response_format: Any) -> Callable[[Any, str, datetime], None] | None:
        """Find what notes on a decoded `Response` (or a list of them) who answered and when, where there may be one."""
        ...


def register(shim: Shim) -> None:
    """Let a shim take part from now on."""
    _registered.append(shim)
    register_writer(shim)


def register_writer(writer: Writer) -> None:
    """Let whoever writes values take part from now on."""
    _writers.append(writer)
    _owners.clear()


def parts(construct: object) -> Iterator[Any]:
    """Name a typing construct and all that it is made of: arguments, aliased types, the fields of plain classes."""
    pending = [construct]
    seen: dict[int, object] = {}  # keeps the parts alive, or an id would come again
    while pending:
        part: Any = pending.pop()
        if id(part) in seen:
            continue
        seen[id(part)] = part
        yield part
        pending.extend(_inner(part))


def _inner(part: Any) -> Iterator[Any]:
    origin = get_origin(part)
    if origin is Literal:
        return
    yield from get_args(part)
    if origin is not None:
        yield origin
    if type(part).__name__ == "TypeAliasType":  # that of Python 3.12, or of typing_extensions
        yield part.__value__
    if isinstance(part, NewType):
        yield part.__supertype__
    if isinstance(part, type) and any(hasattr(part, mark) for mark in _PLAIN_CLASSES):
        try:
            yield from get_type_hints(part, include_extras=True).values()
        except (NameError, TypeError):  # a name that only a type checker knows: whoever decodes will say so
            return


def _load_for(kind: type) -> None:
    """Import the shim of the library that a class comes from, once."""
    for base in kind.__mro__:
        module = _MODULES.get(base.__module__.partition(".")[0])
        if module is not None:
            importlib.import_module(module)
            return
    for mark, module in _MARKS.items():
        if hasattr(kind, mark):
            importlib.import_module(module)


def for_value(value: object) -> Writer | None:
    """Find the shim that a value belongs to."""
    kind = type(value)
    try:
        return _owners[kind]
    except KeyError:
        pass
    _load_for(kind)
    shim = next((writer for writer in _writers if writer.owns(value)), None)
    if len(_owners) >= _MOST_OWNERS:
        _owners.clear()
    _owners[kind] = shim
    return shim


def for_type(response_format: object) -> Shim | None:
    """Find the shim that a response format, or a part of it, belongs to."""
    if sys.modules.keys().isdisjoint(_MODULES):
        return None  # no object of a library that nobody has imported
    for part in parts(response_format):
        _load_for(part if isinstance(part, type) else type(part))
    return next((shim for shim in _registered if shim.owns_type(response_format)), None)
