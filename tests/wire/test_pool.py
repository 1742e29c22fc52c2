"""The life of a connection, from dialing to its end, as servers and callers see it."""

import asyncio
import socket

import pytest

from headrace import AsyncClient, PoolLimits, Timeout, WireTransport
from headrace.errors import ConnectError, ConnectionLost, RequestTimeout, TransportError
from tests.conftest import Serve, ServeScript
from tests.kit.mill import Mill, silent
from tests.kit.waiting import ended
from tests.servers.process import HOST
from tests.servers.raw import WAIT_SECONDS, Do, Step, reply


async def test_requests_in_a_row_share_a_connection(serve: Serve, transport: str) -> None:
    """A connection that was kept alive serves the next request."""
    mill = await Mill.start(serve)
    mill.release("/a", "/b", "/c")
    async with AsyncClient(mill.url, transport=transport) as client:
        for path in ("/a", "/b", "/c"):
            assert await client.get(path, response_format=str) == path
    assert mill.served == [("/a", 0), ("/b", 0), ("/c", 0)]


async def test_the_last_used_connection_is_the_first_taken(serve: Serve) -> None:
    """The connection that became idle last is the one least likely to have been closed by the server."""
    mill = await Mill.start(serve)
    mill.release("/next", "/again")
    async with AsyncClient(mill.url) as client:
        requests = {}
        for path in ("/0", "/1", "/2"):
            requests[path] = asyncio.create_task(client.get(path))
            await mill.arrived(path)
        for path in ("/0", "/2", "/1"):
            mill.release(path)
            await asyncio.wait([requests[path]])
        await client.get("/next", response_format=str)
        await client.get("/again", response_format=str)
        await asyncio.gather(*requests.values(), return_exceptions=True)
    assert mill.served == [("/0", 0), ("/1", 1), ("/2", 2), ("/next", 1), ("/again", 1)]


async def test_an_idle_connection_is_closed_after_its_keepalive(serve: Serve, transport: str) -> None:
    """What lies idle longer than `keepalive` is closed, and the next request dials anew."""
    mill = await Mill.start(serve)
    mill.release("/a", "/b")
    async with AsyncClient(mill.url, transport=transport, pool=PoolLimits(keepalive=0.05)) as client:
        await client.get("/a", response_format=str)
        await ended(mill.server)
        assert mill.server.open_connections == 0
        await client.get("/b", response_format=str)
    assert mill.served == [("/a", 0), ("/b", 1)]


async def test_a_connection_that_is_too_old_is_not_taken(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where the loop was held up, so that the timer which closes it has not run."""
    mill = await Mill.start(serve)
    mill.release("/a", "/b", "/c")
    loop = asyncio.get_running_loop()
    clock, later = loop.time, 0.0
    monkeypatch.setattr(loop, "time", lambda: clock() + later)
    async with AsyncClient(mill.url, pool=PoolLimits(keepalive=60), timeout=None) as client:
        await client.get("/a", response_format=str)
        later = 59.0
        await client.get("/b", response_format=str)
        later += 61.0
        await client.get("/c", response_format=str)
    assert mill.served == [("/a", 0), ("/b", 0), ("/c", 1)]


async def test_a_connection_with_unsent_bytes_is_not_used_again(serve: Serve) -> None:
    """After an early answer the rest of a body would be read as the next request, or never."""

    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        writer.write(reply(b"%d" % number))
        await asyncio.Event().wait()  # until the server is stopped

    server = await serve(hasty)
    async with AsyncClient(server.url) as client:
        assert await client.post(data=bytes(64 << 20), response_format=str) == "0"
        assert await asyncio.wait_for(client.get(response_format=str), WAIT_SECONDS) == "1"


async def test_only_connections_that_are_idle_expire(serve: Serve) -> None:
    """The end of one connection's keepalive leaves the one that is still at work alone."""
    mill = await Mill.start(serve)
    mill.release("/short")
    async with AsyncClient(mill.url, pool=PoolLimits(keepalive=0.05)) as client:
        long = asyncio.create_task(client.get("/long", response_format=str))
        await mill.arrived("/long")
        await client.get("/short", response_format=str)
        await ended(mill.server, 1)
        assert mill.server.open_connections == 1
        mill.release("/long")
        assert await long == "/long"


async def test_an_idle_byte_retires_the_connection(serve_script: ServeScript) -> None:
    """Bytes that nobody asked for are never taken for the answer to the next request."""
    go = asyncio.Event()
    poison = reply(b"poison")
    server = await serve_script([Do.READ, reply(b"first"), go, poison, Do.HOLD], [Do.READ, reply(b"second")])
    async with AsyncClient(server.url) as client:
        assert await client.get(response_format=str) == "first"
        go.set()
        await ended(server)
        assert await client.get(response_format=str) == "second"


async def test_a_connection_that_the_server_ended_is_not_used_again(serve_script: ServeScript, transport: str) -> None:
    """After the server has closed an idle connection the next request, even a POST, goes out on a new one."""
    # The server ends its half only, so that it sees when the client has ended the other.
    server = await serve_script([Do.READ, reply(b"first"), Do.END, Do.HOLD], [Do.READ, reply(b"second"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        assert await client.get(response_format=str) == "first"
        await ended(server)
        assert await client.post(data=b"x", response_format=str) == "second"


@pytest.mark.parametrize(("method", "data"), [("GET", None), ("PUT", b"abc"), ("DELETE", None)])
@pytest.mark.parametrize("how", [Do.CLOSE, Do.RESET])
@pytest.mark.hazard(46)
async def test_a_stale_connection_is_replaced_once(
    serve_script: ServeScript, transport: str, method: str, data: bytes | None, how: Do
) -> None:
    """An idempotent request that met a dead kept-alive connection is sent again on a new one."""
    server = await serve_script([Do.READ, reply(b"first"), Do.READ, how], [Do.READ, reply(b"second"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        await client.get("/first", response_format=str)
        assert await client.request(method, "/second", data=data, response_format=str) == "second"
    assert [request.line for request in server.requests[1:]] == [f"{method} /second HTTP/1.1"] * 2
    assert [request.body for request in server.requests[1:]] == [data or b""] * 2


@pytest.mark.hazard(46)
async def test_all_connections_may_be_stale(serve_script: ServeScript, transport: str) -> None:
    """An idempotent request gets past as many dead kept-alive connections as there are."""
    together = asyncio.Event()
    dead: list[Step] = [Do.READ, together, reply(b"first"), Do.READ, Do.CLOSE]
    server = await serve_script(dead, dead, dead, [Do.READ, reply(b"second"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        requests = [asyncio.create_task(client.get(response_format=str)) for _ in range(3)]
        await server.accepted(3)
        together.set()
        assert await asyncio.gather(*requests) == ["first"] * 3
        assert await client.get(response_format=str) == "second"


async def test_a_stale_connection_is_not_replaced_twice(serve_script: ServeScript) -> None:
    """When the new connection is lost as well, that is an error."""
    server = await serve_script([Do.READ, reply(b"first"), Do.READ, Do.CLOSE], [Do.READ, Do.CLOSE])
    async with AsyncClient(server.url) as client:
        await client.get("/first", response_format=str)
        with pytest.raises(ConnectionLost):
            await client.get("/second")
    assert len(server.requests) == 3


@pytest.mark.parametrize("how", [Do.CLOSE, Do.RESET])
@pytest.mark.hazard(46)
async def test_a_post_on_a_stale_connection_is_sent_once(serve_script: ServeScript, transport: str, how: Do) -> None:
    """A POST that may have been acted on is never repeated; the error says that it may have been sent."""
    server = await serve_script([Do.READ, reply(b"first"), Do.READ, how], [Do.READ, reply(b"second"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        await client.get(response_format=str)
        with pytest.raises(ConnectionLost) as caught:
            await client.post(data=b"x")
        assert caught.value.maybe_sent
        assert [request.line.split()[0] for request in server.requests] == ["GET", "POST"]


async def test_a_new_connection_that_is_lost_is_not_replaced(serve_script: ServeScript) -> None:
    """Only a connection that was kept alive can be stale: a server that drops new ones sees each request once."""
    server = await serve_script([Do.READ, Do.CLOSE])
    async with AsyncClient(server.url) as client:
        with pytest.raises(ConnectionLost):
            await client.get()
    assert len(server.requests) == 1


async def test_a_broken_answer_is_not_asked_for_again(serve_script: ServeScript) -> None:
    """A kept-alive connection that dies in the middle of an answer was not stale."""
    server = await serve_script([Do.READ, reply(b"first"), Do.READ, b"HTTP/1.1 200 OK\r\n", Do.CLOSE])
    async with AsyncClient(server.url) as client:
        await client.get(response_format=str)
        with pytest.raises(ConnectionLost):
            await client.get()
    assert len(server.requests) == 2


@pytest.mark.hazard(48)
async def test_a_cancelled_request_closes_its_connection(serve: Serve, transport: str) -> None:
    """Cancelling a request in flight ends its connection, and its only slot serves the next request."""
    mill = await Mill.start(serve)
    mill.release("/next")
    async with AsyncClient(mill.url, transport=transport, pool=PoolLimits(max_connections=1)) as client:
        request = asyncio.create_task(client.get("/slow"))
        await mill.arrived("/slow")
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert await client.get("/next", response_format=str) == "/next"
        await ended(mill.server)
    assert mill.served == [("/slow", 0), ("/next", 1)]


async def test_the_pool_can_be_read(serve: Serve) -> None:
    """The `repr` of the transport tells what is open, idle and waiting, at every stage."""
    mill = await Mill.start(serve)
    wire = WireTransport(pool=PoolLimits(max_connections=2))
    assert repr(wire) == "<WireTransport <Pool 0/2 []>>"
    async with AsyncClient(mill.url, transport=wire) as client:
        requests = [asyncio.create_task(client.get(path, response_format=str)) for path in ("/a", "/b", "/c")]
        await mill.arrived("/a", "/b")
        assert repr(wire) == f"<WireTransport <Pool 2/2 [{mill.url}: 2 open, 0 idle, 1 waiting]>>"
        mill.release("/a", "/c")
        await asyncio.gather(requests[0], requests[2])
        assert repr(wire) == f"<WireTransport <Pool 2/2 [{mill.url}: 2 open, 1 idle, 0 waiting]>>"
        requests[1].cancel()
        await asyncio.wait(requests)
        assert repr(wire) == f"<WireTransport <Pool 1/2 [{mill.url}: 1 open, 1 idle, 0 waiting]>>"
    assert repr(wire) == "<WireTransport <Pool 0/2 closed []>>"


async def test_a_refused_connection(transport: str) -> None:
    """Nobody listening is a `ConnectError` that names the server, and nothing was sent."""
    with socket.socket() as bound:
        bound.bind((HOST, 0))  # bound and not listening: the port is ours and refuses
        url = f"http://{HOST}:{bound.getsockname()[1]}"
        async with AsyncClient(url, transport=transport) as client:
            with pytest.raises(ConnectError, match=url) as caught:
                await client.get()
    assert not caught.value.maybe_sent
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.__cause__ is not None


async def test_a_host_that_does_not_exist(transport: str) -> None:
    """A name that nobody knows (RFC 6761 reserves .invalid) is a `ConnectError`, and nothing was sent."""
    async with AsyncClient("http://nowhere.invalid", transport=transport) as client:
        with pytest.raises(ConnectError, match=r"nowhere\.invalid") as caught:
            await client.get()
    assert not caught.value.maybe_sent


async def test_dialing_takes_too_long(serve: Serve, transport: str) -> None:
    """A TLS handshake that is never answered ends after `Timeout.connect`, and nothing was sent."""
    server = await serve(silent)
    url = server.url.replace("http", "https")
    async with AsyncClient(url, transport=transport, timeout=Timeout(connect=1.0)) as client:
        with pytest.raises(RequestTimeout) as caught:
            await client.get()
        assert not caught.value.maybe_sent
        await ended(server)


@pytest.mark.parametrize("how", [Do.CLOSE, Do.RESET])
async def test_a_server_that_hangs_up_at_once(serve_script: ServeScript, transport: str, how: Do) -> None:
    """A connection that ends before it was of any use is a `ConnectionError`, whenever its end arrives."""
    hang_up: list[Step] = [how]
    server = await serve_script(hang_up)
    kinds = set()
    async with AsyncClient(server.url, transport=transport) as client:
        for _ in range(50):
            with pytest.raises(TransportError) as caught:
                await client.get()
            kinds.add(type(caught.value))
    assert kinds <= {ConnectError, ConnectionLost}
