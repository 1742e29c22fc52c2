"""headrace, one page after the other or several at once."""

from __future__ import annotations

import json
import sys

import msgspec

import headrace
from headrace import AsyncClient
from headrace.pages import PageNumber


class User(msgspec.Struct):
    """A row."""

    id: int
    name: str
    email: str


async def main(origin: str, wide: int) -> None:
    """Fetch the pages."""
    rows = 0
    async with AsyncClient(origin) as client:
        pages = PageNumber(parameter="page", total_pages="total_pages")
        async with client.paginate("/pages", response_format=User, items="data", pages=pages, parallel=wide) as users:
            async for _ in users:
                rows += 1
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    headrace.run(main(sys.argv[1], int(sys.argv[2])))
