"""What is seen at work: retries, pauses, circuits, credentials and waits, each once, and nothing when nobody looks."""

import asyncio
import logging
import subprocess
import sys

import pytest

import headrace
from headrace import AsyncClient, CircuitBreaker, RateLimiter, Retry, errors
from headrace.testing import MockTransport, Request, Response, json_response, sequence
from tests.conftest import Connect
from tests.kit.virtual import VirtualLoop, run
from tests.servers.oauth2 import OAuth2Server

LOGGER = "headrace.AsyncClient"
BASE = "https://api.example.com/v1"


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Level and text of what was logged, without the lines of requests."""
    told = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == LOGGER]
    return [(level, text) for level, text in told if not text.startswith("[")]


async def test_a_retry_tells_its_cause_its_wait_and_its_number(caplog: pytest.LogCaptureFixture) -> None:
    """One line a retry, without the query."""
    transport = MockTransport(sequence([Response(503), errors.ConnectionLost("gone"), json_response(1)]))
    policy = Retry(attempts=3, backoff=1e-3, max_backoff=1e-3)
    with caplog.at_level(logging.INFO, LOGGER):
        async with AsyncClient(BASE, transport=transport, retry=policy, parameters={"token": "t0p"}) as client:
            await client.get("/users")
    assert lines(caplog) == [
        ("INFO", "Retry 1 of 2 in 0.001 s: GET /v1/users: 503"),
        ("INFO", "Retry 2 of 2 in 0.001 s: GET /v1/users: ConnectionLost: gone"),
    ]


def test_a_crowd_at_the_limiter_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Fifty that wait are one line, with the seconds until the next start; a new crowd is another line."""

    async def main(loop: VirtualLoop) -> None:
        limiter = RateLimiter(10, 2.0, clock=loop.time)
        async with AsyncClient(BASE, transport=MockTransport(lambda _: json_response(1)), limiter=limiter) as client:
            await asyncio.gather(*(client.get("/x") for _ in range(60)))
            await asyncio.gather(*(client.get("/x") for _ in range(20)))
        assert client.stats.limiter_waits == 70

    with caplog.at_level(logging.INFO, LOGGER):
        run(main)
    assert lines(caplog) == [("INFO", "Waiting for rate limit: 2 s until the next start")] * 2


async def test_a_pause_that_a_server_asks_for_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Many answers that ask for the same are one line."""
    all_there = asyncio.Barrier(20)

    async def refuse(_: Request) -> Response:
        await all_there.wait()
        return Response(429, {"Retry-After": "7"})

    transport = MockTransport(refuse)
    with caplog.at_level(logging.INFO, LOGGER):
        async with AsyncClient(BASE, transport=transport, rate_limit=100) as client:
            found = await asyncio.gather(*(client.get("/x") for _ in range(20)), return_exceptions=True)
    assert [type(each) for each in found] == [errors.HTTPTooManyRequests] * 20
    assert lines(caplog) == [("WARNING", "Rate limit: the server asks to wait 7 s (https://api.example.com)")]


async def test_a_renewed_token_is_told_and_not_shown(
    oauth2: OAuth2Server, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The first one, and one in the place of one that was refused."""
    with caplog.at_level(logging.INFO, LOGGER):
        client = await connect()
        await client.get("/x")
        oauth2.good.clear()
        await client.get("/x")
    told = [text for _, text in lines(caplog)]
    assert [text.partition(";")[0] for text in told] == [
        "Credentials of OAuth2ClientCredentials: given",
        "Credentials of OAuth2ClientCredentials: renewed, those before were refused",
    ]
    assert all("good for" in text for text in told)
    assert "t1" not in caplog.text
    assert "t2" not in caplog.text


async def test_nothing_is_formatted_when_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the level off, no line is made: not one record."""
    monkeypatch.setattr(logging.Logger, "makeRecord", lambda *_, **__: pytest.fail("a record was made"))
    logging.getLogger(LOGGER).setLevel(logging.ERROR)
    try:
        transport = MockTransport(sequence([Response(503), Response(503), json_response(1)]))
        breaker = CircuitBreaker(minimum=100)
        policy = Retry(attempts=3, backoff=1e-3, max_backoff=1e-3)
        async with AsyncClient(BASE, transport=transport, retry=policy, circuit_breaker=breaker) as client:
            assert await client.get("/x") == 1
    finally:
        logging.getLogger(LOGGER).setLevel(logging.NOTSET)


_PROGRAM = """
import headrace
from headrace import AsyncClient
from headrace.testing import MockTransport, json_response

async def main():
    async with AsyncClient("https://api.example.com/v1", transport=MockTransport(lambda _: json_response(1))) as client:
        await client.get("/users", parameters={"page": 1, "token": "t0p"})

headrace.run(main(), log=LEVEL)
"""


@pytest.mark.parametrize(("level", "seen"), [('"info"', True), ("20", True), ('"WARNING"', False), ("None", False)])
def test_run_turns_the_log_on(level: str, seen: bool) -> None:
    """One word, and the lines of requests are on stderr, with the time and the level."""
    program = _PROGRAM.replace("LEVEL", level)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ("INFO [GET 200] /v1/users page=1&token=***" in done.stderr) is seen
    assert done.stdout == ""


def test_run_says_what_it_takes() -> None:
    """A function that was not called is named, with the call."""

    async def main() -> None:
        pass

    with pytest.raises(TypeError, match=r"takes a coroutine, such as headrace.run\(main\(\)\); call it: headrace.run"):
        headrace.run(main)  # type: ignore[arg-type] # wrong on purpose
