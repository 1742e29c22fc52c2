"""The ways to read many items live here. The first call reads few of them: what it leaves is the idle process."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks import data, feeder
from benchmarks.models.structs import User

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from benchmarks.work import Work

_BLOCK = 1000
_BLOCKS = 1000
#: Bytes of a piece, as sockets give them; lines end anywhere in it.
_PIECE = 65_536


class _Token(msgspec.Struct):
    id: int
    accepted: bool


async def setup(work: Work) -> tuple[Any, Any]:
    """Make the call, and its server where it has one."""
    if work.variant.startswith("sse"):
        return await _with_feeder(
            {"sse": _events, "sse-items": _event_items, "sse-aiohttp": _aiohttp_events}[work.variant]
        )
    rows = [data.as_json(data.user(number)) for number in range(1, _BLOCK + 1)]
    read = {"ndjson": _ndjson, "array": _array, "lines": _lines, "decoder": _decoder}[work.variant](rows)
    blocks = 1

    async def one() -> Any:
        nonlocal blocks
        await asyncio.sleep(0)  # nothing else here lets the loop look at its clock
        count, user = await read(blocks)
        assert count == blocks * _BLOCK
        blocks = _BLOCKS
        return msgspec.structs.replace(user, id=1) if user.id != 1 else user

    async def close() -> None:
        pass

    return one, close


def _pieces(block: bytes) -> list[bytes]:
    return [block[begin : begin + _PIECE] for begin in range(0, len(block), _PIECE)]


async def _repeat(pieces: list[bytes], blocks: int, before: bytes = b"", after: bytes = b"") -> AsyncIterator[bytes]:
    if before:
        yield before
    for _ in range(blocks):
        for piece in pieces:
            yield piece
    if after:
        yield after


async def _first(items: Any) -> tuple[int, Any]:
    """Count items; return the first one too."""
    count, first = 1, await anext(items)
    async for _ in items:
        count += 1
    return count, first


def _ndjson(rows: list[bytes]) -> Callable[[int], Awaitable[tuple[int, Any]]]:
    from headrace import streams

    pieces = _pieces(b"\n".join(rows) + b"\n")
    return lambda blocks: _first(streams.items(_repeat(pieces, blocks), User, format="ndjson"))


def _array(rows: list[bytes]) -> Callable[[int], Awaitable[tuple[int, Any]]]:
    from headrace import streams

    head, tail = b'{"data":{"items":[' + rows[0], b"]}}"
    pieces = _pieces(b"," + b",".join(rows))

    async def read(blocks: int) -> tuple[int, Any]:
        source = _repeat(pieces, blocks, head, tail)
        count, first = await _first(streams.items(source, User, path="data.items"))
        return count - 1, first

    return read


def _lines(rows: list[bytes]) -> Callable[[int], Awaitable[tuple[int, Any]]]:
    text = b"\n".join(rows)

    async def read(blocks: int) -> tuple[int, Any]:
        count, first, decode = 0, None, msgspec.json.decode
        for _ in range(blocks):
            for line in text.splitlines():
                user = decode(line, type=User)
                first = first or user
                count += 1
        return count, first

    return read


def _decoder(rows: list[bytes]) -> Callable[[int], Awaitable[tuple[int, Any]]]:
    text = b"\n".join(rows)

    async def read(blocks: int) -> tuple[int, Any]:
        count, first, decode = 0, None, msgspec.json.Decoder(User).decode
        for _ in range(blocks):
            for line in text.splitlines():
                user = decode(line)
                first = first or user
                count += 1
        return count, first

    return read


async def _with_feeder(read: Callable[[int], Awaitable[int]]) -> tuple[Any, Any]:
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.feeder", stdin=pipe, stdout=pipe)
    assert server.stdout is not None
    port = int(await server.stdout.readline())
    user = msgspec.convert(data.user(1), User)

    async def one() -> Any:
        count = await read(port)
        assert count == feeder.COUNT, count
        return user

    async def close() -> None:
        assert server.stdin is not None
        server.stdin.close()
        await server.wait()

    return one, close


async def _events(port: int) -> int:
    from headrace import AsyncClient

    count = 0
    async with AsyncClient(f"http://127.0.0.1:{port}") as client, client.stream("GET", "/events") as response:
        async for event in response.aiter_events():
            assert event.json(_Token).id == count
            count += 1
    return count


async def _event_items(port: int) -> int:
    from headrace import AsyncClient

    count = 0
    async with AsyncClient(f"http://127.0.0.1:{port}") as client, client.stream("GET", "/events") as response:
        async for token in response.aiter_items(_Token):
            assert token.id == count
            count += 1
    return count


async def _aiohttp_events(port: int) -> int:
    import aiohttp

    count = 0
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/events") as response:
        while line := await response.content.readline():
            if line.startswith(b"data: "):
                assert json.loads(line[6:])["id"] == count
                count += 1
    return count
