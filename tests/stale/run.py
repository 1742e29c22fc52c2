"""The requests that meet the closing of their connections, and what may come of them."""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace import AsyncClient, PoolLimits
from headrace.errors import ConnectionLost, TransportError
from tests.servers.child import child_server
from tests.stale.server import IDLE

WORKERS = 32
SPREAD = 0.002  # seconds by which requests come earlier or later than the close
ENDS = ["idle-fin", "idle-rst"] if sys.platform == "linux" else ["idle-fin"]
"""How the server closes; elsewhere an RST takes along what has arrived and was not read, such as the last answer."""
METHODS = ("GET", "keyed POST", "POST", "GET")
"""By turns; behind a POST, which may have failed, another one would find no connection to meet the end of."""


@dataclass
class Report:
    """What came of a run."""

    rounds: Counter[str] = field(default_factory=Counter)
    """How many requests of each method there were."""
    hits: Counter[str] = field(default_factory=Counter)
    """How many of them met a dead connection: they were sent on one that had served before, and in vain."""
    failed: Counter[str] = field(default_factory=Counter)
    """How many of them ended with an error that is right: a POST of which nobody knows what became of it."""
    wrong: list[str] = field(default_factory=list)


class Races:
    """One run: each worker has a client with one connection, so that what is counted is this worker's.

    Args:
        url: Of a `tests.stale.server`.
        transport: The name of a transport.
        then: What the server does after each answer, by turns; names of `tests.stale.server.THEN`.
        seed: Of the moments at which requests are sent.
    """

    def __init__(self, url: str, transport: str, then: Sequence[str], seed: int = 1) -> None:
        self.report = Report()
        self._url = url
        self._transport = transport
        self._then = then
        self._waits = any(name.startswith("idle") for name in then)
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._failed: set[str] = set()

    async def run(self, rounds: int) -> None:
        """Send so many requests, a few workers side by side.

        Args:
            rounds: How many.
        """
        await asyncio.gather(*(self._work(range(first, rounds, WORKERS)) for first in range(WORKERS)))

    async def _work(self, numbers: range) -> None:
        pool = PoolLimits(max_connections=1)
        async with AsyncClient(self._url, transport=self._transport, pool=pool) as client:
            for turn, number in enumerate(numbers):
                if self._waits:
                    await asyncio.sleep(IDLE + self._chance.uniform(-SPREAD, SPREAD))
                method = METHODS[turn % len(METHODS)]
                then = self._then[turn // len(METHODS) % len(self._then)]
                await self._ask(client, method, f"{method.replace(' ', '-')}.{number}", then)

    async def _ask(self, client: AsyncClient, method: str, token: str, then: str) -> None:
        report, stats = self.report, client.stats
        reused, opened = stats.connections_reused, stats.connections_opened
        options: dict[str, Any] = {} if method == "GET" else {"data": b"x"}
        if method == "keyed POST":
            options["headers"] = {"Idempotency-Key": token}
        error: TransportError | None = None
        try:
            body = await client.request(
                "GET" if method == "GET" else "POST", f"/{then}/{token}", response_format=bytes, **options
            )
        except TransportError as caught:
            error = caught
        else:
            if body != token.encode():
                report.wrong.append(f"{token}: answered with {body!r}")
        reused, opened = stats.connections_reused - reused, stats.connections_opened - opened
        hit = reused == 1 and (opened == 1 or error is not None)
        report.rounds[method] += 1
        report.hits[method] += hit
        if reused + opened not in {1, 1 + hit}:
            report.wrong.append(f"{token}: sent {reused + opened} times, {error!r}")
        if error is not None:
            report.failed[method] += 1
            self._failed.add(token)
            if method != "POST" or type(error) is not ConnectionLost or not error.maybe_sent or not hit or opened:
                report.wrong.append(f"{token}: {error!r}, {reused=}, {opened=}, {error.maybe_sent=}")

    def check(self, told: str) -> None:
        """Hold the server's book against what is allowed.

        Args:
            told: By the server.
        """
        answered, dropped = json.loads(told)
        for token in answered.keys() | dropped.keys():
            times = answered.get(token, 0), dropped.get(token, 0)
            if times not in self._may_be(token):
                self.report.wrong.append(f"{token}: answered {times[0]} times, dropped {times[1]} times")
        missing = sum(self.report.rounds.values()) - len(answered.keys() | self._failed)
        if missing:
            self.report.wrong.append(f"{missing} requests were never answered")

    def _may_be(self, token: str) -> set[tuple[int, int]]:
        """Tell how often a request may have been answered and dropped."""
        if token in self._failed:
            return {(0, 1)}
        return {(1, 0)} if token.startswith("POST") else {(1, 0), (1, 1)}


def race(transport: str, then: Sequence[str], rounds: int, runner: asyncio.Runner, seed: int = 1) -> Report:
    """Run against a server of its own.

    Args:
        transport: The name of a transport.
        then: What the server does after each answer, by turns.
        rounds: How many requests.
        runner: With the loop.
        seed: Of the moments at which requests are sent.
    """
    with child_server("tests.stale.server") as child:
        races = Races(child.url, transport, then, seed)
        runner.run(races.run(rounds))
    races.check(child.told)
    return races.report
