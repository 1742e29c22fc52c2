"""How many requests may be in flight, and how many may start in a second, found out from what comes back.

Two controllers, because servers are full in two ways. Where answers take longer the more there are in flight, latency
sets the width: the gradient of Netflix's concurrency-limits and of Envoy, `baseline / latency`, whose baseline is
measured anew at a smaller width now and then, as Envoy does, so that it can neither grow with the queue nor be held for
ever. Where a server refuses at once (429, 503) latency says nothing, and it sets a rate: that at which it accepted,
which then grows again, slowly at first, as Vector's limit does and CUBIC's (RFC 9438) window.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace._core.limits.server_limits import Told

#: The width to begin with, where it may be so small.
FIRST: Final = 8
#: By how many times the baseline the latency of a round may be longer before the width shrinks.
_TOLERANCE: Final = 1.4
#: Seconds that are added to both, so that the grain of a clock and the noise of a fast network say nothing.
_GRAIN: Final = 0.002
_LEAST_GRADIENT: Final = 0.5
#: Answers of a round, at least; beside half of the width.
_FEWEST: Final = 8
#: Seconds between two measurements of the baseline.
_BASELINE_SECONDS: Final = 30.0
#: What is left of the width where an answer says that the server has too much.
_OVERLOADED: Final = 0.7
#: Seconds over which accepted requests are counted.
_WINDOW: Final = 1.0
#: What is left of the rate at which a server accepted, when it refuses.
_REFUSED: Final = 0.95
#: Seconds that nobody starts behind a refusal that says no time itself; twice as long behind each that follows.
_HOLD: Final = 0.25
_LONGEST_HOLD: Final = 30.0
#: Seconds behind a refusal in which others are the same one: what a server counts over has to pass first.
_SAME: Final = 1.5
#: Seconds for which it is remembered how many a server has accepted in the fullest second.
_MEMORY: Final = 3.0
#: Seconds in which a rate doubles: it grows by the square of the time.
_DOUBLING: Final = 60.0
#: Seconds of starts that may come at once, because timers are late.
_BURST_SECONDS: Final = 0.005
#: Seconds that one answer may hold all starts.
MOST_HOLD: Final = 3600.0


class Width:
    """How many requests may be in flight, by how long answers take.

    Args:
        least: Never fewer.
        most: Never more.

    Attributes:
        limit: How many.
    """

    __slots__ = (
        "_baseline",
        "_due",
        "_fresh",
        "_least",
        "_most",
        "_narrow",
        "_reached",
        "_round",
        "_times",
        "_wide",
        "limit",
    )

    def __init__(self, least: int, most: int) -> None:
        self._least = least
        self._most = most
        self._wide = float(min(most, max(least, FIRST)))
        self.limit = int(self._wide)
        self._times: list[float] = []
        self._reached = False  # whether as many were in flight as may be
        self._fresh = True  # until answers take longer for the first time, the width doubles
        self._baseline = math.inf
        self._due = -math.inf  # when the baseline is to be measured
        self._narrow = False  # whether it is being measured
        self._round = -math.inf  # requests that began before belong to another round

    def answered(self, now: float, seconds: float, in_flight: int) -> None:
        """Hear of an answer.

        Args:
            now: Seconds on a clock that never goes back.
            seconds: How long it took.
            in_flight: How many were in flight, it included.
        """
        if now - seconds < self._round:
            return  # it was sent when the width was another one
        self._reached = self._reached or in_flight >= self.limit
        times = self._times
        times.append(seconds)
        if len(times) < max(_FEWEST, self.limit / 2):
            return
        times.sort()
        middle = times[len(times) // 2]
        times.clear()
        reached, self._reached = self._reached, False
        if self._narrow or self._baseline is math.inf:
            self._measured(now, middle)
        else:
            self._judge(middle, reached=reached)
            if now >= self._due:
                self._due = now + _BASELINE_SECONDS
                self._narrow = self.limit > self._least
                if not self._narrow:  # it cannot be narrower: the next round says
                    self._baseline = math.inf
        self._begin_round(now)

    def _measured(self, now: float, middle: float) -> None:
        """Take the latency of a narrow round for that of a server that has nothing else to do."""
        self._narrow = False
        self._baseline = middle
        self._due = now + _BASELINE_SECONDS

    def _judge(self, middle: float, *, reached: bool) -> None:
        self._baseline = min(self._baseline, middle)
        gradient = _TOLERANCE * (self._baseline + _GRAIN) / (middle + _GRAIN)
        wide = self._wide
        if gradient < 1:
            self._fresh = False
            # A little more than the gradient leaves room for, so that a queue of some is always there to be served.
            self._wide = wide * max(_LEAST_GRADIENT, gradient) + math.sqrt(wide) / 2
        elif reached:
            self._wide = wide * 2 if self._fresh else wide + math.sqrt(wide) / 2

    def overloaded(self, now: float) -> None:
        """Hear that the server has too much: once a round."""
        if now < self._round:
            return
        self._fresh = False
        self._wide *= _OVERLOADED
        self._begin_round(now + min(self._baseline, _WINDOW))

    def _begin_round(self, now: float) -> None:
        self._wide = min(float(self._most), max(float(self._least), self._wide))
        width = self._wide / 2 if self._narrow else self._wide
        self.limit = max(self._least, int(width))
        self._times.clear()
        self._round = now


class Rate:
    """How many requests may start in a second, by what a server refuses and says.

    Attributes:
        limit: Starts a second; infinity as long as nothing was refused, and no answer told otherwise.
    """

    __slots__ = (
        "_accepted", "_before", "_cut", "_cut_at", "_held_until", "_hold", "_next", "_peak", "_peak_at", "_told",
        "_told_until", "limit",
    )  # fmt: skip

    def __init__(self) -> None:
        self.limit = math.inf
        self._accepted: deque[float] = deque()
        self._peak = 0  # how many were accepted in the fullest second of late
        self._peak_at = -math.inf
        self._hold = _HOLD
        self._before = math.inf  # the rate before the last refusal
        self._cut = math.inf  # the rate behind it
        self._cut_at = -math.inf
        self._held_until = -math.inf
        self._next = -math.inf  # when the next may start
        self._told = math.inf
        self._told_until = -math.inf

    def wait(self, now: float) -> float:
        """Compute in how many seconds the next request may start; 0 is now."""
        due = max(self._held_until, self._next)
        return due - now if due > now else 0.0

    def started(self, now: float) -> None:
        """Note a start."""
        self._grow(now)
        if self.limit < math.inf:
            self._next = max(self._next, now - _BURST_SECONDS) + 1 / self.limit

    def accepted(self, now: float) -> None:
        """Hear that a request was not refused."""
        accepted = self._accepted
        accepted.append(now)
        while accepted[0] < now - _WINDOW:
            accepted.popleft()
        count = len(accepted)
        if count >= self._peak or now - self._peak_at > _MEMORY:
            self._peak, self._peak_at = count, now
            if now - self._cut_at < _SAME:  # answers to what was accepted before come after the refusal
                self._cut = max(self._cut, self._sustained())
        self._hold = _HOLD

    def _sustained(self) -> float:
        return max(1.0, _REFUSED * min(self._peak / _WINDOW, self._before))

    def refused(self, now: float, began: float, asked: float | None) -> None:
        """Hear that one was.

        Args:
            now: Seconds on a clock that never goes back.
            began: When it was sent.
            asked: Seconds that the answer asks to stay away; `None` where it says nothing.
        """
        if began < self._held_until and asked is None:
            return  # it was under way when nobody was to start any more
        hold = self._hold if asked is None else min(asked, MOST_HOLD)
        self._hold = min(2 * self._hold, _LONGEST_HOLD)
        self._held_until = max(self._held_until, now + hold)
        if began < self._cut_at + _SAME:
            return
        if now - self._peak_at > _MEMORY:
            self._peak = len(self._accepted)
        self._before = self.limit
        # Counted over the fullest second: a window that a server counts over is full just then.
        self._cut = self._sustained()
        self._cut_at = now
        self._grow(now)

    def told(self, now: float, limits: Iterable[Told], in_flight: int) -> None:
        """Hear what an answer says of the quotas of its server: what is left is spread over the time until the reset.

        Args:
            now: Seconds on a clock that never goes back.
            limits: The quotas.
            in_flight: Requests that the answer may not know of.
        """
        for limit in limits:
            left = limit.remaining - in_flight
            if left <= 0:
                if limit.remaining <= 0:
                    self._held_until = max(self._held_until, now + limit.reset)
                continue
            rate = left / max(limit.reset, _HOLD)
            if rate < self._told or now >= self._told_until:
                self._told, self._told_until = rate, now + limit.reset
        self._grow(now)

    def _grow(self, now: float) -> None:
        """Let the rate be what it has grown to."""
        if now >= self._told_until:
            self._told = math.inf
        since = (now - self._cut_at) / _DOUBLING
        grown = self._cut * (1 + since * since) if self._cut < math.inf else math.inf
        self.limit = min(grown, self._told)


class Pace:
    """Both controllers together.

    Args:
        least: Requests in flight, at least.
        most: Requests in flight, at most.

    Attributes:
        rate: The rate.
    """

    __slots__ = ("_width", "rate")

    def __init__(self, least: int, most: int) -> None:
        self._width = Width(least, most)
        self.rate = Rate()

    @property
    def width(self) -> int:
        """How many requests may be in flight."""
        return self._width.limit

    def wait(self, now: float) -> float:
        """Compute in how many seconds the next request may start; 0 is now."""
        return self.rate.wait(now)

    def started(self, now: float) -> None:
        """Note a start."""
        self.rate.started(now)

    def ended(
        self, now: float, seconds: float, in_flight: int, *, refused: bool, asked: float | None, failed: bool
    ) -> None:
        """Hear how a request has ended.

        Args:
            now: Seconds on a clock that never goes back.
            seconds: How long it took.
            in_flight: How many were in flight, it included.
            refused: Whether the server would not have it (429, 503).
            asked: Seconds that the server asks to stay away, or `None`.
            failed: Whether there was no answer at all.
        """
        if refused:
            self.rate.refused(now, now - seconds, asked)
        elif failed:
            self._width.overloaded(now)
        else:
            self.rate.accepted(now)
            self._width.answered(now, seconds, in_flight)
