"""Whom a refusal with `Retry-After` holds, and for how long: the origin that asked, and nobody else."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from headrace import AsyncClient, KeyedLimiter, RateLimiter, Retry, RetryBudget, errors
from headrace.auth import OAuth2ClientCredentials
from headrace.testing import MockTransport, Request, Response, json_response
from tests.kit.virtual import VirtualLoop, run
from tests.servers.raw import RawServer, read_request, reply

if TYPE_CHECKING:
    from tests.conftest import Serve

HOME, OTHER = "http://api.example", "http://other.example"
STATUSES = {429: "429 Too Many Requests", 503: "503 Service Unavailable"}


async def serve_refusals(serve: Serve, status: int) -> RawServer:
    """Start a server that asks everybody to stay away for as long as it can."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            server.requests.append(await read_request(reader))
            told = ['RateLimit: "x";r=0;t=3600', "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 3600"]
            writer.write(reply(b"", "Retry-After: 999999999", *told, status=STATUSES[status]))

    server = await serve(handler)
    return server


async def serve_api(serve: Serve, elsewhere: str) -> RawServer:
    """Start a server that leads to another one at `/export`."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            request = await read_request(reader)
            server.requests.append(request)
            if "/export" in request.line:
                writer.write(reply(b"", f"Location: {elsewhere}/x", status="302 Found"))
            else:
                writer.write(reply(b"{}"))

    server = await serve(handler)
    return server


@pytest.mark.hazard(69)
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("follow", [False, True])
async def test_another_origin_pauses_itself_alone(serve: Serve, transport: str, status: int, follow: bool) -> None:
    """Where a redirect leads, and an absolute URL: what that server says of its limits holds nobody else up."""
    other = await serve_refusals(serve, status)
    api = await serve_api(serve, other.url)
    limiter = RateLimiter(100, follow=follow)
    async with AsyncClient(api.url, limiter=limiter, transport=transport) as client:
        for call in ("/export", f"{other.url}/y"):
            if call != "/export":
                limiter._paused.clear()  # as if the hour were over
                limiter._ends.clear()
            with pytest.raises(errors.HTTPError) as caught:
                await client.get(call)
            assert caught.value.status_code == status
            assert await client.get("/a") == {}
            with pytest.raises(errors.RequestTimeout):
                await client.get(f"{other.url}/z", timeout=0.05)
            waiting = asyncio.ensure_future(client.get(f"{other.url}/z"))
            assert await client.get("/a") == {}  # whoever waits for that one stands in nobody's way
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
    assert len(other.requests) == 2
    assert client.stats.limiter_waits == 4
    assert limiter.idle_in() < math.inf


@pytest.mark.hazard(69)
async def test_a_pause_has_a_longest_one() -> None:
    """`most_pause` bounds what a server may ask for; 0 listens to nobody; a call of `pause` is not bounded."""
    refusal = Response(429, {"Retry-After": "999999999", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999"})
    for follow in (False, True):
        for most, expected in ((3600.0, 3600), (7, 7), (0, 0)):
            limiter = RateLimiter(100, follow=follow, most_pause=most, clock=lambda: 0.0)
            async with AsyncClient(HOME, limiter=limiter, transport=MockTransport(lambda _: refusal)) as client:
                with pytest.raises(errors.HTTPTooManyRequests):
                    await client.get("/")
            assert limiter.most_pause == most
            assert limiter._paused.get(HOME, 0.0) == expected
            assert limiter.try_acquire(1, HOME) is (expected == 0)
            assert limiter.try_acquire(1, OTHER) is (expected == 0 or not follow)
    limiter.pause(10**6)
    assert limiter._paused_until == 10**6
    assert KeyedLimiter(1, most_pause=7)._add(HOME).most_pause == 7
    assert RateLimiter.all_of((1, 1), most_pause=7).most_pause == 7


async def test_a_key_is_paused_for_the_origin_that_asked() -> None:
    """With a limiter for each route, a route that leads to two origins is paused for one of them."""

    def handler(request: Request) -> Response:
        refuses = request.url.host == "other.example"
        return Response(429, {"Retry-After": "60"}) if refuses else json_response({})

    keyed = KeyedLimiter(100, key=lambda request: request.target)
    async with AsyncClient(HOME, limiter=keyed, transport=MockTransport(handler)) as client:
        with pytest.raises(errors.HTTPTooManyRequests):
            await client.get(f"{OTHER}/users")
        assert await client.get("/users") == {}
        with pytest.raises(errors.RequestTimeout):
            await client.get(f"{OTHER}/users", timeout=0.02)


class Own:
    """A limiter of somebody's own, which knows no origins."""

    follow = True

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.told: list[Any] = []

    async def acquire(self) -> None:
        """Let everybody start."""

    def pause(self, seconds: float) -> None:
        """Note it."""
        self.pauses.append(seconds)

    def sent(self) -> None:
        """Count nothing."""

    def heard(self, _: None, told: list[Any]) -> None:
        """Note it."""
        self.told += told


@pytest.mark.hazard(69)
async def test_a_limiter_that_knows_no_origins_hears_of_our_own_alone() -> None:
    """A limiter of the user's own is told what the client's own API says; one that knows origins, of all."""
    refusal = Response(429, {"Retry-After": "7", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "5"})
    limiter = Own()
    async with AsyncClient(HOME, limiter=limiter, transport=MockTransport(lambda _: refusal)) as client:
        for place in (f"{OTHER}/x", "/x", f"{HOME}/y"):
            with pytest.raises(errors.HTTPTooManyRequests):
                await client.get(place)
    assert limiter.pauses == [7.0, 7.0]
    assert len(limiter.told) == 2

    class Knowing(Own):
        by_origin = True
        most_pause = 3.0

        async def acquire(self, weight: int = 1, origin: str | None = None) -> None:
            self.told.append((weight, origin))

        def pause(self, seconds: float, origin: str | None = None) -> None:
            self.told.append((seconds, origin))

    knowing = Knowing()
    knowing.follow = False
    async with AsyncClient(HOME, limiter=knowing, transport=MockTransport(lambda _: refusal)) as client:
        with pytest.raises(errors.HTTPTooManyRequests):
            await client.get(f"{OTHER}/x")
    assert knowing.told == [(1, OTHER), (3.0, OTHER)]


@pytest.mark.hazard(69)
async def test_a_token_endpoint_pauses_nobody() -> None:
    """A server of tokens that is tired fails the request that needs one, and holds up no other."""

    def handler(request: Request) -> Response:
        tired = request.url.host == "login.example"
        return Response(429, {"Retry-After": "3600"}) if tired else json_response({})

    limiter = RateLimiter(100)
    auth = OAuth2ClientCredentials("http://login.example/token", "id", "secret")
    transport = MockTransport(handler)
    async with AsyncClient(HOME, limiter=limiter, transport=transport, auth=auth) as client:
        with pytest.raises(errors.AuthError):
            await client.get("/a")
    assert [request.url.host for request in transport.requests] == ["login.example"]
    async with AsyncClient(HOME, limiter=limiter, transport=MockTransport(handler)) as client:
        assert await client.get("/a") == {}


class Tiring:
    """A server on so many connections that refuses after every hundred, until the seconds that it names are over."""

    def __init__(self, loop: VirtualLoop, connections: int) -> None:
        self.loop = loop
        self.connections = asyncio.Semaphore(connections)
        self.served: Counter[str] = Counter()
        self.refused = 0
        self.pauses = 0
        self.ends = 0.0

    async def __call__(self, request: Request) -> Response:
        """Answer a request, a millisecond later."""
        async with self.connections:
            await asyncio.sleep(0.001)
            now = self.loop.time()
            if now >= self.ends and self.served.total() < 100 * (self.pauses + 1):
                self.served[request.target] += 1
                return json_response({})
            if now >= self.ends:
                self.pauses += 1
                self.ends = now + 1
            self.refused += 1
            return Response(429, {"Retry-After": "1"})


def test_a_server_that_says_when_to_come_back_costs_no_answers() -> None:
    """600 requests on 20 connections, and a server that rests after every 100: all are answered, each of them once."""

    async def main(loop: VirtualLoop) -> None:
        server = Tiring(loop, 20)
        limiter = RateLimiter(1000, 0.1, clock=loop.time)
        async with AsyncClient(
            HOME, limiter=limiter, transport=MockTransport(server), retry=Retry(attempts=6), timeout=None
        ) as client:
            assert await asyncio.gather(*(client.get(f"/{number}") for number in range(600))) == [{}] * 600
        assert server.served == Counter(f"/{number}" for number in range(600))
        assert server.pauses == 5
        assert client.stats.retries == server.refused > 70  # more than the budget has: 10, and a tenth of 600
        assert client.stats.retries_refused == 0

    run(main)


async def test_all_are_answered_by_a_server_that_rests(serve: Serve, transport: str) -> None:
    """The same over sockets: whatever was under way when the server rested is asked for again, and answered once."""
    served: Counter[str] = Counter()
    refusals = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        nonlocal refusals
        while True:
            target = (await read_request(reader)).line.split()[1]
            await asyncio.sleep(0)
            if served.total() >= 100 * (refusals // 20 + 1):
                refusals += 1
                writer.write(reply(b"", "Retry-After: 0", status=STATUSES[429]))
            else:
                served[target] += 1
                writer.write(reply(b"{}"))

    server = await serve(handler)
    policy = Retry(attempts=101, backoff=1e-6)
    async with AsyncClient(
        server.url, transport=transport, retry=policy, rate_limit=1000, rate_limit_interval=0.1
    ) as client:
        assert await asyncio.gather(*(client.get(f"/{number}") for number in range(600))) == [{}] * 600
    assert served == Counter(f"/{number}" for number in range(600))
    assert client.stats.retries == refusals == 100
    assert client.stats.retries_refused == 0


@pytest.mark.parametrize(
    ("fields", "requests"),
    [
        ({"Retry-After": "0"}, 3),
        ({}, 1),
        ({"Retry-After": "soon"}, 1),
        ({"Retry-After": "5"}, 1),  # asked to wait for longer than the policy does
    ],
    ids=str,
)
async def test_who_is_asked_to_come_back_draws_on_no_budget(fields: dict[str, str], requests: int) -> None:
    """A budget holds back what nobody asked for, and who comes earlier than asked; `attempts` bound the rest."""
    transport = MockTransport(lambda _: Response(503, fields))
    policy = Retry(backoff=1e-6, max_backoff=1e-6, budget=RetryBudget(ratio=0.01, reserve=0))
    async with AsyncClient(HOME, transport=transport, retry=policy) as client:
        with pytest.raises(errors.HTTPServiceUnavailable):
            await client.get("/")
    assert len(transport.requests) == requests
    assert client.stats.retries_refused == (requests == 1)


@pytest.mark.parametrize("ahead", [-600, 600], ids=["slow", "fast"])
async def test_all_who_read_a_date_read_it_by_the_server_s_clock(ahead: int) -> None:
    """A server whose clock is ten minutes off asks for 5 s: the error, the retry and the limiter all say 5 s."""
    theirs = datetime.now(UTC) + timedelta(seconds=ahead)
    fields = {
        "Date": format_datetime(theirs, usegmt=True),
        "Retry-After": format_datetime(theirs + timedelta(seconds=5), usegmt=True),
    }
    asked = iter([Response(503, fields), Response(503, fields)])
    paused: list[float] = []

    class Told(RateLimiter):
        def pause(self, seconds: float, origin: str | None = None) -> None:
            paused.append(seconds)
            super().pause(0, origin)

    retry = Retry(attempts=2, deadline=60, max_backoff=0.001)
    transport = MockTransport(lambda _: next(asked))
    async with AsyncClient(HOME, transport=transport, limiter=Told(100), retry=retry) as client:
        with pytest.raises(errors.HTTPServiceUnavailable) as caught:
            await client.get("/")
    assert caught.value.retry_after == 5
    assert paused == [5, 5]
