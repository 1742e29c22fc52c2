"""The run of one peer lives here: `python -m benchmarks.worker WORK` measures it in a process of its own.

Every peer is run by this same loop, whatever it is. One line of JSON says what it cost. Where the answer is wrong, the
process ends with an error instead: a benchmark that measures the wrong answer must stop.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import platform
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import CLIENT_CORE
from benchmarks.work import Work

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    One = Callable[[], Awaitable[Any]]

_WARM_SECONDS = 0.5
_MOST_SECONDS = 4.0  # a peer whose speed falls as it is measured is stopped after so many times the planned duration
_STATUS = Path("/proc/self/status")


def main() -> None:
    """Measure what the argument describes and print the figures."""
    work = Work.from_json(sys.argv[1])
    _settle_heap()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {CLIENT_CORE})  # before any thread begins, so that it holds for all of them
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if work.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        figures = runner.run(_measure(work))
    sys.stdout.write(json.dumps(figures) + "\n")


def _settle_heap() -> None:
    """Free one block of four megabytes, for every peer alike, as headrace does itself.

    Until a process has done so once, glibc maps and unmaps the pages of each read of 256 KiB anew, which costs more
    than the rest of a request; whether it has depends on what was imported before, and not on the client.
    """
    block = bytearray(4 << 20)
    del block


async def _measure(work: Work) -> dict[str, Any]:
    expected = _expected(work)
    peer = importlib.import_module(f"benchmarks.peers.{work.peer}")
    one, close = await peer.setup(work)
    try:
        check = _check(expected)
        _compare(await one(), expected)
        before = memory("VmRSS")
        reset_peak()
        rate = await _warm_up(one, check, work)
        requests = max(int(rate * work.seconds), 2 * work.concurrency)
        if work.queued:
            # Few rounds of a long queue, many of a short one: the same precision for both.
            requests = work.queued * max(1, round(requests / work.queued))
        figures = await _timed(one, check, work, requests)
        figures |= await _latencies(one, check, work, requests)
        _compare(await one(), expected)
    finally:
        await close()
    return {
        **figures,
        "rss_before": before,
        "rss_peak": memory("VmHWM"),
        "loop": work.loop,
        "python": platform.python_version(),
    }


def _expected(work: Work) -> Any:
    return json.loads(Path(work.expected).read_text())


async def _warm_up(one: One, check: Callable[[Any], None], work: Work) -> float:
    """Open every connection, fill every cache, and return requests a second."""
    seconds = min(_WARM_SECONDS, work.seconds)
    await _drive(one, check, work.concurrency, 2 * work.concurrency, 20 * seconds)
    began = time.perf_counter()
    done = await _drive(one, check, work.concurrency, sys.maxsize, seconds)
    return done / (time.perf_counter() - began)


async def _timed(one: One, check: Callable[[Any], None], work: Work, requests: int) -> dict[str, Any]:
    gc.collect()
    server = server_seconds(work.server)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu, wall = time.process_time(), time.perf_counter()
    if work.queued:
        done = await _drive_queued(one, check, work.queued, requests // work.queued, work.seconds)
    else:
        done = await _drive(one, check, work.concurrency, requests, _MOST_SECONDS * work.seconds)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "requests": done,
        "cpu": cpu,
        "user": after.ru_utime - usage.ru_utime,
        "system": after.ru_stime - usage.ru_stime,
        "wall": wall,
        "server_cpu": server_seconds(work.server) - server,
    }


async def _latencies(one: One, check: Callable[[Any], None], work: Work, requests: int) -> dict[str, Any]:
    """Run a third once more, with a clock around each request: it would cost where the CPU time is measured."""
    if work.queued:
        return {}
    took: list[float] = []
    clock, note = time.perf_counter, took.append

    async def timed() -> Any:
        began = clock()
        answer = await one()
        note(clock() - began)
        return answer

    await _drive(timed, check, work.concurrency, max(requests // 3, 2 * work.concurrency), work.seconds)
    took.sort()
    return {"p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100], "most": took[-1]}


async def _drive(one: One, check: Callable[[Any], None], concurrency: int, requests: int, seconds: float) -> int:
    """Keep so many requests in flight until enough were made or the time is over; return how many were made."""
    if drive := getattr(one, "drive", None):  # the floor does so by itself, without a coroutine
        return int(await drive(check, concurrency, requests, seconds))
    left = requests
    done = 0

    async def client() -> None:
        nonlocal left, done
        while left > 0:
            left -= 1
            check(await one())
            done += 1

    def stop() -> None:
        nonlocal left
        left = 0

    timer = asyncio.get_running_loop().call_later(seconds, stop)
    await asyncio.gather(*[client() for _ in range(concurrency)])
    timer.cancel()
    return done


async def _drive_queued(one: One, check: Callable[[Any], None], queued: int, rounds: int, seconds: float) -> int:
    """Start so many requests at once, as often as asked, or until the time is over twice."""

    async def client() -> None:
        check(await one())

    end = time.perf_counter() + 2 * seconds
    done = 0
    while rounds > 0 and (not done or time.perf_counter() < end):
        rounds -= 1
        await asyncio.gather(*[client() for _ in range(queued)])
        done += queued
    return done


def _check(expected: Any) -> Callable[[Any], None]:
    """Make the check that every measured answer passes; it costs the same few nanoseconds with every peer."""
    if isinstance(expected, list):
        size = len(expected)

        def check(answer: Any) -> None:
            if len(answer) != size:
                message = f"a list of {size} was expected, one of {len(answer)} came"
                raise AssertionError(message)

    else:
        number = expected["id"]

        def check(answer: Any) -> None:
            if answer.id != number:
                message = f"an answer with id {number} was expected, one with {answer.id!r} came"
                raise AssertionError(message)

    return check


def _compare(answer: Any, expected: Any) -> None:
    """Compare an answer with the JSON that was served, field by field."""
    found = [_plain(item) for item in answer] if isinstance(answer, list) else _plain(answer)
    if found != expected:
        message = f"the answer is not what was served: {str(found)[:200]} instead of {str(expected)[:200]}"
        raise AssertionError(message)


def _plain(answer: Any) -> Any:
    if hasattr(answer, "model_dump"):
        return answer.model_dump(by_alias=True)
    if hasattr(answer, "dict"):
        return answer.dict(by_alias=True)
    import msgspec

    return msgspec.to_builtins(answer)


def memory(field: str) -> int:
    """Read bytes from the kernel: `VmRSS` is what is used now, `VmHWM` the most since the last reset.

    `getrusage` is no help: its maximum includes what the driver's process used before this one began.
    """
    if not _STATUS.exists():
        return 0
    for line in _STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def reset_peak() -> None:
    """Count the peak of memory anew."""
    # A kernel without this file counts the peak from the start, which is the same or more.
    if (path := Path("/proc/self/clear_refs")).exists():
        path.write_text("5")


def server_seconds(processes: tuple[int, ...]) -> float:
    """Add up the CPU seconds that the server has used."""
    ticks = 0
    for process in processes:
        path = Path(f"/proc/{process}/stat")
        if path.exists():
            fields = path.read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
