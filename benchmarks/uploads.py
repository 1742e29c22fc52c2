"""The run of one upload lives here: the driver starts it with `sample`, and `python -m benchmarks.uploads` measures it.

The client has one core, the sink the other one. A heartbeat of 1 ms tells the longest pause of the event loop.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks.processes import ROOT, ProgramError, program, run
from benchmarks.worker import CORE, _memory, _reset_peak, _server_seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from benchmarks.clients import Client
    from benchmarks.environments import Environment

    Send = Callable[[str], Awaitable[Any]]

_SIZE = 1_000_000_000
_SECONDS = 120.0
_BEAT = 0.001


def sample(client: Client, environments: Mapping[str, Environment]) -> dict[str, Any]:
    """Measure one client once.

    Args:
        client: Whose `variant` says how it uploads.
        environments: Where it is installed.

    Returns:
        What `_measure` returns.
    """
    file = _big_file()
    sink = subprocess.Popen([sys.executable, "-m", "benchmarks.sink"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        port = int(sink.stdout.readline()) if sink.stdout is not None else 0
        url = f"http://127.0.0.1:{port}/upload"
        if client.variant == "curl":
            return _curl(file, url)
        python = str(environments[client.environment].python)
        work = {"way": client.variant, "loop": client.loop, "file": file, "url": url, "sink": sink.pid}
        env = {"PYTHONPATH": str(ROOT), "PYTHONNOUSERSITE": "1"}
        command = [python, "-m", "benchmarks.uploads", json.dumps(work)]
        return dict(json.loads(run(command, seconds=_SECONDS, env=env).splitlines()[-1]))
    finally:
        sink.terminate()
        sink.wait()
        if sink.stdout is not None:
            sink.stdout.close()


@functools.cache
def _big_file() -> str:
    """Make the file, in the page cache, once a run."""
    path = ROOT / ".cache" / "bench" / "upload.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    atexit.register(path.unlink, missing_ok=True)
    piece = bytes(1_000_000)
    with path.open("wb") as file:
        for _ in range(_SIZE // len(piece)):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())  # nothing is left to be written while it is measured
    return str(path)


def _curl(file: str, url: str) -> dict[str, Any]:
    found = program("curl")
    if found is None:
        message = "curl is not installed"
        raise ProgramError(message)
    command = [str(program("taskset")), "-c", str(CORE), found, "--silent", "--show-error", "-T", file]
    wall = float(run([*command, "-o", os.devnull, "-w", "%{time_total}", url], seconds=_SECONDS))
    return {"requests": 1, "wall": wall, "cpu": None}


def main() -> None:
    """Measure what the argument describes and print the figures."""
    work = json.loads(sys.argv[1])
    os.sched_setaffinity(0, {CORE})  # before any thread begins, so that it holds for all of them
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if work["loop"] == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        figures = runner.run(_measure(work))
    sys.stdout.write(json.dumps(figures) + "\n")


async def _measure(work: dict[str, Any]) -> dict[str, Any]:
    send, close = await _client(work["way"], work["url"])
    pauses = [0.0]

    async def beat() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(_BEAT)
            now = time.perf_counter()
            pauses.append(now - last - _BEAT)
            last = now

    try:
        await send(__file__)  # the connection, the first thread, what is imported late
        if work["way"] == "cold":
            await asyncio.to_thread(_forget, work["file"])
        heart = asyncio.create_task(beat())
        await asyncio.sleep(0.05)
        pauses.clear()
        pauses.append(0.0)
        before = _memory("VmRSS")
        _reset_peak()
        sink = _server_seconds((work["sink"],))
        cpu, wall, times = time.process_time(), time.perf_counter(), os.times()
        await send(work["file"])
        cpu, wall, after = time.process_time() - cpu, time.perf_counter() - wall, os.times()
        heart.cancel()
        return {
            "requests": 1,
            "cpu": cpu,
            "user": after.user - times.user,
            "system": after.system - times.system,
            "wall": wall,
            "server_cpu": _server_seconds((work["sink"],)) - sink,
            "rss_before": before,
            "rss_peak": _memory("VmHWM"),
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


async def _client(way: str, url: str) -> tuple[Send, Callable[[], Awaitable[Any]]]:
    if way in ("stream", "cold", "form"):
        from headrace import AsyncClient

        client = AsyncClient(url)
        method = client.upload_file if way == "form" else client.stream_file
        return lambda file: method(file, response_format=bytes), client.close
    import aiohttp

    session = aiohttp.ClientSession()

    async def send(file: str) -> None:
        with await asyncio.to_thread(open, file, "rb") as opened:
            body: Any = opened
            if way == "aiofiles":
                body = _pieces(file)
            elif way == "formdata":
                body = aiohttp.FormData()
                body.add_field("file", opened, filename="upload.bin")
            async with session.post(url, data=body) as response:
                assert await response.read() == b"ok"

    return send, session.close


async def _pieces(file: str) -> Any:
    import aiofiles

    async with aiofiles.open(file, "rb") as opened:
        while piece := await opened.read(65536):
            yield piece


if __name__ == "__main__":
    main()
