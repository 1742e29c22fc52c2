"""`in_flight="auto"` in a whole bulk: on a clock that is made up, and over real connections."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient, Call, Retry, sinks
from headrace.bulk import Ok
from headrace.pages import Link, PageNumber
from headrace.testing import MockTransport, json_response
from headrace.transports import Request, Response
from tests.kit import virtual
from tests.kit.bulk import Api, User, paths, read_lines
from tests.servers.echo import EchoServer

PAGES = 30


class Workers:
    """A transport with so many workers that take 50 ms each, and a rate that it refuses beyond.

    Args:
        count: How many.
        rate: Requests in any second.
    """

    def __init__(self, count: int, rate: int | None = None) -> None:
        self._places = asyncio.Semaphore(count)
        self._rate = rate
        self._starts: list[float] = []
        self.refused = 0
        self.answered = 0
        self.most = 0
        self._now = 0
        self.tell: Any = lambda _: None

    async def send(self, request: Request, /) -> Response:
        """Answer."""
        now = asyncio.get_running_loop().time()
        if self._rate is not None:
            self._starts = [start for start in self._starts if start > now - 1]
            if len(self._starts) >= self._rate:
                self.refused += 1
                await asyncio.sleep(0.005)
                return json_response({"error": "slow down"}, status=429)
            self._starts.append(now)
        self._now += 1
        self.most = max(self.most, self._now)
        self.tell(self._now)
        async with self._places:
            await asyncio.sleep(0.05)
        self._now -= 1
        self.answered += 1
        if "?" in request.target:
            page = int(request.url.query.get("page", 1))
            return json_response({"data": [{"id": page}], "pages": PAGES})
        return json_response({"id": int(request.target.rpartition("/")[2])})

    async def close(self) -> None:
        """Nothing is open."""


async def ask(transport: Workers, calls: int, in_flight: Any) -> Any:
    """Make a bulk, without a sink: its thread would take time that is not made up."""
    retry = Retry(attempts=20, backoff=0.01, max_backoff=0.1, budget=None)
    async with AsyncClient("http://a.example", transport=transport) as client:
        bulk = client.bulk(paths(calls), response_format=User, in_flight=in_flight, retry=retry)
        async for _ in bulk:  # no run: its thread would be out of time on a clock that is made up
            pass
        return bulk.report


def test_workers_are_kept_busy_without_a_queue() -> None:
    """20 workers get somewhat more than 20 calls at once, and every call is answered."""

    async def main(_: virtual.VirtualLoop) -> tuple[Any, Workers]:
        transport = Workers(20)
        return await ask(transport, 3000, "auto"), transport

    report, transport = virtual.run(main)
    assert (report.done, report.failed) == (3000, 0)
    assert 20 <= transport.most <= 80
    assert 20 <= report.in_flight <= 60
    assert "in flight" in str(report)


def test_a_server_that_refuses_is_asked_at_its_rate() -> None:
    """Refusals are few, though each of them is asked again."""

    async def main(_: virtual.VirtualLoop) -> tuple[Any, Workers]:
        transport = Workers(1000, rate=200)
        return await ask(transport, 4000, "auto"), transport

    report, transport = virtual.run(main)
    assert (report.done, report.failed) == (4000, 0)
    assert transport.refused <= 0.05 * 4000  # most of them in the first second, before anything is known


def test_bounds_hold() -> None:
    """No more than the most, and no fewer than the least."""

    async def main(_: virtual.VirtualLoop) -> tuple[Any, Workers]:
        transport = Workers(1000)
        return await ask(transport, 2000, (2, 16)), transport

    report, transport = virtual.run(main)
    assert report.done == 2000
    assert transport.most == 16
    assert report.in_flight == 16


@pytest.mark.parametrize("ordered", [False, True])
def test_series_take_turns_where_there_are_more_than_may_fly(*, ordered: bool) -> None:
    """What is in flight follows the width, though more series were begun before that was known; all of them end."""
    series = 40

    async def main(_: virtual.VirtualLoop) -> tuple[list[Any], Any, list[int]]:
        transport = Workers(3)
        beyond: list[int] = []
        async with AsyncClient("http://a.example", transport=transport) as client:
            bulk = client.bulk(
                [f"/a/{number}" for number in range(series)], response_format=User, items="data", in_flight=(1, 64),
                pages=PageNumber(total_pages="pages", parameter="page"), ordered=ordered,
            )  # fmt: skip
            transport.tell = lambda flying: beyond.append(flying - bulk.report.in_flight)
            return [outcome async for outcome in bulk], bulk.report, beyond

    outcomes, report, beyond = virtual.run(main)
    assert (report.done, report.rows, report.failed) == (series, series * PAGES, 0)
    for number in range(series):
        pages = [each.value[0].id for each in outcomes if each.call.path == f"/a/{number}"]
        assert pages == list(range(1, PAGES + 1))
    if ordered:
        assert [each.call.path for each in outcomes[::PAGES]] == [f"/a/{number}" for number in range(series)]
    assert len(beyond) == series * PAGES
    assert sum(each > 0 for each in beyond) <= 0.05 * len(beyond)  # while it shrinks, what was sent comes to its end
    assert max(beyond) <= 3


def test_a_width_that_grows_lets_more_series_begin() -> None:
    """Also where no call ends meanwhile: each page tells how wide it may be."""

    async def main(_: virtual.VirtualLoop) -> Workers:
        transport = Workers(1000)
        async with AsyncClient("http://a.example", transport=transport) as client:
            bulk = client.bulk(
                [f"/a/{number}" for number in range(64)], response_format=User, items="data", in_flight=(1, 64),
                pages=PageNumber(total_pages="pages", parameter="page"),
            )  # fmt: skip
            async for _outcome in bulk:
                if transport.most > 8:
                    break
                assert bulk.report.done == 0
            await bulk.aclose()
        return transport

    assert virtual.run(main).most > 8


async def test_a_run_of_series_and_plain_calls(tmp_path: Path) -> None:
    """A width that adapts itself, a sink and a journal: every row of every page comes once."""
    calls: list[Any] = [Call(f"/feeds/{number}", pages=Link() if number % 2 else None) for number in range(60)]

    async def answer(request: Request) -> Response:
        await asyncio.sleep(0)
        page = int(request.url.query.get("page", 1))
        number = int(request.url.path.rpartition("/")[2])
        more = {"Link": f'<{request.url.path}?page={page + 1}>; rel="next"'} if page < 4 else {}
        return json_response([{"id": number * 10 + page}], headers=more)

    async with AsyncClient("http://a.example", transport=MockTransport(answer)) as client:
        sink = sinks.NDJSON(tmp_path / "rows.ndjson")
        report = await client.bulk(
            calls, response_format=User, items="", in_flight=(1, 8), sink=sink, journal=True
        ).run()  # fmt: skip
    assert (report.done, report.failed, report.rows) == (60, 0, 30 + 30 * 4)
    rows = sorted(row["id"] for row in read_lines(tmp_path / "rows.ndjson"))
    assert rows == sorted(number * 10 + page for number in range(60) for page in range(1, 5 if number % 2 else 2))


async def test_over_real_connections(echo: EchoServer, transport: str) -> None:
    """Plain calls and others, each answered with its own."""
    calls: list[Any] = [f"/a/{number}" for number in range(300)]
    calls[::7] = [{"path": call, "headers": {"X-Trace": "7"}} for call in calls[::7]]
    async with AsyncClient(echo.url, transport=transport) as client:
        found = [outcome async for outcome in client.bulk(calls, in_flight="auto", ordered=True)]
    assert [type(each) for each in found] == [Ok] * 300
    assert [each.value["target"] for each in found if isinstance(each, Ok)] == [f"/a/{n}" for n in range(300)]


@pytest.mark.parametrize("ordered", [False, True])
async def test_left_early(*, ordered: bool) -> None:
    """Nothing is left behind."""
    api = Api()
    async with api.client() as client:
        before = asyncio.all_tasks()
        async with client.bulk(paths(1000), in_flight=(1, 8), ordered=ordered) as outcomes:
            for _ in range(20):
                await anext(outcomes)
        assert asyncio.all_tasks() == before
        assert api.now == 0
