"""What stands between the sockets and aiohttp's handlers: other people's requests pass, and nothing else does."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from headrace import AiohttpTransport, AsyncClient, Timeout, WireTransport
from headrace.errors import ConnectionLost, ProtocolError
from tests.conftest import Serve, ServeScript
from tests.kit.cases import Recording
from tests.kit.waiting import until
from tests.servers.raw import WAIT_SECONDS, Do, read_request, reply
from tests.servers.tls import TlsMaterial

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LENIENT = CHUNKED + b"5\r\nhello\n0\r\n\r\n"


async def test_a_session_keeps_its_own_requests(serve_script: ServeScript) -> None:
    """On one connection, requests of the caller's own session are read as aiohttp reads them, and ours as we do."""
    server = await serve_script(
        [Do.READ, reply(b"1"), Do.READ, LENIENT, Do.READ, reply(b"3"), Do.READ, LENIENT, Do.HOLD]
    )
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        AsyncClient(server.url, transport=AiohttpTransport(session)) as client,
    ):
        assert await client.get() == 1
        async with session.get(server.url) as answer:
            assert await answer.read() == b"hello"
        assert await client.get() == 3
        with pytest.raises(ProtocolError, match="not legal"):
            await client.get()
    assert len(server.connections) == 1


@pytest.mark.hazard(22)
async def test_bytes_on_an_idle_connection_retire_it_over_tls(serve: Serve, tls: TlsMaterial, transport: str) -> None:
    """Over TLS too, what arrives while nobody waits reaches nobody."""
    spoken = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while True:
            await read_request(reader)
            writer.write(reply(b"%d" % number))
            if number == 0:
                await asyncio.sleep(0)
                writer.write(reply(b"666"))
                await writer.drain()
                spoken.set()

    server = await serve(answer, ssl=tls.server_context())
    async with AsyncClient(server.url, transport=transport, tls=tls.trusting) as client:
        assert await client.get() == 0
        await spoken.wait()
        # An idle connection that has been spoken on is closed, which its server hears.
        await asyncio.wait_for(server.connections[0].ended.wait(), 10)
        assert await client.get() == 1


@pytest.mark.hazard(23)
async def test_a_reset_completes_no_body(serve_script: ServeScript, transport: str) -> None:
    """A body that runs to the end of the connection is not whole where the connection is reset."""
    go = asyncio.Event()
    server = await serve_script([Do.READ, b"HTTP/1.1 200 OK\r\n\r\nhello", go, Do.RESET])
    async with AsyncClient(server.url, transport=transport) as client, client.stream("GET") as response:
        pieces = response.aiter_bytes()
        assert await anext(pieces) == b"hello"
        go.set()
        with pytest.raises(ConnectionLost):
            await anext(pieces)


@pytest.mark.hazard(23)
async def test_a_reset_completes_no_whole_body_either(serve_script: ServeScript, transport: str) -> None:
    """The same where the body is read at once."""
    server = await serve_script([Do.READ, b"HTTP/1.1 200 OK\r\n\r\nhello", Do.RESET])
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(ConnectionLost):
            await client.get(response_format=bytes)


@pytest.mark.hazard(62)
@pytest.mark.parametrize("begun", [b"HTTP/1.1 20", b"HTTP/1.1 103 Early Hints\r\n\r\n"], ids=["head", "interim"])
async def test_an_answer_that_has_begun_is_not_asked_for_again(
    serve_script: ServeScript, transport: str, begun: bytes
) -> None:
    """A connection that ends behind a part of an answer has not ended because it lay idle."""
    server = await serve_script([Do.READ, reply(b"1"), Do.READ, begun, Do.CLOSE], [Do.READ, reply(b"2")])
    async with AsyncClient(server.url, transport=transport) as client:
        assert await client.get() == 1
        with pytest.raises(ConnectionLost) as caught:
            await client.get()
    assert caught.value.maybe_sent
    assert len(server.connections) == 1


async def test_a_timer_that_an_early_answer_has_left_ends_no_later_request(serve: Serve) -> None:
    """When a body is written, aiohttp begins to wait for an answer, also for one that has come in the same step."""

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(reply(b"%d" % number))
            answered.set()
            await reader.readuntil(b"0\r\n\r\n" if b"chunked" in head else b"x")

    async def body(steps: int) -> AsyncIterator[bytes]:
        yield b"a"
        await answered.wait()
        for _ in range(steps):
            await asyncio.sleep(0)

    server = await serve(early)
    transport = AiohttpTransport()
    connections: Any = transport._session.connector
    left = 0
    async with AsyncClient(server.url, transport=transport) as client:
        for steps in range(6):
            answered = asyncio.Event()
            await client.post(data=body(steps), timeout=Timeout(read=0.05))
            for _ in range(10):  # aiohttp gives the connection back when it has heard that the body is written
                await asyncio.sleep(0)
            idle = [handler for handlers in connections._conns.values() for handler, _ in handlers]
            left += any(handler._read_timeout_handle for handler in idle)
            await until(lambda idle=idle: not any(handler._read_timeout_handle for handler in idle))
            await client.post(data=b"x")
    assert left


async def test_a_body_that_ends_when_the_connection_does_leaves_no_reader_waiting(serve: Serve) -> None:
    """Where aiohttp cannot write the end of a body, it forgets the answer that is being read."""

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(b"0" * 100)[:-50])
        answered.set()

    async def body(steps: int) -> AsyncIterator[bytes]:
        yield b"a"
        await answered.wait()
        for _ in range(steps):
            await asyncio.sleep(0)

    server = await serve(half)
    async with AsyncClient(server.url, transport="aiohttp") as client:
        for steps in range(12):
            answered = asyncio.Event()
            with pytest.raises(ConnectionLost):
                await asyncio.wait_for(client.post(data=body(steps)), WAIT_SECONDS)


async def test_a_large_body_in_memory_is_no_warning(serve: Serve, transport: str) -> None:
    """Bytes that the caller has in memory are sent from there, however many there are."""
    sizes = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        sizes.append(len((await read_request(reader)).body))
        writer.write(reply(b"1"))
        await reader.read()

    server = await serve(answer)
    async with AsyncClient(server.url, transport=transport) as client:
        assert await client.post(data=b"x" * (3 << 20)) == 1
        assert client.stats.bytes_out >= 3 << 20
    assert sizes == [3 << 20]


@pytest.mark.hazard(18)
async def test_trailers_can_be_read(serve_script: ServeScript, transport: str) -> None:
    """What follows a chunked body is on the response that a transport hands out, apart from the fields of its head."""
    server = await serve_script([Do.READ, CHUNKED + b"1\r\n1\r\n0\r\nX-Sum: 9\r\nSet-Cookie: a=b\r\n\r\n", Do.HOLD])
    recording = Recording(AiohttpTransport() if transport == "aiohttp" else WireTransport())
    async with AsyncClient(server.url, transport=recording) as client:
        assert await client.get() == 1
    assert recording.response is not None
    assert list(recording.response.trailers) == [("X-Sum", "9"), ("Set-Cookie", "a=b")]
    assert "Set-Cookie" not in recording.response.headers
