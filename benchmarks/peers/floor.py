"""The floor in Python lives here: a raw `asyncio.Protocol` that only looks for Content-Length, and msgspec.

It sends the same bytes each time and checks nothing, so no HTTP client can do with less. What is measured keeps its
requests in flight by callbacks, so that no coroutine, task or future adds to it. Where an answer is compressed, the
fastest decompressor that headrace may use is the floor's, too. The variant `gc` decodes without the collector.
"""

from __future__ import annotations

import asyncio
import gc
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

    __slots__ = ("_body", "_left", "_loop", "_parts", "_transport", "answer", "lost", "take")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parts: list[bytes] = []
        self._left = -1
        self.answer: asyncio.Future[bytes] | None = None
        self.take: Callable[[_Exchange, bytes], None] | None = None
        self.lost: Callable[[_Exchange], None]

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        self.answer = answer = self._loop.create_future()
        self._transport.write(request)
        return answer

    def write(self, request: bytes) -> None:
        self._transport.write(request)

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
        if self.take is not None:
            self.take(self, data)
        else:
            assert self.answer is not None
            self.answer.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.take is not None:
            self.lost(self)
        elif self.answer is not None and not self.answer.done():
            self.answer.set_exception(exc or ConnectionResetError("the server ended the connection"))


class _Floor:
    """The client: its connections, and the two ways to drive them."""

    def __init__(self, work: Work) -> None:
        self._loop = asyncio.get_running_loop()
        self._url = urlsplit(work.url)
        self._context = ssl.create_default_context(cafile=work.ca) if work.ca else None
        self._decode = _read(work)
        self._request = _request(work, self._url.netloc)
        self._idle: list[_Exchange] = []

    async def connected(self) -> _Exchange:
        """Give an idle connection, or a new one."""
        if self._idle:
            return self._idle.pop()
        loop, url = self._loop, self._url
        _, made = await loop.create_connection(lambda: _Exchange(loop), url.hostname, url.port, ssl=self._context)
        return made

    async def one(self) -> Any:
        """Make one request."""
        exchange = await self.connected()
        body = await exchange.ask(self._request)
        self._idle.append(exchange)
        return self._decode(body)

    async def drive(self, check: Callable[[Any], None], concurrency: int, requests: int, seconds: float) -> int:
        """Keep so many in flight, see `benchmarks.worker`: each answer's callback sends the next request."""
        exchanges = [await self.connected() for _ in range(min(concurrency, requests))]
        ended: asyncio.Future[None] = self._loop.create_future()
        decode, request = self._decode, self._request
        flying, left, done = len(exchanges), requests - len(exchanges), 0
        replacing: list[asyncio.Task[None]] = []

        def take(exchange: _Exchange, body: bytes) -> None:
            nonlocal flying, left, done
            try:
                check(decode(body))
            except Exception as error:  # noqa: BLE001 - the transport would only log it
                ended.set_exception(error)
                return
            done += 1
            if left > 0:
                left -= 1
                exchange.write(request)
                return
            flying -= 1
            if not flying and not ended.done():
                ended.set_result(None)

        async def replace(gone: _Exchange) -> None:
            _, made = await self._loop.create_connection(
                lambda: _Exchange(self._loop), self._url.hostname, self._url.port, ssl=self._context
            )
            exchanges[exchanges.index(gone)] = made
            made.take, made.lost = take, lost
            made.write(request)  # which the other had been sent when it ended: nginx ends one after 1,000 answers

        def lost(exchange: _Exchange) -> None:
            replacing.append(self._loop.create_task(replace(exchange)))

        def stop() -> None:
            nonlocal left
            left = 0

        timer = self._loop.call_later(seconds, stop)
        for exchange in exchanges:
            exchange.take, exchange.lost = take, lost
            exchange.write(request)
        await ended
        timer.cancel()
        for exchange in exchanges:
            exchange.take = None
        self._idle.extend(exchanges)
        return done

    async def close(self) -> None:
        """End the connections."""
        for exchange in self._idle:
            exchange._transport.abort()  # noqa: SLF001 - the class stands above


async def setup(work: Work) -> tuple[Any, Any]:
    """Make the request's bytes and the call."""
    floor = _Floor(work)
    places = asyncio.Semaphore(work.concurrency)

    async def one_in_turn() -> Any:
        async with places:
            return await floor.one()

    async def one() -> Any:
        return await floor.one()

    one.drive = floor.drive  # type: ignore[attr-defined] # asked for by benchmarks.worker
    return one_in_turn if work.queued else one, floor.close


def _request(work: Work, host: str) -> bytes:
    if not work.body:
        return f"GET {work.path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    body = Path(work.body).read_bytes()
    fields = f"Host: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"POST {work.path} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + body


def _read(work: Work) -> Callable[[bytes], Any]:
    """Make what an answer's bytes go through."""
    decode, decompress = msgspec.json.Decoder(ANSWERS[work.answer]).decode, _decompressor(work.path)
    if work.variant == "gc":

        def uncollected(body: bytes) -> Any:
            gc.disable()
            try:
                return decode(body)
            finally:
                gc.enable()

        return uncollected
    return decode if decompress is None else lambda body: decode(decompress(body))


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
