"""What it costs that the aiohttp transport judges each answer: `python -m benchmarks.guard` prints CPU a request.

With the guard and without it by turns, in one process, against a server in another. Without it nothing of
`headrace._io.session.guard` runs; such a transport would take what is no answer for one, so it is for comparison only.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import uvloop

from benchmarks import data
from headrace import AsyncClient
from headrace._io.session import transport as aiohttp_transport
from headrace._io.session.guard import Watch

if TYPE_CHECKING:
    import aiohttp

_IN_FLIGHT = 16
_BODY = data.as_json(data.user(1))
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY


class Unwatched:
    """Stands in the place of a `Watch`, and judges nothing."""

    heard = False
    error = None
    judge = SimpleNamespace(trailers=None)

    def __init__(self, request: Any) -> None:
        """Take what a `Watch` takes."""

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request as it is."""
        return await handler(request)

    def check(self) -> None:
        """Find nothing wrong."""


async def serve() -> None:
    """Print a port, and answer whatever is asked there."""

    class Answering(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(_ANSWER * data.count(b"\r\n\r\n"))

    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def turn(url: str, watch: Any, count: int) -> float:
    """Send requests with a `Watch`, or with what stands in its place; returns microseconds of CPU a request."""
    aiohttp_transport.Watch = watch  # type: ignore[misc] # what is compared
    async with AsyncClient(url, transport="aiohttp") as client:

        async def ask(times: int) -> None:
            for _ in range(times):
                await client.get("/users/1")

        await asyncio.gather(*(ask(20) for _ in range(_IN_FLIGHT)))
        gc.collect()
        begun = time.process_time()
        await asyncio.gather(*(ask(count // _IN_FLIGHT) for _ in range(_IN_FLIGHT)))
        return (time.process_time() - begun) / (count // _IN_FLIGHT * _IN_FLIGHT) * 1e6


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="how many turns of each (10)")
    parser.add_argument("--count", type=int, default=8000, metavar="N", help="requests of a turn (8000)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve())
        return 0
    figures: dict[str, list[float]] = {"with the guard": [], "without": []}
    kinds = {"with the guard": Watch, "without": Unwatched}
    command = [sys.executable, "-m", "benchmarks.guard", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            for number in range(options.rounds):
                # Whoever goes first goes last the next time.
                for name in list(kinds)[:: -1 if number % 2 else 1]:
                    figures[name].append(uvloop.run(turn(url, kinds[name], options.count)))
        finally:
            server.kill()
    print("| aiohttp transport | CPU µs a request, median | least | most |\n|---|---|---|---|")
    for name, rounds in figures.items():
        print(f"| {name} | {statistics.median(rounds):.0f} | {min(rounds):.0f} | {max(rounds):.0f} |")
    ratios = [guarded / bare for guarded, bare in zip(*figures.values(), strict=True)]
    print(f"\nwith the guard {statistics.median(ratios):.2f} times as much (median of {options.rounds} turns)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
