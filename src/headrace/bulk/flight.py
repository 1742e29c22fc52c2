"""A plain call under way without a task: its connection calls back, and one timer sees to the time of all of them."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from headrace._core.call import Call
    from headrace._io.deadline import Deadline
    from headrace.errors import TransportError


class Flight:
    """A place for one plain call after the other; what a connection gives its answer to.

    A place whose call goes on in a task is not used again: the task knows its exchange by it.

    Args:
        landed: Is called with it when its exchange has ended.

    Attributes:
        call: What was asked for; `None` where the place is free.
        key: What the call is known by.
        mark: Its digest.
        number: Which call it is.
        began: When it was sent, in seconds of `time.monotonic`.
        ended: When its answer came.
        begun: Its request.
        outcome: The answer, or what there is instead; `None` while it is under way.
        deadline: Its time, once it goes on in a task.
    """

    __slots__ = ("_landed", "began", "begun", "call", "deadline", "ended", "key", "mark", "number", "outcome")

    def __init__(self, landed: Callable[[Flight], None]) -> None:
        self._landed = landed
        self.call: Call | None = None
        self.key: str | None = None
        self.mark: bytes | None = None
        self.number = 0
        self.began = 0.0
        self.ended = 0.0
        self.begun: Any = None
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
        self._landed(self)

    def set_exception(self, error: TransportError) -> None:
        """Take the error."""
        self.outcome = error
        self._landed(self)

    # What the engine calls.

    def abandon(self) -> None:
        """End the exchange, if it is under way still; its connection is not used again."""
        if self.outcome is None:
            self.begun.connection.abandon(self)
        self.call = None

    def expire(self) -> None:
        """Note that its time is over."""
        if self.deadline is None:
            if self.outcome is None:
                self.begun.connection.abandon(self)
                self.outcome = asyncio.CancelledError()
                self._landed(self)
        elif self.deadline.task is not None and not self.deadline.expired:
            self.deadline.expired = True
            self.deadline.task.cancel()

    def __repr__(self) -> str:
        return f"<Flight of {self.call!r}>"


class Sweep:
    """Ends the calls whose time is over: never early, and one timer for all that may take equally long.

    Args:
        flights: The places; read anew at every look.
        seconds: How long a call may take.
    """

    def __init__(self, flights: Iterable[Flight], seconds: float) -> None:
        self._flights = flights
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """See to it that there is a timer; a call has begun."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        now = monotonic()
        first = None
        for flight in tuple(self._flights):
            if flight.call is None:
                continue
            if flight.began + self._seconds <= now:
                flight.expire()
            elif first is None or flight.began < first:
                first = flight.began
        if first is not None:  # else whatever begins next will ask for a look
            wait = first + self._seconds - now
            self._timer = asyncio.get_running_loop().call_later(wait, self._look)

    @property
    def is_watching(self) -> bool:
        """Whether there is a timer."""
        return self._timer is not None

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
