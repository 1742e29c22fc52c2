"""A loop whose time is made up, and how starts on it are made and counted."""

from __future__ import annotations

import asyncio
import bisect
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from headrace import RateLimiter


class _Selector(selectors.SelectSelector):
    """Never waits: where nothing is ready, the time that would have passed has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Look, and let the time pass."""
        ready = super().select(0)
        if not ready:
            if timeout is None:
                message = "nothing will ever happen: every task waits for another"
                raise RuntimeError(message)
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on which waiting takes no time, and time passes only by waiting or stalling."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Tell the made-up time."""
        return self._virtual.now

    def stall(self, seconds: float) -> None:
        """Let time pass in which the loop does nothing, as a long callback does."""
        self._virtual.now += seconds


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine function on a loop of its own."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main(loop))


async def until(loop: VirtualLoop, moment: float) -> None:
    """Wait for a made-up moment."""
    arrived = loop.create_future()
    loop.call_at(moment, lambda: arrived.done() or arrived.set_result(None))
    await arrived


def most_in_a_window(starts: Sequence[float], seconds: float) -> int:
    """Count the starts of the fullest window, which includes its beginning and not its end."""
    ordered = sorted(starts)
    return max((bisect.bisect_left(ordered, start + seconds) - i for i, start in enumerate(ordered)), default=0)


async def starts_of(loop: VirtualLoop, limiter: RateLimiter, count: int) -> list[float]:
    """Let as many requests start as fast as they may, all asking at once."""
    starts: list[float] = []

    async def request() -> None:
        await limiter.acquire()
        starts.append(loop.time())

    await asyncio.gather(*(request() for _ in range(count)))
    return starts
