"""How connections are shared when there are fewer than requests: limits, waiting, fairness, and the end of it all."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from headrace import AsyncClient, PoolLimits, Timeout, WireTransport
from headrace.errors import PoolTimeout, RequestTimeout, TransportError
from tests.conftest import Serve, ServeScript
from tests.kit.mill import Mill, silent
from tests.kit.waiting import ended, until
from tests.servers.raw import WAIT_SECONDS, Do, Step, read_request, reply
from tests.servers.tls import TlsMaterial


def shown(mill: Mill, most: int, *, open: int, idle: int = 0, waiting: int = 0) -> str:  # noqa: A002 - as it reads
    """Write the `repr` of a transport that serves one mill."""
    return (
        f"<WireTransport <Pool {open}/{most} [{mill.url}: {open} open, {idle} idle, {waiting} waiting]>>"
        if open or waiting
        else f"<WireTransport <Pool 0/{most} []>>"
    )


async def queue(wire: WireTransport, mill: Mill, *requests: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    """Start requests one by one behind the only connection, each once the one before it waits."""
    tasks = []
    for waiting, request in enumerate(requests, 1):
        tasks.append(asyncio.create_task(request))
        expected = shown(mill, 1, open=1, waiting=waiting)
        await until(lambda expected=expected: repr(wire) == expected)  # type: ignore[misc] # of a bound default
    return tasks


async def test_never_more_connections_than_allowed(serve: Serve, transport: str) -> None:
    """However many requests there are, the server never sees more than `max_connections`, and all are answered."""
    mill = await Mill.start(serve)
    paths = [f"/{number}" for number in range(30)]
    async with AsyncClient(mill.url, transport=transport, pool=PoolLimits(max_connections=3)) as client:
        requests = [asyncio.create_task(client.get(path, response_format=str)) for path in paths]
        await until(lambda: len(mill.served) == 3)
        mill.release(*paths)
        assert await asyncio.gather(*requests) == paths
    assert mill.most_open == 3
    assert len(mill.server.connections) == 3


async def test_never_more_connections_to_an_origin_than_allowed(serve: Serve, transport: str) -> None:
    """`max_per_origin` holds for each origin, and one that has reached it does not keep another waiting."""
    crowded, quiet = await Mill.start(serve), await Mill.start(serve)
    paths = [f"/{number}" for number in range(12)]
    quiet.release("/quiet")
    limits = PoolLimits(max_connections=10, max_per_origin=2)
    async with AsyncClient(crowded.url, transport=transport, pool=limits) as client:
        requests = [asyncio.create_task(client.get(path, response_format=str)) for path in paths]
        await until(lambda: len(crowded.served) == 2)
        assert await client.get(f"{quiet.url}/quiet", response_format=str) == "/quiet"
        crowded.release(*paths)
        assert await asyncio.gather(*requests) == paths
    assert (crowded.most_open, quiet.most_open) == (2, 1)
    assert len(crowded.server.connections) == 2


@pytest.mark.hazard(51)
async def test_who_waits_longest_is_served_first(serve: Serve) -> None:
    """Waiting requests are sent in the order in which they came, all over the one connection."""
    mill = await Mill.start(serve)
    wire = WireTransport(pool=PoolLimits(max_connections=1))
    paths = [f"/{number}" for number in range(6)]
    async with AsyncClient(mill.url, transport=wire) as client:
        first = asyncio.create_task(client.get("/first", response_format=str))
        await mill.arrived("/first")
        waiting = await queue(wire, mill, *(client.get(path, response_format=str) for path in paths))
        mill.release("/first", *paths)
        assert await asyncio.gather(first, *waiting) == ["/first", *paths]
    assert mill.served == [("/first", 0), *((path, 0) for path in paths)]


async def test_nobody_overtakes_a_waiter(serve: Serve) -> None:
    """A request that starts in the moment a connection becomes free queues behind those that waited for it."""
    mill = await Mill.start(serve)
    wire = WireTransport(pool=PoolLimits(max_connections=1))
    mill.release("/waiter", "/newcomer")
    async with AsyncClient(mill.url, transport=wire) as client:

        async def twice() -> None:
            await client.get("/first", response_format=str)
            await client.get("/newcomer", response_format=str)

        first = asyncio.create_task(twice())
        await mill.arrived("/first")
        await queue(wire, mill, client.get("/waiter", response_format=str))
        mill.release("/first")
        await first
    assert mill.paths == ["/first", "/waiter", "/newcomer"]


@pytest.mark.hazard(51)
@pytest.mark.parametrize(("secure", "limited"), [(True, False), (False, True)])
async def test_a_connection_that_ends_as_it_is_given_costs_no_place(
    serve: Serve, tls: TlsMaterial, *, secure: bool, limited: bool
) -> None:
    """Who was given a connection that ended before it could be used opens another in its place: nobody overtakes.

    Over TLS the end may be heard in one step with the answer; who waits for a limiter too takes a step more.
    """
    served: list[str] = []
    go = asyncio.Event()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        served.append((await read_request(reader)).line.split()[1])
        await go.wait()
        writer.write(reply(b"ok"))  # and ends, which it did not say

    server = await serve(once, ssl=tls.server_context() if secure else None)
    wire = WireTransport(PoolLimits(max_connections=1), tls=tls.trusting)
    paths = ["/first", "/0", "/1", "/2"]
    async with AsyncClient(server.url, transport=wire, rate_limit=1_000_000 if limited else None) as client:
        requests = []
        for waiting, path in enumerate(paths):
            requests.append(asyncio.create_task(client.get(path, response_format=str)))
            await until(lambda waiting=waiting: f"{waiting} waiting" in repr(wire) and bool(served))  # type: ignore[misc] # of a bound default
        go.set()
        assert await asyncio.wait_for(asyncio.gather(*requests), WAIT_SECONDS) == ["ok"] * 4
    assert served == paths


async def test_cancelled_waiters_leave_no_hole(serve: Serve) -> None:
    """Those behind a waiter that was cancelled are served all the same, and its request is never sent."""
    mill = await Mill.start(serve)
    wire = WireTransport(pool=PoolLimits(max_connections=1))
    paths = ["/0", "/1", "/2", "/3"]
    async with AsyncClient(mill.url, transport=wire) as client:
        first = asyncio.create_task(client.get("/first", response_format=str))
        await mill.arrived("/first")
        waiting = await queue(wire, mill, *(client.get(path, response_format=str) for path in paths))
        waiting[0].cancel()
        waiting[2].cancel()
        mill.release("/first", *paths)
        results = await asyncio.gather(first, *waiting, return_exceptions=True)
        assert [str(result) for result in results] == ["/first", "", "/1", "", "/3"]
        assert repr(wire) == shown(mill, 1, open=1, idle=1)
    assert mill.paths == ["/first", "/1", "/3"]


@pytest.mark.parametrize("closes", [False, True])
async def test_a_waiter_may_be_cancelled_at_any_moment(
    serve: Serve, serve_script: ServeScript, *, closes: bool
) -> None:
    """Whenever a waiter is cancelled, also as it is given its connection, its slot comes back."""
    header = "Connection: close" if closes else "X-Kept: yes"
    wire = WireTransport(pool=PoolLimits(max_connections=1))
    exchange: list[Step] = [Do.READ, reply(b"ok", header)]
    server = await serve_script(exchange * (1 if closes else 1000))
    async with AsyncClient(server.url, transport=wire) as client:
        for steps in range(30):
            first = asyncio.create_task(client.get("/first", response_format=str))
            waiter = asyncio.create_task(client.get("/waiter", response_format=str))
            for _ in range(steps):
                await asyncio.sleep(0)
            waiter.cancel()
            outcomes = await asyncio.gather(first, waiter, return_exceptions=True)
            assert outcomes[0] == "ok"
            assert outcomes[1] == "ok" or isinstance(outcomes[1], asyncio.CancelledError)
            assert await asyncio.wait_for(client.get("/next", response_format=str), WAIT_SECONDS) == "ok"
            assert "0 waiting" in repr(wire) or "[]" in repr(wire)
    assert server.open_connections <= 1


async def test_a_slot_passes_on_when_the_server_closes(serve_script: ServeScript, transport: str) -> None:
    """Where every answer ends its connection, the waiters get the right to dial one after the other."""
    server = await serve_script([Do.READ, reply(b"ok", "Connection: close")])
    async with AsyncClient(server.url, transport=transport, pool=PoolLimits(max_connections=1)) as client:
        requests = [client.get(f"/{number}", response_format=str) for number in range(5)]
        assert await asyncio.gather(*requests) == ["ok"] * 5
    assert len(server.connections) == 5


async def test_a_slot_passes_on_when_dialing_fails(serve: Serve, transport: str) -> None:
    """A connection that could not be made gives its slot to the request that waited for it."""
    server, mill = await serve(silent), await Mill.start(serve)
    mill.release("/waiter")
    stalled = server.url.replace("http", "https")
    limits = PoolLimits(max_connections=1)
    async with AsyncClient(mill.url, transport=transport, pool=limits) as client:
        dialing = asyncio.create_task(client.get(stalled, timeout=Timeout(connect=1.0)))
        await server.accepted(1)
        assert await client.get("/waiter", response_format=str) == "/waiter"
        with pytest.raises(RequestTimeout):
            await dialing


async def test_two_origins_share_one_connection(serve: Serve) -> None:
    """An origin that is always busy does not starve another one of the only connection."""
    busy, other = await Mill.start(serve), await Mill.start(serve)
    busy.release("/busy")
    other.release("/other")
    async with AsyncClient(busy.url, pool=PoolLimits(max_connections=1)) as client, asyncio.TaskGroup() as group:

        async def keep_busy() -> None:
            while not enough.is_set():
                await client.get("/busy", response_format=str)

        enough = asyncio.Event()
        for _ in range(4):
            group.create_task(keep_busy())
        await busy.arrived("/busy")
        for _ in range(5):
            answer = client.get(f"{other.url}/other", response_format=str)
            assert await asyncio.wait_for(answer, WAIT_SECONDS) == "/other"
        served = len(busy.served)
        await until(lambda: len(busy.served) > served)
        enough.set()
    assert max(busy.most_open, other.most_open) == 1


async def test_an_idle_connection_makes_room_for_another_origin(serve: Serve) -> None:
    """At the limit an idle connection, however long it might be kept, is closed for a request that goes elsewhere."""
    one, two = await Mill.start(serve), await Mill.start(serve)
    one.release("/one")
    two.release("/two")
    wire = WireTransport(pool=PoolLimits(max_connections=1, keepalive=3600))
    async with AsyncClient(one.url, transport=wire) as client:
        await client.get("/one", response_format=str)
        assert await client.get(f"{two.url}/two", response_format=str) == "/two"
        await ended(one.server)
        assert repr(wire) == shown(two, 1, open=1, idle=1)


async def test_waiting_for_a_connection_takes_too_long(serve: Serve, transport: str) -> None:
    """`Timeout.pool` ends the wait with a `PoolTimeout`; nothing was sent, and nobody else is disturbed."""
    mill = await Mill.start(serve)
    mill.release("/next")
    async with AsyncClient(mill.url, transport=transport, pool=PoolLimits(max_connections=1)) as client:
        first = asyncio.create_task(client.get("/first", response_format=str))
        await mill.arrived("/first")
        with pytest.raises(PoolTimeout) as caught:
            await client.get("/waiter", timeout=Timeout(pool=0.05))
        assert not caught.value.maybe_sent
        assert isinstance(caught.value, TimeoutError)
        waiter = asyncio.create_task(client.get("/next", response_format=str, timeout=Timeout(pool=WAIT_SECONDS)))
        mill.release("/first")
        assert [await first, await waiter] == ["/first", "/next"]
    assert mill.paths == ["/first", "/next"]


async def test_the_total_covers_the_wait_for_a_connection(serve: Serve, transport: str) -> None:
    """A request that never got a connection is over when its whole time is."""
    mill = await Mill.start(serve)
    async with AsyncClient(mill.url, transport=transport, pool=PoolLimits(max_connections=1)) as client:
        first = asyncio.create_task(client.get("/first", response_format=str))
        await mill.arrived("/first")
        with pytest.raises(RequestTimeout):
            await client.get("/waiter", timeout=0.05)
        mill.release("/first")
        assert await first == "/first"
    assert mill.paths == ["/first"]


@pytest.mark.hazard(57)
async def test_close_fails_what_is_under_way(serve: Serve, transport: str) -> None:
    """Closing ends requests in flight and requests that wait for a connection at once, with an error of ours."""
    mill = await Mill.start(serve)
    client = AsyncClient(mill.url, transport=transport, pool=PoolLimits(max_connections=1))
    requests = [asyncio.create_task(client.get(f"/{number}")) for number in range(3)]
    await until(lambda: len(mill.served) == 1)
    await client.close()
    outcomes = await asyncio.wait_for(asyncio.gather(*requests, return_exceptions=True), WAIT_SECONDS)
    assert [isinstance(outcome, TransportError) for outcome in outcomes] == [True] * 3, outcomes
    await ended(mill.server)
    assert len(mill.served) == 1


async def test_close_fails_what_is_dialing(serve: Serve, transport: str) -> None:
    """Closing does not wait for a connection that is being made: its request fails at once."""
    server = await serve(silent)
    client = AsyncClient(server.url.replace("http", "https"), transport=transport, timeout=None)
    request = asyncio.create_task(client.get())
    await server.accepted(1)
    await client.close()
    done, _ = await asyncio.wait([request], timeout=1)
    request.cancel()
    await asyncio.wait([request])
    assert done
    assert isinstance(request.exception(), TransportError)


@pytest.mark.parametrize("secure", [False, True])
async def test_close_leaves_what_is_cancelled_cancelled(serve: Serve, transport: str, *, secure: bool) -> None:
    """A group that fails cancels its requests, in flight or dialing, and the client's end adds no errors of its own."""
    server = await serve(silent)
    client = AsyncClient(server.url.replace("http", "https") if secure else server.url, transport=transport)
    requests = []

    async def fail() -> None:
        await server.accepted(1)
        raise LookupError("of the caller")

    async def use() -> None:
        async with asyncio.TaskGroup() as group, client:
            requests.append(group.create_task(client.get()))
            group.create_task(fail())
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await use()
    assert [type(error) for error in caught.value.exceptions] == [LookupError]
    assert requests[0].cancelled()


async def test_close_ends_idle_connections(serve: Serve, transport: str) -> None:
    """Closing, once or twice, leaves the server without a connection; a closed client sends nothing."""
    mill = await Mill.start(serve)
    mill.release("/a")
    client = AsyncClient(mill.url, transport=transport)
    await client.get("/a", response_format=str)
    assert mill.server.open_connections == 1
    await client.close()
    await client.close()
    await ended(mill.server)
    assert await client.get("/a") is None
    assert mill.paths == ["/a"]


async def test_the_place_of_a_limited_request_is_free_again(serve: Serve, transport: str) -> None:
    """A connection that a start of a limiter was made on leaves its place to others when it ends."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await read_request(reader)
        writer.write(reply(b"%d" % number, "Connection: close"))

    server = await serve(answer)
    pool, limits = PoolLimits(max_connections=1), Timeout(pool=WAIT_SECONDS)
    async with AsyncClient(server.url, transport=transport, rate_limit=100, pool=pool, timeout=limits) as client:
        assert [await client.get("/x") for _ in range(3)] == [0, 1, 2]
