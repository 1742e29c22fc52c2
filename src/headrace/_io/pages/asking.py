"""Asks for the pages of a series: some ahead, several at once where they can be counted, and always in their order.

A page that follows from the one before it is asked for when that has come. One that can be counted is asked for where
it is guessed to be; when the page before it has come, the guess is checked, and thrown away where it was wrong.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from headrace._io.deadline import FromStart
from headrace._io.frames import clear_frames
from headrace.policies import as_timeout
from headrace.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headrace._core.call import Call
    from headrace._core.pages.series import Series, Step


class _Asked:
    """A page that was asked for.

    Args:
        position: Where.
        task: What brings it.
    """

    __slots__ = ("error", "position", "step", "task")

    def __init__(self, position: Any, task: asyncio.Task[Any]) -> None:
        self.position = position
        self.task = task
        self.step: Step | None = None
        self.error: BaseException | None = None


class Asking:
    """The requests of one series.

    Args:
        send: Sends a call, and gives its answer.
        series: The series.
        timeout: The time of each request.
        prefetch: How many pages are asked for ahead.
        parallel: How many are asked for at once.
        max_pages: How many are asked for in all, or `None`.
        max_items: How many items are enough, or `None`.
    """

    __slots__ = (
        "_depth", "_dropped", "_items", "_left", "_max_items", "_parallel", "_send", "_series", "_timeout", "_waiting",
        "_woken", "ended", "loop", "waits",
    )  # fmt: skip

    def __init__(
        self,
        send: Callable[[Call], Awaitable[Any]],
        series: Series,
        timeout: Any,
        prefetch: int,
        parallel: int,
        max_pages: int | None,
        max_items: int | None,
    ) -> None:
        self._send = send
        self._series = series
        self._timeout = as_timeout(timeout)
        self._parallel = parallel
        self._depth = prefetch if parallel == 1 else max(prefetch, parallel)
        self._left = max_pages
        self._max_items = max_items
        self._items = 0
        self._waiting: deque[_Asked] = deque()
        self._dropped: set[asyncio.Task[Any]] = set()
        self._woken: asyncio.Future[None] | None = None
        self.waits = False
        self.ended = False
        self.loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"<{len(self._waiting)} pages ahead>"

    @property
    def is_open(self) -> bool:
        """Whether it was begun, and has not ended."""
        return self.loop is not None and not self.ended

    @property
    def is_enough(self) -> bool:
        """Whether as many pages were asked for, and given, as may be."""
        return self._left == 0 and not self._waiting

    async def next(self) -> Step | None:
        """Wait for the next page; `None` is the end.

        Raises:
            BaseException: What its request ended with.
        """
        self.loop = asyncio.get_running_loop()
        self.waits = True
        try:
            self._fill()
            if not self._waiting:
                return None
            first = self._waiting[0]
            while first.step is None and first.error is None:
                if self.ended:
                    return None
                self._woken = self.loop.create_future()
                await self._woken  # a page that was asked for comes all the same where the caller is cancelled
        finally:
            self.waits = False
            self._woken = None
        self._waiting.popleft()
        if first.error is not None:
            raise first.error
        self._fill()
        return first.step

    def _fill(self) -> None:
        """Ask for as many pages as may be asked for."""
        self._settle()
        while not self.ended and len(self._waiting) < max(self._depth, self.waits):
            if self._left == 0 or sum(not each.task.done() for each in self._waiting) >= self._parallel:
                return
            if self._max_items is not None and self._items >= self._max_items:
                return
            position = self._next_position()
            if position is _NOWHERE:
                return
            if self._left is not None:
                self._left -= 1
            task = asyncio.get_running_loop().create_task(self._fetch(position))
            self._waiting.append(_Asked(position, task))
            task.add_done_callback(self._came)

    def _next_position(self) -> Any:
        series = self._series
        if not self._waiting:
            return _NOWHERE if series.progress.over else series.progress.position
        last = self._waiting[-1]
        if last.error is not None:
            return _NOWHERE
        if last.step is not None:
            return _NOWHERE if last.step.progress.over else last.step.progress.position
        if self._parallel == 1:
            return _NOWHERE
        guessed = series.strategy.ahead(last.position, series.progress.total, series.progress.size)
        return _NOWHERE if guessed is None else guessed

    async def _fetch(self, position: Any) -> Any:
        coming = self._send(self._call(position))
        position = None  # logs may show the variables of a frame
        return await coming

    def _call(self, position: Any) -> Call:
        own = self._timeout
        timeout = FromStart(own.total, own.connect, own.pool, own.read)
        return msgspec.structs.replace(self._series.call(position), timeout=timeout)

    def _came(self, task: asyncio.Task[Any]) -> None:
        """Go on from a page that has come."""
        self._dropped.discard(task)
        if not task.cancelled():
            task.exception()  # it is raised when its turn comes, if that comes
        if not self.ended:
            self._fill()
        self._wake()

    def _wake(self) -> None:
        """Let who waits for a page look again."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    def _settle(self) -> None:
        """Take the pages that have come, as far as none before them lacks, and check what was guessed behind each."""
        for index, asked in enumerate(self._waiting):
            if asked.step is not None:
                continue
            if asked.error is not None or not asked.task.done():
                return
            try:
                asked.step = step = self._series.accept(asked.position, asked.task.result())
            except BaseException as error:  # noqa: BLE001 - raised when its turn comes
                clear_frames(error)  # which know what came
                asked.error = error
                self._drop_behind(index)
                return
            if step.failure is not None:
                clear_frames(step.failure)
            self._items += len(step.page.items)
            behind = self._waiting[index + 1] if index + 1 < len(self._waiting) else None
            if behind is not None and (step.progress.over or behind.position != step.progress.position):
                self._drop_behind(index)
                return

    def _drop_behind(self, index: int) -> None:
        while len(self._waiting) > index + 1:
            task = self._waiting.pop().task
            if self._left is not None:
                self._left += 1
            if not task.done():
                self._dropped.add(task)
                task.cancel()

    def stop(self) -> None:
        """End every request; none is made any more."""
        self.ended = True
        for asked in self._waiting:
            if not asked.task.done():
                self._dropped.add(asked.task)
        self._waiting.clear()
        for task in self._dropped:
            task.cancel()
        self._wake()

    async def aclose(self) -> None:
        """End every request, and wait until all have ended."""
        self.stop()
        if self._dropped:
            await asyncio.wait(list(self._dropped))


_NOWHERE: Any = UNSET
