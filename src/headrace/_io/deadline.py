"""A request ends when its time is over: one timer for all requests of the same length, not one each."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any, Final

import msgspec


class Deadline(msgspec.Struct, eq=False, gc=False):
    """The end of one request's time; the cycles through `running` and `task` end with it: the collector knows of none.

    A task keeps the error that it ended with, and that keeps the frames it came through, which know the deadline.
    """

    running: dict[Deadline, None]
    task: asyncio.Task[Any] | None
    due: float
    cancelling: int  # how often the task had been cancelled before
    seconds: float  # how long it had
    expired: bool = False

    def is_mine(self) -> bool:
        """Tell whether a `CancelledError` is this deadline's and nobody else's, and take it back if so."""
        return self.expired and self.task is not None and self.task.uncancel() <= self.cancelling

    def end(self) -> None:
        """Note that the request has ended."""
        self.running.pop(self, None)
        self.task = None


#: The time of a request that has no end.
ENDLESS: Final = Deadline({}, None, math.inf, 0, math.inf)


def endless(_: asyncio.Task[Any]) -> Deadline:
    """Give a task all the time that it takes."""
    return ENDLESS


class Line:
    """Requests that may take equally long: they expire in the order in which they began, so one timer serves all.

    Args:
        loop: The loop that the requests run on.
        seconds: How long they may take.
    """

    __slots__ = ("_loop", "_seconds", "_time", "_timer", "running")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._time = loop.time
        self._timer: asyncio.TimerHandle | None = None
        self.running: dict[Deadline, None] = {}

    def begin(self, task: asyncio.Task[Any]) -> Deadline:
        """Give the current task its time; see `Deadlines.begin`."""
        running = self.running
        deadline = Deadline(running, task, self._time() + self._seconds, task.cancelling(), self._seconds)
        running[deadline] = None
        if self._timer is None:
            self._wait_until(deadline.due)
        return deadline

    def _wait_until(self, due: float) -> None:
        self._timer = self._loop.call_at(due, self._expire)

    def _expire(self) -> None:
        """Cancel every request whose time is over and wait for the next one."""
        self._timer = None
        now = self._time()
        for deadline in list(self.running):
            if deadline.due > now:
                self._wait_until(deadline.due)
                return
            del self.running[deadline]
            deadline.expired = True
            if deadline.task is not None:
                deadline.task.cancel()

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Deadlines:
    """Bounds the time of requests by cancelling their tasks, as `asyncio.timeout` does, at a fraction of its cost.

    Args:
        loop: The loop that the requests run on.
    """

    __slots__ = ("_kept", "_lines", "_loop")

    _MOST_LINES = 64

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lines: dict[float, Line] = {}
        self._kept: set[float] = set()

    def line(self, seconds: float) -> Line:
        """Find the line of requests that may take so many seconds, and keep it for whoever has asked."""
        self._kept.add(seconds)
        return self._find(seconds)

    def begin(self, seconds: float, task: asyncio.Task[Any]) -> Deadline:
        """Give the current task so many seconds.

        Returns:
            The deadline. Its owner asks `is_mine()` when it meets a `CancelledError`, and calls `end()` in any case.
        """
        return self._find(seconds).begin(task)

    def _find(self, seconds: float) -> Line:
        line = self._lines.get(seconds)
        if line is None:
            if len(self._lines) >= self._MOST_LINES:
                self._drop_empty()
            line = self._lines[seconds] = Line(self._loop, seconds)
        return line

    def _drop_empty(self) -> None:
        """Forget the lengths that nobody uses now: computed timeouts may differ from request to request."""
        for seconds, line in list(self._lines.items()):
            if not line.running and seconds not in self._kept:
                line.stop()
                del self._lines[seconds]

    def stop(self) -> None:
        """Stop every timer."""
        for line in self._lines.values():
            line.stop()


class Late:
    """Gives tasks their time when their request may start, not when it begins to wait for that.

    Args:
        begin: Gives a task its time.
    """

    __slots__ = ("_begin", "_waiting")

    def __init__(self, begin: Callable[[asyncio.Task[Any]], Deadline]) -> None:
        self._begin = begin
        self._waiting: dict[asyncio.Task[Any], LateDeadline] = {}

    def begin(
        self, task: asyncio.Task[Any], own: Callable[[asyncio.Task[Any]], Deadline] | None = None
    ) -> LateDeadline:
        """Give a task a deadline that begins with `start`; `own` takes the place of what gives all others theirs."""
        deadline = self._waiting[task] = LateDeadline(self._waiting, task, own or self._begin)
        return deadline

    def start(self) -> None:
        """Begin the time of the request of the current task, if it has not begun."""
        task = asyncio.current_task()
        deadline = None if task is None else self._waiting.get(task)
        if deadline is not None and deadline.begun is None:
            deadline.begun = deadline.begin(deadline.task)


class LateDeadline(msgspec.Struct, eq=False):
    """The end of a request's time, once that has begun; as a `Deadline` otherwise."""

    waiting: dict[asyncio.Task[Any], LateDeadline]
    task: asyncio.Task[Any]
    begin: Callable[[asyncio.Task[Any]], Deadline]
    begun: Deadline | None = None

    @property
    def seconds(self) -> float:
        """How long it had."""
        return math.inf if self.begun is None else self.begun.seconds

    @property
    def due(self) -> float:
        """When it ends."""
        return math.inf if self.begun is None else self.begun.due

    def is_mine(self) -> bool:
        """Tell whether a `CancelledError` is this deadline's and nobody else's, and take it back if so."""
        return self.begun is not None and self.begun.is_mine()

    def end(self) -> None:
        """Note that the request has ended."""
        self.waiting.pop(self.task, None)
        if self.begun is not None:
            self.begun.end()
