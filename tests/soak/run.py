"""The requests of a soak: what is asked for, what has to come of it, and when the process is looked at."""

import asyncio
import gc
import itertools
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from headrace import AsyncClient, PoolLimits
from headrace.errors import ConnectionLost, HTTPNotFound, ProtocolError, RequestTimeout
from tests.crossing.ledger import Ledger, payload
from tests.crossing.resources import resources
from tests.soak.measures import Sample, Samples, Snapshot, Times, snapshot
from tests.soak.server import NUMBERS, SEED

CONNECTIONS = 64
_TOLD = 20  # of what went wrong; the rest is counted


class Scenario(NamedTuple):
    """One kind of request."""

    kind: str
    """Of the answer, as `tests.crossing.answers` names it."""
    method: str = "GET"
    size: int = 300
    fails: tuple[type[Exception], ...] = ()
    """What it has to end with; nothing stands for a right answer."""
    seconds: float | None = None
    """Its time, where it is to run out."""


SCENARIOS = {
    "GET": Scenario("plain"),
    "POST": Scenario("plain", "POST"),
    "chunked": Scenario("chunked", size=9_000),
    "gzip": Scenario("gzip", size=9_000),
    "404": Scenario("missing", fails=(HTTPNotFound,)),
    "redirect": Scenario("redirect"),
    "early close": Scenario("half-fin", fails=(ConnectionLost, ProtocolError)),
    "timeout": Scenario("silent", fails=(RequestTimeout,), seconds=0.02),
    "stream": Scenario("chunked", "stream", size=70_000),
    "upload": Scenario("plain", "upload", size=20_000),
}
_NAMES = list(SCENARIOS)


class Wrong(Exception):
    """An answer was not the one that was asked for."""


@dataclass
class Report:
    """What came of a soak."""

    counts: Counter[str] = field(default_factory=Counter)
    """How many requests of each scenario there were after the warm-up."""
    unexpected: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    """What was logged at WARNING or above, and errors that nobody heard."""
    closed: list[Snapshot] = field(default_factory=list)
    """Before the client was made, and after it was closed."""
    open: list[Snapshot] = field(default_factory=list)
    """After the warm-up, and at the end: at rest, with every connection idle."""
    samples: Samples = field(default_factory=Samples)
    """Taken after the warm-up, at even distances."""
    parts: list[Times] = field(default_factory=list)
    """How long requests took in each part of the time, those left out that are to run out of it."""
    seconds: float = 0.0


class _Warnings(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, told: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, unless there are enough."""
        if len(self._told) < _TOLD:
            self._told.append(f"{record.name}: {record.getMessage()}")


class Soak:
    """One run.

    Args:
        url: Of a `tests.soak.server`.
        transport: The name of a transport.
        seed: Of the order in which workers choose what they ask for.
    """

    def __init__(self, url: str, transport: str, seed: int = 1) -> None:
        self.report = Report()
        self._url = url
        self._transport = transport
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._ledger = Ledger(NUMBERS, SEED)
        self._numbers = itertools.count()
        self._part: Times | None = None

    async def by_count(self, requests: int) -> Report:
        """Send so many requests after as many to warm up.

        Args:
            requests: How many.
        """
        return await self._run(Load(requests=requests), Load(requests=requests))

    async def by_time(self, seconds: float) -> Report:
        """Send requests for so long; a fifth of it, but a minute at most, is to warm up.

        Args:
            seconds: How long.
        """
        warm_up = min(60.0, seconds / 5)
        return await self._run(Load(seconds=warm_up), Load(seconds=seconds - warm_up))

    def _client(self) -> AsyncClient:
        return AsyncClient(self._url, transport=self._transport, pool=PoolLimits(CONNECTIONS))

    async def _run(self, warm_up: "Load", measured: "Load") -> Report:
        report = self.report
        gc.collect()  # what was left before is nobody's warning here
        heard = _Warnings(report.warned)
        logging.getLogger().addHandler(heard)
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: report.warned.append(f"an error that nobody heard: {context}")
        )
        report.parts += [Times() for _ in range(measured.parts)]
        try:
            async with self._client() as client:
                await self._load(client, Load(requests=5 * CONNECTIONS))
                await self._come_to_rest(client)
            report.closed.append(await snapshot())
            async with self._client() as client:
                await self._load(client, warm_up)
                report.counts.clear()
                await self._come_to_rest(client)
                report.open.append(await snapshot())
                await self._measure(client, measured)
                await self._come_to_rest(client)
                report.open.append(await snapshot())
            report.closed.append(await snapshot())
        finally:
            logging.getLogger().removeHandler(heard)
        return report

    async def _come_to_rest(self, client: AsyncClient) -> None:
        """Leave all connections idle, for how many of them there happen to be says nothing."""
        await asyncio.gather(*(self._send(client, Scenario("slow")) for _ in range(CONNECTIONS)))

    async def _measure(self, client: AsyncClient, load: "Load") -> None:
        report = self.report
        began = time.monotonic()

        async def watch() -> None:
            while True:
                elapsed = time.monotonic() - began
                self._part = report.parts[min(len(report.parts) - 1, int(elapsed / load.part))]
                total = report.counts.total()
                report.samples.add(Sample(elapsed, resources().memory, time.process_time(), total))
                await asyncio.sleep(load.part / 20)

        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        await self._load(client, load)
        watching.cancel()
        await asyncio.wait([watching])
        if not watching.cancelled():
            watching.result()
        self._part = None
        report.seconds = time.monotonic() - began

    async def _load(self, client: AsyncClient, load: "Load") -> None:
        """Keep every connection busy for as long as the load says."""
        left = itertools.count(load.requests or 0, -1)
        end = time.monotonic() + (load.seconds or 0.0)

        async def work() -> None:
            while (next(left) > 0) if load.requests is not None else (time.monotonic() < end):
                await self._ask(client, self._chance.choice(_NAMES))

        await asyncio.gather(*(work() for _ in range(CONNECTIONS)))

    async def _ask(self, client: AsyncClient, name: str) -> None:
        """Send a request, and hold what comes of it against what has to."""
        report, scenario = self.report, SCENARIOS[name]
        began = time.perf_counter()
        try:
            await self._send(client, scenario)
        except Exception as error:  # noqa: BLE001 - what it was is judged
            right = isinstance(error, scenario.fails) and isinstance(error, RequestTimeout) == (name == "timeout")
            told = "" if right else repr(error)
        else:
            told = "no error" if scenario.fails else ""
        if self._part is not None and scenario.seconds is None:
            self._part.add(time.perf_counter() - began)
        report.counts[name] += 1
        if told:
            report.counts["(unexpected)"] += 1
            if len(report.unexpected) < _TOLD:
                report.unexpected.append(f"{name}: {told}")

    async def _send(self, client: AsyncClient, scenario: Scenario) -> None:
        token = self._ledger.token(next(self._numbers) % NUMBERS)
        path, wanted = f"/{scenario.kind}/{scenario.size}/{token}", payload(token, scenario.size)
        options: dict[str, Any] = {}
        if scenario.seconds is not None:
            options["timeout"] = scenario.seconds
        if scenario.method == "stream":
            async with client.stream("GET", path, **options) as response:
                body = b"".join([piece async for piece in response.aiter_bytes()])
        else:
            if scenario.method in {"POST", "upload"}:
                options["data"] = _pieces(wanted) if scenario.method == "upload" else wanted
            method = "GET" if scenario.method == "GET" else "POST"
            try:
                body = await client.request(method, path, response_format=bytes, **options)
            except HTTPNotFound as error:
                if msgspec.json.encode(error.response) != wanted:  # which is a JSON text
                    raise Wrong(f"{token}: {error.response!r}") from error
                raise
        if body != wanted:
            raise Wrong(f"{token}: {body[:80]!r}")


class Load(NamedTuple):
    """How much is asked for: a number of requests, or as many as there is time for."""

    requests: int | None = None
    seconds: float | None = None

    @property
    def parts(self) -> int:
        """In how many parts it is measured."""
        return 1 if self.seconds is None else max(5, round(self.seconds / 60))

    @property
    def part(self) -> float:
        """How many seconds each of them has."""
        return (self.seconds or 20.0) / self.parts


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 3_000):
        await asyncio.sleep(0)
        yield body[start : start + 3_000]
