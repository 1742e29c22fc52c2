"""An origin that fails too often is not asked for a while: a state machine over a clock that is passed in.

closed     -- too many failures -->  open
open       -- open_for seconds  -->  half-open
half-open  -- the probe succeeds -> closed
half-open  -- the probe fails --->  open
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from headrace._core.retries.sliding_count import Tally

if TYPE_CHECKING:
    from headrace.policies import CircuitBreaker

#: Origins whose circuits are kept; beyond that the one that was used longest ago is forgotten.
MOST_CIRCUITS: Final = 256


class State(enum.Enum):
    """What a circuit does with a request."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """The circuit of one origin.

    A request asks `refusal`, enters, and leaves with its outcome in any case. What entered before the state last
    changed says nothing about the state that there is now.

    Args:
        settings: When it opens, and for how long.
        now: Seconds on a clock that never goes back, the same for every call.

    Attributes:
        state: The state as of the last call.
    """

    __slots__ = ("_half_open_at", "_period", "_probing", "_settings", "_tally", "state")

    def __init__(self, settings: CircuitBreaker, now: float) -> None:
        self._settings = settings
        self._period = 0
        self._close(now)

    def _close(self, now: float) -> None:
        self.state = State.CLOSED
        self._half_open_at = now
        self._probing = False
        self._period += 1
        self._tally = Tally(self._settings.window, now)

    def _open(self, now: float) -> None:
        self.state = State.OPEN
        self._half_open_at = now + self._settings.open_for
        self._probing = False
        self._period += 1

    def refusal(self, now: float) -> float | None:
        """Tell whether a request would be refused now, and for how long.

        Returns:
            Seconds until it is worth asking again; `None` where it may enter. While a probe is under way nobody knows;
            then it is `open_for`, what it will be if the probe fails.
        """
        if self.state is State.CLOSED:
            return None
        if self.state is State.OPEN:
            return self._half_open_at - now if now < self._half_open_at else None
        return self._settings.open_for if self._probing else None

    def enter(self) -> int:
        """Let a request in that `refusal` does not refuse; a circuit that was open long enough is half-open now.

        Returns:
            The ticket to leave with.
        """
        if self.state is State.OPEN:
            self.state = State.HALF_OPEN
            self._period += 1
        self._probing = self.state is State.HALF_OPEN
        return self._period

    def leave(self, ticket: int, succeeded: bool | None, now: float) -> None:  # noqa: FBT001 - three outcomes
        """Take the outcome of a request that entered.

        Args:
            ticket: What `enter` returned.
            succeeded: `None` where the request says nothing about the server, such as one that was cancelled: a probe
                gives its place to the next one.
            now: Seconds.
        """
        if ticket != self._period:
            return
        self._probing = False
        if succeeded is None:
            return
        if self.state is State.HALF_OPEN:
            if succeeded:
                self._close(now)
            else:
                self._open(now)
            return
        tally = self._tally
        tally.add(now)
        if not succeeded:
            tally.mark(now)
            if tally.events >= self._settings.minimum and tally.marks >= self._settings.failure_ratio * tally.events:
                self._open(now)

    def __repr__(self) -> str:
        return f"Breaker({self.state.value}, {self._tally.marks} failures of {self._tally.events})"


class Breakers:
    """The circuits of a client, one an origin.

    Args:
        settings: When a circuit opens, and for how long.
    """

    __slots__ = ("_known", "_settings")

    def __init__(self, settings: CircuitBreaker) -> None:
        self._settings = settings
        self._known: OrderedDict[str, Breaker] = OrderedDict()

    def of(self, origin: str, now: float) -> Breaker:
        """Find the circuit of an origin; a new one is closed.

        Args:
            origin: Scheme, host and port.
            now: Seconds.
        """
        known = self._known.get(origin)
        if known is not None:
            self._known.move_to_end(origin)
            return known
        if len(self._known) >= MOST_CIRCUITS:
            self._known.popitem(last=False)
        made = self._known[origin] = Breaker(self._settings, now)
        return made

    def __len__(self) -> int:
        return len(self._known)
