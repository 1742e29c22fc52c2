"""The orders of five regions, as a busy API gives them: in pages, with refusals, and a row that does not fit."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: How many rows a region has.
ROWS = 1_000
REGIONS = ("eu", "us", "asia", "africa", "oceania")
#: Of a hundred pages, those that are refused when they are first asked for.
_TOO_MANY, _BROKEN = (7, 57), (31, 81)


def regions() -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make the handler of `…/regions/{region}/orders`."""
    asked: Counter[int] = Counter()

    async def orders(request: web.Request) -> web.Response:
        region = REGIONS.index(request.match_info["region"])
        page, size = int(request.query["page"]), int(request.query["per_page"])
        number = region * (ROWS // size) + page
        asked[number] += 1
        if asked[number] == 1 and number % 100 in _TOO_MANY:
            return web.json_response({"code": "rate_limited"}, status=429, headers={"Retry-After": "0"})
        if asked[number] == 1 and number % 100 in _BROKEN:
            return web.json_response({"code": "internal"}, status=500)
        first = (page - 1) * size
        rows = [
            {"id": region * ROWS + index, "region": REGIONS[region], "amount": index / 4}
            for index in range(first, min(first + size, ROWS))
        ]
        if (region, page) == (2, 3):
            rows[10]["amount"] = "n/a"
        return web.json_response({"orders": rows, "total": ROWS})

    return orders
