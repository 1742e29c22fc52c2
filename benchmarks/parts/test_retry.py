"""What retries cost a request that needs none lives here: `client.get` in memory, with each policy and without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.models.structs import User
from benchmarks.parts.conftest import ANSWER, BODY
from headrace import AsyncClient, CircuitBreaker, Retry
from headrace.testing import MockTransport, Response

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_SETTINGS: dict[str, dict[str, Any]] = {
    "without": {},
    "retry": {"retry": Retry()},
    "retry without a budget": {"retry": Retry(budget=None)},
    "attempt timeout": {"retry": Retry(attempt_timeout=10)},
    "deadline": {"retry": Retry(deadline=10)},
    "circuit breaker": {"circuit_breaker": CircuitBreaker()},
}


@pytest.mark.benchmark(group="retry")
@pytest.mark.parametrize("name", _SETTINGS)
def test_get_with(name: str, timed: Callable[[Callable[[], Any]], Any], loop: asyncio.AbstractEventLoop) -> None:
    """A request that succeeds at once."""
    transport = MockTransport(lambda _: Response(200, ANSWER[: -len(BODY)], BODY, b"", has_cookies=False))
    client = AsyncClient("http://api.example.com/v1", transport=transport, **_SETTINGS[name])

    async def one() -> Any:
        transport.requests.clear()
        return await client.get("/users/1", response_format=User)

    assert timed(one).id == 1
    assert client.stats.retries == 0
    loop.run_until_complete(client.close())
