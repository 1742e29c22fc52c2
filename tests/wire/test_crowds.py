"""Far more requests than connections, and servers that go away under a thousand of them."""

import asyncio
import gc
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from headrace import AsyncClient, PoolLimits, Retry, Timeout
from headrace.errors import PoolTimeout, RequestTimeout, TransportError
from headrace.transports import Connections
from tests.conftest import ServeScript
from tests.crossing.ledger import Ledger, payload
from tests.crossing.server import Server
from tests.kit.waiting import until
from tests.servers.raw import Do, reply

WAITING = 10_000
IN_FLIGHT = 1_000
CONNECTIONS = 10
#: Connections that a server may see at once: it may not have heard yet of the end of one whose place is another's.
SEEN_AT_ONCE = 2 * CONNECTIONS


@pytest.fixture
def no_collections() -> Iterator[None]:
    """Leave garbage alone: the collector walks all that ten thousand requests hold, over and over.

    Through aiohttp, whose requests hold more, that is three quarters of the time: 6.7 s instead of 1.7 s. The cost of
    a request is the same for 2,500 and for 10,000 of them, so it is no square that is hidden here.
    """
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def standing(client: AsyncClient) -> Connections:
    """Tell how the connections of a client stand."""
    transport: Any = client.transport
    connections: Connections = transport.connections
    return connections


async def ask(
    client: AsyncClient, ledger: Ledger, number: int, method: str = "GET", kind: str = "plain", **options: Any
) -> None:
    """Send a request and hold its answer against its token.

    Args:
        client: Sends it.
        ledger: Names it.
        number: Its number.
        method: Of the request.
        kind: Of the answer.
        options: Of the call.
    """
    token = ledger.token(number)
    assert await client.request(method, f"/{kind}/40/{token}", response_format=bytes, **options) == payload(token, 40)


def check_order(ledger: Ledger, count: int) -> None:
    """Hold the order in which the server saw the first requests against their numbers.

    It reads what ten connections bring in no order: a few places say nothing. A busy server takes its time to accept a
    connection, too, and the first request on it waits for that.

    Args:
        ledger: Of the server.
        count: How many count; those behind were sent at other times.
    """
    order = [number for number in ledger.order if number < count]
    late = [place for place, wanted in zip(order, sorted(order), strict=True) if abs(place - wanted) > 100]
    assert len(late) <= CONNECTIONS


@pytest.mark.hazard(51)
@pytest.mark.usefixtures("no_collections")
async def test_ten_thousand_wait_for_ten_connections(transport: str) -> None:
    """All are answered in their turn, but for those that gave up, over ten connections and no more."""
    count = WAITING
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
        assert server.most_peers <= SEEN_AT_ONCE
        assert client.stats.connections_opened <= 10
        assert standing(client).waiting == 0
    await until(lambda: not server.peers)
    await server.stop()
    check_order(ledger, count)
    assert not ledger.mixed


@pytest.mark.hazard(48, 50, 51)
async def test_a_thousand_wait_where_answers_hang(transport: str) -> None:
    """Each is answered right, gives up, or has a `PoolTimeout`; one that hangs costs its connection and no slot.

    Ten requests that are never answered hold every connection until all that are impatient have given up.
    """
    fates = ["answered"] * 500 + ["hangs"] * 100 + ["impatient"] * 100 + ["cancelled"] * 150 + ["disturbed"] * 150
    random.Random(1).shuffle(fates)  # noqa: S311 - no secret
    options: dict[str, Any] = {"hangs": {"kind": "silent", "timeout": Timeout(read=0.02)}}
    options["impatient"] = {"timeout": Timeout(pool=0.02)}
    ledger = Ledger(len(fates) + 2 * CONNECTIONS, 1)
    server = Server(ledger)
    server.start()
    after = range(len(fates), ledger.count)
    pool = PoolLimits(max_connections=CONNECTIONS)
    async with AsyncClient(server.urls[0], transport=transport, pool=pool) as client:
        holders = [asyncio.ensure_future(ask(client, ledger, n, kind="silent")) for n in after[:CONNECTIONS]]
        await until(lambda: len(ledger.order) == CONNECTIONS)
        requests = [
            asyncio.ensure_future(ask(client, ledger, number, **options.get(fate, {})))
            for number, fate in enumerate(fates)
        ]
        of = {fate: [each for each, its in zip(requests, fates, strict=True) if its == fate] for fate in set(fates)}
        await asyncio.wait(of["impatient"])
        for request in (*of["cancelled"], *holders):
            request.cancel()
        for request in of["disturbed"]:
            await asyncio.sleep(0)
            request.cancel()
            assert server.most_peers <= SEEN_AT_ONCE
        await asyncio.wait(requests)
        outcomes = Counter(
            (fate, asyncio.CancelledError if request.cancelled() else type(request.exception()))
            for request, fate in zip(requests, fates, strict=True)
        )
        disturbed = outcomes.pop(("disturbed", asyncio.CancelledError), 0) + outcomes.pop(("disturbed", type(None)), 0)
        assert (disturbed, outcomes) == (
            150,
            {
                ("answered", type(None)): 500,
                ("hangs", RequestTimeout): 100,
                ("impatient", PoolTimeout): 100,
                ("cancelled", asyncio.CancelledError): 150,
            },
        )
        await asyncio.gather(*(ask(client, ledger, number) for number in after[CONNECTIONS:]))
        assert server.most_peers <= SEEN_AT_ONCE
        assert standing(client) == (CONNECTIONS, CONNECTIONS, 0)
        await until(lambda: len(server.peers) == CONNECTIONS)
    await until(lambda: not server.peers)
    await server.stop()
    assert not any(ledger.seen[number] for number, fate in enumerate(fates) if fate in {"impatient", "cancelled"})
    assert max(ledger.seen) == 1
    check_order(ledger, len(fates))
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


@pytest.mark.hazard(51)
async def test_a_wait_that_is_cancelled_gives_its_turn_on(serve_script: ServeScript, transport: str) -> None:
    """Whoever waits and is cancelled in the step in which a connection is free does not take it along."""
    free = asyncio.Event()
    server = await serve_script([Do.READ, free, reply(b"{}"), Do.READ, reply(b"{}"), Do.READ, reply(b"{}")])
    async with AsyncClient(server.url, transport=transport, pool=PoolLimits(max_connections=1), timeout=10) as client:
        waiting: list[asyncio.Task[Any]] = []

        async def first() -> None:
            await client.get("/first")
            waiting[0].cancel()

        working = asyncio.ensure_future(first())
        await server.accepted(1)
        waiting += [asyncio.ensure_future(client.get(f"/{number}")) for number in range(2)]
        await until(lambda: standing(client).waiting == 2)
        free.set()
        await working
        assert await waiting[1] == {}
    assert waiting[0].cancelled()
