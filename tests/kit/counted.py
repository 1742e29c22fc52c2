"""APIs that page: one whose answers are made up, one that is counted and waits, and how their rows are read."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from headrace import AsyncClient
from headrace.pages import Offset, Pages
from headrace.testing import MockTransport, Request, Response, json_response
from tests.kit.cancelling import left


class Row(msgspec.Struct):
    """A row."""

    id: int


class Counted:
    """An API with an offset and a limit, whose answers wait until they may come."""

    def __init__(self, count: int = 40, most: int = 10) -> None:
        self.count = count
        self.most = most
        self.asked: list[int] = []
        self.now = self.peak = 0
        self.gates: dict[int, asyncio.Event] = {}
        self.open = True

    def gate(self, offset: int) -> asyncio.Event:
        """Find what holds the answer for an offset back."""
        return self.gates.setdefault(offset, asyncio.Event())

    async def __call__(self, request: Request) -> Response:
        """Answer, when that is allowed."""
        query = request.url.query
        begin, size = int(query["offset"]), min(int(query.get("limit", self.most)), self.most)
        self.asked.append(begin)
        self.now += 1
        self.peak = max(self.peak, self.now)
        try:
            if not self.open:
                await self.gate(begin).wait()
        finally:
            self.now -= 1
        rows = [{"id": number} for number in range(begin, min(self.count, begin + size))]
        return json_response({"rows": rows, "total": self.count})

    def client(self, **options: Any) -> AsyncClient:
        """Make a client of it."""
        return AsyncClient("http://a.example", transport=MockTransport(self), **options)


def ours() -> list[Any]:
    """Find tasks that are neither the test's nor its servers'."""
    return [task for task in left(asyncio.current_task()) if "RequestHandler.start" not in repr(task)]


OFFSET = Offset(limit=10, limit_parameter="limit", total="total")


def read(client: AsyncClient, **options: Any) -> Pages[Row]:
    """Read the rows of a `Counted`."""
    return client.paginate("/x", **{"response_format": Row, "items": "rows", "pages": OFFSET, **options})


async def some_steps() -> None:
    """Let everything go on that can."""
    for _ in range(50):
        await asyncio.sleep(0)


async def into(found: list[Any], rows: Pages[Any]) -> None:
    """Read rows into a list, which keeps what came before an error."""
    async for row in rows:
        found.append(row)  # noqa: PERF401 - as it says


class Api:
    """An API with `count` rows, `size` a page, that answers as `answer` makes it."""

    def __init__(self, answer: Callable[[Request, int], Any], count: int = 7, size: int = 3) -> None:
        self.requests: list[Request] = []
        self.rows = [{"id": number} for number in range(count)]
        self.size = size
        self._answer = answer

    def __call__(self, request: Request) -> Response:
        """Answer."""
        self.requests.append(request)
        answer = self._answer(request, len(self.requests) - 1)
        return answer if isinstance(answer, Response) else json_response(answer)

    def page(self, begin: int) -> list[dict[str, int]]:
        """Cut out a page."""
        return self.rows[begin : begin + self.size]

    def client(self, **options: Any) -> AsyncClient:
        """Make a client of it."""
        return AsyncClient("http://a.example", transport=MockTransport(self), **options)

    def queries(self) -> list[dict[str, str]]:
        """Tell the parameters that were sent."""
        return [dict(request.url.query) for request in self.requests]


async def ids(pages: Pages[Any]) -> list[int]:
    """Read all."""
    return [row["id"] for row in await pages.collect()]
