"""A run over one server: which calls, what came of them, and how often connections were used again."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from headrace import AsyncClient, PoolLimits
from tests.real_servers.scenarios import SCENARIOS
from tests.real_servers.servers import Server

WORKERS = 8
#: How often a scenario comes among the calls: those with a large body, and those that wait, are rare.
_WEIGHTS = {"5 MB": 0.05, "5 MB streamed": 0.05, "slow": 0.2, "Connection: close": 0.2, "close by the application": 0.2}


@dataclass
class Outcome:
    """What a run has found.

    Attributes:
        calls: How many there were of each scenario.
        wrong: What went wrong, as sentences.
        exchanges: Requests that were sent, redirects included.
        opened: Connections that were made.
        needed: Connections that had to be made: one for each worker, and one for each that was ended as asked.
        seconds: How long it took.
    """

    calls: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    exchanges: int = 0
    opened: int = 0
    needed: int = 0
    seconds: float = 0.0

    @property
    def reuse(self) -> float:
        """The share of the exchanges that were on a used connection, among those that could be."""
        return 1 - max(0, self.opened - self.needed) / max(1, self.exchanges - self.needed)


def each(server: Server) -> list[str]:
    """List the scenarios that a server can serve.

    Args:
        server: Any.
    """
    return [name for name in SCENARIOS if name not in server.lacks]


def mixed(server: Server, calls: int, seed: int) -> list[str]:
    """List as many calls as wanted, those rarely that take long.

    Args:
        server: Any.
        calls: How many.
        seed: Decides which.
    """
    names = each(server)
    chance = random.Random(seed)  # noqa: S311 - the same run again, no secret
    return chance.choices(names, [_WEIGHTS.get(name, 1.0) for name in names], k=calls)


async def run(url: str, transport: str, server: Server, calls: list[str], proxy: str | None = None) -> Outcome:
    """Make calls, some at a time.

    Args:
        url: Where the server is.
        transport: The name of a transport.
        server: What it is.
        calls: Names of scenarios.
        proxy: The URL of a proxy to go through.
    """
    outcome = Outcome(Counter(calls))
    order = enumerate(calls)
    started = time.monotonic()

    async def work() -> None:
        for number, name in order:
            try:
                await SCENARIOS[name](client, number)
            except Exception as error:  # noqa: BLE001 - whatever it was is what was looked for
                outcome.wrong.append(f"call {number}, {name}: {error!r}")

    async with AsyncClient(url, transport=transport, proxy=proxy, pool=PoolLimits(WORKERS)) as client:
        await asyncio.gather(*(work() for _ in range(WORKERS)))
        outcome.exchanges = client.stats.attempts
        outcome.opened = client.stats.connections_opened
    outcome.needed = WORKERS + sum(outcome.calls[name] for name in server.ends)
    outcome.seconds = time.monotonic() - started
    return outcome
