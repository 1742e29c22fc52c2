"""What `Timeout.read` bounds while a body is sent: the silence of the server, not the time that the body takes."""

import asyncio
from collections.abc import AsyncIterator

from headrace import AsyncClient, Timeout
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
