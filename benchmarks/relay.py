"""A relay that takes its time lives here: `python -m benchmarks.relay HOST PORT MILLISECONDS` adds latency.

It runs on the server's core, prints its port, and ends with its standard input. Each piece of an answer waits so long,
by itself; requests pass at once. (The loop's timers have no finer step than a millisecond: halves would be none.)
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from typing import Any

from benchmarks.processes import SERVER_CORE


class _End(asyncio.Protocol):
    """One of the two ends of a connection: what arrives here leaves at the other one."""

    def __init__(self) -> None:
        self.other: _End | None = None
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        if self.other is not None:
            self.other.transport.close()


class _Back(_End):
    """The end at the server: what it says waits."""

    def __init__(self, delay: float) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._delay = delay
        self._held: deque[bytes] = deque()

    def data_received(self, data: bytes) -> None:
        self._held.append(data)
        self._loop.call_later(self._delay, self._pass_on)

    def _pass_on(self) -> None:
        super().data_received(self._held.popleft())

    def connection_lost(self, error: Exception | None) -> None:
        self._loop.call_later(self._delay, super().connection_lost, error)


class _Front(_End):
    """The end that clients connect to; what they say before the server is dialed is held."""

    def __init__(self, delay: float, host: str, port: int) -> None:
        super().__init__()
        self._delay = delay
        self._server = (host, port)
        self._held: list[bytes] = []
        self._dialing: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._dialing = asyncio.get_running_loop().create_task(self._dial())

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        _, back = await loop.create_connection(lambda: _Back(self._delay), *self._server)
        self.other, back.other = back, self
        back.transport.writelines(self._held)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._held.append(data)
        else:
            super().data_received(data)


async def _serve(host: str, port: int, delay: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Front(delay, host, port), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Relay until the standard input ends."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {SERVER_CORE})
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000))


if __name__ == "__main__":
    main()
