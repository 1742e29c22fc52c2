"""The process that is measured lives here: `python -m benchmarks.bulk.work KIND COUNT ORIGIN FOLDER`.

It runs one kind of bulk, or the floor, and prints what it cost as one line of JSON. Where an answer is wrong, it ends
with an error.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import uvloop

from benchmarks.bulk.floor import Floor
from benchmarks.models.structs import User
from benchmarks.processes import CLIENT_CORE
from benchmarks.worker import memory, reset_peak
from headrace import AsyncClient, PoolLimits, sinks
from headrace.bulk.keys import digest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

IN_FLIGHT = 64
#: Requests before anything is measured.
_WARM = 2000


def paths(count: int) -> Iterator[str]:
    """Name so many users, each by a path of its own."""
    return (f"/each/{number}" for number in range(count))


class Meter:
    """What the measured part costs."""

    def __init__(self) -> None:
        self.figures: dict[str, Any] = {}

    def __enter__(self) -> None:
        gc.collect()
        self._before = memory("VmRSS")
        reset_peak()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.figures = {
            "cpu": time.process_time() - self._cpu,
            "wall": time.perf_counter() - self._wall,
            "above_idle": memory("VmHWM") - self._before,
        }


async def _floor(count: int, origin: str, _: Path, meter: Meter) -> None:
    url = urlsplit(origin)
    assert url.hostname is not None
    assert url.port is not None
    taken = 0

    def take(user: Any) -> None:
        nonlocal taken
        taken += user.id

    floor = Floor(url.hostname, url.port, IN_FLIGHT, msgspec.json.Decoder(User).decode)
    await floor.run(paths(_WARM), take)
    taken = 0
    with meter:
        await floor.run(paths(count), take)
    await floor.close()
    _check(taken, count)


async def _bare(count: int, origin: str, _: Path, meter: Meter) -> None:
    async with AsyncClient(origin) as client:
        taken = 0

        async def ask(left: Iterator[str]) -> None:
            nonlocal taken
            for path in left:
                user = await client.get(path, response_format=User)
                taken += user.id

        for measured, some in ((False, _WARM), (True, count)):
            left, taken = paths(some), 0
            with meter if measured else Meter():
                await asyncio.gather(*[ask(left) for _ in range(IN_FLIGHT)])
    _check(taken, count)


async def _iterate(count: int, origin: str, _: Path, meter: Meter) -> None:
    await _iterated(count, origin, meter, in_flight=IN_FLIGHT)


async def _iterated(count: int, origin: str, meter: Meter, **options: Any) -> None:
    async with AsyncClient(origin) as client:
        taken = 0
        for measured, some in ((False, _WARM), (True, count)):
            taken = 0
            with meter if measured else Meter():
                async for outcome in client.bulk(paths(some), response_format=User, **options):
                    taken += outcome.value.id
    _check(taken, count)


def _waiting(in_flight: int) -> Callable[[int, str, Path, Meter], Awaitable[None]]:
    async def waiting(count: int, origin: str, _: Path, meter: Meter) -> None:
        await _iterated(count, origin, meter, in_flight=in_flight)

    return waiting


def _into(make: Callable[[Path], Any], *, journal: bool) -> Callable[[int, str, Path, Meter], Awaitable[None]]:
    async def run(count: int, origin: str, folder: Path, meter: Meter) -> None:
        async with AsyncClient(origin) as client:
            for name, some in (("warm", _WARM), ("measured", count)):
                (folder / name).mkdir()
                noted = str(folder / name / "journal") if journal else None
                bulk = client.bulk(paths(some), response_format=User, sink=make(folder / name), journal=noted)
                with meter if some == count else Meter():
                    report = await bulk.run()
                _check(report.rows, some)
        if journal:
            meter.figures["journal_bytes"] = (folder / "measured" / "journal").stat().st_size

    return run


async def _resume(count: int, origin: str, folder: Path, meter: Meter) -> None:
    """Write a journal of a run that has ended, and start the run again; beside it, digest what it would ask."""
    from headrace.bulk.batches import Batch, Keeper

    async with AsyncClient(origin) as client:
        bulk = client.bulk(paths(1), response_format=User, sink=sinks.Discard(), journal=str(folder / "journal"))
        await bulk.run()
        place, job = bulk._client.place, bulk._job()  # noqa: SLF001 - a journal of a million calls takes too long else
        keeper = Keeper(sinks.Discard(), folder / "journal", job)
        keeper.open()
        for first in range(1, count, 5000):
            batch = Batch()
            batch.done = [digest(_call(number), place) for number in range(first, min(first + 5000, count))]
            batch.calls = len(batch.done)
            keeper.commit(batch)
        keeper.close()
        began = time.process_time()
        for path in paths(count):
            digest(_named(path), place)
        digesting = time.process_time() - began
        again = client.bulk(paths(count), response_format=User, sink=sinks.Discard(), journal=str(folder / "journal"))
        with meter:
            report = await again.run()
        _check(report.skipped, count)
    meter.figures["digesting"] = digesting
    meter.figures["journal_bytes"] = (folder / "journal").stat().st_size


def _call(number: int) -> Any:
    return _named(f"/each/{number}")


def _named(path: str) -> Any:
    from headrace import Call

    return Call(path)


async def _letters(count: int, origin: str, folder: Path, meter: Meter) -> None:
    """Ask for what is not there."""
    missing = (f"/missing/{number}" for number in range(count))
    async with AsyncClient(origin) as client:
        bulk = client.bulk(
            missing, response_format=User, sink=sinks.Discard(), journal=str(folder / "journal"), retry=None
        )
        with meter:
            report = await bulk.run()
    _check(report.failed, count)


async def _limited(_: int, origin: str, __: Path, meter: Meter) -> None:
    """Ask 200 calls at 10 a second, 64 at once, of which none may take 3 s."""
    async with AsyncClient(origin, rate_limit=10, timeout=3) as client:
        with meter:
            report = await client.bulk(paths(200), response_format=User, sink=sinks.Discard()).run()
    meter.figures["timed_out"] = report.errors["RequestTimeout"]


def _check(found: int, wanted: int) -> None:
    if found != wanted:
        message = f"{found} answers instead of {wanted}"
        raise AssertionError(message)


KINDS: dict[str, Callable[[int, str, Path, Meter], Awaitable[None]]] = {
    "floor": _floor,
    "bare": _bare,
    "iterate": _iterate,
    "discard": _into(lambda _: sinks.Discard(), journal=False),
    "ndjson": _into(lambda folder: sinks.NDJSON(folder / "rows.ndjson"), journal=False),
    "ndjson-journal": _into(lambda folder: sinks.NDJSON(folder / "rows.ndjson"), journal=True),
    "parquet": _into(lambda folder: sinks.Parquet(folder / "rows"), journal=True),
    "sqlite": _into(lambda folder: sinks.SQLite(folder / "rows.db", "users"), journal=True),
    "duckdb": _into(lambda folder: sinks.DuckDB(folder / "rows.duckdb", "users"), journal=True),
    "waiting-1000": _waiting(1_000),
    "waiting-100000": _waiting(100_000),
    "resume": _resume,
    "letters": _letters,
    "limited": _limited,
}


def main() -> None:
    """Measure what the arguments name."""
    kind, count, origin, folder = sys.argv[1:]
    os.sched_setaffinity(0, {CLIENT_CORE})  # before any thread begins, so that it holds for all of them
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    meter = Meter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(KINDS[kind](int(count), origin, Path(folder), meter))
    assert PoolLimits().max_connections == 100  # what the rows of many that wait are about
    print(json.dumps(meter.figures))


if __name__ == "__main__":
    main()
