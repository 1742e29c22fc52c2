"""A client whose own `__init__` does not call the one of `AsyncClient` is set up when it is first used."""

from __future__ import annotations

from typing import Any, Final, Protocol

#: What a client is made of; see `headrace._client.settings.Settings`, and `SyncClient` for the last three.
PARTS: Final = (
    *("_auth", "_binding", "_config", "_cookies", "_defaults", "_dispatch", "_limiter", "_pipeline", "_plainly"),
    *("_run", "_stats"),
    *("_engine", "_loop_thread", "_turn"),
)


class Unmade:
    """Stands for a part of a client until there is one; it is no data descriptor, so that the part then hides it.

    Only classes that have an `__init__` of their own have these: where nothing is looked for in vain, finding an
    attribute is quicker.

    Args:
        name: The part.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, client: Makes | None, owner: type | None = None) -> Any:
        if client is None:
            return self
        if "_config" not in vars(client):
            client._set_up_unasked()  # noqa: SLF001 - a client of ours
        if self._name in vars(client):
            return vars(client)[self._name]
        message = f"{type(client).__name__!r} object has no attribute {self._name!r}"
        raise AttributeError(message)


class Makes(Protocol):
    """A client, as far as it is needed here."""

    def _set_up_unasked(self) -> None:
        """Set it up with what its class says."""
        ...


def prepare(cls: type) -> None:
    """Let the instances of a class that has an `__init__` of its own be set up when they are first used."""
    if "__init__" in vars(cls):
        for name in PARTS:
            setattr(cls, name, Unmade(name))
