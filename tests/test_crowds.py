"""Far more requests than connections, and servers that go away under a thousand of them."""

import asyncio
import random
from typing import Any

import pytest

from headrace import AsyncClient, PoolLimits, Retry
from headrace.errors import TransportError
from tests.crossing.ledger import Ledger, payload
from tests.crossing.server import Server

WAITING = {"wire": 10_000, "aiohttp": 2_500}
IN_FLIGHT = 1_000


async def ask(client: AsyncClient, ledger: Ledger, number: int, method: str = "GET", kind: str = "plain") -> None:
    """Send a request and hold its answer against its token.

    Args:
        client: Sends it.
        ledger: Names it.
        number: Its number.
        method: Of the request.
        kind: Of the answer.
    """
    token = ledger.token(number)
    assert await client.request(method, f"/{kind}/40/{token}", response_format=bytes) == payload(token, 40)


@pytest.mark.hazard(51)
async def test_ten_thousand_wait_for_ten_connections(transport: str) -> None:
    """All are answered in their turn, but for those that gave up, over ten connections and no more."""
    count = WAITING[transport]
    ledger = Ledger(count + 1, 1)
    server = Server(ledger)
    server.start()
    chance = random.Random(1)  # noqa: S311 - no secret
    async with AsyncClient(server.urls[0], transport=transport, pool=PoolLimits(max_connections=10)) as client:
        requests = [asyncio.ensure_future(ask(client, ledger, number)) for number in range(count)]
        given_up = set(chance.sample(requests, count * 3 // 10))
        await asyncio.sleep(0)
        for request in given_up:
            request.cancel()
        await asyncio.wait(requests)
        for number, request in enumerate(requests):
            assert request.cancelled() == (request in given_up)
            assert request.cancelled() or request.exception() is None
            assert ledger.seen[number] == (request not in given_up)
        await ask(client, ledger, count)
        assert client.stats.connections_opened <= 10
        assert " 0 waiting" in repr(client._transport) or transport == "aiohttp"
    await server.stop()
    order = [number for number in ledger.order if number < count]
    late = [number for number, wanted in zip(order, sorted(order), strict=True) if abs(number - wanted) > 100]
    assert len(late) <= 10  # a busy server takes its time to accept a connection, and the request on it waits for that
    assert not ledger.mixed


@pytest.mark.hazard(46, 51)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_server_that_restarts_under_a_thousand_requests(transport: str, method: str) -> None:
    """With retries every GET is answered right; without them no POST is sent twice, and failures tell the truth."""
    ledger = Ledger(4 * IN_FLIGHT, 1)
    server = Server(ledger)
    server.start()
    retry = Retry(60, backoff=0.002, max_backoff=0.05, budget=None) if method == "GET" else None
    outcomes: dict[int, BaseException | None] = {}

    async def work(first: int, client: AsyncClient) -> None:
        for number in range(first, ledger.count, IN_FLIGHT):
            try:
                await ask(client, ledger, number, method, "slow")
            except TransportError as error:
                outcomes[number] = error
            else:
                outcomes[number] = None

    options: dict[str, Any] = {"transport": transport, "retry": retry, "pool": PoolLimits(max_connections=150)}
    async with AsyncClient(server.urls[0], **options) as client:
        workers = [asyncio.ensure_future(work(first, client)) for first in range(IN_FLIGHT)]
        restarts = 0
        while not all(worker.done() for worker in workers):
            due = len(ledger.order) + 400
            while len(ledger.order) < due and not all(worker.done() for worker in workers):  # noqa: ASYNC110 - counts what comes
                await asyncio.sleep(0.001)
            await server.restart(hard=bool(restarts % 2), pause=0.002)
            restarts += 1
        for worker in workers:
            await worker
        await server.stop()
        assert restarts >= 4
    assert len(outcomes) == ledger.count
    failures = {number: error for number, error in outcomes.items() if error is not None}
    if method == "GET":
        assert not failures
    else:
        assert max(ledger.seen) == 1
        assert any(failures.values())
        for number, error in failures.items():
            assert isinstance(error, TransportError)
            assert error.maybe_sent or not ledger.seen[number]
    assert not ledger.mixed
