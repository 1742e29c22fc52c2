"""The figures of a limiter over a real server that notes when requests arrive, with a loop that is blocked at times."""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from headrace import AsyncClient, PoolLimits, RateLimiter, Retry, errors
from headrace._io.wire.connection import Connection
from headrace.testing import MockTransport, Response
from tests.kit.virtual import most_in_a_window
from tests.kit.waiting import until
from tests.servers.raw import Do, reply
from tests.servers.stamping import stamping_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import ServeScript


#: A limit that holds nothing up and remembers every start of a test. Beside it, the limit in question has company.
REMEMBERING = (10**6, 3600.0)


async def block(seconds: float, chance: random.Random) -> None:
    """Block the loop for 200 ms now and then, as a long computation does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(chance.uniform(0.05, 0.4))
        time.sleep(0.2)  # noqa: ASYNC251 - that is what is tested


@pytest.mark.parametrize(
    ("rate", "interval", "requests", "connections"),
    [(10, 1.0, 25, 100), (500, 0.5, 2000, 100)],
)
@pytest.mark.parametrize("more", [(), (REMEMBERING,)], ids=["alone", "remembering"])
async def test_no_window_has_more_than_its_rate(
    rate: int,
    interval: float,
    requests: int,
    connections: int,
    more: tuple[tuple[float, float], ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A burst through a pool smaller than the rate, the loop blocked at random: as stamped, as sent, as received."""
    margin = 0.25
    sent: list[float] = []
    begin = Connection.begin

    def beginning(self: Connection, *arguments: Any) -> Any:
        sent.append(time.monotonic())
        return begin(self, *arguments)

    monkeypatch.setattr(Connection, "begin", beginning)
    limiter = RateLimiter.all_of((rate, interval), *more, margin=margin)
    pool = PoolLimits(max_connections=connections)
    with stamping_server(lambda *_: reply(b"1")) as server:
        async with AsyncClient(server.url, limiter=limiter, pool=pool) as client:
            blocking = asyncio.ensure_future(block(1.5, random.Random(rate)))  # noqa: S311 - no secret
            assert await asyncio.gather(*(client.get("/") for _ in range(requests))) == [1] * requests
            await blocking
    assert len(sent) == len(server.arrivals) == requests
    if more:
        assert len(limiter.starts) == requests
        assert most_in_a_window(list(limiter.starts), interval + margin) <= rate
    # The margin takes what lies between the stamp and the socket, and between the socket and the server: a busy
    # machine holds up both of them.
    assert most_in_a_window(sent, interval) <= rate
    assert most_in_a_window(server.arrivals, interval) <= rate


@pytest.mark.parametrize("more", [(), (REMEMBERING,)], ids=["alone", "remembering"])
async def test_a_start_waits_for_its_connection_on_either_transport(
    transport: str, more: tuple[tuple[float, float], ...]
) -> None:
    """Where all connections are busy, a start counts when its request is sent: none is counted twice or forgotten."""
    limiter = RateLimiter.all_of((20, 0.2), *more)
    with stamping_server(lambda *_: reply(b"1")) as server:
        pool = PoolLimits(max_connections=2)
        async with AsyncClient(server.url, limiter=limiter, pool=pool, transport=transport) as client:
            tasks = [asyncio.ensure_future(client.get("/")) for _ in range(70)]
            await asyncio.sleep(0.05)
            for task in tasks[40:50]:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
    assert Counter(map(type, done)) == {int: 60, asyncio.CancelledError: 10}
    assert len(server.arrivals) == 60
    assert limiter.idle_in() < math.inf
    if more:
        assert len(limiter.starts) == 60
        assert most_in_a_window(list(limiter.starts), 0.2) <= 20


async def test_a_connection_that_ends_before_its_turn_is_replaced(serve_script: ServeScript) -> None:
    """A server that ends each connection right behind its answer: whoever was to have it gets another."""
    server = await serve_script([Do.READ, reply(b"1")])
    limiter = RateLimiter.all_of((100, 1.0), REMEMBERING)
    async with AsyncClient(server.url, limiter=limiter, pool=PoolLimits(max_connections=1)) as client:
        assert await asyncio.gather(*(client.get("/") for _ in range(20))) == [1] * 20
    assert len(limiter.starts) == 20
    assert limiter.idle_in() < math.inf


async def test_a_connection_that_cannot_be_made_counts(transport: str) -> None:
    """A server that is down is not dialed more often than the rate allows, and no place is lost."""
    limiter = RateLimiter(2, 3600)
    async with AsyncClient("http://127.0.0.1:1", limiter=limiter, transport=transport) as client:
        for _ in range(2):
            with pytest.raises(errors.ConnectError):
                await client.get("/")
        with pytest.raises(errors.RequestTimeout):
            await client.get("/", timeout=0.02)
    assert limiter.idle_in() < math.inf


class Guarded:
    """A server that answers 429 and `Retry-After` after every so many, and in the pause that follows."""

    def __init__(self, most: int, pause: float) -> None:
        self.most = most
        self.pause = pause
        self.served = 0
        self.refused = 0
        self.pauses = 0
        self.ends = 0.0

    def __call__(self, _: int, moment: float) -> bytes:
        """Answer a request."""
        if moment >= self.ends and self.served < self.most * (self.pauses + 1):
            self.served += 1
            return reply(b"1")
        if moment >= self.ends:
            self.pauses += 1
            self.ends = moment + self.pause
        self.refused += 1
        return reply(b"0", "Retry-After: 1", status="429 Too Many Requests")


async def test_a_thousand_requests_through_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that pauses after every hundred: nothing is sent in a pause that was heard of, all are answered once."""
    # The seconds of `Retry-After` are whole: they are cut short, so that nine pauses take one second.
    limiter = RateLimiter(5000, most_pause=0.1)
    events: list[tuple[float, str]] = []
    begin, pause = Connection.begin, RateLimiter.pause

    def beginning(self: Connection, *arguments: Any) -> Any:
        events.append((time.monotonic(), "sent"))
        return begin(self, *arguments)

    def pausing(self: RateLimiter, seconds: float, origin: str | None = None) -> None:
        events.append((time.monotonic(), "paused"))
        pause(self, seconds, origin)

    monkeypatch.setattr(Connection, "begin", beginning)
    monkeypatch.setattr(RateLimiter, "pause", pausing)
    guarded = Guarded(100, 0.1)
    retry = Retry(attempts=20, statuses={429}, backoff=1e-6, max_backoff=1e-6)
    pool = PoolLimits(max_connections=5)
    with stamping_server(guarded) as server:
        async with AsyncClient(server.url, limiter=limiter, pool=pool, retry=retry) as client:
            assert await asyncio.gather(*(client.get("/") for _ in range(1000))) == [1] * 1000
    assert (guarded.served, guarded.pauses) == (1000, 9)
    assert client.stats.retries == guarded.refused <= 9 * 5  # those that were under way when the pause began
    until = 0.0
    for moment, what in events:
        if what == "paused":
            until = moment + 0.1
        else:
            assert moment >= until


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("retry", [None, Retry(attempts=2, backoff=1e-6, max_backoff=1e-6)], ids=["once", "retry"])
async def test_a_refusal_holds_everybody(status: int, retry: Retry | None) -> None:
    """One answer with `Retry-After` pauses its origin for all who share the limiter, with a retry policy or without."""
    limiter = RateLimiter(100, most_pause=0.1)
    answers = iter([Response(status, {"Retry-After": "1"}), *(Response(200, {}, b"1") for _ in range(4))])
    transport = MockTransport(lambda _: next(answers))
    async with (
        AsyncClient("http://a.example", limiter=limiter, transport=transport, retry=retry) as one,
        AsyncClient("http://a.example", limiter=limiter, transport=transport) as two,
    ):
        first = asyncio.ensure_future(one.get("/"))
        await asyncio.sleep(0)
        began = time.monotonic()
        assert await two.get("/") == 1
        assert time.monotonic() - began >= 0.09
        if retry is None:
            with pytest.raises(errors.HTTPError):
                await first
        else:
            assert await first == 1
    assert two.stats.limiter_waits == 1


class Counting:
    """A server with a quota for each window, which it tells in the fields of one of the forms."""

    def __init__(self, most: int, window: float, form: str) -> None:
        self.most = most
        self.window = window
        self.form = form
        self.refused = 0
        self.counts: Counter[int] = Counter()

    def __call__(self, _: int, moment: float) -> bytes:
        """Answer a request."""
        number = int(moment / self.window)
        self.counts[number] += 1
        left, reset = self.most - self.counts[number], (number + 1) * self.window - moment
        if left < 0:
            self.refused += 1
        left, now = max(0, left), time.time()
        fields: dict[str, Callable[[], list[str]]] = {
            "draft": lambda: [f'RateLimit: "a";r={left};t={reset:.6f}', f'RateLimit-Policy: "a";q={self.most}'],
            "triple": lambda: [f"RateLimit-Remaining: {left}", f"RateLimit-Reset: {reset:.6f}"],
            "delta": lambda: [f"X-RateLimit-Remaining: {left}", f"X-RateLimit-Reset: {reset:.6f}"],
            "epoch": lambda: [f"X-RateLimit-Remaining: {left}", f"X-RateLimit-Reset: {now + reset:.6f}"],
            "milliseconds": lambda: [
                f"X-RateLimit-Remaining: {left}",
                f"X-RateLimit-Reset: {(now + reset) * 1000 + 1:.0f}",
            ],
        }
        limit = [] if self.form == "draft" else [f"{'X-' * (self.form != 'triple')}RateLimit-Limit: {self.most}"]
        return reply(b"1", *fields[self.form](), *limit)


@pytest.mark.parametrize("form", ["draft", "triple", "delta", "epoch", "milliseconds"])
async def test_who_follows_is_never_refused(form: str) -> None:
    """A limiter that allows far more than its server does slows down before it is refused, however it is told."""
    counting = Counting(20, 0.15, form)
    with stamping_server(counting) as server:
        async with AsyncClient(server.url, limiter=RateLimiter(10_000, follow=True)) as client:
            await client.get("/")
            assert await asyncio.gather(*(client.get("/") for _ in range(50))) == [1] * 50
    assert counting.refused == 0
    assert max(counting.counts.values()) <= 20


async def test_who_does_not_follow_listens_to_refusals_only() -> None:
    """Without `follow` an answer that was no refusal changes nothing, whatever stands in it."""
    answer = Response(200, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000", "Retry-After": "1000"}, b"1")
    limiter = RateLimiter(10)
    async with AsyncClient("http://a.example", limiter=limiter, transport=MockTransport(lambda _: answer)) as client:
        assert [await client.get("/"), await client.get("/")] == [1, 1]
    assert client.stats.limiter_waits == 0


class Own:
    """A limiter of somebody's own, with nothing but what it has to have."""

    def __init__(self) -> None:
        self.asked = 0

    async def acquire(self) -> None:
        """Let everybody start."""
        self.asked += 1


class OwnThatPauses(Own):
    """One that wants to know of refusals."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        """Note it."""
        self.pauses.append(seconds)


@pytest.mark.parametrize("kind", [Own, OwnThatPauses])
async def test_a_limiter_of_ones_own_needs_no_more_than_acquire(kind: type[Own]) -> None:
    """What a limiter has beyond `acquire` is used, and nothing else is asked of it."""
    limiter = kind()
    refusal = Response(429, {"Retry-After": "7"})
    async with AsyncClient("http://a.example", limiter=limiter, transport=MockTransport(lambda _: refusal)) as client:
        with pytest.raises(errors.HTTPTooManyRequests):
            await client.get("/")
    assert limiter.asked == 1
    if isinstance(limiter, OwnThatPauses):
        assert limiter.pauses == [7.0]


async def test_closing_ends_who_meets_a_pause_with_a_connection() -> None:
    """A request that had its connection when the pause came waits for its turn again, and ends with its client."""
    limiter = RateLimiter(100)
    asked, paused = threading.Event(), threading.Event()

    def slowly(*_: Any) -> bytes:
        asked.set()
        paused.wait()
        return reply(b"1")

    with stamping_server(slowly) as server:
        client = AsyncClient(server.url, limiter=limiter, pool=PoolLimits(max_connections=1))
        tasks = [asyncio.ensure_future(client.get("/")) for _ in range(3)]
        await asyncio.to_thread(asked.wait)
        limiter.pause(3600)
        paused.set()
        assert await tasks[0] == 1
        await until(lambda: limiter.waiting == 2)
        await client.close()
        for task in tasks[1:]:
            with pytest.raises(errors.TransportError, match="closed"):
                await task
    assert len(server.arrivals) == 1
    assert limiter.idle_in() < math.inf
