"""What a width that adapts itself gives lives here: `python -m benchmarks.adaptive` simulates three servers.

Nothing is sent, and no time passes: the clock is made up. Every server is asked by the best of many fixed widths, and
by `in_flight="auto"`. Refused requests are asked again.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace._core.limits.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

_SERVICE = 0.05
_REFUSAL = 0.005
_WIDTHS = (4, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 256)


@dataclass
class Server:
    """A server that is made up.

    Attributes:
        workers: How many requests it works on at once, at a moment.
        queue: How many may wait for a worker; one more is refused.
        rate: How many it takes in any second; one more is refused.
        best: How many it can answer a second, over two minutes.
    """

    workers: Callable[[float], float] = lambda _: math.inf
    queue: float = math.inf
    rate: float = math.inf
    best: float = 0.0


SERVERS = {
    "20 workers of 50 ms": Server(workers=lambda _: 20, best=400),
    "200 in any second, else 429 in 5 ms": Server(rate=200, best=200),
    "20 workers, 5 of them from 40 s to 80 s, 503 where 50 wait": Server(
        workers=lambda now: 5 if 40 <= now < 80 else 20, queue=50, best=300
    ),
}


class Fixed:
    """A width that stays, without a rate."""

    def __init__(self, width: int) -> None:
        self.width = width

    def wait(self, _: float) -> float:
        """Never wait."""
        return 0.0

    def started(self, _: float) -> None:
        """Do not care."""

    def ended(self, *_: Any, **__: Any) -> None:
        """Learn nothing."""


@dataclass
class Outcome:
    """What came of a simulation."""

    seconds: float
    times: list[float] = field(default_factory=list)
    """Of the requests that succeeded."""
    refused: int = 0
    widths: list[int] = field(default_factory=list)

    @property
    def goodput(self) -> float:
        """Successes a second."""
        return len(self.times) / self.seconds

    @property
    def share_refused(self) -> float:
        """Of all requests."""
        return self.refused / max(1, self.refused + len(self.times))

    @property
    def median(self) -> float:
        """Seconds that half of the successes took at most."""
        return statistics.median(self.times)


class _Simulation:
    def __init__(self, pace: Any, server: Server, seconds: float, seed: int) -> None:
        self._pace = pace
        self._server = server
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._events: list[tuple[float, int, str, Any]] = []
        self._serial = 0
        self._queue: deque[float] = deque()
        self._starts: deque[float] = deque()
        self._busy = 0
        self._in_flight = 0
        self._wakes = math.inf
        self._now = 0.0
        self.outcome = Outcome(seconds)

    def run(self) -> Outcome:
        self._send()
        while self._events and self._events[0][0] <= self.outcome.seconds:
            self._now, _, what, began = heapq.heappop(self._events)
            if what == "wake":
                self._wakes = math.inf
            elif what == "refused":
                self._ended(began, refused=True)
            else:
                self._busy -= 1
                self._ended(began, refused=False)
            self._serve()
            self._send()
        return self.outcome

    def _at(self, moment: float, what: str, began: float) -> None:
        self._serial += 1
        heapq.heappush(self._events, (moment, self._serial, what, began))

    def _ended(self, began: float, *, refused: bool) -> None:
        seconds = self._now - began
        self._pace.ended(self._now, seconds, self._in_flight, refused=refused, asked=None, failed=False)
        self._in_flight -= 1
        self.outcome.widths.append(self._pace.width)
        if refused:
            self.outcome.refused += 1
        else:
            self.outcome.times.append(seconds)

    def _send(self) -> None:
        while self._in_flight < self._pace.width:
            wait = self._pace.wait(self._now)
            if wait > 0:
                moment = math.ceil((self._now + wait) * 1000) / 1000  # timers are as fine as milliseconds
                if moment < self._wakes:
                    self._wakes = moment
                    self._at(moment, "wake", 0.0)
                return
            self._pace.started(self._now)
            self._in_flight += 1
            self._arrive()

    def _arrive(self) -> None:
        server, starts = self._server, self._starts
        while starts and starts[0] <= self._now - 1:
            starts.popleft()
        if len(starts) >= server.rate or len(self._queue) >= server.queue:
            self._at(self._now + _REFUSAL, "refused", self._now)
            return
        if server.rate < math.inf:
            starts.append(self._now)
        self._queue.append(self._now)
        self._serve()

    def _serve(self) -> None:
        while self._queue and self._busy < self._server.workers(self._now):
            self._busy += 1
            service = _SERVICE * math.exp(self._chance.gauss(-0.03, 0.25))
            self._at(self._now + service, "answered", self._queue.popleft())


def simulate(pace: Any, server: Server, seconds: float = 120.0, seed: int = 1) -> Outcome:
    """Ask a server that is made up.

    Args:
        pace: Says how many may be in flight, and when the next may start.
        server: The server.
        seconds: How long.
        seed: Of the chance in how long answers take.
    """
    return _Simulation(pace, server, seconds, seed).run()


def best_fixed(server: Server, seconds: float = 120.0) -> tuple[int, Outcome]:
    """Find the fixed width with the most successes; of those that are as good to 1 %, the smallest."""
    found = [(width, simulate(Fixed(width), server, seconds)) for width in _WIDTHS]
    most = max(outcome.goodput for _, outcome in found)
    return next((width, outcome) for width, outcome in found if outcome.goodput >= 0.99 * most)


def main() -> None:
    """Print the table."""
    print("| server | width | successes/s | of the best fixed | refused | p50 ms | of unloaded |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, server in SERVERS.items():
        width, fixed = best_fixed(server)
        rows = [(f"fixed {width}", fixed)]
        for seed in range(1, 4):
            outcome = simulate(Pace(1, 512), server, seed=seed)
            rows.append((f"auto, mean {statistics.mean(outcome.widths):.0f}", outcome))
        for title, outcome in rows:
            share = outcome.goodput / fixed.goodput
            median = outcome.median
            print(
                f"| {name} | {title} | {outcome.goodput:.1f} | {share:.1%} | {outcome.share_refused:.2%}"
                f" | {median * 1000:.1f} | {median / _SERVICE:.2f} x |"
            )


if __name__ == "__main__":
    sys.exit(main())
