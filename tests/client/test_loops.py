"""A client belongs to the loop of its first request, and once that is closed, to the loop of its next one."""

import asyncio
import gc
import warnings
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from headrace import AiohttpTransport, AsyncClient, CircuitBreaker, PoolLimits, WireTransport, errors
from headrace.auth import Credentials, Send
from headrace.testing import MockTransport, Response, json_response
from tests.servers.peer import Peer

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine in a loop of its own, and close that."""
    return asyncio.run if request.param == "asyncio" else uvloop.run


@pytest.fixture
def left_open() -> Iterator[None]:
    """Let connections that a closed loop has left behind say so: that is their own warning, and no fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


@pytest.mark.usefixtures("left_open")
@pytest.mark.parametrize("transport", ["wire", "aiohttp"])
def test_a_client_of_a_module_goes_on_in_the_next_loop(run: Run, transport: str) -> None:
    """Each loop has connections of its own; settings, counts and limits go on."""
    with Peer(None, None).serving() as server:
        client = AsyncClient(server.url, transport=transport, rate_limit=1000, headers={"X-A": "1"})

        async def get() -> object:
            return await client.get("/x", response_format=str), await client.post("/x", data=b"y", response_format=str)

        assert [run(get()) for _ in range(3)] == [("0", "0"), ("1", "1"), ("2", "2")]
        assert (client.stats.requests, client.stats.connections_opened) == (6, 3)
        run(client.close())
        assert client.closed


@pytest.mark.usefixtures("left_open")
def test_a_request_that_a_loop_has_left_behind_holds_nobody_up(run: Run) -> None:
    """Whoever waited there for credentials, for a start or for a connection waits no more."""
    asked = []

    class Login:
        async def credentials(self, refused: Credentials | None, _: Send) -> Credentials:
            asked.append(refused)
            if len(asked) == 1:
                await asyncio.Event().wait()
            return Credentials(headers={"X-Session": "s"})

    client = AsyncClient("http://a.example", auth=Login(), transport=MockTransport(lambda _: json_response(1)))

    def leave() -> None:
        loop = asyncio.new_event_loop()
        task = loop.create_task(client.get("/x"))
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        assert len(asked) == 1
        assert not task.done()
        task._log_destroy_pending = False  # type: ignore[attr-defined] # it is meant to be left behind
        loop.close()

    leave()
    assert run(client.get("/x")) == 1
    assert len(asked) == 2
    run(client.close())


def test_a_circuit_stays_open(run: Run) -> None:
    """What is known of a server does not depend on the loop."""
    breaker = CircuitBreaker(minimum=1)
    transport = MockTransport(lambda _: Response(503))
    client = AsyncClient("http://a.example", circuit_breaker=breaker, transport=transport)
    with pytest.raises(errors.HTTPServiceUnavailable):
        run(client.get("/x"))
    with pytest.raises(errors.CircuitOpen):
        run(client.get("/x"))
    run(client.close())


@pytest.mark.usefixtures("left_open")
@pytest.mark.parametrize("kind", [WireTransport, AiohttpTransport])
def test_a_transport_that_was_given_belongs_to_its_loop(run: Run, kind: type[WireTransport | AiohttpTransport]) -> None:
    """It cannot be made anew; the error says what to do."""
    with Peer(None, None).serving() as server:

        async def first() -> AsyncClient:
            client = AsyncClient(server.url, transport=kind())
            assert await client.get("/x", response_format=str) == "0"
            return client

        client = run(first())
        with pytest.raises(errors.AsyncClientError, match=r'was given a \w+Transport .* closed; .*transport="wire"'):
            run(client.get("/x"))
        run(client.close())


def test_a_loop_that_may_go_on_keeps_its_client() -> None:
    """Connections cannot be used on two loops; the error says so."""
    client = AsyncClient("http://a.example", transport=MockTransport(lambda _: json_response(1)))
    first = asyncio.new_event_loop()
    assert first.run_until_complete(client.get("/x")) == 1
    with pytest.raises(errors.AsyncClientError, match="another event loop"):
        asyncio.run(client.get("/x"))
    assert first.run_until_complete(client.get("/x")) == 1
    first.run_until_complete(client.close())
    first.close()


@pytest.mark.usefixtures("left_open")
@pytest.mark.parametrize("transport", ["wire", "aiohttp"])
def test_what_a_loop_has_left_behind_is_collected(run: Run, transport: str) -> None:
    """Requests that were under way, and those that waited for a connection: tasks, sockets and all."""
    with Peer(None, None).serving() as server:
        client = AsyncClient(server.url, transport=transport, pool=PoolLimits(max_connections=2))
        left: list[weakref.ref[asyncio.Task[Any]]] = []

        async def hang() -> Any:
            return await client.get("/x", response_format=str)

        def leave() -> None:
            loop = asyncio.new_event_loop()
            tasks = [loop.create_task(hang()) for _ in range(4)]
            for _ in range(3):
                loop.run_until_complete(asyncio.sleep(0))
            for task in tasks:
                task._log_destroy_pending = False  # type: ignore[attr-defined] # it is meant to be left behind
                left.append(weakref.ref(task))
            loop.close()

        leave()
        assert run(client.get("/x", response_format=str)) is not None
        gc.collect()
        assert [each() for each in left] == [None] * 4
        run(client.close())


@pytest.mark.usefixtures("left_open")
@pytest.mark.parametrize("transport", ["wire", "aiohttp"])
def test_closed_where_requests_were_left_behind(run: Run, transport: str) -> None:
    """The next loop closes the client, and nobody there hears of the one that is gone."""
    with Peer(None, None).serving() as server:
        client = AsyncClient(server.url, transport=transport, pool=PoolLimits(max_connections=1), rate_limit=1000)
        loop = asyncio.new_event_loop()
        tasks = [loop.create_task(client.get("/x", response_format=str)) for _ in range(3)]
        for _ in range(3):
            loop.run_until_complete(asyncio.sleep(0))
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined] # the same
        loop.close()
        run(client.close())
        assert client.closed
