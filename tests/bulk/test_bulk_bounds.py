"""A bulk is bounded: what is in flight, what is pulled ahead, and what is left when it is left."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from headrace.bulk import Bulk  # noqa: TC001 - as the other tests import
from tests.kit.bulk import Api, User, paths
from tests.kit.waiting import until


def endless(pulled: list[int]) -> Iterator[str]:
    """Name users without end, and note how many were pulled."""
    number = 0
    while True:
        pulled.append(number)
        yield f"/users/{number}"
        number += 1


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("in_flight", [1, 3, 50])
async def test_no_more_are_in_flight_than_allowed(in_flight: int, *, ordered: bool) -> None:
    """However many calls there are, `in_flight` requests are under way at most; and as many as that are."""
    api = Api()
    api.turns = 100
    async with api.client() as client:
        async for _ in client.bulk(paths(300), in_flight=in_flight, ordered=ordered):
            pass
    assert api.most == in_flight
    assert api.asked.total() == 300


@pytest.mark.parametrize("ordered", [False, True])
async def test_calls_are_pulled_when_there_is_room(*, ordered: bool) -> None:
    """An endless iterable is pulled no further ahead of who takes the outcomes than a few times `in_flight`."""
    api, pulled = Api(), list[int]()
    async with api.client() as client, client.bulk(endless(pulled), in_flight=4, ordered=ordered) as outcomes:
        assert pulled == []
        for taken in range(1, 50):
            await anext(outcomes)
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(pulled) <= taken + 4 * (4 if ordered else 2)


async def test_a_slow_head_holds_up_a_bounded_number() -> None:
    """While the first of ordered calls hangs, others go on, but not without end."""
    api, pulled = Api(), list[int]()
    api.gate = asyncio.Event()
    async with api.client() as client, client.bulk(endless(pulled), in_flight=4, ordered=True) as outcomes:
        first = asyncio.ensure_future(anext(outcomes))
        await until(lambda: api.now == 4)
        assert len(pulled) == 4
        api.gate.set()
        await first


async def test_stop_finishes_what_is_in_flight() -> None:
    """What was sent is handed out, nothing more is pulled, and the report says so."""
    api, pulled = Api(), list[int]()
    async with api.client() as client, client.bulk(endless(pulled), in_flight=5, response_format=User) as outcomes:
        found = [(await anext(outcomes)).value.id]
        outcomes.stop()
        seen = len(pulled)
        found += [outcome.value.id async for outcome in outcomes]
        assert len(pulled) == seen
        assert sorted(found) == list(range(seen))
        assert outcomes.report.stopped


async def test_stop_ends_an_iterator_that_waits() -> None:
    """An async iterator of calls that has none to give is not waited for; it is closed."""
    closed = asyncio.Event()

    async def calls() -> AsyncIterator[str]:
        try:
            yield "/users/1"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with Api().client() as client:
        bulk = client.bulk(calls())
        await anext(bulk)
        rest = asyncio.ensure_future(anext(bulk, None))
        await asyncio.sleep(0)
        bulk.stop()
        assert await rest is None
        assert closed.is_set()


async def test_leaving_early_ends_everything() -> None:
    """No task, no request and no generator is left behind the block."""
    api = Api()
    closed: list[bool] = []

    async def calls() -> AsyncIterator[str]:
        try:
            for path in endless([]):
                yield path
        finally:
            closed.append(True)

    async with api.client() as client:
        before = asyncio.all_tasks()
        async with client.bulk(calls(), in_flight=5) as outcomes:
            await anext(outcomes)
            api.gate = asyncio.Event()
            await until(lambda: api.now == 5)
        assert asyncio.all_tasks() == before
        assert (api.now, closed) == (0, [True])
        await outcomes.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(outcomes)


async def test_a_cancelled_iteration_leaves_nothing() -> None:
    """Whoever is cancelled while waiting for an outcome leaves no request under way."""
    api = Api()
    api.gate = asyncio.Event()
    async with api.client() as client:
        before = asyncio.all_tasks()

        async def consume() -> None:
            async for _ in client.bulk(paths(100), in_flight=5):
                pass

        task = asyncio.create_task(consume())
        await until(lambda: api.now == 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == before
        assert api.now == 0


async def test_a_bulk_that_is_dropped_warns_and_ends() -> None:
    """Left open without a block, it ends what is in flight when it is collected, and says so."""
    api = Api()
    async with api.client() as client:
        bulk: Bulk[Any] | None = client.bulk(endless([]), in_flight=3)
        assert bulk is not None
        await anext(bulk)
        before = api.asked.total()
        with pytest.warns(ResourceWarning, match="unclosed <Bulk of https://api.example.com/v1"):  # noqa: PT031 - both
            del bulk
            gc.collect()
        await until(lambda: api.now == 0)
        await asyncio.sleep(0)
        assert api.asked.total() <= before + 6


async def test_an_iterator_that_raises_is_heard_behind_what_came_before() -> None:
    """All outcomes of the calls before are handed out, then the error is raised."""

    def calls() -> Iterator[str]:
        yield from paths(10)
        raise LookupError("no more paths")

    found: list[int] = []
    async with Api().client() as client:
        bulk = client.bulk(calls(), response_format=User, in_flight=3)
        found += [(await anext(bulk)).value.id for _ in range(10)]
        with pytest.raises(LookupError, match="no more paths"):
            await anext(bulk)
    assert sorted(found) == list(range(10))
