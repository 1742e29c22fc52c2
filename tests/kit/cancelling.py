"""What a request may be doing when it is cancelled, and how to look for what it has left behind."""

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace import AsyncClient, PoolLimits, RateLimiter, Retry
from headrace.errors import ConnectionLost, HTTPServiceUnavailable
from tests.crossing.ledger import payload
from tests.crossing.server import Server
from tests.kit import ROOT
from tests.servers.raw import WAIT_SECONDS

_ACCEPTING = {"_accept_connection2", "connect_accepted_socket"}


@dataclass(frozen=True)
class Scenario:
    """What a request does when it is cancelled."""

    kind: str = "plain"
    method: str = "POST"
    size: int = 300
    host: str | None = None
    secure: bool = False
    proxied: bool = False
    held: bool = False
    """Whether another request has the only connection."""
    parks: bool = False
    """Whether it waits for good."""
    fails: type[Exception] | None = None
    """What it ends with where nobody cancels it."""
    how: str = "request"
    options: dict[str, Any] = field(default_factory=dict)
    """Of the client."""
    headers: dict[str, str] = field(default_factory=dict)


def limiter() -> RateLimiter:
    """Make a limiter whose only start is made."""
    made = RateLimiter(1, 3600)
    assert made.try_acquire()
    return made


SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "kept alive": Scenario,
    "dns": lambda: Scenario("closing", host="localhost"),
    "connect": lambda: Scenario("closing"),
    "tls": lambda: Scenario("closing", secure=True),
    "proxy": lambda: Scenario("closing", secure=True, proxied=True),
    "pool wait": lambda: Scenario(held=True, parks=True, options={"pool": PoolLimits(max_connections=1)}),
    "rate wait": lambda: Scenario(parks=True, options={"limiter": limiter()}),
    "upload": lambda: Scenario(size=200_000, how="upload"),
    "lost upload": lambda: Scenario("early-reset", size=200_000, how="upload", fails=ConnectionLost),
    "100-continue": lambda: Scenario(how="upload", headers={"Expect": "100-continue"}),
    "head and body": lambda: Scenario("drip"),
    "chunks": lambda: Scenario("chunked", size=9_000),
    "decode": lambda: Scenario("stored", size=100_000),
    "redirect": lambda: Scenario("redirect"),
    "retry": lambda: Scenario(
        "refused",
        method="GET",
        fails=HTTPServiceUnavailable,
        options={"retry": Retry(3, backoff=1e-9, budget=None)},
    ),
    "retry sleep": lambda: Scenario(
        "refused",
        method="GET",
        parks=True,
        options={"retry": Retry(backoff=3600, max_backoff=3600, budget=None), "timeout": None},
    ),
    "stream": lambda: Scenario("chunked", method="GET", size=9_000, how="stream"),
    "download": lambda: Scenario("chunked", method="GET", size=9_000, how="download"),
    "no answer": lambda: Scenario("silent", parks=True),
}


@dataclass
class Bench:
    """A server, a client, and the requests between them."""

    scenario: Scenario
    server: Server
    client: AsyncClient
    folder: Path
    numbers: Any = field(default_factory=itertools.count)

    def path(self, number: int, kind: str, size: int) -> str:
        """Write the path of a request."""
        return f"/{kind}/{size}/{self.server.ledger.token(number)}"

    async def send(self, number: int) -> None:
        """Make the request that is cancelled."""
        scenario, token = self.scenario, self.server.ledger.token(number)
        path, wanted = self.path(number, scenario.kind, scenario.size), payload(token, scenario.size)
        if scenario.how == "stream":
            async with self.client.stream("GET", path) as response:
                assert b"".join([piece async for piece in response.aiter_bytes()]) == wanted
        elif scenario.how == "download":
            place = await self.client.download(path, self.folder / token)
            assert place.read_bytes() == wanted
        else:
            options: dict[str, Any] = {"headers": scenario.headers}
            if scenario.method == "POST":
                options["data"] = _pieces(wanted) if scenario.how == "upload" else wanted
            assert await self.client.request(scenario.method, path, response_format=bytes, **options) == wanted

    async def next(self) -> None:
        """Make another request, which has to be answered right."""
        number = next(self.numbers)
        answer = await asyncio.wait_for(
            self.client.get(self.path(number, "plain", 40), response_format=bytes), WAIT_SECONDS
        )
        assert answer == payload(self.server.ledger.token(number), 40)

    def check(self, number: int) -> None:
        """Look for what the request has left behind."""
        held = int(self.scenario.held)
        transport: Any = self.client.transport
        if transport is not None:  # else the request was cancelled before its client was bound
            opened, idle, waiting = transport.connections
            assert (opened - idle, waiting) == (held, 0), repr(transport.connections)
        limits = self.scenario.options.get("limiter")
        assert limits is None or limits.idle_in() < math.inf
        assert self.server.ledger.seen[number] <= (1 if self.scenario.method == "POST" else 3)
        assert not self.server.ledger.mixed
        token = self.server.ledger.token(number)
        place = self.folder / token
        # A file that took its name in the very step of the cancellation is whole.
        assert not place.exists() or place.read_bytes() == payload(token, self.scenario.size)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 8_000):
        await asyncio.sleep(0)
        yield body[start : start + 8_000]


def left(holder: object) -> list[asyncio.Task[Any]]:
    """Find tasks that are neither the test's nor its servers'."""
    tests = str(ROOT / "tests")
    return [
        task
        for task in asyncio.all_tasks()
        if task is not holder
        and ((code := getattr(task.get_coro(), "cr_code", None)) is None or code.co_name not in _ACCEPTING)
        and not (code and code.co_filename.startswith(tests))
    ]


async def settled(condition: Callable[[], bool]) -> bool:
    """Wait until something is so, but not for long."""
    for _ in range(1000):
        if condition():
            return True
        await asyncio.sleep(0.001)
    return False
