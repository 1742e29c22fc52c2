"""What `Timeout.read` bounds while a body is sent: the silence of the server, not the time that the body takes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace import AsyncClient, Timeout
from headrace.errors import RequestTimeout
from tests.conftest import Serve
from tests.servers.raw import read_request, reply


async def test_a_body_that_takes_its_time_is_no_silence_of_the_server(serve: Serve) -> None:
    """A source slower than `Timeout.read` fails nothing: it is not the server that has to be waited for."""

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await read_request(reader)
        writer.write(reply(b'"done"'))

    async def slow() -> AsyncIterator[bytes]:
        for _ in range(2):
            await asyncio.sleep(1.4)
            yield b"x"

    server = await serve(read)
    async with AsyncClient(server.url) as client:
        assert await client.stream_file(slow(), timeout=Timeout(read=1)) == "done"


async def test_a_silence_begins_when_the_socket_is_full(serve: Serve) -> None:
    """The time that a source took before is not held against the server that is to read what it gave."""
    stalled = asyncio.Event()

    async def stall_and_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await stalled.wait()
        await asyncio.sleep(1)
        await read_request(reader)
        writer.write(reply(b'"done"'))

    async def slow_then_huge() -> AsyncIterator[bytes]:
        await asyncio.sleep(3.4)  # one check of the silence, and most of the time to the next one
        stalled.set()
        yield bytes(16 << 20)

    server = await serve(stall_and_read)
    async with AsyncClient(server.url) as client:
        assert await client.stream_file(slow_then_huge(), timeout=Timeout(read=2)) == "done"


@pytest.mark.parametrize("source", ["bytes", "one piece", "a file"])
async def test_a_server_that_reads_slowly_is_no_silent_one(
    serve: Serve, transport: str, tmp_path: Path, source: str
) -> None:
    """As long as a server takes something of a large body, nothing is over, whatever the body comes from."""
    body = bytes(24 << 20)

    async def sip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for _each in range(12):  # for longer than the silence that is allowed; no socket holds what is left then
            await asyncio.sleep(0.15)
            await reader.readexactly(1 << 20)
        writer.write(reply(b'"done"'))
        await reader.read()

    async def once() -> AsyncIterator[bytes]:
        yield body

    path = tmp_path / "file"
    path.write_bytes(body)
    server = await serve(sip)
    async with AsyncClient(server.url, transport=transport) as client:
        timeout = Timeout(read=1)
        if source == "bytes":
            assert await client.post(data=body, timeout=timeout) == "done"
        else:
            assert await client.stream_file(once() if source == "one piece" else path, timeout=timeout) == "done"


@pytest.mark.parametrize("source", ["bytes", "one piece"])
async def test_a_server_that_takes_no_more_is_a_silent_one(serve: Serve, source: str) -> None:
    """A server that stops to read in the middle of a large body has as long as one that does not answer."""

    async def stop(reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: int) -> None:
        await reader.readexactly(1 << 20)
        await asyncio.Event().wait()

    async def once() -> AsyncIterator[bytes]:
        yield bytes(24 << 20)

    server = await serve(stop)
    async with AsyncClient(server.url) as client:
        with pytest.raises(RequestTimeout, match=r"sent nothing for 0\.5 s"):
            await client.request(
                "POST", data=once() if source == "one piece" else bytes(24 << 20), timeout=Timeout(read=0.5)
            )
