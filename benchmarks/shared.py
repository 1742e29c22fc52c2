"""What a shared limit and a bulk on Ray cost: `python -m benchmarks.shared [PART …]` prints one table.

Parts: allowance, permits, client, simulation, ray. Each needs redis-server, but simulation and ray; ray needs Ray.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import CLIENT_CORE, SERVER_CORE
from headrace import AsyncClient, Call, RateLimiter, SharedLimiter, sinks
from tests.kit.bulk import User
from tests.kit.grants import Clock, fullest
from tests.kit.shared_logs import Kept, Sharing
from tests.kit.virtual import VirtualLoop, most_in_a_window
from tests.kit.virtual import run as run_virtually
from tests.servers.child import child_server
from tests.servers.redis import redis_server

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS = 8.0
_ROUNDS = 5
_LATENESS = 0.02


def _row(what: str, figure: str, target: str) -> None:
    print(f"| {what} | {figure} | {target} |", flush=True)


def _children(*tasks: dict[str, Any]) -> list[Any]:
    """Do tasks at once, each in a process of its own, and return what they print."""
    command = [sys.executable, "-m", "benchmarks.shared", "child"]
    running = [subprocess.Popen([*command, json.dumps(task)], stdout=subprocess.PIPE) for task in tasks]
    return [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]


async def _start(task: dict[str, Any]) -> list[int]:
    """Start as often as may be, by several limiters that each have a connection of their own."""
    clock = Clock()  # its last reading is the moment at which a start was found to be allowed
    limiters = [
        SharedLimiter(task["url"], task["rate"], 1.0, name=task["name"], lateness=task["lateness"], clock=clock)
        for _ in range(task["connections"])
    ]
    moments: list[int] = []

    async def start(limiter: SharedLimiter) -> None:
        while True:
            await limiter.acquire()
            moments.append(clock.last)
            await asyncio.sleep(0)

    tasks = [asyncio.ensure_future(start(limiter)) for limiter in limiters for _ in range(task["tasks"])]
    await asyncio.sleep(task["seconds"])
    for one in tasks:
        one.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for limiter in limiters:
        await limiter.close()
    return moments


def _use(starts: list[float], rate: int, interval: float) -> float:
    """Compute how much of an allowance was used where there was demand all the time.

    From the first start to the one that is `n` whole windows behind it there should be `n` intervals.
    """
    whole = (len(starts) - 1) // rate
    return whole * interval / (starts[whole * rate] - starts[0]) if whole else 0.0


def allowance() -> None:
    """How much of what is allowed is used where everybody wants to start, and how full the fullest window is."""
    for rate in (10, 1000):
        for connections in (1, 8, 64):
            with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder)) as server:
                processes = min(2, connections)
                task = {
                    "kind": "start", "url": server.url, "rate": rate, "name": "a", "lateness": _LATENESS,
                    "connections": connections // processes, "tasks": max(2, rate // connections), "seconds": _SECONDS,
                }  # fmt: skip
                moments = sorted(moment for found in _children(*[task] * processes) for moment in found)
            seconds = [moment / 1e9 for moment in moments]
            most = fullest(moments, 10**9)
            what = f"use of {rate:,} in 1 s, {connections} connections in {processes} processes"
            _row(what, f"{_use(seconds, rate, 1.0):.1%} (fullest window: {most:,})", ">= 95 %")


async def _take(task: dict[str, Any]) -> list[float]:
    """Take permits out of leases as fast as one can, on several connections."""
    limiters = [
        SharedLimiter(task["url"], task["rate"], 1.0, name="p", lateness=_LATENESS) for _ in range(task["connections"])
    ]
    taken = 0
    end = 0.0

    async def take(limiter: SharedLimiter) -> None:
        nonlocal taken
        while time.monotonic() < end:
            if limiter.try_acquire():
                taken += 1
                if taken % 100 == 0:
                    await asyncio.sleep(0)
            else:
                await limiter.acquire()
                taken += 1

    end = time.monotonic() + 60
    await asyncio.gather(*(limiter.acquire() for limiter in limiters))
    taken, began = 0, time.monotonic()
    end = began + task["seconds"]
    await asyncio.gather(*(take(limiter) for limiter in limiters))
    return [taken / (time.monotonic() - began)]


def _local() -> float:
    """Measure a local acquire out of a lease, in microseconds."""

    async def main(loop: VirtualLoop) -> float:
        limiter = Sharing(Kept(loop), (10**9, 1.0), lateness=10.0)
        await limiter.acquire()
        limiter._leases.add(loop.time(), 10**6, loop.time())  # noqa: SLF001 - a lease that is large enough
        limiter._clock = time.monotonic  # noqa: SLF001 - the one that is paid for
        for lease in limiter._held:  # noqa: SLF001
            lease.expires = time.monotonic() + 60
        began = time.perf_counter()
        for _ in range(200_000):
            limiter.try_acquire()
        return (time.perf_counter() - began) / 200_000 * 1e6

    return float(run_virtually(main))


def permits() -> None:
    """How many permits a second come out of leases."""
    _row("a local acquire from a lease", f"{statistics.median(_local() for _ in range(_ROUNDS)):.2f} µs", "<= 3 µs")
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder)) as server:
        task = {"kind": "take", "url": server.url, "rate": 10**7, "connections": 8, "seconds": 3.0}
        (found,) = _children(task)
        _row("permits a second, leased, 8 connections in one process", f"{found[0]:,.0f}", ">= 100,000")


async def _ask(url: str, limiter: Any, calls: int) -> float:
    async with AsyncClient(url, limiter=limiter) as client:
        left = iter(range(calls))

        async def ask() -> None:
            for _ in left:
                await client.get("/users/1", response_format=User)

        await asyncio.gather(*(ask() for _ in range(64)))
        left = iter(range(calls))
        began = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(64)))
        return calls / (time.perf_counter() - began)


def client() -> None:
    """How a client with a shared limit compares with one that has its own, where neither ever waits.

    The client has a core for itself, and both servers have the other one: what they take of each other's time is no
    cost of the limiter's.
    """
    os.sched_setaffinity(0, {SERVER_CORE})
    with (
        tempfile.TemporaryDirectory() as folder,
        redis_server(Path(folder)) as server,
        child_server("benchmarks.answering") as api,
    ):
        os.sched_setaffinity(0, {CLIENT_CORE})
        for lateness in (_LATENESS, 0.1):
            shared = SharedLimiter(server.url, 10**6, 1.0, name=f"c{lateness}", lateness=lateness)
            ratios = []
            for _ in range(3 * _ROUNDS):  # in turns
                own = asyncio.run(_ask(api.url, RateLimiter(10**6), 20_000))
                theirs = asyncio.run(_ask(api.url, shared, 20_000))
                ratios.append(theirs / own)
            what = f"one process, SharedLimiter (lateness={lateness:g}) against RateLimiter"
            _row(what, f"{statistics.median(ratios):.2f} x", ">= 0.95 x")


def simulate(clients: int, rate: int, seconds: float) -> tuple[float, int, float]:
    """Let many clients share one limit on a made-up clock.

    Args:
        clients: How many, each with ten tasks.
        rate: Starts in a second, of all.
        seconds: Seconds that it lasts, of that clock.

    Returns:
        The share of the allowance that was used, the starts of the fullest window, and questions a second.
    """

    async def main(loop: VirtualLoop) -> tuple[float, int, float]:
        kept = Kept(loop)
        limiters = [Sharing(kept, (rate, 1.0)) for _ in range(clients)]
        starts: list[float] = []
        each = max(1, 3 * rate // clients // 10)

        async def start(limiter: Sharing) -> None:
            while True:
                await limiter.acquire()
                starts.append(loop.time())

        tasks = [asyncio.ensure_future(start(limiter)) for limiter in limiters for _ in range(each)]
        await asyncio.sleep(1.0 + _LATENESS + seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        asked = len(kept.asked) / (starts[-1] - starts[0])
        return _use(starts, rate, 1.0), most_in_a_window(starts, 1.0), asked

    found: tuple[float, int, float] = run_virtually(main)
    return found


def simulation() -> None:
    """What does not fit on one machine."""
    for clients, rate in ((10, 1000), (100, 10_000), (1000, 100_000)):
        used, most, asked = simulate(clients, rate, 3.0)
        figure = f"{used:.1%} used, fullest window {most:,}, {asked:,.0f} questions a second"
        _row(f"simulated: {clients:,} clients at {rate:,}/s", figure, f"<= {rate:,}")


def _paths(calls: int) -> list[Call]:
    return [Call(f"/users/{number}", key=str(number)) for number in range(calls)]


async def _plain(task: dict[str, Any]) -> list[float]:
    """Run a bulk in this process."""
    began = time.monotonic()
    async with AsyncClient(task["url"]) as one:
        sink = sinks.Parquet(task["folder"])
        await one.bulk(_paths(task["calls"]), response_format=User, sink=sink, journal=True).run()
    return [began, time.monotonic()]


def ray() -> None:
    """How a bulk over two warm actors compares with two plain processes."""
    import ray as engine

    import headrace.ray

    engine.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    calls, ratios = 100_000, []
    with child_server("benchmarks.answering") as api, tempfile.TemporaryDirectory() as folder:
        config = AsyncClient(api.url).config
        for turn in range(3):
            tasks = [
                {"kind": "plain", "url": api.url, "folder": f"{folder}/plain{turn}-{n}", "calls": calls // 2}
                for n in range(2)
            ]
            times = _children(*tasks)
            plain = max(end for _, end in times) - min(begin for begin, _ in times)
            moments: list[float] = []
            report = headrace.ray.bulk(
                config, _paths(calls), response_format=User, sink=sinks.Parquet(f"{folder}/ray{turn}"), actors=2,
                progress=lambda report, moments=moments: moments.append(  # type: ignore[misc]
                    report.seconds if report.done else 0.0
                ),
            )  # fmt: skip
            # Warm: from the first shard that has come on, when all four that there is a place for may be nearly done.
            warm = report.seconds - next(moment for moment in moments if moment)
            ratios.append(plain / warm * (calls - 4000) / calls)
    engine.shutdown()
    _row("Ray, two warm actors, 100,000 calls to Parquet, against two processes", f"{statistics.median(ratios):.2f} x",
         ">= 0.75 x")  # fmt: skip


_PARTS: dict[str, Callable[[], None]] = {
    "allowance": allowance, "permits": permits, "client": client, "simulation": simulation, "ray": ray,
}  # fmt: skip
_CHILDREN: dict[str, Any] = {"start": _start, "take": _take, "plain": _plain}


def main() -> None:
    """Measure the parts that are named, or all."""
    if sys.argv[1:2] == ["child"]:
        task = json.loads(sys.argv[2])
        print(json.dumps(asyncio.run(_CHILDREN[task["kind"]](task))))
        return
    print("| what | measured | target |\n|---|---|---|")
    for name in sys.argv[1:] or _PARTS:
        _PARTS[name]()


if __name__ == "__main__":
    main()
