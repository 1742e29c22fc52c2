"""Limiters that share a log which is kept in the same process, on a loop whose time is made up."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from headrace._core.limits.shared_log import Ask, Reply, SharedLaw, SharedLog
from headrace._io.limits.leased import LeasedLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.virtual import VirtualLoop


class Kept:
    """A log, its clock, and how far away it is.

    Args:
        loop: The loop whose time is made up.
        round_trip: Seconds to and fro.
        ahead: Seconds that its clock is ahead of the loop's.
    """

    def __init__(self, loop: VirtualLoop, round_trip: float = 0.002, ahead: float = 1000.0) -> None:
        self.loop = loop
        self.round_trip = round_trip
        self.ahead = ahead
        self.is_gone = False
        self.stalled_until = 0.0
        self.asked: list[Ask] = []
        self._log: SharedLog | None = None
        self._law: SharedLaw | None = None

    def now(self) -> int:
        """Tell its time, in microseconds."""
        return math.floor((self.loop.time() + self.ahead) * 1e6)

    def restart(self) -> None:
        """Forget all."""
        self._log = None

    async def ask(self, law: SharedLaw, ask: Ask) -> Reply:
        """Answer, half a round trip later on either way."""
        await asyncio.sleep(self.round_trip / 2)
        if self.is_gone:
            raise ConnectionError("gone")
        if self.stalled_until > self.loop.time():
            await asyncio.sleep(self.stalled_until - self.loop.time())
        if self._log is None:
            self._log = SharedLog(law, self.now())
        self.asked.append(ask)
        reply = self._log.ask(ask, self.now())
        await asyncio.sleep(self.round_trip / 2)
        return reply


class _Asking:
    def __init__(self, kept: Kept, law: SharedLaw) -> None:
        self._kept = kept
        self._law = law

    async def ask(self, ask: Ask) -> Reply:
        return await self._kept.ask(self._law, ask)

    async def close(self) -> None:
        """Have nothing to close."""


class Sharing(LeasedLimiter):
    """A limiter whose log is kept by a `Kept`.

    Args:
        kept: The log.
        limits: The rate and the interval of each limit.
        options: Of a `LeasedLimiter`.
    """

    def __init__(self, kept: Kept, *limits: tuple[float, float], **options: Any) -> None:
        clock: Callable[[], float] = kept.loop.time
        super().__init__(limits, clock=clock, **options)
        self._kept = kept

    def _keeper(self) -> Any:
        return _Asking(self._kept, self._law)

    def __repr__(self) -> str:
        return "Sharing()"


async def starts_for(loop: VirtualLoop, limiters: list[Sharing], seconds: float, tasks: int = 20) -> list[list[float]]:
    """Start as often as each limiter lets its tasks, and return the moments, by limiter."""
    starts: list[list[float]] = [[] for _ in limiters]

    async def start(limiter: Sharing, mine: list[float]) -> None:
        while True:
            await limiter.acquire()
            mine.append(loop.time())
            await asyncio.sleep(0.001)

    running = [
        asyncio.ensure_future(start(limiter, mine))
        for limiter, mine in zip(limiters, starts, strict=True)
        for _ in range(tasks)
    ]
    await asyncio.sleep(seconds)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    return starts
