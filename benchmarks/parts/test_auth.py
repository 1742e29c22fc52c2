"""What credentials cost a request while they are good lives here: nothing that a request without any does not cost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.parts.conftest import ANSWER, BODY
from headrace import AsyncClient
from headrace.auth import APIKey, BearerAuth, Credentials
from headrace.testing import MockTransport, Response

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from headrace.auth import Auth, Send


class Lasting:
    """Credentials that were asked for, and run out in an hour: what OAuth 2.0 leaves behind."""

    async def credentials(self, _: Credentials | None, __: Send, /) -> Credentials:
        """Give them."""
        return Credentials(headers={"Authorization": "Bearer t"}, expires_at=time.monotonic() + 3600)


@pytest.mark.parametrize(
    "auth",
    [None, BearerAuth("t"), Lasting(), APIKey("k", query="key")],
    ids=["none", "token", "token that expires", "key in the query"],
)
def test_get_with_credentials(
    timed: Callable[[Callable[[], Any]], Any], loop: asyncio.AbstractEventLoop, auth: Auth | None
) -> None:
    """`client.get` over a transport that answers at once; the row without credentials is the peer of the others."""
    transport = MockTransport(lambda _: Response(200, ANSWER[: -len(BODY)], BODY, b"", has_cookies=False))
    client = AsyncClient("http://api.example.com/v1", transport=transport, auth=auth)

    async def one() -> Any:
        transport.requests.clear()
        return await client.get("/users/1", response_format=bytes)

    assert timed(one) == BODY
    loop.run_until_complete(client.close())
