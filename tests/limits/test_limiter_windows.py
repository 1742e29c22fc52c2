"""Weights, several windows, pacing, margins, pauses: what a limiter does beyond one window, on made-up time."""

from __future__ import annotations

import asyncio
import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace._core.limits.windows import Window
from headrace._io.limits.rate import RateLimiter
from tests.kit.virtual import VirtualLoop, most_in_a_window, run, starts_of, until


def starts(count: int, *arguments: Any, **options: Any) -> list[float]:
    """Let as many start as fast as a limiter allows."""

    async def main(loop: VirtualLoop) -> list[float]:
        return await starts_of(loop, RateLimiter(*arguments, **options, clock=loop.time), count)

    found: list[float] = run(main)
    return found


def test_a_window_is_empty_when_its_last_start_has_left() -> None:
    """The last start of many tells when; without one it is empty already."""
    window = Window(5, 10.0)
    assert window.empty_at() == -math.inf
    for now, weight in ((1.0, 1), (2.0, 2), (4.0, 1)):
        window.record(now, weight)
        assert window.empty_at() == now + 10.0


def test_all_of_several_limits_are_kept() -> None:
    """Ten a second and 25 in ten seconds: the first gives the bursts, the second the pauses between them."""

    async def main(loop: VirtualLoop) -> list[float]:
        return await starts_of(loop, RateLimiter.all_of((10, 1), (25, 10), clock=loop.time), 60)

    found = run(main)
    assert found == [*[0] * 10, *[1] * 10, *[2] * 5, *[10] * 10, *[11] * 10, *[12] * 5, *[20] * 10]
    assert most_in_a_window(found, 1) == 10
    assert most_in_a_window(found, 10) == 25


def test_one_of_several_limits_can_be_changed() -> None:
    """An update names the limit by its interval, and all starts so far still count."""

    async def main(loop: VirtualLoop) -> list[float]:
        limiter = RateLimiter.all_of((2, 1), (4, 10), clock=loop.time)
        requests = asyncio.ensure_future(starts_of(loop, limiter, 8))
        await until(loop, 1.5)
        limiter.update(6, 10)
        limiter.update(1)
        with pytest.raises(ValueError, match=r"^interval: got 3, takes that of one of the limits: 1, 10$"):
            limiter.update(6, 3)
        assert repr(limiter) == "RateLimiter.all_of((1, 1), (6, 10), waiting=4)"
        return await requests

    assert run(main) == [0, 0, 1, 1, 2, 3, 10, 11]


@pytest.mark.parametrize(
    ("rate", "burst", "expected"),
    [
        (4, 1, [0, 0.25, 0.5, 0.75, 1, 1.25]),
        (4, 2, [0, 0, 0.5, 0.5, 1, 1]),
        (4, 3, [0, 0, 0, 0.75, 1, 1, 1.5]),
        (4, 4, [0, 0, 0, 0, 1, 1, 1, 1]),
        (4, 9, [0, 0, 0, 0, 1, 1, 1, 1]),
        (0.5, 1, [0, 2, 4]),
        (2.5, 1, [0, 0.5, 1, 1.5]),
    ],
)
def test_a_burst_is_bounded(rate: float, burst: int, expected: list[float]) -> None:
    """With `burst=1` starts are evenly spaced; a larger one lets that many start at once, and no more."""
    assert starts(len(expected), rate, burst=burst) == pytest.approx(expected)


@settings(max_examples=60)
@given(rate=st.integers(1, 30), interval=st.sampled_from([0.5, 1, 3]), burst=st.integers(1, 30) | st.none())
def test_the_allowance_is_used(rate: int, interval: float, burst: int | None) -> None:
    """Whatever the burst: in the long run there are as many starts as allowed, and never more in a window."""
    found = starts(rate * 20 + 1, rate, interval, burst=burst)
    assert found[-1] <= 20 * interval * 1.0001
    assert most_in_a_window(found, interval) <= rate
    if burst is not None and burst < rate:
        assert most_in_a_window(found, burst * interval / rate * (1 - 1e-9)) <= burst


@settings(max_examples=60)
@given(tenths=st.integers(1, 99), interval=st.sampled_from([0.5, 1, 3]))
def test_a_fraction_keeps_the_law_of_every_interval(tenths: int, interval: float) -> None:
    """2.5 is two in any interval, and 0.5 is one in any two: as many as the law leaves, and no more."""
    rate = tenths / 10
    found = starts(21, rate, interval)
    slack = 1 - 1e-9  # the floats of the windows' lengths
    assert most_in_a_window(found, interval * slack) <= max(1, rate)
    assert most_in_a_window(found, max(interval, interval / rate) * slack) == max(1, math.floor(rate))


def test_a_margin_makes_the_window_longer() -> None:
    """So many seconds lie between a start and the one that takes its place, beyond the interval."""
    assert starts(5, 2, margin=0.25) == [0, 0, 1.25, 1.25, 2.5]
    assert starts(5, 2, burst=1, margin=0.5) == [0, 0.75, 1.5, 2.25, 3]
    assert starts(3, 0.5, margin=0.5) == [0, 2.5, 5]


def test_a_heavy_request_is_not_overtaken() -> None:
    """A weight of three waits for three places, and what came after it waits behind it, however light."""

    async def main(loop: VirtualLoop) -> list[tuple[str, float]]:
        limiter = RateLimiter(4, clock=loop.time)
        seen: list[tuple[str, float]] = []

        async def request(name: str, weight: int) -> None:
            await limiter.acquire(weight)
            seen.append((name, loop.time()))

        assert limiter.try_acquire(2)
        await until(loop, 0.5)
        requests = [
            asyncio.ensure_future(request(*one)) for one in [("heavy", 3), ("light", 1), ("all", 4), ("one", 1)]
        ]
        await asyncio.sleep(0)
        assert not limiter.try_acquire()
        await asyncio.gather(*requests)
        return seen

    assert run(main) == [("heavy", 1), ("light", 1), ("all", 2), ("one", 3)]


def test_whoever_gives_up_lets_lighter_ones_go() -> None:
    """When a heavy waiter is cancelled, those behind it that fit start at once."""

    async def main(loop: VirtualLoop) -> list[float]:
        limiter = RateLimiter(4, clock=loop.time)
        assert limiter.try_acquire(2)
        heavy = asyncio.ensure_future(limiter.acquire(4))
        await until(loop, 0.25)
        light = asyncio.ensure_future(starts_of(loop, limiter, 3))
        await until(loop, 0.5)
        heavy.cancel()
        return await light

    assert run(main) == [0.5, 0.5, 1]


def test_an_update_never_leaves_anybody_waiting_for_ever() -> None:
    """Whoever waits with a weight that a window does not hold any more counts as a whole window."""

    async def main(loop: VirtualLoop) -> list[float]:
        limiter = RateLimiter(8, clock=loop.time)
        found: list[float] = []

        async def request(weight: int) -> None:
            await limiter.acquire(weight)
            found.append(loop.time())

        requests = [asyncio.ensure_future(request(weight)) for weight in (8, 6, 6)]
        await until(loop, 0.5)
        limiter.update(2)
        await asyncio.gather(*requests)
        assert limiter.idle_in() == 1
        return found

    assert run(main) == [0, 1, 2]


@pytest.mark.parametrize("change", ["pause", "update"])
def test_who_is_released_and_has_not_started_is_held_up_again(change: str) -> None:
    """A pause or a lower rate between release and start sends the released back, to the head and in their order."""

    async def main(loop: VirtualLoop) -> tuple[list[tuple[int, float]], list[int]]:
        limiter = RateLimiter(3, clock=loop.time)
        seen: list[tuple[int, float]] = []
        waiting = []

        async def request(number: int) -> None:
            await limiter.acquire()
            seen.append((number, loop.time()))

        def while_released() -> None:
            waiting.append(limiter.waiting)
            if change == "pause":
                limiter.pause(2)
            else:
                limiter.update(1)
            waiting.append(limiter.waiting)

        requests = [asyncio.ensure_future(request(number)) for number in range(8)]
        await until(loop, 0.5)
        loop.call_at(1.0, while_released)  # behind the limiter's own timer, before the released tasks run
        await asyncio.gather(*requests)
        return seen, waiting

    seen, waiting = run(main)
    assert [number for number, _ in seen] == list(range(8))
    assert waiting == ([2, 5] if change == "pause" else [2, 4])  # one may start at once, at the new rate
    times = [0, 0, 0, 3, 3, 3, 4, 4] if change == "pause" else [0, 0, 0, 1, 2, 3, 4, 5]
    assert [moment for _, moment in seen] == times


def test_who_is_taken_back_can_still_leave() -> None:
    """A waiter that was released, held up again and then cancelled costs nobody a place."""

    async def main(loop: VirtualLoop) -> list[float]:
        limiter = RateLimiter(2, clock=loop.time)
        assert limiter.try_acquire(2)
        leaving = asyncio.ensure_future(limiter.acquire())
        staying = asyncio.ensure_future(starts_of(loop, limiter, 2))
        await until(loop, 0.5)
        loop.call_at(1.0, limiter.pause, 1)
        loop.call_at(1.5, leaving.cancel)
        return await staying

    assert run(main) == [2, 2]


def test_a_newcomer_does_not_pass_the_released() -> None:
    """Between a release and its start nobody slips in, though the window has room for both."""

    async def main(loop: VirtualLoop) -> list[Any]:
        limiter = RateLimiter(2, clock=loop.time)
        order: list[Any] = []

        async def request(name: str) -> None:
            await limiter.acquire()
            order.append(name)

        assert limiter.try_acquire(2)
        early = asyncio.ensure_future(request("early"))
        await until(loop, 0.5)
        loop.call_at(1.0, lambda: order.append(limiter.try_acquire()))
        late: list[asyncio.Future[None]] = []
        loop.call_at(1.0, lambda: late.append(asyncio.ensure_future(request("late"))))
        await early
        await asyncio.gather(*late)
        return [*order, loop.time()]

    assert run(main) == [False, "early", "late", 1]


def test_a_start_counts_from_when_it_is_sent() -> None:
    """A start that waits for its connection keeps its place, and its window begins when it has one."""

    async def main(loop: VirtualLoop) -> list[Any]:
        limiter = RateLimiter(2, clock=loop.time)
        assert limiter.try_acquire()
        assert limiter.try_acquire()
        limiter.hold()
        await until(loop, 1.5)
        seen: list[Any] = [limiter.try_acquire(), limiter.try_acquire(), limiter.resume()]
        await until(loop, 2.25)
        seen.append(limiter.try_acquire())  # the first start's window is over at 2.5 with that of 1.5
        await until(loop, 2.5)
        seen += [limiter.try_acquire(), limiter.try_acquire()]
        return seen

    assert run(main) == [True, False, True, False, True, True]


def test_a_start_that_is_given_up_is_the_next_ones() -> None:
    """A request that never gets its connection gives its place to whoever waits."""

    async def main(loop: VirtualLoop) -> list[float]:
        limiter = RateLimiter(1, clock=loop.time)
        assert limiter.try_acquire()
        limiter.hold()
        waiting = asyncio.ensure_future(starts_of(loop, limiter, 2))
        await until(loop, 3)
        limiter.drop()
        return await waiting

    assert run(main) == [3, 4]


def test_a_start_that_meets_a_pause_comes_first_after_it() -> None:
    """Held starts that come to nothing in a pause go before all who have had no turn, in their order."""

    async def main(loop: VirtualLoop) -> list[int]:
        limiter = RateLimiter(2, clock=loop.time)
        order: list[int] = []

        async def request(number: int, moment: float) -> None:
            await limiter.acquire()
            limiter.hold()
            await until(loop, moment)
            if not limiter.resume():
                await limiter.rejoin()
            order.append(number)

        requests = [asyncio.ensure_future(request(number, 0.5 + number / 100)) for number in range(2)]
        await asyncio.sleep(0)
        requests += [asyncio.ensure_future(request(number, 9 + number)) for number in range(2, 5)]
        await until(loop, 0.25)
        limiter.pause(5)
        assert limiter.idle_in() == math.inf
        await asyncio.gather(*requests)
        return order

    assert run(main) == [0, 1, 2, 3, 4]


def test_order_among_two_thousand_of_whom_a_third_leaves() -> None:
    """All come at once, every third leaves at some time: the rest start in their order, at full speed, none is lost."""

    async def main(loop: VirtualLoop) -> tuple[list[int], list[float], int]:
        limiter = RateLimiter(10, clock=loop.time)
        order: list[int] = []
        found: list[float] = []

        async def request(number: int) -> None:
            await limiter.acquire()
            order.append(number)
            found.append(loop.time())

        tasks = [asyncio.ensure_future(request(number)) for number in range(2000)]
        for number in range(0, 2000, 3):
            # Some at the very moment of their release, most before, none after their start.
            loop.call_at((number * 7919 % 977) / 977 * (number / 15) - number % 2 * 1e-9, tasks[number].cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        cancelled = sum(task.cancelled() for task in tasks)
        assert len(order) == 2000 - cancelled
        assert limiter.idle_in() < math.inf
        return order, found, cancelled

    order, found, cancelled = run(main)
    assert order == sorted(order)
    assert cancelled > 600
    assert most_in_a_window(found, 1) == 10
    assert found[-1] == math.ceil(len(order) / 10) - 1


class SlowTimers(VirtualLoop):
    """A loop whose timers come when real ones do: at the next millisecond, and a little later."""

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        """Be late."""
        late = math.ceil(when * 1000) / 1000 + 0.0003 if when > self.time() else when
        return super().call_at(late, callback, *args, context=context)


@pytest.mark.parametrize(
    ("rate", "interval", "burst"), [(10, 1.0, None), (500, 0.5, None), (100, 1.0, 20), (1, 1.0, 1)]
)
def test_late_timers_cost_less_than_a_hundredth(rate: int, interval: float, burst: int | None) -> None:
    """With timers that are a millisecond late, 99 % of the allowance is used, and never more than all of it."""
    loop = SlowTimers()
    count = rate * 20 + 1
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        limiter = RateLimiter(rate, interval, burst=burst, clock=loop.time)
        found = runner.run(starts_of(loop, limiter, count))
    assert most_in_a_window(found, interval) <= rate
    assert 20 * interval / found[-1] >= 0.99


@pytest.mark.parametrize("weight", [1, 3])
def test_memory_is_that_of_the_window(weight: int) -> None:
    """However much starts: what is remembered is what the window holds, and not what the rate would allow."""
    now = [0.0]
    limiter = RateLimiter(10**6, 1.0, clock=lambda: now[0])
    tracemalloc.start()
    try:
        for step in range(20_000):
            now[0] = step * 0.01
            assert limiter.try_acquire(weight)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(limiter.starts) == 100 * weight
    assert held < 100_000  # bytes, where 20,000 starts are 640,000 and more


@given(starts=st.lists(st.integers(0, 100).map(float)), most=st.integers(0, 40), now=st.integers(0, 200))
def test_forgetting_changes_nothing(starts: list[float], most: int, now: int) -> None:
    """A window forgets only what no later window holds, and never more than it was told to look at, twice over."""
    ordered = sorted(starts)
    window = Window(5, 10.0, ordered)
    window.forget(float(now), most)
    kept = list(window.starts)
    gone = ordered[: len(ordered) - len(kept)]
    assert ordered == gone + kept
    assert all(start + 10 <= now for start in gone)
    assert len(gone) < max(1, 2 * most)
    for weight in range(1, 6):
        assert (window.due(weight) <= now) == (Window(5, 10.0, ordered).due(weight) <= now)


def test_capacity_is_that_of_the_smallest_window() -> None:
    """The largest weight is what every window holds."""
    capacities = [RateLimiter(5).capacity, RateLimiter(0.5).capacity, RateLimiter(2.5).capacity]
    assert capacities == [5, 1, 2]
    assert RateLimiter(5, burst=2).capacity == 2
    assert RateLimiter.all_of((5, 1), (3, 60)).capacity == 3
