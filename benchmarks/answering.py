"""The server of `benchmarks.sync`, in a process of its own: every answer is the user of all benchmarks."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from benchmarks import data
from tests.servers.child import serve
from tests.servers.process import HOST

_BODY = data.as_json(data.user(1))
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
_tasks: list[asyncio.Task[Any]] = []


class _Answering(asyncio.Protocol):
    """Answers each request, none of which has a body."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._held = b""

    def data_received(self, piece: bytes) -> None:
        self._held += piece
        while b"\r\n\r\n" in self._held:
            self._held = self._held.partition(b"\r\n\r\n")[2]
            self._transport.write(_ANSWER)


def start() -> str:
    """Listen; returns the URL."""
    listening = socket.create_server((HOST, 0))
    loop = asyncio.get_running_loop()
    _tasks.append(loop.create_task(loop.create_server(_Answering, sock=listening)))
    return f"http://{HOST}:{listening.getsockname()[1]}"


if __name__ == "__main__":
    serve(start, lambda: "")
