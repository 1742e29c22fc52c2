"""A limit that several limiters share, on a loop whose time is made up."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import LimiterError, ValidationError
from tests.kit.shared_logs import Kept, Sharing, starts_for
from tests.kit.virtual import VirtualLoop, most_in_a_window, run, until


@pytest.mark.parametrize(
    ("rate", "interval", "count"),
    [(10, 1.0, 1), (10, 1.0, 64), (1000, 1.0, 8), (3, 0.5, 64), (20_000, 1.0, 3), (5000, 1.0, 100)],
)
def test_the_allowance_is_kept_and_used(rate: int, interval: float, count: int) -> None:
    """No window of the starts of all is too full, and 95 % of what the law leaves is used."""

    async def main(loop: VirtualLoop) -> list[list[float]]:
        kept = Kept(loop)
        return await starts_for(
            loop, [Sharing(kept, (rate, interval)) for _ in range(count)], 6 * interval, 300 // count
        )

    starts = run(main)
    merged = sorted(itertools.chain(*starts))
    assert most_in_a_window(merged, interval) <= rate
    # Nothing starts for one span at the beginning.
    assert merged[0] >= interval + 0.02
    spans = (merged[-1] - merged[0]) / (interval + 0.02)
    assert len(merged) >= 0.95 * rate * spans


def test_whoever_comes_first_starts_first() -> None:
    """Those of one process start in the order in which they asked."""

    async def main(loop: VirtualLoop) -> list[int]:
        limiter = Sharing(Kept(loop), (2, 1.0))
        order: list[int] = []

        async def start(number: int) -> None:
            await limiter.acquire()
            order.append(number)

        await asyncio.gather(*(start(number) for number in range(7)))
        return order

    assert run(main) == list(range(7))


def test_processes_get_equal_shares() -> None:
    """One that has ten times as much to start gets no more than the others."""

    async def main(loop: VirtualLoop) -> list[int]:
        kept = Kept(loop)
        limiters = [Sharing(kept, (100, 1.0)) for _ in range(4)]
        few, many = await asyncio.gather(
            starts_for(loop, limiters[:2], 12.0, 30), starts_for(loop, limiters[2:], 12.0, 300)
        )
        return [len(mine) for mine in (*few, *many)]

    shares = run(main)
    assert max(shares) <= 1.2 * min(shares)


def test_a_heavy_one_is_not_overtaken() -> None:
    """Whoever weighs as much as a window gets it, also where another process starts light ones all the time."""

    async def main(loop: VirtualLoop) -> list[Any]:
        kept = Kept(loop)
        light, heavy = Sharing(kept, (5, 1.0)), Sharing(kept, (5, 1.0))
        starts: list[Any] = []

        async def start(limiter: Sharing, weight: int) -> None:
            await limiter.acquire(weight)
            starts.append((loop.time(), weight))

        waits = [start(light, 1) for _ in range(30)]
        await asyncio.gather(*waits[:5], start(heavy, 5), *waits[5:])
        return starts

    starts = run(main)
    weighed = [moment for moment, weight in starts for _ in range(weight)]
    assert most_in_a_window(weighed, 1.0) <= 5
    assert next(i for i, (_, weight) in enumerate(starts) if weight == 5) <= 10


def test_several_limits_hold_at_once() -> None:
    """Ten in a second and fifteen in three: both, over two processes."""

    async def main(loop: VirtualLoop) -> list[list[float]]:
        kept = Kept(loop)
        return await starts_for(loop, [Sharing(kept, (10, 1.0), (15, 3.0)) for _ in range(2)], 14.0)

    merged = sorted(itertools.chain(*run(main)))
    assert most_in_a_window(merged, 1.0) == 10
    assert most_in_a_window(merged, 3.0) == 15
    assert len(merged) >= 45


@given(st.integers(0, 2**32), st.sampled_from([(3, 0.25), (40, 0.25), (2000, 0.25)]))
@settings(max_examples=25)
def test_no_fault_fills_a_window(  # noqa: C901 - each trouble is a branch
    seed: int, limit: tuple[int, float]
) -> None:
    """Loops stall, the server stalls, restarts and is gone for a while: every window holds, whatever comes together."""

    async def main(loop: VirtualLoop) -> list[list[float]]:  # noqa: C901 - the same
        chance = random.Random(seed)  # noqa: S311 - to be repeated
        kept = Kept(loop)
        limiters = [Sharing(kept, limit) for _ in range(3)]

        async def trouble() -> None:
            while True:
                await asyncio.sleep(chance.expovariate(8.0))
                match chance.randrange(4):
                    case 0:
                        loop.stall(chance.choice([0.005, 0.019, 0.021, 0.3]))
                    case 1:
                        kept.stalled_until = loop.time() + chance.choice([0.01, 0.03, 0.4])
                    case 2:
                        kept.restart()
                    case _:
                        kept.is_gone = not kept.is_gone

        async def start(limiter: Sharing, mine: list[float]) -> None:
            while True:
                try:
                    await limiter.acquire()
                except LimiterError:
                    continue
                mine.append(loop.time())
                if chance.random() < 0.05:
                    loop.stall(0.001)

        starts: list[list[float]] = [[] for _ in limiters]
        tasks = [asyncio.ensure_future(trouble())]
        tasks += [
            asyncio.ensure_future(start(limiter, mine))
            for limiter, mine in zip(limiters, starts, strict=True)
            for _ in range(3)
        ]
        await asyncio.sleep(6.0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return starts

    merged = sorted(itertools.chain(*run(main)))
    assert most_in_a_window(merged, limit[1] - 1e-9) <= limit[0]


def test_a_pause_holds_all_processes() -> None:
    """A pause that one is told of holds the others too, from their next asking on; that of an origin only that."""

    async def main(loop: VirtualLoop) -> list[Any]:
        kept = Kept(loop)
        one, other = Sharing(kept, (100, 1.0)), Sharing(kept, (100, 1.0))
        await one.acquire()
        began = loop.time()
        one.pause(3.0)
        one.pause(5.0, "https://a.example")
        await asyncio.sleep(0.1)
        times = []
        for limiter, origin in ((other, "https://b.example"), (other, "https://a.example"), (one, None)):
            await limiter.acquire(1, origin)
            times.append(loop.time() - began)
        return times

    free, held, last = run(main)
    assert 3.0 <= free < 3.1
    assert 5.0 <= held < 5.1
    assert last < 5.2


def test_a_lease_serves_many_with_one_question() -> None:
    """Steady use asks for permits in batches of what it needs, and no batch is more than the rate in the lateness."""

    async def main(loop: VirtualLoop) -> tuple[int, int]:
        kept = Kept(loop)
        limiter = Sharing(kept, (10_000, 1.0))
        await limiter.acquire()
        for _ in range(4000):
            await limiter.acquire()
            await asyncio.sleep(0.0005)
        return len(kept.asked), max(ask.most for ask in kept.asked)

    asks, largest = run(main)
    assert asks < 1000
    assert largest <= 200


def test_who_gives_up_leaves_its_place() -> None:
    """A waiter that is cancelled holds up nobody, in its process or another."""

    async def main(loop: VirtualLoop) -> float:
        kept = Kept(loop)
        one, other = Sharing(kept, (1, 1.0)), Sharing(kept, (1, 1.0))
        await one.acquire()
        began = loop.time()
        waits = [asyncio.ensure_future(one.acquire()) for _ in range(5)]
        await asyncio.sleep(0.5)
        last = asyncio.ensure_future(other.acquire())
        await asyncio.sleep(0.1)
        for wait in waits:
            wait.cancel()
        await last
        return loop.time() - began

    assert run(main) < 1.2


def test_a_start_that_is_taken_back_is_another_ones() -> None:
    """A start without a connection keeps its permit for its life; made later than that it has lost its place."""

    async def main(loop: VirtualLoop) -> None:
        limiter = Sharing(Kept(loop), (1, 1.0))
        await limiter.acquire()
        limiter.hold()
        await asyncio.sleep(0.005)
        assert limiter.resume()
        await limiter.acquire()
        limiter.hold()
        await until(loop, loop.time() + 0.03)
        assert not limiter.resume()
        began = loop.time()
        await limiter.rejoin()
        assert loop.time() - began > 0.9

    run(main)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"lateness": 0}, "lateness: got"),
        ({"patience": -1}, "patience: got"),
        ({"fallback": 0}, "rate: got"),
        ({"burst": 0}, "burst: got"),
        ({"most_pause": "1"}, "most_pause: got"),
    ],
)
def test_a_wrong_value_is_told(options: dict[str, Any], text: str) -> None:
    """When the limiter is made, and by its name."""

    async def main(loop: VirtualLoop) -> None:
        with pytest.raises(ValidationError, match=text):
            Sharing(Kept(loop), (1, 1.0), **options)

    run(main)


def test_a_weight_above_the_window_is_told() -> None:
    """Nobody waits for what never comes."""

    async def main(loop: VirtualLoop) -> None:
        with pytest.raises(ValidationError, match="a whole number from 1 to 3"):
            await Sharing(Kept(loop), (3, 1.0)).acquire(4)

    run(main)
