"""When a request has had its time lives here: one timer for all requests of the same length, not one each."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec


class Deadline(msgspec.Struct, eq=False, gc=False):
    """The end of one request's time; the cycles through `running` and `task` end with it: the collector knows of none.

    A task keeps the error that it ended with, and that keeps the frames it came through, which know the deadline.
    """

    running: dict[Deadline, None]
    task: asyncio.Task[Any] | None
    due: float
    cancelling: int  # how often the task had been cancelled before
    expired: bool = False

    def is_mine(self) -> bool:
        """Tell whether a `CancelledError` is this deadline's and nobody else's, and take it back if so."""
        return self.expired and self.task is not None and self.task.uncancel() <= self.cancelling

    def end(self) -> None:
        """Note that the request has ended."""
        self.running.pop(self, None)
        self.task = None


class _Line:
    """Requests that may take equally long: they expire in the order in which they began, so one timer serves all."""

    __slots__ = ("_loop", "running", "timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.timer: asyncio.TimerHandle | None = None
        self.running: dict[Deadline, None] = {}

    def wait_until(self, due: float) -> None:
        self.timer = self._loop.call_at(due, self._expire)

    def _expire(self) -> None:
        """Cancel every request whose time is over and wait for the next one."""
        self.timer = None
        now = self._loop.time()
        for deadline in list(self.running):
            if deadline.due > now:
                self.wait_until(deadline.due)
                return
            del self.running[deadline]
            deadline.expired = True
            if deadline.task is not None:
                deadline.task.cancel()

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Deadlines:
    """Bounds the time of requests by cancelling their tasks, as `asyncio.timeout` does, at a fraction of its cost.

    Args:
        loop: The loop that the requests run on.
    """

    __slots__ = ("_lines", "_loop")

    _MOST_LINES = 64

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lines: dict[float, _Line] = {}

    def begin(self, seconds: float, task: asyncio.Task[Any]) -> Deadline:
        """Give the current task so many seconds.

        Returns:
            The deadline. Its owner asks `is_mine()` when it meets a `CancelledError`, and calls `end()` in any case.
        """
        line = self._lines.get(seconds)
        if line is None:
            if len(self._lines) >= self._MOST_LINES:
                self._drop_empty()
            line = self._lines[seconds] = _Line(self._loop)
        deadline = Deadline(line.running, task, self._loop.time() + seconds, task.cancelling())
        line.running[deadline] = None
        if line.timer is None:
            line.wait_until(deadline.due)
        return deadline

    def _drop_empty(self) -> None:
        """Forget the lengths that nobody uses now: computed timeouts may differ from request to request."""
        for seconds, line in list(self._lines.items()):
            if not line.running:
                line.stop()
                del self._lines[seconds]

    def stop(self) -> None:
        """Stop every timer."""
        for line in self._lines.values():
            line.stop()
