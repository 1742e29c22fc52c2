"""The tasks of a bulk: each is heard of when it has ended, and all of them can be ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    #: Is called when a task has ended, with its error, if any.
    Left = Callable[[BaseException | None], object]


class Tasks:
    """Holds the tasks that are under way."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left: dict[asyncio.Task[None], Left] = {}

    def begin(self, work: Coroutine[Any, Any, None], left: Left) -> asyncio.Task[None]:
        """Begin one.

        Args:
            work: What it does.
            left: Is called when it has ended.
        """
        task = asyncio.create_task(work)
        self._left[task] = left
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        left = self._left.pop(task)
        left(asyncio.CancelledError() if task.cancelled() else task.exception())

    def cancel(self) -> None:
        """Have all of them end soon."""
        for task in tuple(self._left):
            task.cancel()

    async def gone(self) -> None:
        """Wait until all have ended, and were heard of; a cancellation goes on then."""
        interrupted: asyncio.CancelledError | None = None
        while self._left:
            under_way = [task for task in self._left if not task.done()]
            try:
                await (asyncio.wait(under_way) if under_way else asyncio.sleep(0))
            except asyncio.CancelledError as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted
