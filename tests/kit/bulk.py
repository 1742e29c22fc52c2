"""What tests of bulks share: a model, a transport that counts, and readers of what was written."""

import asyncio
import gzip
import sqlite3
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from headrace import AsyncClient
from headrace.testing import MockTransport, json_response
from headrace.transports import Request, Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class User(msgspec.Struct):
    """A row."""

    id: int
    name: str = ""


class Api:
    """Answers `/users/7` with that user, and counts who asks.

    Args:
        refused: The status that a number gets instead.

    Attributes:
        asked: How often each target was asked for.
        most: How many requests were under way at once.
        gate: Where it is not `None`, answers wait for it.
        turns: How often others on the loop have their turn before an answer comes.
    """

    def __init__(self, refused: dict[int, int] | None = None) -> None:
        self.refused = refused or {}
        self.asked: Counter[str] = Counter()
        self.now = 0
        self.most = 0
        self.gate: asyncio.Event | None = None
        self.turns = 1

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        self.asked[request.target] += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            for _ in range(self.turns):
                await asyncio.sleep(0)
            if self.gate is not None:
                await self.gate.wait()
            number = int(request.target.partition("?")[0].rpartition("/")[2])
            status = self.refused.get(number)
            if status is not None:
                return json_response({"refused": number}, status=status)
            return json_response({"id": number, "name": f"user {number}"})
        finally:
            self.now -= 1

    def client(self, **options: Any) -> AsyncClient:
        """Make a client of it."""
        return AsyncClient("https://api.example.com/v1", transport=MockTransport(self.answer), **options)


def paths(count: int, first: int = 0) -> list[str]:
    """Name users."""
    return [f"/users/{number}" for number in range(first, first + count)]


def read_lines(path: Path) -> list[Any]:
    """Read NDJSON, compressed or not."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if path.suffix == ".zst":
        from backports import zstd

        data = zstd.decompress(data)
    return [msgspec.json.decode(line) for line in data.splitlines()]


def read_table(path: Path, table: str, query: str = "SELECT * FROM {}") -> list[tuple[Any, ...]]:
    """Read a table of SQLite."""
    with sqlite3.connect(path) as book:
        rows = book.execute(query.format(f'"{table}"')).fetchall()
    book.close()
    return rows


def read_parts(folder: Path) -> list[dict[str, Any]]:
    """Read the files of Parquet in a folder."""
    from pyarrow import parquet

    return [row for path in sorted(folder.glob("*.parquet")) for row in parquet.read_table(path).to_pylist()]


def read_duckdb(path: Path, table: str) -> list[tuple[Any, ...]]:
    """Read a table of DuckDB."""
    import duckdb

    with duckdb.connect(str(path)) as book:
        rows: list[tuple[Any, ...]] = book.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608 - our own
    return rows


class Lists:
    """Answers `/lists/7` with pages of rows of that list, by a token that is the number of the page.

    Args:
        pages: How many pages a list has.
        size: How many rows a page has; row 3 of page 1 of list 7 has the id 7000103.

    Attributes:
        refused: The status that a page gets instead, by list and page.
        asked: How often each list and page was asked for.
        gate: Called with list and page before each answer.
        most: How many requests were under way at once.
    """

    def __init__(self, pages: int = 3, size: int = 4) -> None:
        self.pages = pages
        self.size = size
        self.refused: dict[tuple[int, int], int] = {}
        self.asked: Counter[tuple[int, int]] = Counter()
        self.gate: Callable[[int, int], Awaitable[object]] | None = None
        self.now = 0
        self.most = 0

    async def answer(self, request: Request) -> Response:
        """Answer a request."""
        number = int(request.url.path.rpartition("/")[2])
        page = int(request.url.query.get("cursor", 0))
        self.asked[number, page] += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            if self.gate is not None:
                await self.gate(number, page)
            status = self.refused.get((number, page))
            if status is not None:
                return json_response({"refused": page}, status=status)
            rows = [{"id": each} for each in self.ids(number, page)]
            return json_response({"data": rows, "next": page + 1 if page + 1 < self.pages else None})
        finally:
            self.now -= 1

    def ids(self, number: int, page: int) -> list[int]:
        """Name the rows of a page."""
        return [number * 1_000_000 + page * 100 + index for index in range(self.size)]

    def all(self, *numbers: int) -> list[int]:
        """Name the rows of lists, in order."""
        return [each for number in numbers for page in range(self.pages) for each in self.ids(number, page)]

    def client(self, **options: Any) -> AsyncClient:
        """Make a client of it."""
        return AsyncClient("https://api.example.com/v1", transport=MockTransport(self.answer), **options)


class Event(msgspec.Struct):
    """A row with a time."""

    id: int
    at: int


class Feed:
    """Answers `/feed/a` with the rows of that feed, those from `since` on, in pages with a token for the next.

    Args:
        size: How many rows a page has.
        order: How they are sorted: ``"asc"`` or ``"desc"``, by their time.

    Attributes:
        rows: By feed, what it has.
        asked: What was asked for: feed, `since`, and token.
        refused: The tokens that are refused.
    """

    def __init__(self, size: int = 3, order: str = "asc") -> None:
        self.size = size
        self.order = order
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.refused: set[str] = set()

    def put(self, feed: str, *rows: tuple[int, Any]) -> None:
        """Give a feed more rows, each an id and a time."""
        self.rows.setdefault(feed, []).extend({"id": number, "at": at} for number, at in rows)

    def answer(self, request: Request) -> Response:
        """Answer a request."""
        feed, query = request.url.path.rpartition("/")[2], request.url.query
        since, token = query.get("since"), query.get("cursor")
        self.asked.append((feed, since, token))
        if token is not None and token in self.refused:
            return json_response({}, status=403)
        found = sorted(self.rows.get(feed, ()), key=lambda row: (row["at"], row["id"]), reverse=self.order == "desc")
        if since is not None:
            found = [row for row in found if row["at"] >= type(row["at"])(since)]
        if token is not None:  # rows that came meanwhile move nothing
            behind = [int(part) for part in token.split("-")]
            found = [row for row in found if self._is_behind([int(row["at"]), row["id"]], behind)]
        page, rest = found[: self.size], found[self.size :]
        after = f"{page[-1]['at']}-{page[-1]['id']}" if rest else None
        return json_response({"data": page, "next": after})

    def _is_behind(self, row: list[int], token: list[int]) -> bool:
        return row < token if self.order == "desc" else row > token

    def client(self, **options: Any) -> AsyncClient:
        """Make a client of it."""
        return AsyncClient("https://api.example.com/v1", transport=MockTransport(self.answer), **options)
