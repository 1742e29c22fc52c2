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
    aiohttp, ry, pyreqwest, arya, floor = (Entry(name) for name in ("aiohttp", "ry", "pyreqwest", "arya", "floor"))
    others = ("headrace-pydantic", "aiohttp-pydantic", "wrk", "wreq", "httpunk", "rqx", "redc", "httpx2")
    slower = ("primp", "aiosonic", "niquests", "httpx")
    entries = (ours, aiohttp, ry, pyreqwest, arya, floor)
    entries += tuple(Entry(name, every=2) for name in (*others, *slower))
    figures = (
        against(ours, floor, "the raw floor", 1.6),
        against(ours, aiohttp, "aiohttp + msgspec", 0.15),
        against(ours, ry, "ry + msgspec", 0.6),
        against(ours, pyreqwest, "pyreqwest + msgspec", 0.5),
        against(ours, arya, "the older framework", 0.08),
    )
    return Row("get", "GET of a 431-byte JSON user, 64 in flight, uvloop", entries, figures)


def _elsewhere() -> tuple[Row, ...]:
    """Make the same over servers and ways that people have."""
    titles = {
        "installed": "from nginx as Debian installs it",
        "copying": "from nginx with `sendfile off`",
        "traced": "with an `X-Request-Id` in each answer",
        "chunked": "in chunks",
        "1ms": "1 ms away",
        "20ms": "20 ms away",
        "list-100-copying": "list of 100 users (43 KB) from nginx with `sendfile off`",
        "list-100-chunked": "list of 100 users (43 KB) in chunks",
    }
    rows = []
    for job, title in titles.items():
        ours, aiohttp, ry, pyreqwest = (Entry(name, job) for name in ("headrace", "aiohttp", "ry", "pyreqwest"))
        floor = (Entry("floor", job),) if "chunked" not in job else ()  # it knows nothing of chunks
        figures = (against(ours, aiohttp, "aiohttp + msgspec", 0.6 if "list" in job else 0.2),)
        figures += (against(ours, ry, "ry + msgspec", 1 if "list" in job else 0.7),)
        shown = title if "list" in job else f"the same {title}"
        rows.append(Row(f"get-{job}", shown, (ours, aiohttp, ry, pyreqwest, *floor), figures))
    return tuple(rows)


def _pgo() -> Row:
    ours, aiohttp, floor = (Entry(f"{name}-pgo") for name in ("headrace", "aiohttp", "floor"))
    ry, pyreqwest = Entry("ry"), Entry("pyreqwest")
    figures = (against(ours, floor, "the raw floor", 1.6), against(ours, aiohttp, "aiohttp + msgspec", 0.15))
    title = "the same on a Python built with profile-guided optimisation"
    return Row("pgo", title, (ours, aiohttp, floor, ry, pyreqwest), figures)


def _stock() -> Row:
    ours, aiohttp, floor = (Entry(f"{name}-asyncio") for name in ("headrace", "aiohttp", "floor"))
    figures = (
        against(ours, floor, "its raw floor", 2.0),
        against(ours, aiohttp, "aiohttp + msgspec on stock asyncio", 0.4),
    )
    return Row("stock", "the same on stock asyncio", (ours, aiohttp, floor), figures)


def _tls() -> Row:
    names = ("headrace", "floor", "aiohttp", "pyreqwest", "ry")
    ours, floor, aiohttp, pyreqwest, ry = (Entry(name, "tls") for name in names)
    figures = (
        against(ours, floor, "its raw floor", 2.0),
        against(ours, pyreqwest, "pyreqwest over TLS", 0.75),
        against(ours, aiohttp, "aiohttp over TLS", 0.2),
    )
    return Row("tls", "TLS, kept alive", (ours, floor, aiohttp, pyreqwest, ry), figures)


def _full() -> Row:
    plain, full = Entry("headrace"), Entry("headrace-full")
    title = "the same with a limiter that never waits, retries on, cookies set, a 300 s timeout"
    return Row("full", title, (plain, full), (against(full, plain, "without them", 1.08),))


def _versus(key: str, title: str, text: str, limit: float) -> Row:
    """Make a row in which headrace is held to the floor at one job, the others being measured for information."""
    ours, floor = Entry("headrace", key), Entry("floor", key)
    more = tuple(Entry(name, key, quick=False, every=2) for name in ("aiohttp", "pyreqwest", "ry"))
    return Row(key, title, (ours, floor, *more), (against(ours, floor, text, limit),))


def _long() -> Row:
    # 4.4 MB an answer: with eight in flight the core is busy, and 64 would only need more memory.
    job = "list-10000"
    ours, raw, same = (Entry(name, job, 8) for name in ("headrace", "floor", "floor-gc"))
    more = tuple(Entry(name, job, 8, quick=False, every=2) for name in ("aiohttp", "pyreqwest", "ry"))
    figures = (
        against(ours, raw, "the raw floor + msgspec decode", 0.7),
        against(ours, same, "the floor with the collector off, too", 1.05),
    )
    return Row(job, "list of 10,000 users (4.4 MB), 8 in flight", (ours, raw, same, *more), figures)


def _many() -> Row:
    few, many = Entry("headrace"), Entry("headrace", concurrency=2048)
    floor = Entry("floor", concurrency=2048)
    figures = (
        against(many, few, "the CPU time at 64 in flight", 1.4),
        Figure("memory an in-flight request, above the raw floor", _memory(many, floor), 8, "KB"),
    )
    entries = (few, many, floor)
    entries += tuple(Entry(name, concurrency=2048, quick=False, every=2) for name in ("aiohttp", "pyreqwest", "ry"))
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
        against(ours, aiohttp, "`import aiohttp`", 0.6),
        Figure(f"of {', '.join(UNWANTED)} imported", unwanted, 0, "modules"),
    )
    return Row("import", "`from headrace import AsyncClient`", (ours, aiohttp), figures, more_rounds=2)


def _sweep() -> Row:
    clients = ("headrace", "aiohttp", "ry", "pyreqwest", "floor", "arya", "httpx")
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
    _pgo(),
    _stock(),
    _full(),
    _tls(),
    *_elsewhere(),
    _versus("post", "POST of a 1 KB Struct, answer a Struct", "the raw floor", 1.7),
    _versus("list-100", "list of 100 users (43 KB)", "the raw floor + msgspec decode", 1.05),
    _versus("gzip", "gzip JSON, 43 KB", "floor + decompress + decode", 1.10),
    _versus("zstd", "zstd JSON, 43 KB", "floor + decompress + decode", 1.10),
    _long(),
    _many(),
    _queue(),
    _imports(),
    *files(),
    *items(),
    _sweep(),
)
