"""The run of one transfer lives here: the driver starts it with `sample`, `python -m benchmarks.transfers` measures it.

The client has one core, the server the other one. A heartbeat of 1 ms tells the longest pause of the event loop.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import os
import ssl
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import BIG_FILE, CLIENT_CORE, ROOT, ProgramError, program, run
from benchmarks.worker import memory, reset_peak, server_seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from benchmarks.clients import Client
    from benchmarks.environments import Environment
    from benchmarks.server import Server

    Transfer = Callable[[str, str], Awaitable[Any]]

_SIZE = 512_000_000
_MEGABYTE = 1024 * 1024
_SECONDS = 120.0
_BEAT = 0.001


def sample(client: Client, job: str, environments: Mapping[str, Environment], server: Server) -> dict[str, Any]:
    """Measure one client once.

    Args:
        client: Whose `variant` says what it does, and how.
        job: One of `PLACES`.
        environments: Where it is installed.
        server: What it talks to.

    Returns:
        What `_measure` returns.
    """
    file = _big_file()
    dest = str(Path(file).with_name("download.bin"))
    place = PLACES[job]
    url, small = (server.origin(place.server) + path for path in (place.path, place.small))
    try:
        if client.variant.startswith("curl"):
            return _curl(["-T", file, "-o", os.devnull] if client.variant == "curl-up" else ["-o", dest], url, server)
        python = str(environments[client.environment].python)
        work = {"way": client.variant, "loop": client.loop, "file": file, "dest": dest, "url": url, "small": small}
        work |= {"servers": server.processes, "ca": str(server.ca) if place.server == "https" else ""}
        env = {"PYTHONPATH": str(ROOT), "PYTHONNOUSERSITE": "1"}
        command = [python, "-m", "benchmarks.transfers", json.dumps(work)]
        return dict(json.loads(run(command, seconds=_SECONDS, env=env).splitlines()[-1]))
    finally:
        Path(dest).unlink(missing_ok=True)


@dataclass(frozen=True)
class Place:
    """Where a file goes to, or comes from."""

    server: str
    path: str = "/file"
    small: str = "/small"
    """A small one, which is transferred first, so that the connection is there."""


#: The jobs of transfers. What is sent goes to `upload`, over TLS through nginx.
PLACES: dict[str, Place] = {
    "file": Place("kernel"),
    "file-nginx": Place("http"),
    "file-copying": Place("copying"),
    "file-tls": Place("https"),
    "file-chunked": Place("http", "/chunked/file"),
    "upload-reader": Place("reader", "/upload", "/upload"),
    "upload-nginx": Place("http", "/upload", "/upload"),
    "upload-tls": Place("https", "/upload", "/upload"),
}


@functools.cache
def _big_file() -> str:
    """Make the file, in the page cache, once a run."""
    path = BIG_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    atexit.register(path.unlink, missing_ok=True)
    piece = bytes(1_000_000)
    with path.open("wb") as file:
        for _ in range(_SIZE // len(piece)):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())  # nothing is left to be written while it is measured
    return str(path)


def _curl(arguments: list[str], url: str, server: Server) -> dict[str, Any]:
    found = program("curl")
    if found is None:
        message = "curl is not installed"
        raise ProgramError(message)
    command = [str(program("taskset")), "-c", str(CLIENT_CORE), found, "--silent", "--show-error", *arguments]
    command += ["--cacert", str(server.ca), "-H", "Expect:"]
    wall = float(run([*command, "-w", "%{time_total}", url], seconds=_SECONDS))
    return {"requests": 1, "wall": wall, "cpu": None}


def main() -> None:
    """Measure what the argument describes and print the figures."""
    work = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {CLIENT_CORE})  # before any thread begins, so that it holds for all of them
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if work["loop"] == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        figures = runner.run(_measure(work))
    sys.stdout.write(json.dumps(figures) + "\n")


async def _measure(work: dict[str, Any]) -> dict[str, Any]:
    transfer, close = await _client(work)
    pauses = [0.0]

    async def beat() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(_BEAT)
            now = time.perf_counter()
            pauses.append(now - last - _BEAT)
            last = now

    try:
        await transfer(work["small"], __file__)  # the connection, the first thread, what is imported late
        if work["way"].endswith("cold"):
            await asyncio.to_thread(_forget, work["file"])
        heart = asyncio.create_task(beat())
        await asyncio.sleep(0.05)
        pauses.clear()
        pauses.append(0.0)
        before = memory("VmRSS")
        reset_peak()
        server = server_seconds(tuple(work["servers"]))
        cpu, wall, times = time.process_time(), time.perf_counter(), os.times()
        await transfer(work["url"], work["file"])
        cpu, wall, after = time.process_time() - cpu, time.perf_counter() - wall, os.times()
        heart.cancel()
        return {
            "requests": 1,
            "cpu": cpu,
            "user": after.user - times.user,
            "system": after.system - times.system,
            "wall": wall,
            "server_cpu": server_seconds(tuple(work["servers"])) - server,
            "rss_before": before,
            "rss_peak": memory("VmHWM"),
            "pause": max(pauses) * 1e3,
        }
    finally:
        await close()


def _forget(file: str) -> None:
    """Take a file out of the page cache."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


async def _client(work: dict[str, Any]) -> tuple[Transfer, Callable[[], Awaitable[Any]]]:
    """Make what transfers a file, from or to a URL."""
    way, dest = work["way"], work["dest"]
    context = ssl.create_default_context(cafile=work["ca"]) if work["ca"] else None
    if way.startswith("aiohttp"):
        import aiohttp

        connector = aiohttp.TCPConnector(ssl=context or True)
        session = aiohttp.ClientSession(raise_for_status=True, connector=connector)
        ways: dict[str, Any] = {"aiohttp-down": _aiohttp_download, "aiohttp-form": _aiohttp_form}
        return functools.partial(ways.get(way, _aiohttp_upload), session, way, dest), session.close
    from headrace import AsyncClient

    client = AsyncClient(work["url"].rpartition("/")[0], **({"tls": context} if context else {}))
    if way == "down":
        return lambda url, _: client.download(url, dest), client.close
    method = client.upload_file if way == "form" else client.stream_file
    if way == "up-chunked":
        return lambda url, file: client.post(url, data=_pieces(file), response_format=bytes), client.close
    return lambda url, file: method(file, url, response_format=bytes), client.close


async def _aiohttp_upload(session: Any, way: str, _dest: str, url: str, file: str) -> None:
    with await asyncio.to_thread(open, file, "rb") as opened:
        async with session.post(url, data=_pieces(file) if way == "aiohttp-aiofiles" else opened) as response:
            assert await response.read() == b"ok"


async def _aiohttp_form(session: Any, _way: str, _dest: str, url: str, file: str) -> None:
    import aiohttp

    with await asyncio.to_thread(open, file, "rb") as opened:
        body = aiohttp.FormData()
        body.add_field("file", opened, filename="upload.bin")
        async with session.post(url, data=body) as response:
            assert await response.read() == b"ok"


async def _aiohttp_download(session: Any, _way: str, dest: str, url: str, _file: str) -> None:
    import aiofiles

    async with session.get(url) as response, aiofiles.open(dest, "wb") as opened:
        async for piece in response.content.iter_chunked(_MEGABYTE):
            await opened.write(piece)


async def _pieces(file: str) -> Any:
    import aiofiles

    async with aiofiles.open(file, "rb") as opened:
        while piece := await opened.read(65536):
            yield piece


if __name__ == "__main__":
    main()
