"""A pause is for the origin that asked: it holds up nobody else, and those who wait for it keep their place."""

from __future__ import annotations

import asyncio
import copy
import math
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import KeyedLimiter
from headrace._io.limits.queue import _MOST_PAUSED
from headrace._io.limits.rate import RateLimiter
from headrace.errors import ValidationError
from tests.kit.virtual import VirtualLoop, most_in_a_window, run, until

A, B, C = "http://a.example", "http://b.example", "http://c.example"


@pytest.mark.hazard(69)
def test_a_pause_is_for_one_origin_or_for_all() -> None:
    """With an origin it holds that one; without, everybody, whatever their origin."""
    now = [0.0]
    limiter = RateLimiter(100, clock=lambda: now[0])
    limiter.pause(5, A)
    limiter.pause(2, A)  # the longer one stands
    now[0] = 4.9
    assert [limiter.try_acquire(1, origin) for origin in (A, B, None)] == [False, True, True]
    now[0] = 5.0
    assert limiter.try_acquire(1, A)
    limiter.pause(1)
    assert not any(limiter.try_acquire(1, origin) for origin in (A, B, None))


@pytest.mark.hazard(69)
def test_who_waits_for_an_origin_holds_nobody_up() -> None:
    """Others start in their order meanwhile; at the end of the pause those who came first come first."""

    async def main(loop: VirtualLoop) -> list[tuple[str, int, float]]:
        limiter = RateLimiter(2, clock=loop.time)
        seen: list[tuple[str, int, float]] = []

        async def request(origin: str, number: int) -> None:
            await limiter.acquire(1, origin)
            seen.append((origin[7], number, loop.time()))

        requests = [asyncio.ensure_future(request((A, B)[number % 2], number)) for number in range(10)]
        loop.call_at(0.5, limiter.pause, 2.0, A)  # until 2.5; one of each has started
        loop.call_at(0.6, lambda: requests.append(asyncio.ensure_future(request(C, 10))))
        await until(loop, 0.7)
        assert limiter.waiting == 9
        await asyncio.gather(*requests)
        assert limiter.idle_in() < math.inf
        return seen

    assert run(main) == [
        *(("a", 0, 0), ("b", 1, 0)),
        *(("b", 3, 1), ("b", 5, 1)),
        *(("b", 7, 2), ("b", 9, 2)),
        *(("a", 2, 3), ("a", 4, 3)),
        *(("a", 6, 4), ("a", 8, 4)),
        ("c", 10, 5),
    ]


def test_who_is_released_when_the_pause_comes_is_held() -> None:
    """A pause between release and start sends those of its origin aside, and the others start."""

    async def main(loop: VirtualLoop) -> list[tuple[str, float]]:
        limiter = RateLimiter(4, clock=loop.time)
        seen: list[tuple[str, float]] = []

        async def request(origin: str) -> None:
            await limiter.acquire(1, origin)
            seen.append((origin[7], loop.time()))

        assert limiter.try_acquire(4)
        requests = [asyncio.ensure_future(request(origin)) for origin in (A, B, A, B)]
        await until(loop, 0.5)
        loop.call_at(1.0, limiter.pause, 3.0, A)  # behind the limiter's own timer, before the released tasks run
        await asyncio.gather(*requests)
        return seen

    assert run(main) == [("b", 1), ("b", 1), ("a", 4), ("a", 4)]


def test_a_pause_that_is_made_longer_holds_on() -> None:
    """Those who stepped aside wait for its new end; who leaves meanwhile costs nobody a place."""

    async def main(loop: VirtualLoop) -> list[float]:
        limiter = RateLimiter(1, clock=loop.time)
        limiter.pause(1, A)
        tasks = [asyncio.ensure_future(limiter.acquire(1, A)) for _ in range(4)]
        await until(loop, 0.5)
        limiter.pause(2, A)
        tasks[0].cancel()
        starts = []
        for task in tasks[1:]:
            await task
            starts.append(loop.time())
            if len(starts) == 1:
                limiter.pause(1.5, A)  # once more, with two of them back already
        assert limiter.idle_in() < math.inf
        return starts

    assert run(main) == [2.5, 4.0, 5.0]


def test_a_start_that_is_held_loses_it_to_the_pause_of_its_origin() -> None:
    """It waits for its turn again, before all others of its origin."""

    async def main(loop: VirtualLoop) -> list[str]:
        limiter = RateLimiter(10, clock=loop.time)
        order: list[str] = []

        async def held(name: str, origin: str, moment: float) -> None:
            assert limiter.try_acquire(1, origin)
            limiter.hold()
            await until(loop, moment)
            if not limiter.resume(origin=origin):
                await limiter.rejoin(origin)
            order.append(f"{name} {loop.time():g}")

        async def late() -> None:
            await until(loop, 0.5)
            await limiter.acquire(1, A)
            order.append(f"late {loop.time():g}")

        loop.call_at(0.5, limiter.pause, 2.0, A)
        await asyncio.gather(held("one", A, 1.0), held("two", A, 1.25), held("other", B, 1.5), late())
        assert limiter.idle_in() < math.inf
        return order

    assert run(main) == ["other 1.5", "one 2.5", "two 2.5", "late 2.5"]


def test_a_paused_limiter_is_copied_and_not_forgotten() -> None:
    """A copy keeps the pauses, and a key whose origin is paused is not idle."""
    now = [0.0]
    limiter = RateLimiter(10, clock=time_of)
    limiter.pause(1000, A)
    other = pickle.loads(pickle.dumps(limiter))
    assert not other.try_acquire(1, A)
    assert other.try_acquire(1, B)
    assert not copy.deepcopy(limiter).try_acquire(1, A)
    idle = RateLimiter(10, clock=lambda: now[0])
    idle.pause(7, A)
    assert idle.idle_in() == 7
    now[0] = 7
    assert idle.idle_in() == 0


def time_of() -> float:
    """Tell a time that stands still, by a function that can be pickled."""
    return 5.0


def test_waiters_of_a_loop_that_has_ended_are_forgotten() -> None:
    """A limiter with somebody aside on a loop that was closed works on the next one."""
    limiter = RateLimiter(10)
    limiter.pause(3600, A)
    loop = asyncio.new_event_loop()
    left = loop.create_task(limiter.acquire(1, A))
    loop.run_until_complete(asyncio.sleep(0))
    with pytest.raises(TypeError, match="somebody waits"):
        pickle.dumps(limiter)
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(limiter.acquire(1, A))
    left.cancel()  # which it never hears of
    loop.close()

    async def wait() -> int:
        waiter = asyncio.ensure_future(limiter.acquire(1, A))
        await asyncio.sleep(0)
        waiting = limiter.waiting
        waiter.cancel()
        return waiting

    assert asyncio.run(wait()) == 1
    assert limiter.waiting == 0


def test_pauses_of_more_origins_than_there_are_do_not_pile_up() -> None:
    """What is known of origins is bounded, and what is over is forgotten."""
    now = [0.0]
    limiter = RateLimiter(10, clock=lambda: now[0])
    for number in range(_MOST_PAUSED + 50):
        limiter.pause(10, f"http://{number}.example")
        limiter.pause(20, f"http://{number}.example")
    assert len(limiter._paused) == len(limiter._ends) == _MOST_PAUSED
    now[0] = 20
    assert limiter.try_acquire(1, A)
    assert (limiter._paused, limiter._ends) == ({}, [])


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "1", None, True])
def test_a_wrong_longest_pause_is_named(value: Any) -> None:
    """It is a number of seconds from 0 on, for every kind of limiter."""
    for make in (RateLimiter, KeyedLimiter):
        with pytest.raises(ValidationError, match=r"^most_pause: got .+, takes a number from 0 on$"):
            make(1, most_pause=value)
    with pytest.raises(ValidationError, match=r"^most_pause: "):
        RateLimiter.all_of((1, 1), most_pause=value)


class Crowd:
    """Requests to three origins, all with one limiter, and what became of them."""

    def __init__(self, loop: VirtualLoop, limiter: RateLimiter) -> None:
        self.loop = loop
        self.limiter = limiter
        self.tasks: list[asyncio.Task[None]] = []
        self.starts: list[tuple[float, int, str]] = []
        self.pauses: list[tuple[float, float, str | None]] = []

    async def ask(self, number: int, origin: str) -> None:
        """Ask for one start, and note it."""
        if not self.limiter.try_acquire(1, origin):
            await self.limiter.acquire(1, origin)
        self.starts.append((self.loop.time(), number, origin))

    async def send(self, origin: str, late: float) -> None:
        """Ask for one start, and make it later; it keeps no order with others that are as late."""
        await self.limiter.acquire(1, origin)
        self.limiter.hold()
        try:
            await until(self.loop, self.loop.time() + late)
        except asyncio.CancelledError:
            self.limiter.drop()
            raise
        if not self.limiter.resume(origin=origin):
            await self.limiter.rejoin(origin)
        self.starts.append((self.loop.time(), -1, origin))

    def act(self, kind: str, amount: int, origin: str) -> None:
        """Do one thing."""
        number = len(self.tasks)
        if kind == "ask":
            self.tasks += [asyncio.ensure_future(self.ask(number + i, origin)) for i in range(amount)]
        elif kind == "send":
            self.tasks.append(asyncio.ensure_future(self.send(origin, amount / 8)))
        elif kind == "cancel":
            for task in self.tasks[-amount:]:
                task.cancel()
        elif kind == "stall":
            self.loop.stall(amount / 4)
        elif kind in ("pause", "pause all"):
            whose = origin if kind == "pause" else None
            self.pauses.append((self.loop.time(), self.loop.time() + amount / 4, whose))
            self.limiter.pause(amount / 4, whose)

    def check(self) -> None:
        """Hold every start against the pauses, and against those who came before it."""
        for moment, number, origin in self.starts:
            for begin, end, whose in self.pauses:
                assert whose not in (None, origin) or not begin < moment < end
            for later, other, others_origin in self.starts:
                if 0 <= other < number and later > moment:  # it came first, and was overtaken
                    assert others_origin != origin
                    assert any(begin < later and whose == others_origin for begin, _, whose in self.pauses)


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 40).map(lambda n: n / 4),
        st.sampled_from(["ask", "ask", "ask", "send", "cancel", "stall", "pause", "pause", "pause all"]),
        st.integers(1, 6),
        st.sampled_from([A, A, B, C]),
    ),
    max_size=25,
)


@pytest.mark.hazard(69)
@settings(max_examples=300)
@given(rate=st.sampled_from([1, 2, 5, 50]), events=EVENTS)
def test_the_law_holds_whatever_is_paused(rate: int, events: list[tuple[float, str, int, str]]) -> None:
    """No window has too many, no start falls into its pause, and nobody is passed but who waits for an origin."""

    async def main(loop: VirtualLoop) -> None:
        limiter = RateLimiter(rate, clock=loop.time)
        crowd = Crowd(loop, limiter)
        for moment, kind, amount, origin in sorted(events):
            if moment > loop.time():
                await until(loop, moment)
            crowd.act(kind, amount, origin)
        done = await asyncio.gather(*crowd.tasks, return_exceptions=True)
        assert not [result for result in done if isinstance(result, Exception)]
        assert limiter.idle_in() < math.inf
        assert most_in_a_window([moment for moment, _, _ in crowd.starts], 1.0) <= rate
        crowd.check()

    run(main)
