"""Proxies that answer a CONNECT with anything but a tunnel: an error in time, no place kept, no password told."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from headrace import AsyncClient, PoolLimits, Timeout
from headrace.errors import ConnectError, TransportError
from tests.conftest import Serve, ServeScript
from tests.kit.proxies import PASSWORD, told
from tests.servers.raw import Do, read_request, reply
from tests.servers.tls import TlsMaterial

ANSWERS: dict[str, bytes] = {
    "407 with a body": reply(b"<h1>no</h1>", "Proxy-Authenticate: Basic", status="407 Proxy Authentication Required"),
    "407 that keeps the connection": reply(b"", "Connection: keep-alive", status="407 Proxy Authentication Required"),
    "502 in chunks": b"HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n0\r\n\r\n",
    "a redirect": reply(b"", "Location: http://127.0.0.1:1/", status="302 Found"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "garbage": b"\x00\xff\x16\x03\x01garbage\r\n\r\n",
    "a bare line feed": b"HTTP/1.1 407 No\nX: y\n\n",
    "half a head": b"HTTP/1.1 200 OK\r\nX: y",
    "an answer of the origin's": reply(b"{}", "Content-Type: application/json"),
    "bytes behind the head": b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
}


def field(number: int) -> bytes:
    """Write one more field of a head that never ends."""
    return b"X-%d: %b\r\n" % (number, b"y" * 1000)


def interim(number: int) -> bytes:
    """Write one more interim answer."""
    return b"HTTP/1.1 103 Early Hints\r\nX-Number: %d\r\n\r\n" % number


def dripped(number: int) -> bytes:
    """Write one more byte of a head."""
    return b"x"


#: Seconds to make a connection in, where the proxy never comes to an end.
ENDS = 0.3
#: What is said first, what is said ever after, and how long to wait before each, in seconds.
ENDLESS: dict[str, tuple[bytes, Callable[[int], bytes], float]] = {
    "fields": (b"HTTP/1.1 200 OK\r\n", field, 0.0),
    "one field": (b"HTTP/1.1 200 OK\r\nX: ", lambda _: b"y" * 1000, 0.0),
    "a reason": (b"HTTP/1.1 200 ", lambda _: b"y" * 1000, 0.0),
    "interim answers": (b"", interim, 0.0),
    "a drip": (b"HTTP/1.1 200 OK\r\nX: ", dripped, 0.01),
    "silence": (b"", lambda _: b"", 0.05),
}
Say = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def check(
    serve: Serve, serve_script: ServeScript, tls: TlsMaterial, transport: str, say: Say, seconds: float | None = None
) -> None:
    """Ask through a proxy that says something else instead of opening the first tunnel, and opens the second."""
    origin = await serve_script([Do.READ, reply(b"through"), Do.HOLD], ssl=tls.server_context())

    async def serve_proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        assert (await read_request(reader)).line.startswith("CONNECT ")
        if number == 0:
            await say(writer)
            return
        origin_reader, origin_writer = await asyncio.open_connection("127.0.0.1", origin.port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, origin_writer), pump(origin_reader, writer))

    proxy = await serve(serve_proxy)
    url = proxy.url.replace("://", f"://user:{PASSWORD}@")
    async with AsyncClient(
        origin.url,
        transport=transport,
        proxy=url,
        tls=tls.client_context(),
        pool=PoolLimits(1),
    ) as client:
        with pytest.raises(TransportError) as caught:
            await client.get("/first", timeout=Timeout(connect=seconds))
        assert PASSWORD not in told(caught.value)
        assert origin.connections == []
        assert await client.get("/second", response_format=str) == "through"
    assert [request.line for request in origin.requests] == ["GET /second HTTP/1.1"]
    assert PASSWORD.encode() not in origin.connections[0].received
    if transport == "wire":
        assert isinstance(caught.value, ConnectError | TimeoutError)
        assert not caught.value.maybe_sent


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, and its end."""
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_answer_that_is_no_tunnel(
    serve: Serve, serve_script: ServeScript, tls: TlsMaterial, transport: str, answer: str
) -> None:
    """It is an error of the connection, which keeps no place, and the next request has a tunnel of its own."""

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(ANSWERS[answer])
        await writer.drain()

    await check(serve, serve_script, tls, transport, say)


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.hazard(19, 20, 50)
@pytest.mark.parametrize("answer", ENDLESS)
async def test_an_answer_without_an_end(
    serve: Serve, serve_script: ServeScript, tls: TlsMaterial, transport: str, answer: str
) -> None:
    """It ends by its size, or by the time that a connection may take."""
    first, more, seconds = ENDLESS[answer]

    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        number = 0
        while not writer.transport.is_closing():
            number += 1
            writer.write(more(number))
            await writer.drain()
            await asyncio.sleep(seconds)

    await check(serve, serve_script, tls, transport, say, ENDS)
