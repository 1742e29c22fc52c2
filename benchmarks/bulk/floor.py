"""The floor of a bulk in Python lives here: raw protocols that are called back, look for Content-Length, and decode.

They pull the paths from an iterator, as a bulk does, and check nothing. No task, no future, no HTTP.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_LENGTH = b"Content-Length: "


class Floor:
    """Fetches paths over so many connections.

    Args:
        host: Where.
        port: Where.
        in_flight: How many connections.
        decode: Makes a value of a body.
    """

    def __init__(self, host: str, port: int, in_flight: int, decode: Callable[[bytes], Any]) -> None:
        self._address = (host, port)
        self._in_flight = in_flight
        self.decode = decode
        self.tail = f" HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"
        self.paths: Iterator[str] = iter(())
        self.done: asyncio.Future[None]
        self.take: Callable[[Any], object]
        self.live = 0
        self._connections: list[_Exchange] = []

    async def run(self, paths: Iterable[str], take: Callable[[Any], object]) -> None:
        """Fetch every path, and give away what comes.

        Args:
            paths: The paths.
            take: Is given each value.
        """
        loop = asyncio.get_running_loop()
        while len(self._connections) < self._in_flight:
            _, exchange = await loop.create_connection(lambda: _Exchange(self), *self._address)
            self._connections.append(exchange)
        self.paths, self.take, self.done = iter(paths), take, loop.create_future()
        self.live = self._in_flight
        for exchange in self._connections:
            exchange.ask()
        await self.done

    async def close(self) -> None:
        """Close the connections."""
        for exchange in self._connections:
            exchange.transport.abort()


class _Exchange(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_floor", "_left", "_parts", "transport")

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._parts: list[bytes] = []
        self._left = -1

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def ask(self) -> None:
        """Ask for the next path, if there is one."""
        floor = self._floor
        for path in floor.paths:
            self.transport.write(f"GET {path}{floor.tail}".encode())
            return
        floor.live -= 1
        if not floor.live:
            floor.done.set_result(None)

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
        floor = self._floor
        floor.take(floor.decode(data))
        self.ask()
