"""The requests of the crossing test: what they ask for, how they are disturbed, and what may have come of them."""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import attrs

from headrace import AiohttpTransport, AsyncClient, PoolLimits, RateLimiter, Retry, Timeout, WireTransport
from headrace.errors import (
    ConnectionLost,
    HTTPServiceUnavailable,
    ProtocolError,
    RequestTimeout,
    TransportError,
    UploadError,
)
from headrace.types import Transport
from tests.crossing.answers import BROKEN, JUNK, SOUND
from tests.crossing.ledger import Ledger, payload
from tests.crossing.report import Report
from tests.crossing.resources import Resources, held, resources
from tests.crossing.server import Server
from tests.crossing.writes import noted

WORKERS = 96
ORIGINS = 4
CONNECTIONS = 40
ATTEMPTS = 3
PATIENCE = 60.0  # seconds in which something must end
PATIENT = Timeout(10 * PATIENCE, connect=10 * PATIENCE)  # how long it takes says nothing here, see `Crossing._watch`
OVERTAKEN = 100_000  # requests that end between the beginning of one and its end; more, and it hangs
RETRY = Retry(ATTEMPTS, backoff=1e-4, max_backoff=1e-3, budget=None)
_KINDS = ["plain"] * 12 + list(SOUND) * 2 + list(BROKEN)
_METHODS = ["GET"] * 6 + ["POST"] * 3 + ["PUT", "HEAD", "keyed POST", "upload", "upload", "stream", "left stream"]
_SIZES = [0, 1, 40, 300, 300, 300, 2_000, 2_000, 9_000, 70_000]


class Crossed(Exception):
    """A request got what belongs to another one."""


class Plan(NamedTuple):
    """One request, and what happens to it."""

    number: int
    token: str
    method: str
    kind: str
    size: int
    named: bool
    """Whether the token also goes in a field of the request."""
    cancelled_after: float | int | None
    """Steps of the loop (`int`) or seconds (`float`)."""
    seconds: float | None
    """How long it may take; `None` is long enough."""

    @property
    def path(self) -> str:
        """Where it goes."""
        return f"/{self.kind}/{self.size}/{self.token}"

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent more than once."""
        return self.method in {"GET", "HEAD", "PUT", "keyed POST", "stream", "left stream"}


class Checked:
    """A transport that holds the token of every answer against that of its request.

    Args:
        wire: What sends.
    """

    counts_starts = True
    marks_sent = True

    def __init__(self, wire: Transport) -> None:
        self.wire = wire

    async def send(self, request: Any, /) -> Any:
        """Send."""
        response = await self.wire.send(request)
        token = request.target.rpartition("/")[2]
        if response.headers.get("X-Token") != token:
            message = f"{token} was answered for {response.headers.get('X-Token')}"
            raise Crossed(message)
        return response

    async def close(self) -> None:
        """Close."""
        await self.wire.close()


class Crossing:
    """One run.

    Args:
        requests: How many.
        seed: Of everything that is drawn by lot.
        transport: What sends.
        restart_every: Requests between restarts of the server.
    """

    def __init__(self, requests: int, seed: int = 1, transport: str = "wire", *, restart_every: int = 700) -> None:
        self._make = {"wire": WireTransport, "aiohttp": AiohttpTransport}[transport]
        self.ledger = Ledger(requests, seed)
        self.report = Report()
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._restart_every = restart_every
        self._numbers = itertools.count()
        self._running: dict[Plan, int] = {}
        self._sampled = 0
        self._wires: list[Any] = []
        self._due = asyncio.Event()

    async def run(self) -> Report:
        """Send every request, and count."""
        await warm_up()
        before = resources()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _, context: self.report.leaked.append(f"an error that nobody heard: {context}")
        )
        server = Server(self.ledger, ORIGINS)
        server.start()
        began = time.monotonic()
        limiters = [RateLimiter(400, 0.02), RateLimiter(1_000_000)]
        clients = self._clients(server.urls, limiters)
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(noted(self.ledger))
            for client in clients:
                await stack.enter_async_context(client)
            workers = [loop.create_task(self._work(clients, index)) for index in range(WORKERS)]
            watch = [loop.create_task(self._restart(server)), loop.create_task(self._watch(workers))]
            await asyncio.wait(workers)
            for task in watch:
                task.cancel()
            await asyncio.wait(watch)
            failures = [task.exception() for task in (*workers, *watch) if not task.cancelled() and task.exception()]
            self.report.leaked += held(self._wires, limiters)
        self.report.seconds = time.monotonic() - began
        await server.stop()
        await self._check_left(before, server)
        self._check_ledger()
        if failures:
            raise ExceptionGroup("the test itself failed", [f for f in failures if isinstance(f, Exception)])
        return self.report

    def _clients(self, urls: list[str], limiters: list[RateLimiter]) -> list[AsyncClient]:
        """Make the clients, and note what sends for them."""
        self._wires = [self._make(pool=PoolLimits(CONNECTIONS, per_origin)) for per_origin in (None, CONNECTIONS // 3)]
        retries = [None, RETRY]
        return [
            AsyncClient(url, transport=Checked(wire), limiter=limiter, retry=retry, timeout=PATIENT)
            for wire, limiter, retry in zip(self._wires, limiters, retries, strict=True)
            for url in urls
        ]

    # What is asked for.

    def _draw(self, number: int) -> Plan:
        chance = self._chance
        kind, method = chance.choice(_KINDS), chance.choice(_METHODS)
        if kind == "early":
            method = "upload"
        size = chance.choice(_SIZES)
        if kind == "junk":
            size = min(size, 9_000)
        cancelled_after: float | int | None = None
        seconds = None
        dice = chance.random()
        if dice < 0.15:
            cancelled_after = chance.randrange(40)
        elif dice < 0.22:
            cancelled_after = chance.random() * 0.02
        elif dice < 0.29 or kind in {"silent", "garbled"}:
            seconds = chance.random() * 0.02 + 1e-4
        return Plan(
            number, self.ledger.token(number), method, kind, size, chance.random() < 0.3,
            cancelled_after, seconds,
        )  # fmt: skip

    async def _work(self, clients: list[AsyncClient], index: int) -> None:
        while (number := next(self._numbers)) < self.ledger.count:
            plan = self._draw(number)
            self._running[plan] = self.report.requests
            if number % self._restart_every == self._restart_every - 1:
                self._due.set()
            restarts = self.ledger.restarts
            client = clients[(index + number) % len(clients)]
            outcome = await self._outcome(client, plan)
            del self._running[plan]
            self._judge(plan, outcome, calm=restarts == self.ledger.restarts and not restarts % 2, client=client)
            if number * 300 >= self._sampled * self.ledger.count:
                self._sampled += 1
                self.report.memory.append(resources().memory)

    async def _outcome(self, client: AsyncClient, plan: Plan) -> BaseException | None:
        """Send a request, and disturb it; `None` is a right answer."""
        if plan.cancelled_after is None:
            try:
                await self._send(client, plan)
            except Exception as error:  # noqa: BLE001 - what it was is judged
                return error
            return None
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._send(client, plan))
        cancelled = False

        def cancel(steps: int) -> None:
            nonlocal cancelled
            if task.done():
                return
            if steps:
                loop.call_soon(cancel, steps - 1)
            else:
                cancelled = task.cancel()

        if isinstance(plan.cancelled_after, int):
            cancel(plan.cancelled_after)
        else:
            loop.call_later(plan.cancelled_after, cancel, 0)
        await asyncio.wait([task])
        if cancelled:
            return asyncio.CancelledError() if task.cancelled() else Swallowed(repr(task))
        return task.exception()

    async def _send(self, client: AsyncClient, plan: Plan) -> None:
        method, token = plan.method, plan.token
        options: dict[str, Any] = {}
        headers = {"X-Token": token} if plan.named else {}
        if plan.seconds is not None:
            options["timeout"] = plan.seconds if plan.number % 2 else attrs.evolve(PATIENT, read=plan.seconds)
        if method in {"POST", "PUT", "keyed POST"}:
            options["data"] = payload(token, plan.size)
        elif method == "upload":
            options["data"] = _pieces(payload(token, plan.size))
        if method == "keyed POST":
            headers["Idempotency-Key"] = token
        if headers:
            options["headers"] = headers
        if method.endswith("stream"):
            await self._stream(client, plan, options)
            return
        verb = {"keyed POST": "POST", "upload": "POST"}.get(method, method)
        body = await client.request(verb, plan.path, response_format=bytes, **options)
        wanted = payload(token, plan.size) if method != "HEAD" else b""
        if (body or b"") != wanted:
            raise Crossed(f"{token}: {(body or b'')[:80]!r}")

    async def _stream(self, client: AsyncClient, plan: Plan, options: dict[str, Any]) -> None:
        wanted, size = payload(plan.token, plan.size), 0
        async with client.stream("GET", plan.path, **options) as response:
            if response.headers["X-Token"] != plan.token:
                raise Crossed(f"{plan.token}: {response.headers['X-Token']}")
            async for piece in response.aiter_bytes():
                if piece != wanted[size : size + len(piece)]:
                    raise Crossed(f"{plan.token}: {piece[:80]!r}")
                size += len(piece)
                if plan.method == "left stream":
                    return
        if size != len(wanted):
            raise Crossed(f"{plan.token}: {size} bytes instead of {len(wanted)}")

    # What may have come of it.

    def _judge(self, plan: Plan, outcome: BaseException | None, *, calm: bool, client: AsyncClient) -> None:
        report, ledger, number = self.report, self.ledger, plan.number
        report.requests += 1
        line = ledger.written.pop(number, None)
        if line is not None and line.spoken:
            ledger.excused[number] = 1  # also where the server has not come to see it
        if isinstance(outcome, Crossed) and line is not None and line.spoken:
            # What it got was said after it was written, or it would be among those that are `overlooked`.
            report.outcomes["(took what was said after it was written)"] += 1
            return
        report.outcomes["right" if outcome is None else type(outcome).__name__] += 1
        told = f"{plan} {outcome!r}"
        # aiohttp cannot be asked for a new connection, so each that it keeps may be a dead one.
        sendings = 2 if self._make is WireTransport else CONNECTIONS + 1
        most = 1 if not plan.repeatable else sendings * (ATTEMPTS if client.config.retry else 1)
        if ledger.seen[number] > most:
            report.duplicated.append(f"{told} seen {ledger.seen[number]} times")
        if isinstance(outcome, TransportError) and not outcome.maybe_sent and ledger.seen[number]:
            report.lost.append(f"{told} was said not to be sent, and was seen")
        if isinstance(outcome, Crossed):
            report.crossed.append(told)
        elif not self._may_be(plan, outcome, calm=calm, retries=client.config.retry is not None):
            seen, answered = ledger.seen[number], ledger.answered[number]
            report.lost.append(f"{told} seen {seen}, answered {answered}, {calm=}")

    def _may_be(self, plan: Plan, outcome: BaseException | None, *, calm: bool, retries: bool) -> bool:
        """Tell whether an outcome is one that the request's fate explains."""
        ledger, number = self.ledger, plan.number
        plain = {
            type(None): ledger.seen[number] > 0 and plan.kind not in {"refused", "silent"},
            asyncio.CancelledError: plan.cancelled_after is not None,
            RequestTimeout: plan.seconds is not None,
            HTTPServiceUnavailable: plan.kind == "refused",
            UploadError: plan.method == "upload" and (retries or plan.kind == "redirect"),
        }
        if type(outcome) in plain:
            return plain[type(outcome)]
        if not isinstance(outcome, TransportError):
            return False
        if isinstance(outcome, ProtocolError) and JUNK in str(outcome):
            return True
        if ledger.excused[number] or plan.kind in BROKEN or not calm:
            return not (ledger.answered[number] and not ledger.excused[number] and calm)
        if not isinstance(outcome, ConnectionLost):
            return False
        if plan.kind == "refused" and plan.repeatable and retries:
            return ledger.seen[number] < ATTEMPTS  # refused before, the last attempt met two such dead connections
        if ledger.answered[number]:
            return False
        # It met a connection that the server was about to end, and the law forbids to say it again; without a policy
        # it is said again once, which may meet another such connection.
        if not plan.repeatable:
            return not ledger.seen[number] and outcome.maybe_sent
        self.report.outcomes["(met two dead connections)"] += 1
        return not retries and not ledger.seen[number]

    def _check_ledger(self) -> None:
        report, ledger = self.report, self.ledger
        report.restarts = ledger.restarts // 2
        report.crossed += ledger.mixed
        report.overlooked, report.refused, report.said = ledger.overlooked, ledger.refused, ledger.said
        if report.requests != ledger.count:
            report.lost.append(f"{ledger.count - report.requests} requests never ended")

    async def _check_left(self, before: Resources, server: Server) -> None:
        after = resources()
        for _ in range(100):  # closing takes a few steps on either side
            after = resources()
            if not server.peers and after.open_files <= before.open_files and after.tasks <= before.tasks:
                break
            await asyncio.sleep(0.02)
        leaked = self.report.leaked
        if server.peers:
            leaked.append(f"{len(server.peers)} connections")
        if after.open_files > before.open_files:
            leaked.append(f"{after.open_files - before.open_files} file descriptors")
        if after.tasks > before.tasks:
            leaked.append(f"{after.tasks - before.tasks} tasks: {asyncio.all_tasks()}")
        if after.timers > before.timers:
            leaked.append(f"{after.timers - before.timers} timers")

    async def _restart(self, server: Server) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            await server.restart(hard=self._chance.random() < 0.5, pause=self._chance.choice([0.0, 0.002]))

    async def _watch(self, workers: list[asyncio.Task[None]]) -> None:
        """Give up on requests that hang: overtaken by very many, or nothing ends at all.

        How long one takes says nothing: on a busy machine the largest answer, met by restarts, takes a minute.
        """
        ended, last = -1, time.monotonic()
        while True:
            await asyncio.sleep(1)
            if self.report.requests != ended:
                ended, last = self.report.requests, time.monotonic()
            stands = time.monotonic() - last > PATIENCE
            hanging = [plan for plan, began in self._running.items() if stands or ended - began > OVERTAKEN]
            if hanging:
                self.report.lost += [f"{plan} hangs" for plan in hanging]
                for worker in workers:
                    worker.cancel()


class Swallowed(Exception):
    """A cancellation came to nothing."""


async def warm_up() -> None:
    """Make what a loop makes once and keeps, such as the threads that look names up."""
    server = Server(Ledger(1, 0), 1)
    server.start()
    async with AsyncClient(server.urls[0]) as client:
        await client.get(f"/plain/1/{server.ledger.token(0)}", response_format=bytes)
    await server.stop()
    await asyncio.sleep(0.05)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 3000):
        await asyncio.sleep(0)
        yield body[start : start + 3000]
