"""The older framework's errors: those of `headrace.errors`, and what only sub-clients and extensions raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace import errors as _errors
from headrace.errors import ClientError, FrameworkException

if TYPE_CHECKING:
    from headrace.errors import *  # noqa: F403 - what is found at run time below

# One class a status, and whatever else has kept its name.
globals().update({name: value for name, value in vars(_errors).items() if isinstance(value, type)})
ERROR_RESPONSE_MAPPING = _errors.ERROR_RESPONSE_MAPPING
HTTPHttpServerVersionNotSupported = _errors.HTTPHttpVersionNotSupported


class _Named(Exception):
    """An error about something that has a name.

    Args:
        message: What happened.
        name: What it is about.
    """

    name: str

    def __init__(self, message: str | None = None, *args: Any, name: str) -> None:
        self.name = name
        super().__init__(message or f"{name!r} has an error", *args)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the name, which the constructor asks for."""
        return _unpickled, (type(self), self.args, vars(self))


def _unpickled(kind: type[_Named], args: tuple[Any, ...], state: dict[str, Any]) -> _Named:
    error = kind.__new__(kind, *args)
    vars(error).update(state)
    return error


class ExtensionError(_Named, FrameworkException):
    """An extension cannot be loaded, unloaded or found."""


class ExtensionNotFound(ExtensionError):
    """There is no such module."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no extension {name!r}: no such module can be imported", name=name)


class ExtensionAlreadyLoaded(ExtensionError):
    """The client has it already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the extension {name!r} is loaded already; reload_extension() loads it anew", name=name)


class ExtensionNotLoaded(ExtensionError):
    """The client has no such extension."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the extension {name!r} is not loaded", name=name)


class ExtensionEntryPointError(ExtensionError):
    """The module has no `setup`."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the extension {name!r} has no function setup(client)", name=name)


class ExtensionFailed(ExtensionError):
    """The module, or its `setup`, has raised.

    Args:
        name: The extension.
        original: What it has raised; the `__cause__` as well.
    """

    def __init__(self, name: str, original: Exception) -> None:
        super().__init__(f"the extension {name!r} has raised {type(original).__name__}: {original}", name=name)
        self.original = original


class SubClientError(_Named, ClientError):
    """A sub-client is used wrongly."""


class SubClientAlreadyLoaded(SubClientError):
    """There is one of this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a sub-client {name!r} already", name=name)


class SubClientParentSet(SubClientAlreadyLoaded):
    """The sub-client belongs to another parent."""


class SubClientNotLoaded(SubClientError):
    """There is none of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no sub-client {name!r}", name=name)


class SubClientNoParent(SubClientError):
    """The sub-client has no parent that could send its request."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the sub-client {name!r} has no parent yet: client.add_subclient(…) gives it one", name=name)
