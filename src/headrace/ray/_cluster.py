"""Ray itself: is it there, new enough, and running."""

from __future__ import annotations

import pickle
import typing
from typing import TYPE_CHECKING, Any, Final

from headrace._checks import wrong
from headrace.client import AsyncClient
from headrace.config import ClientConfig
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

_OLDEST: Final = (2, 40)


def engine() -> Any:
    """Import Ray.

    Raises:
        ImportError: It is not installed, or older than 2.40.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError("headrace.ray needs the extra `ray`: pip install 'headrace[ray]'") from error
    version: str = ray.__version__
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < _OLDEST:
        needed = ".".join(map(str, _OLDEST))
        raise ImportError(
            f"headrace.ray needs Ray {needed} or newer, and this is {version}: pip install 'headrace[ray]'"
        )
    return ray


def begin(address: str | None) -> Any:
    """Connect to a cluster, or start one on this machine, unless that was done before.

    Args:
        address: That of a cluster; `None` is what Ray finds, or else this machine.

    Returns:
        Ray.
    """
    ray = engine()
    if not ray.is_initialized():
        ray.init(address=address, include_dashboard=False, log_to_driver=False)
    return ray


class Recipe(typing.NamedTuple):
    """What a client is made from in another process.

    Attributes:
        kind: Its class.
        config: What it is made from.
    """

    kind: type[AsyncClient]
    config: ClientConfig

    def make(self) -> AsyncClient:
        """Make the client."""
        return self.kind.from_config(self.config)


def recipe(client: Any) -> Recipe:
    """Read a client class or a `ClientConfig`.

    Raises:
        headrace.errors.ValidationError: It is neither, or another process could not make such a client.
    """
    takes = "a class of AsyncClient, or a ClientConfig"
    if isinstance(client, Recipe):
        importable("client", client.kind)
        return client
    if isinstance(client, ClientConfig):
        kind, config = AsyncClient, client
    elif isinstance(client, type) and issubclass(client, AsyncClient):
        kind = client
        importable("client", client)
        config = client().config
    else:
        remedy = "give its config" if isinstance(client, AsyncClient) else ""
        raise wrong("client", client, takes, remedy)
    return Recipe(kind, config)


def importable(name: str, value: Any) -> None:
    """Refuse a type that only this process has.

    Args:
        name: The argument.
        value: A class, or a type that is made of others.

    Raises:
        headrace.errors.ValidationError: It, or a part of it, is of `__main__` or of a function.
    """
    if isinstance(value, type) and not typing.get_args(value):
        shown = value.__qualname__
        if value.__module__ == "__main__":
            where = "__main__, which is another module in every other process"
        elif "<locals>" in shown:
            where = "a function, where no other process finds it"
        else:
            return
        message = (
            f"{name}: {shown.rpartition('.')[2]} is defined in {where}; put it in a module that workers can import"
        )
        raise ValidationError(message)
    for part in typing.get_args(value):
        if isinstance(part, type) or typing.get_args(part):
            importable(name, part)


def portable(name: str, value: Any, dumps: Callable[[Any], object] = pickle.dumps) -> None:
    """Refuse what cannot be sent to another process.

    Args:
        name: The argument.
        value: What is to be sent.
        dumps: How it is written.

    Raises:
        headrace.errors.ValidationError: It cannot be; the text says why, and shows nothing of it.
    """
    try:
        dumps(value)
    except Exception as error:  # noqa: BLE001 - whatever it is that cannot
        message = f"{name}: cannot be sent to another process: {type(error).__name__}: {error}"
        raise ValidationError(message) from None
