"""Types that msgspec does not know are read and written by its hooks.

msgspec asks one function how such a type is read, and one how such a value is written. Whoever brings a type says so
here, once. A decoder that meets no such type never calls either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: The attribute of a type that says how it is read: a type that goes takes it along, and no look-up is quicker.
_READ: Final = "__headrace_read__"
_writers: list[Callable[[Any], Any]] = []


def register_reader(kind: type, read: Callable[[Any], Any]) -> None:
    """Say how a type is read from what JSON knows; `read` raises `ValueError` for what does not fit."""
    setattr(kind, _READ, staticmethod(read))


def reader_of(kind: type) -> Callable[[Any], Any]:
    """Find how a type is read."""
    read: Callable[[Any], Any] = getattr(kind, _READ)
    return read


def register_writer(write: Callable[[Any], Any]) -> None:
    """Say how values are turned into what JSON knows; `write` returns `NotImplemented` for a value that is not its."""
    _writers.append(write)


def knows(kind: type) -> bool:
    """Tell whether a type can be read."""
    return hasattr(kind, _READ)


def dec_hook(kind: type, value: Any) -> Any:
    """Read a value of a type that msgspec does not know: the `dec_hook` of every decoder here.

    Args:
        kind: The type.
        value: What the document has.

    Returns:
        The value of that type; what no one here can read stays as it is, and msgspec refuses it.

    Raises:
        ValueError: It does not fit.
    """
    try:
        read = kind.__headrace_read__  # type: ignore[attr-defined] # `_READ`
    except AttributeError:
        return value
    return read(value)


def enc_hook(value: Any) -> Any:
    """Write a value of a type that msgspec does not know: the `enc_hook` of every encoder of models.

    Args:
        value: The value.

    Returns:
        What stands for it in JSON.

    Raises:
        TypeError: No one here can write it.
    """
    for write in _writers:
        written = write(value)
        if written is not NotImplemented:
            return written
    message = f"a {type(value).__name__} has no JSON text"
    raise TypeError(message)


def schema_hook(kind: type) -> dict[str, Any]:
    """Describe a type that msgspec does not know: the `schema_hook` of every JSON Schema of models.

    Args:
        kind: The type.

    Returns:
        Its JSON Schema, without definitions of its own.

    Raises:
        NotImplementedError: It says nothing of itself.
    """
    describe = getattr(kind, "json_schema", None)
    if not knows(kind) or describe is None:
        raise NotImplementedError
    described: dict[str, Any] = describe()
    return described
