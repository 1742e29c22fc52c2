"""The crossing test of bulks, whose plain calls have no task: every outcome is held against the token of its call."""

import itertools
import random
from typing import Any

from headrace import AsyncClient, Call, PoolLimits, RateLimiter
from headrace.bulk import Ok
from headrace.errors import HTTPError, ResponseParseError
from tests.crossing.answers import BROKEN, SOUND
from tests.crossing.ledger import payload
from tests.crossing.run import CONNECTIONS, PATIENT, RETRY, Crossed, Crossing, Plan

BULKS = 6
CALLS = 150
_KINDS = ["plain"] * 20 + [kind for kind in (*SOUND, *BROKEN) if kind not in {"silent", "garbled"}]
#: At least as many bytes as a token has, so that every answer names it.
_SIZES = [40, 300, 300, 2_000, 9_000]


def _read(plan: Plan, outcome: Any) -> BaseException | None:
    """Hold an outcome against its call; `None` is a right answer."""
    if isinstance(outcome, Ok):
        wanted = payload(plan.token, plan.size)[1:-1].decode()
        return None if outcome.value == wanted else Crossed(f"{plan.token}: {str(outcome.value)[:80]}")
    error: BaseException = outcome.error
    if isinstance(error, ResponseParseError) or (
        isinstance(error, HTTPError) and plan.token not in str(error.response)
    ):
        return Crossed(f"{plan.token}: {error}")  # an answer, and not its own: excused where it was said unasked
    return error


class BulkCrossing(Crossing):
    """One run: many bulks at once, each of some calls, some of them left early.

    Args:
        requests: How many calls.
        seed: Of everything that is drawn by lot.
    """

    def __init__(self, requests: int, seed: int = 1) -> None:
        super().__init__(requests, seed)
        self._lots = random.Random(seed)  # noqa: S311 - no secret

    def _clients(self, urls: list[str], limiters: list[RateLimiter]) -> list[AsyncClient]:
        """Make clients with a transport of their own, which alone has a lane."""
        kinds: tuple[tuple[Any, Any], ...] = ((None, None), (limiters[1], RETRY))
        return [
            AsyncClient(url, pool=PoolLimits(CONNECTIONS), limiter=limiter, retry=retry, timeout=PATIENT)
            for limiter, retry in kinds
            for url in urls
        ]

    def _plan(self, number: int) -> Plan:
        kind, size = self._lots.choice(_KINDS), self._lots.choice(_SIZES)
        if kind == "early":
            kind = "plain"
        return Plan(number, self.ledger.token(number), "GET", kind, size, False, None, None)

    async def _work(self, clients: list[AsyncClient], index: int) -> None:
        if index >= BULKS:
            return
        turn = index
        while plans := [self._plan(n) for n in itertools.islice(self._numbers, CALLS) if n < self.ledger.count]:
            await self._bulk(clients[turn % len(clients)], plans)
            turn += 1
        self._wires = [client._binding.transport for client in clients]

    async def _bulk(self, client: AsyncClient, plans: list[Plan]) -> None:
        """Make a bulk, and judge every outcome; those that are left have none."""
        left = len(plans) if self._lots.random() < 0.8 else self._lots.randrange(len(plans) + 1)
        waiting = {plan.token: plan for plan in plans}
        calls: list[Any] = [plan.path if plan.number % 5 else Call(plan.path, key=plan.token) for plan in plans]
        restarts, retry = self.ledger.restarts, client.config.retry
        width: Any = self._lots.choice([1, 16, 64, "auto"])
        async with client.bulk(calls, in_flight=width, retry=retry) as outcomes:
            for _ in range(left):
                outcome = await anext(outcomes)
                plan = waiting.pop(str(outcome.call.path).rpartition("/")[2])
                calm = restarts == self.ledger.restarts and not restarts % 2
                self._judge(plan, _read(plan, outcome), calm=calm, client=client)
        for plan in waiting.values():
            self.report.requests += 1
            self.report.outcomes["(left)"] += 1
            self.ledger.written.pop(plan.number, None)
        if self._lots.random() < 0.15:
            self._due.set()
