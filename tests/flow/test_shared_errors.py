"""One error object that is raised in many requests: what one of them does about it hurts no other."""

import asyncio

import pytest

from headrace import AsyncClient, Retry
from headrace.errors import ConnectError
from headrace.testing import MockTransport, Request, Response, json_response

AWAY = ConnectError("the server is away")


async def test_requests_that_wait_for_their_next_attempt_go_on() -> None:
    """Some have no attempt left and fail, the others have the same error behind them and succeed."""
    failures = 100

    def handler(_: Request) -> Response:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise AWAY
        return json_response(1)

    policy = Retry(backoff=0.01, max_backoff=0.02)
    async with AsyncClient("http://a.example", transport=MockTransport(handler), retry=policy) as client:
        waiting = [client.get("/x") for _ in range(100)]
        found = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 10)
    assert set(map(repr, found)) == {"1", repr(AWAY)}


async def test_another_client_s_failure_ends_no_wait() -> None:
    """A client without retries fails with an error that a request of another client has behind it."""
    waiting = asyncio.Event()
    attempts = 0

    def handler(request: Request) -> Response:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            waiting.set()
        if attempts <= 2:
            raise AWAY
        return json_response(request.url.path)

    transport = MockTransport(handler)
    async with (
        AsyncClient("http://a.example", transport=transport, retry=Retry(backoff=0.05)) as patient,
        AsyncClient("http://a.example", transport=transport) as hasty,
    ):
        request = asyncio.create_task(patient.get("/patient"))
        await waiting.wait()
        with pytest.raises(ConnectError):
            await hasty.get("/hasty")
        assert await asyncio.wait_for(request, 10) == "/patient"
