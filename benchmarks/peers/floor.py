"""The floor in Python lives here: a raw `asyncio.Protocol` that only looks for Content-Length, and msgspec.

It sends the same bytes each time and checks nothing, so no HTTP client can do with less. Where an answer is compressed,
the fastest decompressor that headrace may use is the floor's, too.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from benchmarks.models.structs import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.work import Work

_LENGTH = b"Content-Length: "


class _Exchange(asyncio.Protocol):
    """One connection: writes the request, gathers the bytes of the answer."""

    __slots__ = ("_body", "_left", "_loop", "_parts", "_transport", "answer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parts: list[bytes] = []
        self._left = -1

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        self.answer = self._loop.create_future()
        self._transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            end = data.find(b"\r\n\r\n") + 4
            at = data.find(_LENGTH) + len(_LENGTH)
            self._left = int(data[at : data.find(b"\r", at)]) - len(data) + end
            data = data[end:]
        else:
            self._left -= len(data)
        if self._left:
            self._parts.append(data)
            return
        self._left = -1
        if self._parts:
            self._parts.append(data)
            data = b"".join(self._parts)
            self._parts.clear()
        self.answer.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc or ConnectionResetError("the server ended the connection"))


async def setup(work: Work) -> tuple[Any, Any]:
    """Make the request's bytes and the call."""
    loop = asyncio.get_running_loop()
    url = urlsplit(work.url)
    context = ssl.create_default_context(cafile=work.ca) if work.ca else None
    decode, decompress = msgspec.json.Decoder(ANSWERS[work.answer]).decode, _decompressor(work.path)
    request = _request(work, url.netloc)
    idle: list[_Exchange] = []

    async def one() -> Any:
        if idle:
            exchange = idle.pop()
        else:
            _, exchange = await loop.create_connection(lambda: _Exchange(loop), url.hostname, url.port, ssl=context)
        body = await exchange.ask(request)
        idle.append(exchange)
        return decode(body if decompress is None else decompress(body))

    places = asyncio.Semaphore(work.concurrency)

    async def one_in_turn() -> Any:
        async with places:
            return await one()

    async def close() -> None:
        for exchange in idle:
            exchange._transport.abort()  # noqa: SLF001 - the class stands above

    return one_in_turn if work.queued else one, close


def _request(work: Work, host: str) -> bytes:
    if not work.body:
        return f"GET {work.path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    body = Path(work.body).read_bytes()
    fields = f"Host: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"POST {work.path} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + body


def _decompressor(path: str) -> Callable[[bytes], bytes] | None:
    if path.startswith("/gzip/"):
        try:
            from isal import isal_zlib

            return lambda body: isal_zlib.decompress(body, 31)
        except ImportError:
            import zlib

            return lambda body: zlib.decompress(body, 31)
    if path.startswith("/zstd/"):
        try:
            from compression import zstd
        except ImportError:
            from backports import zstd
        return zstd.decompress
    return None
