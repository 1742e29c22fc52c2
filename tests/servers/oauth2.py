"""An OAuth 2.0 token endpoint and an API that takes its tokens, on two ports and so on two origins."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.servers.process import HOST


@dataclass
class TokenRequest:
    """What the token endpoint was asked."""

    fields: dict[str, str]
    authorization: str | None


@dataclass(eq=False)
class OAuth2Server:
    """A running server, what it has seen, and what it does next."""

    url: str = ""
    """The API: every path answers with the token, the path and the body, or with 401."""
    token_url: str = ""
    asked: list[TokenRequest] = field(default_factory=list)
    """The requests to the token endpoint, in order."""
    seen: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Path, token and body of the requests to the API, in order; those that were refused too."""
    good: set[str] = field(default_factory=set)
    """The tokens that the API takes; the token endpoint adds those that it gives."""
    more: dict[str, Any] = field(default_factory=lambda: {"expires_in": 3600})
    """What else the token endpoint answers with."""
    answer: Callable[[web.Request], Awaitable[web.StreamResponse | None]] | None = None
    """What the token endpoint does instead; `None` as its result gives a token after all."""
    before: Callable[[str, str], Awaitable[None]] | None = None
    """Waited for by the API before it looks at the token; gets the path and the token."""

    async def token(self, request: web.Request) -> web.StreamResponse:
        """Give the next token: t1, then t2, and so on."""
        fields = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(TokenRequest(fields, request.headers.get("Authorization")))
        number = len(self.asked)
        if self.answer is not None:
            answer = await self.answer(request)
            if answer is not None:
                return answer
        self.good.add(f"t{number}")
        return web.json_response({"access_token": f"t{number}", "token_type": "Bearer", **self.more})

    async def resource(self, request: web.Request) -> web.Response:
        """Answer whoever has a good token."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.before is not None:
            await self.before(request.path, token)
        body = await request.read()
        self.seen.append((request.path, token, body))
        if token not in self.good:
            return web.json_response({"code": "expired"}, status=401)
        return web.json_response({"token": token, "path": request.path, "body": body.decode()})


SECRET = "s3cr/t value"
ENCODED = "s3cr%2Ft+value"


@asynccontextmanager
async def oauth2_server() -> AsyncIterator[OAuth2Server]:
    """Serve until the block ends."""
    server = OAuth2Server()
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/token", server.token)
    app.router.add_route("*", "/api/{tail:.*}", server.resource)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    for _ in range(2):
        await web.TCPSite(runner, HOST, 0, backlog=1024).start()
    (_, port), (_, token_port) = runner.addresses
    server.url, server.token_url = f"http://{HOST}:{port}/api", f"http://{HOST}:{token_port}/token"
    try:
        yield server
    finally:
        await runner.cleanup()


def answers(*given: web.Response | None) -> Callable[[web.Request], Awaitable[web.StreamResponse | None]]:
    """Make a token endpoint that answers with these, then with tokens."""
    left = list(given)

    async def answer(_: web.Request) -> web.StreamResponse | None:
        return left.pop(0) if left else None

    return answer


async def example_token(request: web.Request) -> web.Response:
    """Be the token endpoint of the documentation's examples."""
    if (await request.post()).get("refresh_token") == "spent":
        return web.json_response({"error": "invalid_grant", "error_description": "it was used before"}, status=400)
    token = {"access_token": "token-2", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "r2"}
    return web.json_response(token)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


class Gate:
    """Lets nobody through until it is opened, and tells when so many have come."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._arrived = asyncio.Condition()
        self.arrivals = 0

    async def wait(self) -> None:
        """Arrive, and wait until the gate is open."""
        async with self._arrived:
            self.arrivals += 1
            self._arrived.notify_all()
        await self._open.wait()

    async def arrived(self, count: int) -> None:
        """Wait until so many have arrived in all."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self.arrivals >= count)

    def open(self) -> None:
        """Let everybody through from now on."""
        self._open.set()
