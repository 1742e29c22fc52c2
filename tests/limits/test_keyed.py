"""A limiter for each key: which request belongs to which, and what is remembered how long."""

from __future__ import annotations

import asyncio
import logging
import math
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import AsyncClient, KeyedLimiter, Limiter, RateLimiter, errors
from headrace.testing import MockTransport, Request, Response, json_response
from tests.kit.cancelling import settled
from tests.kit.virtual import VirtualLoop, most_in_a_window, run, until


async def starts_of(loop: VirtualLoop, keyed: KeyedLimiter, keys: list[Any]) -> list[tuple[Any, float]]:
    """Let a request of each key start as soon as it may."""
    starts: list[tuple[Any, float]] = []

    async def request(key: Any) -> None:
        await keyed.acquire(key)
        starts.append((key, loop.time()))

    await asyncio.gather(*(request(key) for key in keys))
    return starts


def test_every_key_has_its_own_limit() -> None:
    """Requests of one key wait for each other, and not for those of another."""

    async def main(loop: VirtualLoop) -> list[tuple[Any, float]]:
        return await starts_of(loop, KeyedLimiter(1, 2.0, clock=loop.time), ["a", "b", "a", "c", "a", "b"])

    assert run(main) == [("a", 0), ("b", 0), ("c", 0), ("a", 2), ("b", 2), ("a", 4)]


def test_each_key_may_have_another_limit() -> None:
    """A function makes the limiter of a key, and is not asked again while the key is in use."""
    asked = []

    async def main(loop: VirtualLoop) -> list[tuple[Any, float]]:
        def make(key: Any) -> RateLimiter:
            asked.append(key)
            return RateLimiter(key, clock=loop.time)

        return await starts_of(loop, KeyedLimiter(make), [1, 2, 1, 2, 1, 2])

    assert run(main) == [(1, 0), (2, 0), (2, 0), (1, 1), (2, 1), (1, 2)]
    assert asked == [1, 2]


def test_idle_keys_are_forgotten() -> None:
    """However many keys come along, what is remembered follows what is in use."""
    now = [0.0]
    keyed = KeyedLimiter(1, 1.0, clock=lambda: now[0])
    most = 0
    for number in range(5000):
        now[0] = number / 100  # a hundred new keys a second, each in use for one
        assert keyed.try_acquire(number)
        most = max(most, len(keyed))
    assert most <= 150


def test_a_key_that_is_in_use_is_never_forgotten() -> None:
    """Where there is no place for another key, the new one waits until one is idle, and the law holds for all."""

    async def main(loop: VirtualLoop) -> None:
        keyed = KeyedLimiter(1, 1.0, most_keys=2, clock=loop.time)
        assert keyed.try_acquire("a")
        await until(loop, 0.5)
        assert keyed.try_acquire("b")
        assert not keyed.try_acquire("c")
        later = asyncio.ensure_future(starts_of(loop, keyed, ["c", "d", "e", "c"]))
        await until(loop, 0.75)
        assert (keyed.waiting, len(keyed)) == (4, 2)
        assert repr(keyed) == "KeyedLimiter(1, 1, keys=2, waiting=4)"
        assert not keyed.try_acquire("f")
        assert await later == [("c", 1), ("d", 1.5), ("e", 2), ("c", 2.5)]
        assert (keyed.waiting, len(keyed)) == (0, 2)

    run(main)


@pytest.mark.parametrize("why", ["waiter", "pause", "start"])
def test_why_a_key_is_in_use(why: str) -> None:
    """Somebody who waits, a pause, or a start in the window: each of them keeps a key."""

    async def main(loop: VirtualLoop) -> None:
        limiter = RateLimiter(1, 10, clock=loop.time)
        keyed = KeyedLimiter(lambda key: limiter if key == "a" else RateLimiter(1, clock=loop.time), most_keys=1)
        if why == "pause":
            assert keyed.try_acquire("a")
            limiter.update(1, 0.1)
            limiter.pause(5)
        else:
            assert keyed.try_acquire("a")
        waiters = [asyncio.ensure_future(keyed.acquire("a"))] if why == "waiter" else []
        await until(loop, 4.0)
        assert not keyed.try_acquire("b")
        found = await starts_of(loop, keyed, ["b"])
        assert found == [("b", {"pause": 5, "start": 10, "waiter": 20}[why])]
        await asyncio.gather(*waiters)

    run(main)


def test_whoever_leaves_frees_the_place_it_waited_for() -> None:
    """A key that waits for a place and gives up holds nobody up."""

    async def main(loop: VirtualLoop) -> list[tuple[Any, float]]:
        keyed = KeyedLimiter(1, 1.0, most_keys=1, clock=loop.time)
        assert keyed.try_acquire("a")
        leaving = asyncio.ensure_future(keyed.acquire("b"))
        staying = asyncio.ensure_future(starts_of(loop, keyed, ["c"]))
        await until(loop, 0.5)
        leaving.cancel()
        found = await staying
        again = asyncio.ensure_future(keyed.acquire("d"))
        await until(loop, 1.5)
        again.cancel()
        await asyncio.gather(leaving, again, return_exceptions=True)
        assert keyed.waiting == 0
        return found + await starts_of(loop, keyed, ["e"])

    assert run(main) == [("c", 1), ("e", 2)]


def test_a_place_that_was_lost_before_it_was_used_is_waited_for_again() -> None:
    """Another key may come between the one who is given a place and its start; no key ever has two limiters."""

    async def main(loop: VirtualLoop) -> list[tuple[Any, float]]:
        keyed = KeyedLimiter(1, 1.0, most_keys=1, clock=loop.time)
        assert keyed.try_acquire("a")
        later = asyncio.ensure_future(starts_of(loop, keyed, ["b"]))
        await until(loop, 0.5)
        came: list[bool] = []
        loop.call_at(1.0, lambda: came.append(keyed.try_acquire("c")))  # behind the limiter's own timer
        found = await later
        assert came == [True]
        assert not keyed.try_acquire("b")
        return found

    assert run(main) == [("b", 2)]


@settings(max_examples=60)
@given(
    most=st.integers(1, 4),
    requests=st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 4), st.integers(0, 8)), max_size=40),
    leaving=st.sets(st.integers(0, 39)),
)
def test_the_law_holds_for_every_key(most: int, requests: list[tuple[float, int]], leaving: set[int]) -> None:
    """With too few places and everybody free to leave: two in a window at most for any key, and all get through."""
    found: dict[int, list[float]] = {}

    async def main(loop: VirtualLoop) -> None:
        keyed = KeyedLimiter(2, 1.0, most_keys=most, clock=loop.time)

        async def request(key: int) -> None:
            await keyed.acquire(key)
            found.setdefault(key, []).append(loop.time())
            assert len(keyed) <= most

        tasks = []
        for index, (moment, key) in enumerate(sorted(requests)):
            if moment > loop.time():
                await until(loop, moment)
            tasks.append(asyncio.ensure_future(request(key)))
            if index in leaving:
                loop.call_later(0.3, tasks[-1].cancel)
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [result for result in done if isinstance(result, Exception)]
        assert keyed.waiting == 0

    run(main)
    assert all(most_in_a_window(starts, 1.0) <= 2 for starts in found.values())


async def test_a_client_limits_each_origin() -> None:
    """By default the requests of each origin have their own limit, also where a client talks to several."""
    keyed = KeyedLimiter(1, 3600)
    assert isinstance(keyed, Limiter)
    transport = MockTransport(lambda request: json_response(request.url.host))
    async with AsyncClient("http://a.example", transport=transport, limiter=keyed) as client:
        assert await client.get("/1") == "a.example"
        assert await client.get("http://b.example/1") == "b.example"
        with pytest.raises(errors.RequestTimeout):
            await client.get("/2", timeout=0.01)
        assert client.stats.limiter_waits == 1
        assert client.is_rate_limited
    assert keyed.waiting == 0
    assert len(transport.requests) == 2


def test_a_client_limits_each_token(caplog: pytest.LogCaptureFixture) -> None:
    """A function of the request says what is limited together, here the token that it carries."""

    def token(request: Request) -> str:
        return dict(request.headers.pairs).get("Authorization", "")

    async def main(loop: VirtualLoop) -> None:
        keyed = KeyedLimiter(1, 2.0, key=token, most_keys=1, clock=loop.time)
        transport = MockTransport(lambda _: json_response(1))
        async with AsyncClient("http://a.example", transport=transport, limiter=keyed) as client:
            for name in ("one", "two", "two"):
                await client.get("/", headers={"Authorization": name})
        assert len(keyed) == 1
        assert client.stats.limiter_seconds == 4.0

    with caplog.at_level(logging.INFO, "headrace.AsyncClient"):
        run(main)
    assert [line for line in caplog.messages if line.startswith("Waiting")] == [
        "Waiting for rate limit",  # for a place among the keys
        "Waiting for rate limit: 2 s until the next start",
    ]


async def test_a_refusal_holds_its_own_key_alone() -> None:
    """A 429 with `Retry-After` pauses the origin that it came from, and no other."""

    def handler(request: Request) -> Response:
        refuses = request.url.path == "/refused"
        return Response(429 if refuses else 200, {"Retry-After": "1000"} if refuses else {}, b"1")

    keyed = KeyedLimiter(10)
    async with AsyncClient("http://a.example", transport=MockTransport(handler), limiter=keyed) as client:
        with pytest.raises(errors.HTTPTooManyRequests):
            await client.get("/refused")
        assert await client.get("http://b.example/") == 1
        with pytest.raises(errors.RequestTimeout):
            await client.get("/", timeout=0.01)


async def test_a_late_answer_still_pauses_its_key() -> None:
    """A key with a request under way is not forgotten, for its answer may ask everybody to wait."""
    keyed = KeyedLimiter(5, 0.001, most_keys=1)
    answer = asyncio.Event()

    async def handler(request: Request) -> Response:
        if request.url.path == "/late":
            await answer.wait()
            return Response(429, {"Retry-After": "1000"})
        return json_response(1)

    async with AsyncClient("http://a.example", transport=MockTransport(handler), limiter=keyed) as client:
        late = asyncio.ensure_future(client.get("/late"))
        await asyncio.sleep(0.01)
        with pytest.raises(errors.RequestTimeout):
            await client.get("http://b.example/", timeout=0.05)
        answer.set()
        with pytest.raises(errors.HTTPTooManyRequests):
            await late
        with pytest.raises(errors.RequestTimeout):
            await client.get("/", timeout=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 0}, "rate: got 0, takes a number above 0"),
        ({"rate": "5"}, "rate: got str ('5'), takes a number above 0"),
        ({"rate": 1, "interval": -1}, "interval: got -1, takes a number above 0"),
        ({"rate": 1, "burst": 0}, "burst: got 0, takes a whole number above 0"),
        ({"rate": 1, "margin": math.inf}, "margin: got inf, takes a number from 0 on"),
        ({"rate": 1, "most_keys": 0}, "most_keys: got 0, takes a whole number above 0"),
        ({"rate": 1, "key": "host"}, "key: got str, takes 'origin' or a function of the request"),
    ],
    ids=str,
)
def test_bad_values_are_named(arguments: dict[str, Any], message: str) -> None:
    """What is wrong is said when the limiter is made, and not at its first key."""
    with pytest.raises(errors.ValidationError) as caught:
        KeyedLimiter(**arguments)
    assert str(caught.value) == message


async def test_what_functions_return_is_checked() -> None:
    """A key that cannot be hashed, and a limiter that is none, are told by the argument that made them."""
    with pytest.raises(errors.ValidationError, match="key: got list"):
        KeyedLimiter(1).try_acquire(["a"])
    wrong: Any = lambda _: object()  # noqa: E731 - a stand-in for a user's function
    with pytest.raises(errors.ValidationError, match="rate: got object"):
        await KeyedLimiter(wrong).acquire("a")


def test_a_function_that_fails_fails_the_one_who_asked() -> None:
    """Where the function of a key raises while others wait for places, only its own request hears of it."""

    async def main(loop: VirtualLoop) -> None:
        def make(key: Any) -> RateLimiter:
            if key == "bad":
                message = "no such key"
                raise LookupError(message)
            return RateLimiter(1, clock=loop.time)

        keyed = KeyedLimiter(make, most_keys=1)
        await keyed.acquire("a")
        bad, good = (asyncio.ensure_future(keyed.acquire(key)) for key in ("bad", "good"))
        with pytest.raises(LookupError, match="no such key"):
            await bad
        await good
        assert loop.time() == 1

    run(main)


def test_a_copy_is_made_anew() -> None:
    """A pickled limiter has the same settings and no keys; its settings are those of a configuration."""
    keyed = KeyedLimiter(2, 60, most_keys=5, burst=1)
    assert keyed.try_acquire("a")
    copy = pickle.loads(pickle.dumps(keyed))
    assert (len(keyed), len(copy)) == (1, 0)
    assert bool(copy)
    assert copy.try_acquire("a")
    assert not copy.try_acquire("a")
    assert repr(copy) == "KeyedLimiter(2, 60, keys=1, waiting=0)"


def test_time_waited_is_kept_for_keys_that_are_forgotten() -> None:
    """`waited` is the seconds of all keys, those that are gone included."""

    async def main(loop: VirtualLoop) -> float:
        keyed = KeyedLimiter(1, 1.0, clock=loop.time)
        await starts_of(loop, keyed, ["a", "a", "a", "b", "b"])
        await until(loop, 10.0)
        for number in range(5):
            assert keyed.try_acquire(number)
        assert len(keyed) == 5
        return keyed.waited

    assert run(main) == 1 + 2 + 1


async def test_a_key_may_have_any_limiter() -> None:
    """A limiter with nothing but `acquire` serves a key, and is kept: it cannot tell when it is idle."""

    class Counting:
        def __init__(self, key: Any) -> None:
            self.key = key
            self.started = 0

        async def acquire(self) -> None:
            self.started += 1

    made: list[Counting] = []

    def make(key: Any) -> Counting:
        made.append(Counting(key))
        return made[-1]

    limiter = KeyedLimiter(make)
    transport = MockTransport(lambda _: json_response(1))
    async with AsyncClient("http://a.example", limiter=limiter, transport=transport) as client:
        for path in ("/x", "/y", "http://b.example/z"):
            assert await client.get(path) == 1
    assert [(one.key, one.started) for one in made] == [("http://a.example", 2), ("http://b.example", 1)]
    assert not limiter.try_acquire("http://a.example")
    await limiter.acquire("http://a.example")
    assert made[0].started == 3
    assert (len(limiter), limiter.waiting, limiter.waited) == (2, 0, 0)


async def test_the_limiter_of_a_key_listens_to_whoever_answers_it() -> None:
    """What another server than the client's own says of its limits holds the requests of its key, and no others."""
    told = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "60"}
    transport = MockTransport(lambda _: Response(200, told))
    limiter = KeyedLimiter(100, key="origin", follow=True)
    async with AsyncClient("http://a.example", transport=transport, limiter=limiter) as client:
        await client.get("http://b.example/")
        waiting = asyncio.ensure_future(client.get("http://b.example/"))
        assert await settled(lambda: client.stats.limiter_waits == 1)
        await client.get("/")
        assert not waiting.done()
        waiting.cancel()
