"""The rows of the table live here: what each measures, and the target that it is held to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.clients import Entry
from benchmarks.figures import Figure, Row, against, cpu, growth
from benchmarks.rows_files import files
from benchmarks.rows_items import items

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.figures import Round

QUEUES = (1_000, 10_000, 100_000)
CONCURRENCIES = (1, 8, 64, 256, 1024)
#: What no import of headrace may bring along.
UNWANTED = ("pydantic", "rich", "uvloop")


def _memory(one: Entry, floor: Entry) -> Callable[[Round], float]:
    size = one.concurrency
    return lambda measured: growth(measured[one.name], size) - growth(measured[floor.name], size)


def _flatness(entries: tuple[Entry, ...]) -> Callable[[Round], float]:
    def compute(measured: Round) -> float:
        costs = [cpu(measured[entry.name]) for entry in entries]
        return max(abs(cost / costs[0] - 1) for cost in costs) * 100

    return compute


def _get() -> Row:
    ours = Entry("headrace")
    aiohttp, pyreqwest, arya, floor = Entry("aiohttp"), Entry("pyreqwest"), Entry("arya"), Entry("floor")
    others = ("headrace-pydantic", "aiohttp-pydantic", "wrk")
    slower = ("rnet", "primp", "aiosonic", "niquests", "httpx")
    entries = (ours, aiohttp, pyreqwest, arya, floor)
    entries += tuple(Entry(name, every=2) for name in (*others, *slower))
    figures = (
        against(ours, aiohttp, "aiohttp + msgspec", 0.20),
        against(ours, pyreqwest, "pyreqwest + msgspec", 0.55),
        against(ours, arya, "the older framework", 0.08),
        against(ours, floor, "the raw floor", 1.7),
    )
    return Row("get", "GET of a 431-byte JSON user, 64 in flight, uvloop", entries, figures)


def _stock() -> Row:
    ours, aiohttp = Entry("headrace-asyncio"), Entry("aiohttp-asyncio")
    figures = (against(ours, aiohttp, "aiohttp + msgspec on stock asyncio", 0.40),)
    floor = Entry("floor-asyncio", quick=False, every=2)
    return Row("stock", "the same on stock asyncio", (ours, aiohttp, floor), figures)


def _full() -> Row:
    plain, full = Entry("headrace"), Entry("headrace-full")
    title = "the same with a limiter that never waits, retries on, cookies set, a 300 s timeout"
    return Row("full", title, (plain, full), (against(full, plain, "without them", 1.15),))


def _versus(key: str, title: str, job: str, peer: str, text: str, limit: float) -> Row:
    """Make a row in which headrace is held to one peer at one job, the other one being measured for information."""
    ours, floor, aiohttp = Entry("headrace", job), Entry("floor", job), Entry("aiohttp", job)
    other = {"floor": floor, "aiohttp": aiohttp}[peer]
    more = floor if other is aiohttp else aiohttp
    more = Entry(more.client, job, quick=False, every=2)
    return Row(key, title, (ours, other, more), (against(ours, other, text, limit),))


def _list(count: int, size: str) -> Row:
    floor = "the raw floor + msgspec decode"
    if count < 10_000:
        return _versus(f"list-{count}", f"list of {count} users ({size})", f"list-{count}", "floor", floor, 1.15)
    # 4.4 MB an answer: with eight in flight the core is busy, and 64 would only need more memory.
    job = f"list-{count}"
    ours, raw = (Entry(name, job, 8) for name in ("headrace", "floor"))
    aiohttp = Entry("aiohttp", job, 8, quick=False, every=2)
    title = f"list of {count:,} users ({size}), 8 in flight"
    return Row(job, title, (ours, raw, aiohttp), (against(ours, raw, floor, 1.15),))


def _many() -> Row:
    few, many = Entry("headrace"), Entry("headrace", concurrency=2048)
    floor = Entry("floor", concurrency=2048)
    figures = (
        against(many, few, "the CPU time at 64 in flight", 1.5),
        Figure("memory an in-flight request, above the raw floor", _memory(many, floor), 12, "KB"),
    )
    entries = (few, many, floor)
    entries += tuple(Entry(name, concurrency=2048, quick=False, every=2) for name in ("aiohttp", "pyreqwest"))
    return Row("many", "2,048 in flight on 2,048 connections", entries, figures)


def _queue() -> Row:
    ours, floor = (
        tuple(Entry(client, concurrency=100, queued=queued, every=2) for queued in QUEUES)
        for client in ("headrace", "floor")
    )

    def beyond_the_tasks(measured: Round) -> float:
        costs, tasks = ([cpu(measured[entry.name]) for entry in entries] for entries in (ours, floor))
        grown = (cost - costs[0] - (task - tasks[0]) for cost, task in zip(costs, tasks, strict=True))
        return max(abs(more) for more in grown) / costs[0] * 100

    figures = (
        Figure("furthest from the CPU time of a request with 1,000 queued", _flatness(ours), 15, "%"),
        Figure("the same without what so many tasks cost the floor behind a semaphore", beyond_the_tasks, 15, "%"),
    )
    return Row("queue", "100,000 requests queued on 100 connections", ours + floor, figures)


def _imports() -> Row:
    ours, aiohttp = Entry("import-headrace"), Entry("import-aiohttp")

    def unwanted(measured: Round) -> float:
        return float(len(set(measured[ours.name]["loaded"]) & set(UNWANTED)))

    figures = (
        against(ours, aiohttp, "`import aiohttp`", 0.8),
        Figure(f"of {', '.join(UNWANTED)} imported", unwanted, 0, "modules"),
    )
    return Row("import", "`from headrace import AsyncClient`", (ours, aiohttp), figures, more_rounds=2)


def _sweep() -> Row:
    clients = ("headrace", "aiohttp", "pyreqwest", "floor", "arya", "httpx")
    entries = []
    for concurrency in CONCURRENCIES:
        for client in clients:
            quick = concurrency in (1, 64, 256) and client in ("headrace", "aiohttp", "pyreqwest", "floor")
            # The cost of httpx grows with concurrency: more would take long, and nothing more is learned.
            if client != "httpx" or concurrency <= 256:
                entries.append(Entry(client, concurrency=concurrency, quick=quick, every=3))
    return Row("sweep", "throughput and CPU time against concurrency", tuple(entries))


ROWS: tuple[Row, ...] = (
    _get(),
    _stock(),
    _full(),
    _versus("post", "POST of a 1 KB Struct, answer a Struct", "post", "aiohttp", "aiohttp", 0.25),
    _list(100, "43 KB"),
    _list(10_000, "4.4 MB"),
    _versus("tls", "TLS, kept alive", "tls", "aiohttp", "aiohttp over TLS", 0.35),
    _many(),
    _queue(),
    _imports(),
    _versus("gzip", "gzip JSON, 43 KB", "gzip", "floor", "floor + decompress + decode", 1.15),
    _versus("zstd", "zstd JSON, 43 KB", "zstd", "floor", "floor + decompress + decode", 1.15),
    *files(),
    *items(),
    _sweep(),
)
