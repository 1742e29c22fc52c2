"""The law of a limiter, checked against a model at every start, whatever happens to it on made-up time."""

from __future__ import annotations

import asyncio
import math
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace._io.limits.rate import RateLimiter
from tests.kit.virtual import VirtualLoop, run, until


class Start(NamedTuple):
    """A start, and what was allowed when it was made."""

    moment: float
    weight: int
    windows: tuple[tuple[int, float], ...]
    number: int


class Crowd:
    """Those who use a limiter, and everything that they do with it."""

    def __init__(self, loop: VirtualLoop, limiter: RateLimiter) -> None:
        self.loop = loop
        self.limiter = limiter
        self.starts: list[Start] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.paused_until = 0.0
        self.overslept: list[Start] = []
        """Starts in a pause."""

    def note(self, weight: int, number: int) -> None:
        """Write a start down."""
        start = Start(self.loop.time(), weight, self.limiter.windows, number)
        self.starts.append(start)
        if start.moment < self.paused_until:
            self.overslept.append(start)

    async def ask(self, weight: int, number: int) -> None:
        """Start when that is allowed."""
        weight = min(weight, self.limiter.capacity)
        await self.limiter.acquire(weight)
        self.note(min(weight, self.limiter.capacity), number)  # it may have become too much for a window meanwhile

    async def send(self, delay: float, number: int) -> None:
        """Start, and wait for a connection before the request is really sent, as a transport does."""
        await self.limiter.acquire()
        self.limiter.hold()
        try:
            await until(self.loop, self.loop.time() + delay)
        except BaseException:
            self.limiter.drop()
            raise
        if not self.limiter.resume():
            await self.limiter.rejoin()
        self.note(1, number)

    def act(self, kind: str, amount: int) -> None:
        """Do one thing."""
        number = len(self.tasks)
        if kind == "ask":
            self.tasks += [asyncio.ensure_future(self.ask(amount, number + i)) for i in range(amount)]
        elif kind == "send":
            self.tasks += [asyncio.ensure_future(self.send(i / 8, number + i)) for i in range(amount)]
        elif kind == "try" and self.limiter.try_acquire():
            self.note(1, -1)
        elif kind == "cancel":
            for task in self.tasks[-amount:]:
                task.cancel()
        elif kind == "stall":
            self.loop.stall(amount / 4)
        elif kind == "pause":
            self.limiter.pause(amount / 4)
            self.paused_until = max(self.paused_until, self.loop.time() + amount / 4)
        elif kind == "update":
            self.limiter.update(amount)

    def check(self) -> None:
        """Hold every start against the law that held when it was made."""
        assert not self.overslept
        for index, start in enumerate(self.starts):
            for capacity, seconds in start.windows:
                since = [one.weight for one in self.starts[: index + 1] if one.moment + seconds > start.moment]
                assert sum(since) <= capacity


KINDS = ["ask", "ask", "try", "cancel", "stall", "pause", "update", "send"]
EVENTS = st.lists(
    st.tuples(st.integers(0, 40).map(lambda n: n / 4), st.sampled_from(KINDS), st.integers(1, 6)), max_size=25
)
LIMITS = st.lists(
    st.tuples(st.sampled_from([1, 2, 3, 4, 0.5, 2.5]), st.sampled_from([0.5, 1.0, 3.0])), min_size=1, max_size=2
)


@settings(max_examples=200)
@given(limits=LIMITS, burst=st.sampled_from([None, 1, 2]), events=EVENTS)
def test_the_law_holds_whatever_happens(
    limits: list[tuple[float, float]], burst: int | None, events: list[tuple[float, str, int]]
) -> None:
    """Asking, leaving, stalls, pauses, new rates, late sends: the law holds, and no place is lost."""

    async def main(loop: VirtualLoop) -> None:
        limiter = RateLimiter(*limits[0], burst=burst, clock=loop.time)
        if len(limits) > 1:
            limiter = RateLimiter.all_of(*limits, clock=loop.time)
        crowd = Crowd(loop, limiter)
        for moment, kind, amount in sorted(events):
            if moment > loop.time():
                await until(loop, moment)
            crowd.act(kind, amount)
        done = await asyncio.gather(*crowd.tasks, return_exceptions=True)
        assert not [result for result in done if isinstance(result, Exception)]
        assert limiter.idle_in() < math.inf
        crowd.check()
        if not any(kind == "send" for _, kind, _ in events):
            order = [start.number for start in crowd.starts if start.number >= 0]
            assert order == sorted(order)

    run(main)
