"""The circuit breaker of a client: what opens it, what it refuses, and how it closes again."""

from __future__ import annotations

import asyncio
import logging
import pickle
from typing import TYPE_CHECKING

import attrs
import pytest
from yarl import URL

from headrace import AsyncClient, CircuitBreaker, Retry, errors
from headrace._core.messages import HeaderBlock, Origin, Request
from headrace._io.flow.circuits import Circuits
from headrace.testing import MockTransport, Response, json_response, sequence
from tests.servers.raw import read_request, reply

if TYPE_CHECKING:
    from tests.conftest import Serve

BASE = "http://a.example"
BREAKER = CircuitBreaker(minimum=2, window=60, open_for=30)


def request_to(url: str = BASE) -> Request:
    """Make a request."""
    return Request("GET", Origin(URL(url)), "/", HeaderBlock([]))


class Server:
    """A transport that answers as it is told, behind circuits with a clock that is told too."""

    def __init__(self) -> None:
        self.now = 0.0
        self.answer: Response | Exception = Response(200)
        self.mock = MockTransport(lambda _: self.next())
        self.circuits = Circuits(attrs.evolve(BREAKER, clock=lambda: self.now))
        self.send = self.circuits.around(self._now)

    async def _now(self, request: Request) -> Response:
        return await self.mock.send(request)

    def next(self) -> Response:
        """Answer."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def outcome(self, url: str = BASE) -> str:
        """Send a request and tell what became of it."""
        try:
            return str((await self.send(request_to(url))).status)
        except errors.TransportError as error:
            return type(error).__name__


async def test_a_circuit_opens_and_closes_again(serve: Serve, transport: str) -> None:
    """A server that fails is left alone, asked once when the time has come, and used again when it is well."""
    well = False
    now = 0.0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            server.requests.append(await read_request(reader))
            writer.write(reply(b"1") if well else reply(status="503 Service Unavailable"))

    server = await serve(answer)
    breaker = CircuitBreaker(minimum=3, open_for=30, clock=lambda: now)
    async with AsyncClient(server.url, transport=transport, circuit_breaker=breaker) as client:
        for _ in range(3):
            with pytest.raises(errors.HTTPServiceUnavailable):
                await client.get("/x")
        refused = await asyncio.gather(*(client.get("/x") for _ in range(50)), return_exceptions=True)
        assert {type(error) for error in refused} == {errors.CircuitOpen}
        assert all(error.retry_in == 30 for error in refused if isinstance(error, errors.CircuitOpen))
        assert not any(error.maybe_sent for error in refused if isinstance(error, errors.CircuitOpen))
        assert len(server.requests) == 3
        now = 30.0
        probed = await asyncio.gather(*(client.get("/x") for _ in range(50)), return_exceptions=True)
        assert sorted(type(error).__name__ for error in probed) == ["CircuitOpen"] * 49 + ["HTTPServiceUnavailable"]
        assert len(server.requests) == 4
        well, now = True, 60.0
        assert await client.get("/x") == 1
        assert await asyncio.gather(*(client.get("/x") for _ in range(50))) == [1] * 50


@pytest.mark.parametrize(
    ("answer", "opens"),
    [
        (Response(500), True),
        (Response(503), True),
        (Response(501), False),
        (Response(429), False),
        (Response(404), False),
        (errors.ConnectError("x"), True),
        (errors.ConnectionLost("x"), True),
        (errors.RequestTimeout("x"), True),
        (errors.ProtocolError("x"), True),
        (errors.PoolTimeout("x"), False),
        (errors.ResponseTooLarge("x"), False),
        (errors.UploadError("x"), False),
    ],
)
async def test_what_is_a_failure(answer: Response | Exception, opens: bool) -> None:
    """What the server or the network did wrong counts, what we or the caller did does not."""
    server = Server()
    server.answer = answer
    told = [await server.outcome() for _ in range(4)]
    assert (told[2:] == ["CircuitOpen"] * 2) is opens
    assert "CircuitOpen" not in told[:2]


async def test_origins_have_circuits_of_their_own() -> None:
    """What one origin does wrong closes no other."""
    server = Server()
    server.answer = Response(503)
    assert [await server.outcome() for _ in range(3)] == ["503", "503", "CircuitOpen"]
    assert await server.outcome("http://a.example:8080") == "503"
    assert await server.outcome("https://a.example") == "503"


async def test_a_cancelled_probe_gives_its_place_back() -> None:
    """A caller that gives up while it probes leaves the circuit to the next one."""
    server = Server()
    server.answer = Response(503)
    await server.outcome()
    await server.outcome()
    server.now = 30.0
    asked = asyncio.Event()

    async def hang(_: Request) -> Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    mock, server.mock = server.mock, MockTransport(hang)
    probe = asyncio.ensure_future(server.send(request_to()))
    await asked.wait()
    assert await server.outcome() == "CircuitOpen"
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    server.mock = mock
    server.answer = Response(200)
    assert [await server.outcome() for _ in range(3)] == ["200"] * 3


async def test_refused_requests_do_not_use_the_limiter() -> None:
    """A request that would be refused takes no place from those that would not."""
    transport = MockTransport(lambda _: Response(503))
    async with AsyncClient(
        BASE, transport=transport, circuit_breaker=BREAKER, rate_limit=2, rate_limit_interval=3600
    ) as client:
        for kind in (errors.HTTPServiceUnavailable, errors.HTTPServiceUnavailable, errors.CircuitOpen):
            with pytest.raises(kind):
                await client.get("/x")
        assert client.stats.limiter_waits == 0


async def test_retries_stop_where_a_circuit_opens() -> None:
    """No attempt waits for a circuit that stays open longer; the error is what really happened, with all attempts."""
    transport = MockTransport(lambda _: Response(503))
    policy = Retry(attempts=5, backoff=1e-3, budget=None)
    async with AsyncClient(BASE, transport=transport, circuit_breaker=BREAKER, retry=policy) as client:
        with pytest.raises(errors.HTTPServiceUnavailable) as caught:
            await client.get("/x")
        assert [attempt.status for attempt in caught.value.attempts] == [503, 503]
        assert (client.stats.retries, client.stats.retries_refused) == (1, 1)
        with pytest.raises(errors.CircuitOpen) as refused:
            await client.get("/x")
        assert refused.value.attempts == ()
    assert len(transport.requests) == 2
    again = pickle.loads(pickle.dumps(refused.value))
    assert (str(again), again.retry_in, again.maybe_sent) == (str(refused.value), refused.value.retry_in, False)


async def test_a_retry_waits_for_a_circuit_that_opens_in_time() -> None:
    """Where the wait is longer than the circuit stays open, the next attempt is the probe."""
    answers = [Response(503), Response(503), json_response(1)]
    transport = MockTransport(sequence(answers))
    breaker = CircuitBreaker(minimum=2, open_for=0.01)
    policy = Retry(attempts=5, backoff=0.02, max_backoff=0.02)
    async with AsyncClient(BASE, transport=transport, circuit_breaker=breaker, retry=policy) as client:
        assert await client.get("/x") == 1


async def test_an_attempt_timeout_is_a_failure_of_the_server() -> None:
    """A server that hangs opens its circuit, where attempts have a time of their own."""

    async def hang(_: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    transport = MockTransport(hang)
    policy = Retry(attempts=2, backoff=1e-3, attempt_timeout=0.02)
    async with AsyncClient(BASE, transport=transport, circuit_breaker=BREAKER, retry=policy) as client:
        with pytest.raises(errors.RequestTimeout):
            await client.get("/x")
        with pytest.raises(errors.CircuitOpen):
            await client.get("/x")


async def test_changes_of_a_circuit_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Opening is a warning, and says for how long; half-open and closed are none."""
    server = Server()
    server.answer = Response(503)
    with caplog.at_level(logging.INFO, "headrace.AsyncClient"):
        await server.outcome()
        await server.outcome()
        server.now, server.answer = 30.0, Response(200)
        await server.outcome()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "Circuit to http://a.example is open: too many failures; it is tried again in 30 s"),
        ("INFO", "Circuit to http://a.example is half-open: one request is let through"),
        ("INFO", "Circuit to http://a.example is closed"),
    ]


async def test_a_circuit_breaker_is_a_setting_like_any_other() -> None:
    """It is inherited, replaced, and checked."""

    class Api(AsyncClient, uri=BASE, circuit_breaker=BREAKER):
        pass

    assert Api().config.circuit_breaker is BREAKER
    assert Api(circuit_breaker=None).config.circuit_breaker is None
    assert AsyncClient(BASE).config.circuit_breaker is None
    with pytest.raises(errors.ValidationError, match="circuit_breaker"):
        AsyncClient(BASE, circuit_breaker=True)
