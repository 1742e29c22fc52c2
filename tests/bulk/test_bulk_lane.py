"""Plain calls of a bulk have no task, and end as a verb's do: by the same lane, or handed over to the same pipeline."""

import asyncio
from typing import Any

import pytest

from headrace import AsyncClient, PoolLimits, Retry
from headrace.bulk import Ok
from headrace.errors import RequestTimeout
from tests.conftest import ServeScript
from tests.kit.lane import ENDS, NEXT, OK, User
from tests.servers.raw import Do, Step


def told(error: BaseException, origin: str) -> str:
    """Write an error without its server's port."""
    return f"{type(error).__name__}: {error}".replace(origin, "")


@pytest.mark.parametrize("retry", [None, Retry(attempts=2, backoff=1e-6, budget=None)], ids=["once", "again"])
@pytest.mark.parametrize("end", ENDS)
async def test_the_same_comes_of_it_as_of_a_verb(serve_script: ServeScript, end: str, retry: Retry | None) -> None:
    """Value or error, and what went over the wire."""
    seen = []
    for bulk in (True, False):
        server = await serve_script([Do.READ, OK, *ENDS[end][0]], *ENDS[end][1:])
        async with AsyncClient(server.url, retry=retry) as client:
            await client.get("/users/1", response_format=User)
            if bulk:
                calls = client.bulk("/users/1", response_format=User | None, retry=retry)
                (outcome,) = [each async for each in calls]
                found = outcome.value if isinstance(outcome, Ok) else told(outcome.error, server.url)
            else:
                try:
                    found = await client.get("/users/1", response_format=User | None)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
                    found = told(error, server.url)
        seen.append((found, [each.line for each in server.requests]))
    assert seen[0] == seen[1]


async def test_a_plain_call_has_no_task(serve_script: ServeScript) -> None:
    """Once there is a connection, a hundred calls are answered with the same tasks as before."""
    server = await serve_script([Do.READ, OK] * 101 + [Do.HOLD])
    made: list[Any] = []
    async with AsyncClient(server.url, pool=PoolLimits(max_connections=1)) as client:
        await client.get("/users/1", response_format=User)
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **more: made.append(coro) or asyncio.Task(coro, loop=loop, **more))
        try:
            calls = (f"/users/{number}" for number in range(100))
            outcomes = [each async for each in client.bulk(calls, response_format=User)]
        finally:
            loop.set_task_factory(None)
    assert [type(each) for each in outcomes] == [Ok] * 100
    assert made == []
    assert client.stats.connections_opened == 1


async def test_a_time_that_is_over(serve_script: ServeScript) -> None:
    """The call fails as a verb does, its connection is not used again, and the others go on."""
    held: list[Step] = [Do.READ, OK, Do.READ, Do.HOLD]
    server = await serve_script(held, NEXT, NEXT)
    async with AsyncClient(server.url, timeout=0.2, pool=PoolLimits(max_connections=1)) as client:
        await client.get("/users/1", response_format=User)
        outcomes = [
            each
            async for each in client.bulk(["/a", "/b"], response_format=User, retry=None, ordered=True, in_flight=1)
        ]
    late, fine = outcomes
    assert isinstance(late.error, RequestTimeout)
    assert "within 0.2 s" in str(late.error)
    assert "GET" in str(late.error)
    assert late.error.maybe_sent
    assert fine.value == User(1)


async def test_whoever_waits_gets_the_connection(serve_script: ServeScript) -> None:
    """A bulk that keeps its connection from call to call gives it to a verb that waits for one."""
    server = await serve_script([Do.READ, OK] * 1001 + [Do.HOLD])
    async with AsyncClient(server.url, pool=PoolLimits(max_connections=1)) as client:
        await client.get("/users/1", response_format=User)
        calls = (f"/users/{number}" for number in range(1000))
        async with client.bulk(calls, response_format=User, in_flight=4) as outcomes:
            await anext(outcomes)
            assert await client.get("/verb", response_format=User) == User(1)
            assert len(server.requests) < 900
