"""Whether a request that ran out of time may have reached its server: `False` is a promise that it has not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from headrace import AsyncClient, PoolLimits, Retry, errors
from headrace.testing import MockTransport, Request, Response
from tests.kit.mill import Mill, silent
from tests.servers.process import HOST
from tests.servers.raw import Do, read_request, reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Serve, ServeScript

BASE = "http://a.example"
LIMIT = 0.3  # seconds


async def late(call: Any) -> errors.RequestTimeout:
    """Return the error of a request whose time is over."""
    with pytest.raises(errors.RequestTimeout) as caught:
        await call
    return caught.value


async def open_stream(client: AsyncClient, path: str, **options: Any) -> None:
    """Ask for a stream."""
    async with client.stream("POST", path, **options):
        pytest.fail("the block was entered")


@pytest.mark.parametrize("stream", [False, True])
async def test_who_waits_for_the_limiter_was_not_sent(serve: Serve, transport: str, stream: bool) -> None:
    """A request whose turn has not come has not begun."""
    server = await serve(silent)
    async with AsyncClient(server.url, transport=transport, rate_limit=1, rate_limit_interval=3600) as client:
        first = asyncio.ensure_future(client.post("/first", timeout=LIMIT))
        await server.accepted(1)
        second = open_stream(client, "/second", timeout=LIMIT) if stream else client.post("/second", timeout=LIMIT)
        assert not (await late(second)).maybe_sent
        assert (await late(first)).maybe_sent


async def test_who_waits_for_a_connection_was_not_sent(serve: Serve, transport: str) -> None:
    """A request that waits for a place in the pool has not begun, and its time may be over then."""
    mill = await Mill.start(serve)
    async with AsyncClient(mill.url, transport=transport, pool=PoolLimits(max_connections=1)) as client:
        first = asyncio.ensure_future(client.post("/first", response_format=str))
        await mill.arrived("/first")
        assert not (await late(client.post("/second", timeout=LIMIT))).maybe_sent
        mill.release("/first")
        assert await first == "/first"
    assert mill.paths == ["/first"]


async def test_who_waits_for_tls_was_not_sent(serve: Serve, transport: str) -> None:
    """A request whose handshake is never answered has not begun."""
    server = await serve(silent)
    async with AsyncClient(server.url.replace("http", "https"), transport=transport) as client:
        assert not (await late(client.post("/x", timeout=LIMIT))).maybe_sent


async def test_a_request_that_is_not_answered_was_sent(serve_script: ServeScript, transport: str) -> None:
    """Once it is on its way nobody knows what the server has done with it."""
    server = await serve_script([Do.READ, Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        assert (await late(client.post("/x", timeout=LIMIT))).maybe_sent
        assert (await late(open_stream(client, "/x", timeout=LIMIT))).maybe_sent


@pytest.mark.parametrize(("deadline", "total"), [(None, LIMIT), (LIMIT, 60)])
async def test_an_earlier_attempt_counts(
    serve_script: ServeScript, transport: str, deadline: float | None, total: float
) -> None:
    """A request that waits for its second turn was sent in the first."""
    server = await serve_script([Do.READ, reply(b"", status="503 No"), Do.HOLD])
    policy = Retry(backoff=1e-9, deadline=deadline)
    async with AsyncClient(
        server.url, transport=transport, retry=policy, rate_limit=1, rate_limit_interval=3600
    ) as client:
        assert (await late(client.get("/x", timeout=total))).maybe_sent


async def test_an_earlier_hop_counts(serve_script: ServeScript, transport: str) -> None:
    """A request that was redirected was sent."""
    server = await serve_script([Do.READ, reply(b"", "Location: /y", status="307 No"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport, rate_limit=1, rate_limit_interval=3600) as client:
        assert (await late(client.post("/x", timeout=LIMIT))).maybe_sent


async def test_an_attempt_that_was_not_sent_is_made_again(serve: Serve, transport: str) -> None:
    """A POST whose attempt ran out of time before it began is repeated, because nothing can happen twice."""
    server = await serve(silent)
    policy = Retry(attempts=2, backoff=1e-9, attempt_timeout=LIMIT)
    url = server.url.replace("http", "https")
    async with AsyncClient(url, transport=transport, retry=policy, timeout=60) as client:
        error = await late(client.post("/x", body={}))
    assert not error.maybe_sent
    assert len(error.attempts) == 2


async def test_a_repeat_that_finds_nobody_was_sent_before(transport: str) -> None:
    """The server reads a request on a kept-alive connection, ends that and listens no more: it may have acted."""

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(reply(b"1"))
        await read_request(reader)
        server.close()
        writer.close()

    server = await asyncio.start_server(leave, HOST, 0)
    url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    async with AsyncClient(url, transport=transport) as client:
        assert await client.get("/first") == 1
        with pytest.raises(errors.ConnectError) as caught:
            await client.get("/second")
    assert caught.value.maybe_sent


async def test_another_transport_is_not_known(make: Callable[[], Any]) -> None:
    """Of a transport that does not tell, the worse is assumed."""
    async with AsyncClient(BASE, transport=make()) as client:
        assert (await late(client.post("/x", timeout=LIMIT))).maybe_sent


@pytest.fixture(params=["mock", "wrapped"])
def make(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """Make a transport that never answers."""

    async def hang(_: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    class Wrapped:
        def __init__(self) -> None:
            self.inner = MockTransport(hang)

        async def send(self, request: Request, /) -> Response:
            return await self.inner.send(request)

        async def close(self) -> None:
            await self.inner.close()

    return Wrapped if request.param == "wrapped" else lambda: MockTransport(hang)
