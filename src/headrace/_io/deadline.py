"""A request ends when its time is over: one timer for all requests of the same length, not one each."""

from __future__ import annotations

import asyncio
import math
from typing import Any, Final

import attrs
import msgspec

from headrace.policies import Timeout


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

    def go_on(self, deadline: Deadline) -> None:
        """Let a deadline that was on hold count from now."""
        deadline.due = self._time() + self._seconds
        self.running[deadline] = None
        if self._timer is None:
            self._wait_until(deadline.due)

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

    def begin_again(self, deadline: Deadline) -> None:
        """Give a request all of its seconds anew, which is on hold."""
        line = self._find(deadline.seconds)
        deadline.running = line.running
        line.go_on(deadline)

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

    def forget(self) -> None:
        """Let go of the requests of a loop that is closed: they never end, and the collector knows of none of them."""
        for line in self._lines.values():
            for deadline in line.running:
                deadline.task = None
            line.running.clear()


class _Clock:
    """The time of one request, which stands while it waits for its start."""

    __slots__ = ("_deadline", "_deadlines")

    def __init__(self) -> None:
        self._deadlines: Deadlines | None = None
        self._deadline = ENDLESS

    def wind(self, deadlines: Deadlines, deadline: Deadline) -> None:
        """Belong to the deadline of a request."""
        self._deadlines, self._deadline = deadlines, deadline

    def hold(self) -> None:
        """Stand still."""
        self._deadline.running.pop(self._deadline, None)

    def begin_again(self) -> None:
        """Run from the beginning."""
        if self._deadlines is not None:
            self._deadlines.begin_again(self._deadline)


@attrs.frozen
class FromStart(Timeout):
    """A timeout whose `total` counts from when the limiter lets the request start; one for each request."""

    clock: _Clock = attrs.field(factory=_Clock, init=False, eq=False, repr=False)
