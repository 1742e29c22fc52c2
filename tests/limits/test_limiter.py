"""When a request may start, on a loop whose time is made up."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace._io.limits.rate import RateLimiter
from tests.kit.virtual import VirtualLoop, most_in_a_window, run, starts_of, until


@pytest.mark.parametrize(
    ("rate", "interval", "starts"),
    [
        (1, 1.0, [0, 1, 2, 3]),
        (2, 1.0, [0, 0, 1, 1, 2]),
        (3, 2.0, [0, 0, 0, 2, 2, 2, 4]),
        (0.5, 1.0, [0, 2, 4]),
        (0.25, 2.0, [0, 8, 16]),
        (2.5, 1.0, [0, 0, 1, 1, 2]),
        (1.5, 4, [0, 4, 8]),
        (10**9, 1.0, [0] * 50),
    ],
)
def test_starts_come_as_fast_as_the_law_allows(rate: float, interval: float, starts: list[float]) -> None:
    """With demand there are `rate` starts at the beginning of each window, which a rate below 1 stretches."""

    async def main(loop: VirtualLoop) -> list[float]:
        return await starts_of(loop, RateLimiter(rate, interval, clock=loop.time), len(starts))

    assert run(main) == pytest.approx(starts)


def test_windows_slide() -> None:
    """A start counts for exactly one interval from its own moment on, not until the end of a fixed window."""

    async def main(loop: VirtualLoop) -> list[bool]:
        limiter = RateLimiter(2, clock=loop.time)
        allowed = []
        for moment in (0.0, 0.75, 0.875, 1.0, 1.25, 1.5, 1.75, 1.75):
            await until(loop, moment)
            allowed.append(limiter.try_acquire())
        return allowed

    assert run(main) == [True, True, False, True, False, False, True, False]


def test_whoever_comes_first_starts_first() -> None:
    """Waiters start in the order in which they asked, and nobody passes them, however it asks."""

    async def main(loop: VirtualLoop) -> list[Any]:
        limiter = RateLimiter(2, clock=loop.time)
        order: list[Any] = []

        async def request(number: int) -> None:
            await limiter.acquire()
            order.append(number)

        early = [asyncio.ensure_future(request(number)) for number in range(7)]
        await until(loop, 1.5)
        order.append(limiter.try_acquire())
        late = [asyncio.ensure_future(request(number)) for number in range(7, 10)]
        await asyncio.gather(*early, *late)
        return order

    assert run(main) == [0, 1, 2, 3, False, 4, 5, 6, 7, 8, 9]


@pytest.mark.hazard(53)
def test_a_cancelled_waiter_gives_its_place_on() -> None:
    """Who is cancelled while waiting costs nobody a start."""

    async def main(loop: VirtualLoop) -> tuple[list[tuple[int, float]], int]:
        limiter = RateLimiter(1, clock=loop.time)
        seen: list[tuple[int, float]] = []

        async def request(number: int) -> None:
            await limiter.acquire()
            seen.append((number, loop.time()))

        tasks = [asyncio.ensure_future(request(number)) for number in range(6)]
        await until(loop, 1.5)
        for number in (2, 4):
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return seen, limiter.waiting

    assert run(main) == ([(0, 0), (1, 1), (3, 2), (5, 3)], 0)


def test_a_waiter_that_is_cancelled_as_it_is_released_gives_its_place_on() -> None:
    """A start that was granted and not made is the next one's at once."""

    async def main(loop: VirtualLoop) -> list[tuple[int, float]]:
        limiter = RateLimiter(1, clock=loop.time)
        seen: list[tuple[int, float]] = []

        async def request(number: int) -> None:
            await limiter.acquire()
            seen.append((number, loop.time()))

        tasks = [asyncio.ensure_future(request(number)) for number in range(3)]
        await until(loop, 0.5)
        # Behind the limiter's own timer, and before the released task runs.
        loop.call_at(1.0, tasks[1].cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert tasks[1].cancelled()
        return seen

    assert run(main) == [(0, 0), (2, 1)]


def test_a_late_cancellation_takes_nobody_elses_start_back() -> None:
    """A granted start that is not made is taken back itself, not the start of somebody who came in between."""

    async def main(loop: VirtualLoop) -> list[bool]:
        limiter = RateLimiter(1, clock=loop.time)
        assert limiter.try_acquire()
        waiter = asyncio.ensure_future(limiter.acquire())
        between: list[bool] = []

        def while_released() -> None:
            waiter.cancel()
            loop.stall(2.0)
            between.append(limiter.try_acquire())

        await until(loop, 0.5)
        loop.call_at(1.0, while_released)
        with contextlib.suppress(asyncio.CancelledError):
            await waiter
        return [*between, limiter.try_acquire()]

    assert sum(run(main)) == 1


@pytest.mark.parametrize("stalls", [1, 2, 5])
@pytest.mark.parametrize("rate", [1, 4])
def test_a_stalled_loop_does_not_bunch_starts(rate: int, stalls: int) -> None:
    """Requests that really start after a stall are no more in any window than at other times."""

    async def main(loop: VirtualLoop) -> list[float]:
        limiter = RateLimiter(rate, clock=loop.time)
        requests = asyncio.ensure_future(starts_of(loop, limiter, rate * 12))
        await until(loop, 0.5)
        for number in range(stalls):
            # Due with the limiter's timer: some starts are granted before the stall and made after it.
            loop.call_at(1.0 + 2 * number, loop.stall, 1.75)
        return await requests

    starts = run(main)
    assert len(starts) == rate * 12
    assert most_in_a_window(starts, 1.0) == rate


QUARTERS = st.integers(0, 40).map(lambda n: n / 4)
EVENTS = st.lists(
    st.tuples(QUARTERS, st.sampled_from(["ask", "ask", "ask", "try", "cancel", "stall"]), st.integers(1, 8)),
    max_size=25,
)


@settings(max_examples=150)
@given(rate=st.integers(1, 4), interval=st.sampled_from([0.5, 1.0, 3.0]), events=EVENTS)
@pytest.mark.hazard(53)
def test_no_window_has_more_starts_than_allowed(
    rate: int, interval: float, events: list[tuple[float, str, int]]
) -> None:
    """Whoever comes, goes or blocks the loop: the law holds for the real starts, in order, and all who wait get one."""
    starts: list[float] = []
    order: list[int] = []

    async def main(loop: VirtualLoop) -> int:
        limiter = RateLimiter(rate, interval, clock=loop.time)
        tasks: list[asyncio.Task[None]] = []

        async def request(number: int) -> None:
            await limiter.acquire()
            starts.append(loop.time())
            order.append(number)

        for moment, kind, amount in sorted(events):
            if moment > loop.time():
                await until(loop, moment)
            if kind == "ask":
                tasks += [asyncio.ensure_future(request(len(tasks) + i)) for i in range(amount)]
            elif kind == "try":
                starts.extend([loop.time()] * limiter.try_acquire())
            elif kind == "cancel":
                for task in tasks[-amount:]:
                    task.cancel()
            else:
                loop.stall(amount / 4)
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(result is None or isinstance(result, asyncio.CancelledError) for result in done)
        return limiter.waiting

    assert run(main) == 0
    assert order == sorted(order)
    assert most_in_a_window(starts, interval) <= rate


def test_a_pause_holds_everybody() -> None:
    """Nobody starts during a pause, waiting or not, and a shorter one behind it changes nothing."""

    async def main(loop: VirtualLoop) -> tuple[list[float], bool]:
        limiter = RateLimiter(2, clock=loop.time)
        requests = asyncio.ensure_future(starts_of(loop, limiter, 5))
        await until(loop, 0.5)
        limiter.pause(3.0)
        limiter.pause(1.0)
        await until(loop, 2.0)
        allowed = limiter.try_acquire()
        return await requests, allowed

    assert run(main) == ([0, 0, 3.5, 3.5, 4.5], False)


def test_a_pause_of_an_idle_limiter_holds_the_next() -> None:
    """A pause counts also where nobody waits yet."""

    async def main(loop: VirtualLoop) -> tuple[bool, bool]:
        limiter = RateLimiter(2, clock=loop.time)
        limiter.pause(1.0)
        before = limiter.try_acquire()
        await until(loop, 1.0)
        return before, limiter.try_acquire()

    assert run(main) == (False, True)


@pytest.mark.parametrize(
    ("rate", "interval", "starts"),
    [
        (4, None, [0, 0, 0.5, 0.5, 1, 1, 1.5, 1.5]),
        (1, None, [0, 0, 1, 2, 3, 4, 5, 6]),
        (2, 4.0, [0, 0, 4, 4, 8, 8, 12, 12]),
        (0.5, 1.0, [0, 0, 2, 4, 6, 8, 10, 12]),
    ],
)
def test_an_update_holds_at_once(rate: float, interval: float | None, starts: list[float]) -> None:
    """A new limit holds for those who wait already, and the starts before it still count."""

    async def main(loop: VirtualLoop) -> tuple[list[float], float, float]:
        limiter = RateLimiter(2, clock=loop.time)
        requests = asyncio.ensure_future(starts_of(loop, limiter, 8))
        await until(loop, 0.5)
        limiter.update(rate, interval)
        return await requests, limiter.rate, limiter.interval

    assert run(main) == (starts, rate, 1.0 if interval is None else interval)


def test_waiting_is_counted() -> None:
    """`waiting` tells how many wait now, and `waited` the seconds that all have waited, cancelled ones too."""

    async def main(loop: VirtualLoop) -> tuple[list[int], float]:
        limiter = RateLimiter(1, clock=loop.time)
        requests = asyncio.ensure_future(starts_of(loop, limiter, 4))
        counts = [limiter.waiting]
        for moment in (0.5, 1.5, 2.5):
            await until(loop, moment)
            counts.append(limiter.waiting)
        requests.cancel()
        await asyncio.gather(requests, return_exceptions=True)
        return [*counts, limiter.waiting], limiter.waited

    assert run(main) == ([0, 3, 2, 1, 0], 1.0 + 2.0 + 2.5)


def test_one_timer_serves_all_who_wait() -> None:
    """The loop is asked for one timer, not for one a waiter."""

    async def main(loop: VirtualLoop) -> int:
        asked = 0
        call_at = loop.call_at

        def counting(*arguments: Any, **options: Any) -> asyncio.TimerHandle:
            nonlocal asked
            asked += 1
            return call_at(*arguments, **options)

        limiter = RateLimiter(1, clock=loop.time)
        requests = asyncio.ensure_future(starts_of(loop, limiter, 500))
        loop.call_at = counting  # type: ignore[method-assign]
        await asyncio.wait([requests], timeout=0.5)
        requests.cancel()
        await asyncio.gather(requests, return_exceptions=True)
        return asked

    assert run(main) == 2  # the limiter's, and the one of `asyncio.wait`
