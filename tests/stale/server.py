"""A server that closes what it has kept alive, at the worst moment: `/then/token` says how, after each answer."""

import asyncio
import json
import socket
import struct
from collections import Counter
from typing import Any

from tests.servers.child import serve
from tests.servers.process import HOST
from tests.servers.raw import reply

IDLE = 0.005  # seconds that a connection is kept alive
THEN = {
    "idle-fin": "close it once it has been idle for `IDLE`",
    "idle-rst": "the same, with an RST",
    "trap-fin": "close it when the first byte of the next request arrives",
    "trap-rst": "the same, with an RST",
}


class Peer(asyncio.Protocol):
    """One accepted connection."""

    def __init__(self, book: "Book") -> None:
        self._book = book
        self._transport: Any = None
        self._buffer = b""
        self._then = ""
        self._closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        """End."""
        if self._closing is not None:
            self._closing.cancel()

    def data_received(self, data: bytes) -> None:
        """Read a request and answer it, or close on it."""
        if self._closing is not None:
            self._closing.cancel()
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if self._then.startswith("trap"):
            if found:
                self._book.dropped[_token(head)] += 1
            self._cut()
        elif found and (not head.startswith(b"POST") or body):  # a body is one byte
            self._buffer = b""
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        token = _token(head)
        self._book.answered[token] += 1
        self._then = head.split(b"/")[1].decode()
        self._transport.write(reply(token.encode()))
        if self._then.startswith("idle"):
            self._closing = asyncio.get_running_loop().call_later(IDLE, self._cut)

    def _cut(self) -> None:
        """Close; what has arrived and was not read makes even a FIN an RST."""
        if self._then.endswith("rst"):
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()


class Book:
    """How often each request was answered, and how often it met a connection that was closed on it."""

    def __init__(self) -> None:
        self.answered: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    def start(self) -> str:
        """Listen."""
        loop = asyncio.get_running_loop()
        sock = socket.create_server((HOST, 0), backlog=1024)
        self._serving = loop.create_task(loop.create_server(lambda: Peer(self), sock=sock))
        return f"http://{HOST}:{sock.getsockname()[1]}"

    def tell(self) -> str:
        """Show the book."""
        return json.dumps([self.answered, self.dropped])


def _token(head: bytes) -> str:
    return head.split(b" ", 2)[1].rpartition(b"/")[2].decode()


if __name__ == "__main__":
    book = Book()
    serve(book.start, book.tell)
