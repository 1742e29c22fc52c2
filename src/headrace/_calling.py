"""Whose thread runs the functions and iterables that a caller has given.

An async caller's run on the loop. A caller that waits for the loop in a thread of its own, as that of a `SyncClient`
does, has them run there.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Caller(Protocol):
    """A thread that waits for the loop, as the loop sees it."""

    def post(self, function: Callable[..., object], /, *arguments: Any) -> None:
        """Have the thread call a function soon; what it raises ends what the thread waits for."""
        ...

    async def call(self, function: Callable[..., T], /, *arguments: Any) -> T:
        """Have the thread call a function, and wait for what it returns or raises."""
        ...


#: The thread that waits for the task that is running; `None` where nobody does.
current: Final[ContextVar[Caller | None]] = ContextVar("headrace caller", default=None)


async def call(function: Callable[..., T], /, *arguments: Any) -> T:
    """Call a function of the caller's, where that is to run."""
    caller = current.get()
    return function(*arguments) if caller is None else await caller.call(function, *arguments)


def teller(function: Callable[..., object] | None) -> Callable[..., object] | None:
    """Make of a function of the caller's, whose result nobody wants, what calls it where it is to run."""
    caller = current.get()
    return function if function is None or caller is None else functools.partial(caller.post, function)
