"""How long a stream may take, and how it ends when its time, its client or its task does."""

import asyncio
import socket
from typing import Any

import pytest

from headrace import AsyncClient, Timeout
from headrace.errors import (
    AsyncClientError,
    RequestTimeout,
    TransportError,
)
from tests.conftest import Serve, ServeScript
from tests.servers.raw import Do, reply
from tests.servers.tls import TlsMaterial

BODY = bytes(range(256)) * 400  # 100 KiB: more than any piece that arrives with its head
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_stalled_server_is_a_timeout(serve_script: ServeScript, transport: str) -> None:
    """Once the head has come, `Timeout.read` bounds each silence, and the time for a whole answer nothing more."""
    server = await serve_script([Do.READ, HEAD, BODY[:100], Do.HOLD])
    timeout = Timeout(total=30, read=0.3)
    async with (
        AsyncClient(server.url, transport=transport, timeout=timeout) as client,
        client.stream("GET") as response,
    ):
        with pytest.raises(RequestTimeout):
            await response.aread()


async def test_the_clients_total_bounds_each_silence(serve_script: ServeScript, transport: str) -> None:
    """Without `Timeout.read` no stream waits longer for a piece than the client waits for whole answers."""
    server = await serve_script([Do.READ, HEAD, BODY[:100], Do.HOLD])
    async with AsyncClient(server.url, transport=transport, timeout=0.5) as client, client.stream("GET") as response:
        with pytest.raises(RequestTimeout):
            await response.aread()


async def test_a_slow_reader_is_no_silent_server(serve_script: ServeScript, transport: str) -> None:
    """Silence counts only while the server may send."""
    body = b"y" * (4 << 20)
    server = await serve_script([Do.READ, reply(body), Do.HOLD])
    async with (
        AsyncClient(server.url, transport=transport, timeout=Timeout(read=0.3)) as client,
        client.stream("GET") as response,
    ):
        await asyncio.sleep(0.8)  # the silence itself is what is tested
        assert await response.aread() == body


async def test_a_total_of_the_call_bounds_everything(serve: Serve, transport: str) -> None:
    """A server that never falls silent does not outlast the time that was given to the call."""

    async def drip(reader: Any, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED)
        while not writer.is_closing():  # uvloop raises where the client has ended it meanwhile
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    server = await serve(drip)
    async with AsyncClient(server.url, transport=transport) as client, client.stream("GET", timeout=0.5) as response:
        with pytest.raises(RequestTimeout, match=r"did not end within 0\.5 s"):
            await response.aread()


async def test_no_head_in_time_is_a_timeout(serve_script: ServeScript, transport: str) -> None:
    """Waiting for the head is bounded by the total."""
    server = await serve_script([Do.READ, Do.HOLD])
    async with AsyncClient(server.url, transport=transport, timeout=0.1) as client:
        with pytest.raises(RequestTimeout):
            async with client.stream("GET"):
                pytest.fail("the block was entered")


async def test_closing_the_client_fails_its_streams(serve_script: ServeScript, transport: str) -> None:
    """A reader that waits, and one that comes later, learn that the client was closed."""
    server = await serve_script([Do.READ, HEAD, b"x", Do.HOLD])
    client = AsyncClient(server.url, transport=transport)
    async with client.stream("GET") as response:
        pieces = response.aiter_bytes()
        assert await anext(pieces) == b"x"
        reading = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(TransportError, match="closed"):
            await reading
    with pytest.raises(AsyncClientError, match="closed"):
        async with client.stream("GET"):
            pytest.fail("the block was entered")


async def test_a_slow_reader_makes_the_server_wait_over_tls(transport: str, tls: TlsMaterial) -> None:
    """While nobody reads, a server can push no more than the buffers hold, encrypted or not."""

    def push(listening: socket.socket) -> int:
        connection, _ = listening.accept()
        with tls.server_context().wrap_socket(connection, server_side=True) as encrypted:
            encrypted.recv(65536)
            encrypted.settimeout(0.5)
            pushed = 0
            try:
                encrypted.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while pushed < 256 << 20:
                    encrypted.sendall(bytes(65536))
                    pushed += 65536
            except TimeoutError:
                pass
            return pushed

    with socket.create_server(("127.0.0.1", 0)) as listening:
        pushing = asyncio.create_task(asyncio.to_thread(push, listening))
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        async with (
            AsyncClient(url, transport=transport, tls=tls.client_context()) as client,
            client.stream("GET") as response,
        ):
            pieces = response.aiter_bytes()
            await anext(pieces)
            # The kernel's socket buffers are most of it, and how large they become is the kernel's affair.
            assert await pushing < 64 << 20
            await pieces.aclose()
            assert client.stats.bytes_in < 1 << 20


async def test_cancelling_a_reader_leaks_nothing(serve_script: ServeScript, transport: str) -> None:
    """A task that is cancelled while it reads closes its connection on the way out."""
    server = await serve_script([Do.READ, HEAD, b"x", Do.HOLD])
    reading = asyncio.Event()

    async def read() -> None:
        async with client.stream("GET") as response:
            async for _ in response.aiter_bytes():
                reading.set()

    async with AsyncClient(server.url, transport=transport) as client:
        task = asyncio.create_task(read())
        await reading.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await server.connections[0].ended.wait()
