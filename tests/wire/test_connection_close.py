"""A caller that says `Connection: close` has a connection of its own, which ends behind the answer."""

import asyncio
from typing import Any

import pytest

from headrace import AsyncClient, PoolLimits
from tests.conftest import Serve
from tests.servers.raw import RawServer, read_request, reply


async def serve_kept_alive(serve: Serve) -> RawServer:
    """Start a server that would keep every connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while True:
            request = await read_request(reader)
            server.requests.append(request)
            numbers.append(number)
            whole = reply(b"x" * 10)
            writer.write(whole[:-10] if request.line.startswith("HEAD ") else whole)

    numbers: list[int] = []
    server = await serve(answer)
    vars(server)["numbers"] = numbers
    return server


async def ask(client: AsyncClient, method: str) -> None:
    """Send a request, and read its answer to the end."""
    if method == "stream":
        async with client.stream("GET", "/x") as answer:
            assert await answer.aread() == b"x" * 10
    else:
        await client.request(method, "/x", data=b"abc" if method == "POST" else None, response_format=bytes)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "stream"])
@pytest.mark.parametrize("value", ["close", "Close", "TE, close", "close,TE"])
async def test_a_connection_ends_where_the_caller_says_so(
    serve: Serve, transport: str, method: str, value: str
) -> None:
    """No further request goes on it (RFC 9112, section 9.6), and the field is sent once."""
    server = await serve_kept_alive(serve)
    async with AsyncClient(
        server.url, transport=transport, headers={"connection": value}, pool=PoolLimits(1)
    ) as client:
        for number in range(2):
            await ask(client, method)
            connection = await server.accepted(number + 1)
            async with asyncio.timeout(10):
                await connection.ended.wait()
    sent: list[list[Any]] = [
        [each for name, each in request.headers if name.lower() == "connection"] for request in server.requests
    ]
    assert sent == [[value], [value]]
    assert vars(server)["numbers"] == [0, 1]


@pytest.mark.parametrize("value", ["keep-alive", "closed", "x-close", ""])
async def test_another_option_keeps_the_connection(serve: Serve, transport: str, value: str) -> None:
    """Only `close` ends it, and only for the call that says so."""
    server = await serve_kept_alive(serve)
    async with AsyncClient(server.url, transport=transport) as client:
        await client.get("/x", headers={"Connection": value}, response_format=bytes)
        await client.get("/x", headers={"Connection": "close"}, response_format=bytes)
        await client.get("/x", response_format=bytes)
        await client.get("/x", response_format=bytes)
    assert vars(server)["numbers"] == [0, 0, 1, 1]
