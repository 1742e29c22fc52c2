"""How exactly limits in time are kept: `python -m benchmarks.timeouts` prints a table, and fails where one is missed.

Each case is a server, or a wait, that never ends by itself. Many requests meet it at once, and what is measured is how
long after its limit each of them ends. No limit may be early, nor late by more than 50 ms or 1 %, whichever is more.
The servers run in the loop of the client, so that both have to do with the same load.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import sys
import time
import warnings
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import uvloop

from headrace import AsyncClient, PoolLimits, RateLimiter, Timeout, errors
from tests.servers.raw import raw_server, read_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    Begin = Callable[[str, float], AbstractAsyncContextManager[tuple[AsyncClient, Timeout]]]

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n"
_DRIP_SECONDS = 0.02
_WARM_UP_SECONDS = 0.05


@attrs.frozen
class Case:
    """A wait that only its limit ends.

    Attributes:
        name: What is waited for, and the limit that ends it.
        begin: Takes the name of a transport and a limit in seconds; gives a client, and the timeout of its requests.
        error: What a request ends with.
    """

    name: str
    begin: Begin
    error: type[Exception] = errors.RequestTimeout


@attrs.frozen
class Row:
    """How late the requests of a case were.

    Attributes:
        name: The case's name.
        transport: What they were sent over.
        limit: Seconds that they had.
        late: Seconds behind the limit, one for each request; below 0 is early.
    """

    name: str
    transport: str
    limit: float
    late: list[float]

    @property
    def allowed(self) -> float:
        """How many seconds a request may be late."""
        return max(0.05, self.limit / 100)

    @property
    def kept(self) -> bool:
        """Whether no request was early, beyond what a clock can tell, and none too late."""
        return min(self.late) > -0.001 and max(self.late) <= self.allowed


def _dripping(head: bytes, text: bytes) -> Callable[..., Awaitable[None]]:
    """Make a handler that answers byte by byte, for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await read_request(reader)
        writer.write(head)
        for byte in text:
            writer.write(bytes([byte]))
            await asyncio.sleep(_DRIP_SECONDS)
        await reader.read()

    return serve


def _silent_behind(text: bytes) -> Callable[..., Awaitable[None]]:
    """Make a handler that stops in the middle of its answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await read_request(reader)
        writer.write(text)
        await reader.read()

    return serve


async def _mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: int) -> None:
    """Accept, and say nothing."""
    await reader.read()


def _served(handler: Callable[..., Awaitable[None]], part: str, scheme: str = "http", **settings: Any) -> Begin:
    """Make what begins a case: a server, a client of it, and a limit for one part of its requests."""

    @asynccontextmanager
    async def begin(transport: str, limit: float) -> AsyncIterator[tuple[AsyncClient, Timeout]]:
        pool = PoolLimits(max_connections=1000)
        async with raw_server(handler) as server:
            url = server.url.replace("http", scheme, 1)
            async with AsyncClient(url, transport=transport, pool=pool, **settings) as client:
                yield client, _only(part, limit)

    return begin


def _only(part: str, limit: float) -> Timeout:
    """Limit one part of a request and nothing else."""
    return Timeout(**{"total": None, "connect": None, part: limit})


@contextmanager
def _full_backlog() -> Iterator[int]:
    """Listen where nobody accepts: once the queue is full, Linux leaves whoever dials without an answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        port: int = listening.getsockname()[1]
        callers = [socket.socket() for _ in range(4)]
        try:
            for caller in callers:
                caller.setblocking(False)
                caller.connect_ex(("127.0.0.1", port))
            yield port
        finally:
            for caller in callers:
                caller.close()


@asynccontextmanager
async def _undialed(transport: str, limit: float) -> AsyncIterator[tuple[AsyncClient, Timeout]]:
    """Dial where nobody answers."""
    with _full_backlog() as port:
        await asyncio.sleep(_WARM_UP_SECONDS)
        pool = PoolLimits(max_connections=1000)
        async with AsyncClient(f"http://127.0.0.1:{port}", transport=transport, pool=pool) as client:
            yield client, _only("connect", limit)


@asynccontextmanager
async def _exhausted(transport: str, limit: float) -> AsyncIterator[tuple[AsyncClient, Timeout]]:
    """Wait for the only connection, which another request has."""
    pool = PoolLimits(max_connections=1)
    async with raw_server(_mute) as server, AsyncClient(server.url, transport=transport, pool=pool) as client:
        holder = asyncio.create_task(client.get("/holder", timeout=None))
        await server.accepted(1)
        try:
            yield client, _only("pool", limit)
        finally:
            holder.cancel()
            await asyncio.gather(holder, return_exceptions=True)


@asynccontextmanager
async def _limited(transport: str, limit: float) -> AsyncIterator[tuple[AsyncClient, Timeout]]:
    """Wait for a turn that the rate limiter gives tomorrow."""
    limiter = RateLimiter(1, 86400)
    await limiter.acquire()
    async with AsyncClient("http://127.0.0.1:9", transport=transport, limiter=limiter) as client:
        yield client, _only("total", limit)


CASES = (
    Case("`total`: a head that drips", _served(_dripping(b"", _HEAD * 100), "total")),
    Case("`total`: a body that drips", _served(_dripping(_HEAD, b"x" * 10_000), "total")),
    Case("`total`: waiting for the limiter", _limited),
    Case("`read`: silence before the head", _served(_mute, "read")),
    Case("`read`: silence in the head", _served(_silent_behind(_HEAD[:20]), "read")),
    Case("`read`: silence in the body", _served(_silent_behind(_HEAD + b"half"), "read")),
    Case("`connect`: nobody accepts", _undialed),
    Case("`connect`: TLS that never begins", _served(_mute, "connect", "https")),
    Case("`pool`: no connection becomes free", _exhausted, errors.PoolTimeout),
)


async def measure(case: Case, transport: str, limit: float, count: int) -> Row:
    """Let many requests at once run into a limit.

    Args:
        case: What they wait for.
        transport: The name of a transport.
        limit: Seconds that they have.
        count: How many.

    Returns:
        How late they were.
    """
    clock = time.perf_counter  # the clock of uvloop stands still within a step of the loop

    async def one(client: AsyncClient, timeout: Timeout) -> float:
        begun = clock()
        try:
            await client.get("/x", timeout=timeout, response_format=bytes)
        except case.error:
            return clock() - begun - limit
        message = f"{case.name} ended without its error"
        raise AssertionError(message)

    async with case.begin(transport, limit) as (client, timeout), asyncio.timeout(limit + 30):
        return Row(case.name, transport, limit, await asyncio.gather(*(one(client, timeout) for _ in range(count))))


def table(rows: list[Row]) -> str:
    """Write rows as a Markdown table, in milliseconds."""
    lines = ["| limit | s | transport | late, median ms | late, worst ms | allowed ms |", "|---|---|---|---|---|---|"]
    for row in rows:
        figures = f"{statistics.median(row.late) * 1000:.1f} | {max(row.late) * 1000:.1f} | {row.allowed * 1000:.0f}"
        lines.append(f"| {row.name} | {row.limit:g} | {row.transport} | {figures}{'' if row.kept else ' **missed**'} |")
    return "\n".join(lines)


async def run(limits: list[float], count: int) -> list[Row]:
    """Measure every case, over both transports, with every limit; returns their rows."""
    return [
        await measure(case, transport, limit, count)
        for case in CASES
        for limit in limits
        for transport in ("wire", "aiohttp")
    ]


def main() -> int:
    """Run the command line; returns 1 where a limit was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.timeouts", description=__doc__)
    parser.add_argument("--limits", type=float, nargs="+", default=[0.2, 1, 6], metavar="S", help="seconds (0.2 1 6)")
    parser.add_argument("--count", type=int, default=20, metavar="N", help="how many requests at once (20)")
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    options = parser.parse_args()
    warnings.simplefilter("error")
    factory = uvloop.new_event_loop if options.loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        rows = runner.run(run(options.limits, options.count))
    print(table(rows))
    return int(not all(row.kept for row in rows))


if __name__ == "__main__":
    sys.exit(main())
