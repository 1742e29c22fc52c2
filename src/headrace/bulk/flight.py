"""A plain call under way without a task: its connection calls back, and one timer sees to the time of all of them."""

from __future__ import annotations

import asyncio
import math
from time import monotonic
from typing import TYPE_CHECKING, Any

from headrace._io.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from headrace.bulk.source import Pulled
    from headrace.errors import TransportError


class Flight:
    """A place for one plain call after the other; what a connection gives its answer to.

    A place whose call goes on in a task is not used again: the task knows its exchange by it.

    Args:
        landed: Those whose exchange has ended, to be joined.
        step: Is called by the first of them.

    Attributes:
        pulled: The call; `None` where the place is free.
        begun: Its request; behind the answer, that whose connection is kept for the next call.
        ended: When its answer came, in seconds of `time.monotonic`.
        outcome: The answer, or what there is instead; `None` while it is under way.
        deadline: Its time, once it goes on in a task.
    """

    __slots__ = ("_landed", "_step", "begun", "deadline", "ended", "outcome", "pulled")

    def __init__(self, landed: list[Flight], step: Callable[[], object]) -> None:
        self._landed = landed
        self._step = step
        self.pulled: Pulled | None = None
        self.begun: Any = None
        self.ended = 0.0
        self.outcome: Any = None
        self.deadline: Deadline | None = None

    # What the connection calls.

    def done(self) -> bool:
        """Whether nobody waits any more; a connection that is asked to abandon a call forgets it."""
        return False

    def cancelled(self) -> bool:
        """Whether whoever waited has given up; see `done`."""
        return False

    def exception(self) -> None:
        """Be asked only where it is done, which it never is."""

    def set_result(self, response: Any) -> None:
        """Take the answer."""
        self.outcome = response
        self.ended = monotonic()
        landed = self._landed
        if not landed:
            self._step()
        landed.append(self)

    def set_exception(self, error: TransportError) -> None:
        """Take the error."""
        self.set_result(error)

    # What the engine calls.

    def abandon(self) -> None:
        """End the exchange, if it is under way still; its connection is not used again."""
        if self.pulled is not None and self.outcome is None:
            self.begun.connection.abandon(self)
        self.pulled = None
        self.release()

    def release(self) -> None:
        """Give the connection back that it has kept, if any, and if that serves still."""
        begun, self.begun = self.begun, None
        if begun is not None:
            begun.connection.release()

    def hand_over(self, seconds: float | None) -> Deadline:
        """Go on in a task, with what is left of so many seconds; this place is not used again."""
        given = math.inf if seconds is None else seconds
        self.deadline = deadline = Deadline({}, None, self.begun.began + given, 0, given)
        deadline.expired = isinstance(self.outcome, asyncio.CancelledError)
        return deadline

    def expire(self) -> None:
        """Note that its time is over."""
        if self.deadline is None:
            if self.outcome is None:
                self.begun.connection.abandon(self)
                self.set_result(asyncio.CancelledError())
        elif self.deadline.task is not None and not self.deadline.expired:
            self.deadline.expired = True
            self.deadline.task.cancel()

    def __repr__(self) -> str:
        return f"<Flight of {None if self.pulled is None else self.pulled[0]!r}>"


class Sweep:
    """Ends the calls whose time is over: never early, and one timer for all that may take equally long.

    Args:
        flights: The places; read anew at every look.
        seconds: How long a call may take.

    Attributes:
        timer: The timer; `None` where nothing is under way that it knows of, and `watch` has to be called.
    """

    def __init__(self, flights: Iterable[Flight], seconds: float) -> None:
        self._flights = flights
        self._seconds = seconds
        self.timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """See to it that there is a timer; a call has begun."""
        if self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def _look(self) -> None:
        self.timer = None
        now = monotonic()
        first = None
        for flight in tuple(self._flights):
            if flight.pulled is None:
                continue
            if flight.begun.began + self._seconds <= now:
                flight.expire()
            elif first is None or flight.begun.began < first:
                first = flight.begun.began
        if first is not None:  # else whatever begins next will ask for a look
            wait = first + self._seconds - now
            self.timer = asyncio.get_running_loop().call_later(wait, self._look)

    def stop(self) -> None:
        """Stop the timer."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Flights:
    """The places of a bulk, and who sees to the time of their calls.

    Args:
        step: Is called when exchanges have ended.

    Attributes:
        free: Those that no call has; the ones at the end may keep a connection.
        landed: Those whose exchange has ended, to be seen to.
    """

    __slots__ = ("_all", "_step", "_sweep", "free", "landed")

    def __init__(self, step: Callable[[], object]) -> None:
        self._step = step
        self._all: set[Flight] = set()
        self._sweep: Sweep | None = None
        self.free: list[Flight] = []
        self.landed: list[Flight] = []

    def limit(self, seconds: float | None) -> None:
        """Say how long a call may take; `None` is without end."""
        self._sweep = None if seconds is None else Sweep(self._all, seconds)

    def new(self) -> Flight:
        """Make a place, where none is free."""
        flight = Flight(self.landed, self._step)
        self._all.add(flight)
        return flight

    def watch(self) -> None:
        """See to the time of calls that were begun now."""
        if self._sweep is not None and self._sweep.timer is None:
            self._sweep.watch()

    def release(self) -> None:
        """Give the connections back on which nothing was begun."""
        for flight in reversed(self.free):
            if flight.begun is None:
                break
            flight.release()

    def discard(self, flight: Flight) -> None:
        """Forget a place whose call has ended in a task."""
        self._all.discard(flight)

    def drop(self) -> int:
        """Forget the calls that no task has; what is under way ends, and its connections are not used again.

        Returns:
            How many there were.
        """
        if self._sweep is not None:
            self._sweep.stop()
        count = 0
        for flight in self._all:
            if flight.deadline is None:
                count += flight.pulled is not None
                flight.abandon()
        self._all.clear()
        self.landed.clear()
        return count
