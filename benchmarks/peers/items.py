"""The ways to read many items from nginx live here. The first call reads few: what it leaves is the idle process.

What is decoded line by line from memory has no connection at all: it is the floor.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import msgspec

from benchmarks import data
from benchmarks.models.structs import User

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.work import Work

    Read = Callable[[int], Awaitable[tuple[int, Any]]]
    Make = Callable[[Work], Awaitable[tuple[Read, Any]]]


class _Token(msgspec.Struct):
    id: int
    accepted: bool


async def setup(work: Work) -> tuple[Any, Any]:
    """Make the call."""
    makers: dict[str, Make] = {
        "ndjson": _streamed("ndjson", format="ndjson"),
        "array": _streamed("json", path="data.items"),
        "aiohttp": _aiohttp,
        "lines": _lines,
        "decoder": _decoder,
        "sse": _events,
        "sse-items": _event_items,
        "sse-aiohttp": _aiohttp_events,
    }
    read, close = await makers[work.variant](work)
    asked = data.ITEMS[0]
    user = msgspec.convert(data.user(1), User)

    async def one() -> Any:
        nonlocal asked
        await asyncio.sleep(0)  # nothing else of what reads from memory lets the loop look at its clock
        count, first = await read(asked)
        assert count == asked, count
        asked = data.ITEMS[1]
        return user if first is None else first  # which is compared with that user

    return one, close


async def _nothing() -> None:
    pass


async def _first(items: Any) -> tuple[int, Any]:
    """Count items; return the first one too."""
    count, first = 1, await anext(items)
    async for _ in items:
        count += 1
    return count, first


def _streamed(ending: str, **options: Any) -> Make:
    """Make what reads a file of items with headrace."""

    async def make(work: Work) -> tuple[Read, Any]:
        from headrace import AsyncClient

        client = AsyncClient(work.origin)

        async def read(count: int) -> tuple[int, Any]:
            async with client.stream("GET", f"/items/{count}.{ending}") as response:
                return await _first(response.aiter_items(User, **options))

        return read, client.close

    return make


async def _aiohttp(work: Work) -> tuple[Read, Any]:
    import aiohttp

    session, decode = aiohttp.ClientSession(work.origin), msgspec.json.Decoder(User).decode

    async def read(asked: int) -> tuple[int, Any]:
        count, first = 0, None
        async with session.get(f"/items/{asked}.ndjson") as response:
            while line := await response.content.readline():
                user = decode(line)
                first = first or user
                count += 1
        return count, first

    return read, session.close


# The two ways from memory stand side by side: what they shared would be a call more for each line of the floor.


def _text(work: Work, count: int) -> bytes:
    with urlopen(f"{work.origin}/items/{count}.ndjson") as answer:  # noqa: S310 - our own server
        text: bytes = answer.read()
        return text


async def _lines(work: Work) -> tuple[Read, Any]:
    texts = {count: _text(work, count) for count in data.ITEMS}

    async def read(asked: int) -> tuple[int, Any]:
        count, first, decode = 0, None, msgspec.json.decode
        for line in texts[asked].splitlines():
            user = decode(line, type=User)
            first = first or user
            count += 1
        return count, first

    return read, _nothing


async def _decoder(work: Work) -> tuple[Read, Any]:
    texts = {count: _text(work, count) for count in data.ITEMS}

    async def read(asked: int) -> tuple[int, Any]:
        count, first, decode = 0, None, msgspec.json.Decoder(User).decode
        for line in texts[asked].splitlines():
            user = decode(line)
            first = first or user
            count += 1
        return count, first

    return read, _nothing


async def _events(work: Work) -> tuple[Read, Any]:
    from headrace import AsyncClient

    client = AsyncClient(work.origin)

    async def read(asked: int) -> tuple[int, Any]:
        count = 0
        async with client.stream("GET", f"/items/{asked}.events") as response:
            async for event in response.aiter_events():
                assert event.json(_Token).id == count
                count += 1
        return count, None

    return read, client.close


async def _event_items(work: Work) -> tuple[Read, Any]:
    from headrace import AsyncClient

    client = AsyncClient(work.origin)

    async def read(asked: int) -> tuple[int, Any]:
        count = 0
        async with client.stream("GET", f"/items/{asked}.events") as response:
            async for token in response.aiter_items(_Token, format="sse"):
                assert token.id == count
                count += 1
        return count, None

    return read, client.close


async def _aiohttp_events(work: Work) -> tuple[Read, Any]:
    import aiohttp

    session = aiohttp.ClientSession(work.origin)

    async def read(asked: int) -> tuple[int, Any]:
        count = 0
        async with session.get(f"/items/{asked}.events") as response:
            while line := await response.content.readline():
                if line.startswith(b"data: "):
                    assert json.loads(line[6:])["id"] == count
                    count += 1
        return count, None

    return read, session.close
