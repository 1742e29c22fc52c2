"""What a limiter costs lives here: an acquire that does not wait, aiolimiter's beside ours, and a release of many."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from headrace import KeyedLimiter, RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

#: Starts in ten milliseconds: more than any loop makes, and few enough to be forgotten again.
_RATE, _INTERVAL = 100_000, 0.01
#: Awaits in one timed round: so many that entering the loop costs nothing beside them.
_AWAITS = 5000
#: Releases in one timed round.
_RELEASES = 100

_OURS: dict[str, Callable[[], Any]] = {
    "one window": lambda: RateLimiter(_RATE, _INTERVAL).acquire,
    "two windows": lambda: RateLimiter.all_of((_RATE, _INTERVAL), (10 * _RATE, 10 * _INTERVAL)).acquire,
    "keyed": lambda: KeyedLimiter(_RATE, _INTERVAL).acquire,
}


def _time(benchmark: BenchmarkFixture, loop: asyncio.AbstractEventLoop, acquire: Callable[[], Any]) -> None:
    async def many() -> None:
        for _ in range(_AWAITS):
            await acquire()

    benchmark.extra_info["awaits in a round"] = _AWAITS
    benchmark(lambda: loop.run_until_complete(many()))


@pytest.mark.benchmark(group="limiter")
@pytest.mark.parametrize("kind", _OURS)
def test_acquire(benchmark: BenchmarkFixture, loop: asyncio.AbstractEventLoop, kind: str) -> None:
    """Ours; the target is 0.35 times aiolimiter's for one window."""
    _time(benchmark, loop, _OURS[kind]())


@pytest.mark.benchmark(group="limiter")
def test_aiolimiter(benchmark: BenchmarkFixture, loop: asyncio.AbstractEventLoop) -> None:
    """aiolimiter's, where it is installed."""
    aiolimiter = pytest.importorskip("aiolimiter")
    _time(benchmark, loop, aiolimiter.AsyncLimiter(_RATE, _INTERVAL).acquire)


@pytest.mark.benchmark(group="limiter, a release")
@pytest.mark.parametrize("waiting", [10, 10_000])
def test_release(benchmark: BenchmarkFixture, loop: asyncio.AbstractEventLoop, waiting: int) -> None:
    """One of so many waiters starts and another one comes, on a clock that goes when it is told."""
    now = [0.0]
    limiter = RateLimiter(1, 1.0, clock=lambda: now[0])
    started = 0

    async def request() -> None:
        nonlocal started
        await limiter.acquire()
        started += 1

    async def fill() -> None:
        assert limiter.try_acquire()
        tasks.extend(asyncio.ensure_future(request()) for _ in range(waiting))
        await asyncio.sleep(0)

    async def release() -> None:
        for _ in range(_RELEASES):
            now[0] += 1.0
            limiter.pause(0)  # whatever it is told, it looks who may start
            tasks.append(asyncio.ensure_future(request()))
            await asyncio.sleep(0)

    async def leave() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    tasks: list[asyncio.Task[None]] = []
    loop.run_until_complete(fill())
    benchmark.extra_info["releases in a round"] = _RELEASES
    benchmark(lambda: loop.run_until_complete(release()))
    assert limiter.waiting >= waiting - 1
    assert started > 0
    loop.run_until_complete(leave())
