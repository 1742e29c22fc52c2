"""Closing ends every wait, and its cancellation is told from a caller's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from headrace.errors import AsyncClientError, TransportError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection

T = TypeVar("T")

#: What every error says that comes of closing a client, whoever raises it.
CLOSED: Final = "the client was closed"


def this_task() -> asyncio.Task[Any]:
    """Find the task that is running; raises `AsyncClientError` where a coroutine is driven without one."""
    task = asyncio.current_task()
    if task is None:
        message = "a request has to be awaited inside a task"
        raise AsyncClientError(message)
    return task


class Closing:
    """The waits that end when their owner is closed.

    A wait is entered with `begin` and left with `end`. When it meets `CancelledError`, `is_mine` tells whether `close`
    has cancelled it and nobody else: then the wait raises an error of its own, else the cancellation goes on.
    """

    __slots__ = ("_ended", "_waits", "closed")

    def __init__(self) -> None:
        self._waits: dict[asyncio.Task[Any], int] = {}
        self._ended: dict[asyncio.Task[Any], int] = {}
        self.closed = False

    def begin(self) -> asyncio.Task[Any]:
        """Enter a wait of the current task."""
        task = this_task()
        self._waits[task] = task.cancelling()
        return task

    def end(self, task: asyncio.Task[Any]) -> None:
        """Leave a wait."""
        self._waits.pop(task, None)
        self._ended.pop(task, None)

    def is_mine(self, task: asyncio.Task[Any]) -> bool:
        """Tell whether `close` has cancelled the task and nobody else, and take the cancellation back if so."""
        before = self._ended.pop(task, None)
        return before is not None and task.uncancel() <= before

    async def or_closed(self, wait: Awaitable[T], *, maybe_sent: bool = False) -> T:
        """Wait for something, or until this is closed.

        Args:
            wait: What is waited for.
            maybe_sent: What the error shall say of the request that waits.

        Raises:
            headrace.errors.TransportError: This was closed meanwhile.
        """
        task = self.begin()
        try:
            return await wait
        except asyncio.CancelledError:
            if self.is_mine(task):
                raise TransportError(CLOSED, maybe_sent=maybe_sent) from None
            raise
        finally:
            self.end(task)

    def close(self) -> None:
        """End every wait."""
        self.closed = True
        self._ended.update(self._waits)
        self._waits.clear()
        for task in list(self._ended):
            if not task.get_loop().is_closed():  # else it never goes on, nor may it be told to
                task.cancel()


class Abortable(Protocol):
    """What can be ended at once."""

    def abort(self) -> object:
        """End it."""
        ...


async def wait_then_abort(ended: asyncio.Future[None], seconds: float, connections: Collection[Abortable]) -> None:
    """Wait for peers to end in good order, but not for long; who is cancelled meanwhile leaves no socket open either.

    Args:
        ended: Done when all of them have ended.
        seconds: How long to wait.
        connections: Those that have not ended yet.
    """
    try:
        await asyncio.wait([ended], timeout=seconds)
    finally:
        for connection in list(connections):
            connection.abort()
