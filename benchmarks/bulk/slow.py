"""A server that takes 50 ms for a page lives here: `python -m benchmarks.bulk.slow FOLDER` prints its port."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.processes import SERVER_CORE

SECONDS = 0.05
_PAGE = re.compile(rb"^GET /pages\?(?:[^ ]*&)?page=(\d+)")


class _Slow(asyncio.Protocol):
    def __init__(self, pages: list[bytes]) -> None:
        self._pages = pages
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        found = _PAGE.match(data)
        page = int(found[1]) if found else 1
        asyncio.get_running_loop().call_later(SECONDS, self._transport.write, self._pages[page - 1])


def answers(folder: Path) -> list[bytes]:
    """Read the pages, and write what is sent."""
    files = sorted(folder.glob("*.json"), key=lambda path: int(path.stem))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return [head % path.stat().st_size + path.read_bytes() for path in files]


async def main(pages: list[bytes]) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Slow(pages), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    os.sched_setaffinity(0, {SERVER_CORE})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(answers(Path(sys.argv[1]))))
