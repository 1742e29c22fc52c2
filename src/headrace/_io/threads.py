"""Work that would block the loop is handed to a thread here, and nobody leaves while a thread still uses their file."""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

T = TypeVar("T")


def begin(work: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
    """Begin work in a thread; wait for it with `result` only, because a future that is cancelled says nothing of it."""
    return asyncio.get_running_loop().run_in_executor(None, work, *arguments)


async def result(future: asyncio.Future[T]) -> T:
    """Wait for what `begin` has begun; a cancellation leaves the work under way."""
    return await asyncio.shield(future)


async def settled(future: asyncio.Future[Any] | None) -> None:
    """Wait until a thread, if there is one, is done, however it ends; a cancellation meanwhile goes on afterwards."""
    if future is None:
        return
    interrupted: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            interrupted = error
    if not future.cancelled():
        future.exception()  # seen: whoever wanted the result is gone
    if interrupted is not None:
        raise interrupted


async def run(work: Callable[..., T], *arguments: Any, undo: Callable[[T], object] | None = None) -> T:
    """Do work in a thread; a cancellation, or several, go on when it has ended.

    Args:
        work: What is done.
        arguments: Its arguments.
        undo: What is done about the result where nobody is there to take it.
    """
    future = begin(work, *arguments)
    try:
        return await result(future)
    except asyncio.CancelledError:
        try:
            await settled(future)
        finally:
            if undo is not None and not future.cancelled() and future.exception() is None:
                undo(future.result())
        raise


async def load(name: str) -> ModuleType:
    """Import a module that is needed seldom, in a thread: the loop goes on meanwhile.

    Args:
        name: Its full name.
    """
    module = sys.modules.get(name)
    if module is None or getattr(module.__spec__, "_initializing", False):  # another thread may be at it
        module = await run(importlib.import_module, name)
    return module
