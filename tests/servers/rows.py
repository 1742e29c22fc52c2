"""An API whose rows are numbered, for tests of the command: users, pages, refusals, and answers that wait."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from tests.servers.process import HOST

#: Rows of the list.
ROWS = 25
_PAGE = 10


class RowServer:
    """A running server.

    Attributes:
        url: Where it is.
        asked: How often each path was asked for.
        seen: The fields and the body of each request.
        gate: Answers below `/slow` wait for it.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: Counter[str] = Counter()
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.gate = asyncio.Event()
        self.waiting = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a request by its path."""
        self.asked[request.path] += 1
        self.seen.append((request.path_qs, dict(request.headers), await request.read()))
        kind, _, rest = request.path.lstrip("/").partition("/")
        match kind:
            case "users":
                return _json({"id": int(rest), "name": f"user {rest}", "created": "2026-01-01T00:00:00Z"})
            case "slow":
                self.waiting.set()
                await self.gate.wait()
                return _json({"id": int(rest)})
            case "gone":
                return _json({"error": "gone"}, status=404)
            case "list" | "counted":
                return self._page(request, kind)
            case "odd":
                return _json({"data": [{"id": 1, "name": "a"}, {"id": "two"}, {"id": 3, "name": "c"}]})
            case "token":
                return _json({"access_token": "granted-canary", "token_type": "bearer", "expires_in": 3600})
        return _json({"path": request.path_qs, "method": request.method})

    def _page(self, request: web.Request, kind: str) -> web.Response:
        page = int(request.query.get("page", "1"))
        first = (page - 1) * _PAGE
        rows = [{"id": number, "name": f"row {number}"} for number in range(first, min(ROWS, first + _PAGE))]
        if kind == "counted":
            return _json({"data": rows, "page": page, "per_page": _PAGE, "total": ROWS})
        following = f"{self.url}/list?page={page + 1}" if first + _PAGE < ROWS else None
        return _json({"data": rows, "next": following})


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(value), status=status, content_type="application/json")


@asynccontextmanager
async def row_server() -> AsyncIterator[RowServer]:
    """Serve until the block ends."""
    server = RowServer()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    server.url = f"http://{HOST}:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        server.gate.set()
        await runner.cleanup()
