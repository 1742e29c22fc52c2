"""The demo fetches everything through a client, compares it with the original, and measures."""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from headrace._core.stats import Stats
from headrace._io.session.transport import AiohttpTransport
from headrace._io.wire.transport import WireTransport
from headrace._version import __version__
from headrace.cli import _data, _models
from headrace.cli._result import Phase, Result
from headrace.client import AsyncClient
from headrace.config import PoolLimits
from headrace.errors import FrameworkException

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace._core.messages import Request, Response
    from headrace.cli._process import Server
    from headrace.cli._report import Screen
    from headrace.types import Transport

_TRANSPORTS: Final[dict[str, Any]] = {"wire": WireTransport, "aiohttp": AiohttpTransport}
_EVERYTHING: Final = ("countries", "subdivisions", "languages")
_LIMITED: Final = ("countries", "subdivisions")
_MOST_PROBLEMS: Final = 10  # what is wrong with more than these is wrong in the same way
_PARTS: Final = 10
_MOST_LIMITED_WORKERS: Final = 32


class Catalogue(AsyncClient, timeout=30):
    """The client of the demo's API."""


@attrs.frozen
class Options:
    """What the user may choose.

    Args:
        concurrency: Requests under way at once.
        transport: ``"wire"`` or ``"aiohttp"``.
    """

    concurrency: int
    transport: str


class Timed:
    """A transport that times the exchanges of another, from the request to the whole answer.

    Args:
        transport: What sends.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.latencies: list[float] = []

    async def send(self, request: Request) -> Response:
        """Send one request and receive its response; see `headrace.types.Transport`."""
        began = time.perf_counter()
        try:
            return await self._transport.send(request)
        finally:
            self.latencies.append(time.perf_counter() - began)

    async def close(self) -> None:
        """Close the transport inside."""
        await self._transport.close()


@attrs.define
class Tally:
    """What arrived, and what was wrong with it."""

    objects: int = 0
    problems: list[str] = attrs.field(factory=list)

    def check(self, what: str, got: Any, expected: Any) -> None:
        """Note a value that is not the original."""
        if got != expected:
            self.problems.append(f"{what}: what arrived is not what was sent")


@attrs.define
class Crawl:
    """One pass over the data set.

    Args:
        client: What fetches.
        kit: Kind of record to its models.
        kinds: The kinds to fetch.
        records: What is expected.
        workers: Requests under way at once.
    """

    client: AsyncClient
    kit: Mapping[str, _models.Formats]
    kinds: tuple[str, ...]
    records: _data.Records
    workers: int
    tally: Tally = attrs.field(factory=Tally)
    _listed: dict[str, list[Any]] = attrs.field(factory=dict)
    _single: dict[str, dict[str, Any]] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Make the expected objects before the clock runs."""
        for kind in self.kinds:
            formats = self.kit[kind]
            single = self.records.single[kind].items()
            self._listed[kind] = [formats.listed.model_validate(row) for row in self.records.listed[kind]]
            self._single[kind] = {code: formats.single.model_validate(row) for code, row in single}

    async def run(self) -> None:
        """Fetch the lists, then each record that they name."""
        # One list at a time, so that no more than `workers` requests are ever under way.
        jobs = iter([(kind, code) for kind in self.kinds for code in await self._codes(kind)])
        async with asyncio.TaskGroup() as group:
            for _ in range(self.workers):
                group.create_task(self._work(jobs))

    async def _codes(self, kind: str) -> list[str]:
        """Fetch the list of a kind, page after page."""
        listing: Any = self.kit[kind].listing
        found: list[Any] = []
        if kind == "countries":
            found = await self._get(f"/{kind}", listing) or []
        else:
            parameters: Any = {"page": 1}
            while parameters is not None and (page := await self._get(f"/{kind}", listing, parameters)) is not None:
                found += page.items
                parameters = page.next()
        self.tally.objects += len(found)
        self.tally.check(f"the list of {kind}", found, self._listed[kind])
        return [getattr(one, _data.KEYS[kind]) for one in found]

    async def _work(self, jobs: Iterator[tuple[str, str]]) -> None:
        for kind, code in jobs:
            one = await self._get(f"/{kind}/{code}", self.kit[kind].single)
            if one is not None:
                self.tally.objects += 1 + len(getattr(one, "subdivisions", ()))
                # Taken out, so that a second one of the same code finds nothing that it equals.
                self.tally.check(f"/{kind}/{code}", one, self._single[kind].pop(code, None))
            if len(self.tally.problems) >= _MOST_PROBLEMS:
                return

    async def _get(self, path: str, response_format: Any, parameters: Any = None) -> Any:
        try:
            return await self.client.get(path, response_format=response_format, parameters=parameters)
        except FrameworkException as error:
            self.tally.problems.append(f"{path}: {type(error).__name__}: {error}")
            return None

    def finish(self) -> None:
        """Note what did not arrive."""
        for kind, left in self._single.items():
            if left:
                whole = len(self.records.listed[kind])
                self.tally.problems.append(f"{whole - len(left):,} of {whole:,} {kind} arrived")


@attrs.frozen
class Plan:
    """What a phase is to do.

    Args:
        name: Its name.
        models: The library of its models.
        kit: Kind of record to its models.
        path: Where its records are, below the server's base.
        kinds: Which of them.
        workers: Requests under way at once.
        limiting: The `rate_limit` and `rate_limit_interval` of its client.
    """

    name: str
    models: str
    kit: Mapping[str, _models.Formats]
    path: str
    kinds: tuple[str, ...]
    workers: int
    limiting: Mapping[str, Any] = {}


async def run_all(server: Server, records: _data.Records, options: Options, screen: Screen) -> Result:
    """Run every phase.

    Args:
        server: Where everything is.
        records: What the server is expected to have.
        options: What the user has chosen.
        screen: Where progress is shown.

    Returns:
        What was measured, and what was wrong.

    Raises:
        headrace.errors.FrameworkException: The server does not even say what it has.
    """
    async with Catalogue(server.url) as client:
        index = await client.get(response_format=_models.Index)
        result = Result(
            version=__version__,
            source=index.source,
            url=server.url,
            server_pid=server.pid,
            loop=type(asyncio.get_running_loop()).__module__.partition(".")[0],
            transport=options.transport,
            concurrency=options.concurrency,
            totals=index.totals,
            limit=index.limit,
            phases=[],
            notes=[],
            problems=[],
        )
        if index.totals != {kind: len(rows) for kind, rows in records.listed.items()}:
            result.problems.append("the server's totals are not those of the data set")
        for plan in _plans(options, index.limit, result.notes):
            before = await client.get("/usage", response_format=_models.Usage)
            phase, problems = await _run_phase(server.url, plan, records, options, screen)
            after = await client.get("/usage", response_format=_models.Usage)
            result.phases.append(phase)
            if (refused := after.refused - before.refused) > 0:
                problems.append(f"the server refused {refused:,} requests as too many")
            if (served := after.served - before.served) != (planned := records.requests(plan.kinds)):
                problems.append(f"the server answered {served:,} requests, {planned:,} were to be sent")
            result.problems += [f"{plan.name}: {problem}" for problem in problems]
    return result


def _plans(options: Options, limit: _models.Limit, notes: list[str]) -> list[Plan]:
    """Decide what to run."""
    everything = Plan("unlimited", "msgspec", _models.KIT, "", _EVERYTHING, options.concurrency)
    # Whatever delays requests on their way, at most `workers` of them started before a window of the server and arrive
    # in it. So with that many fewer than allowed there is never one too many; and that costs nothing, since these
    # few have room for more than the limit.
    workers = min(options.concurrency, _MOST_LIMITED_WORKERS, max(1, limit.requests // 10))
    # In parts, which add up to no more than the whole, so that requests flow evenly instead of in one burst a window.
    limiting = {
        "rate_limit": max(limit.requests - workers, 1) / _PARTS,
        "rate_limit_interval": limit.seconds / _PARTS,
    }
    plans = [everything, Plan("rate-limited", "msgspec", _models.KIT, "/limited", _LIMITED, workers, limiting)]
    try:
        from headrace.cli import _pydantic_models
    except ImportError:
        notes.append("pydantic is not installed, so there is no column for it.")
        return plans
    return [*plans, attrs.evolve(everything, name="pydantic", models="pydantic", kit=_pydantic_models.KIT)]


async def _run_phase(
    url: str, plan: Plan, records: _data.Records, options: Options, screen: Screen
) -> tuple[Phase, list[str]]:
    """Run one phase with a client of its own."""
    stats = Stats()
    pool = PoolLimits(max_connections=plan.workers)
    timed = Timed(_TRANSPORTS[options.transport](pool=pool, stats=stats))
    async with Catalogue(url + plan.path, transport=timed, pool=pool, **plan.limiting) as client:
        crawl = Crawl(client, plan.kit, plan.kinds, records, plan.workers)
        total = records.requests(plan.kinds)
        gc.collect()  # what earlier phases left is not this one's work
        async with screen.progress(plan.name, total, timed.latencies):
            began = time.perf_counter()
            await crawl.run()
            seconds = time.perf_counter() - began
        crawl.finish()
        errors = client.stats.errors.total()
    latencies = sorted(timed.latencies)
    return (
        Phase(
            name=plan.name,
            models=plan.models,
            rate_limit=client.rate_limit and round(client.rate_limit / client.rate_limit_interval, 3),
            requests=len(latencies),
            seconds=round(seconds, 3),
            requests_per_second=round(len(latencies) / seconds, 1),
            p50_ms=_percentile(latencies, 0.50),
            p99_ms=_percentile(latencies, 0.99),
            objects=crawl.tally.objects,
            objects_per_second=round(crawl.tally.objects / seconds, 1),
            bytes_received=stats.bytes_in,
            # Nothing arrives without a connection, so none at all means that nobody counted.
            connections_opened=stats.connections_opened or None,
            connections_reused=stats.connections_reused if stats.connections_opened else None,
            errors=errors,
        ),
        crawl.tally.problems,
    )


def _percentile(ordered: list[float], share: float) -> float:
    """Find the milliseconds that a share of the requests did not exceed (nearest rank)."""
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)] * 1000, 3) if ordered else 0.0
