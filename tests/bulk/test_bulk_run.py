"""`run()`: rows through the transform into the sink, and a report that leaves nothing out."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient, Call, errors, sinks
from headrace.bulk import Report
from headrace.testing import MockTransport, json_response
from headrace.transports import Request, Response
from tests.kit.bulk import Api, User, paths, read_lines
from tests.kit.waiting import until


class Kept:
    """A sink of one's own, in memory."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.told: list[str] = []
        self.fails_at = 0
        self._open: list[Any] = []

    def open(self, batch: int, /) -> int:
        """Open it."""
        self.told.append(f"open {batch}")
        return batch

    def write(self, rows: Sequence[Any], /) -> None:
        """Take rows."""
        self._open += rows

    def commit(self, batch: int, /) -> None:
        """Keep them."""
        if batch == self.fails_at:
            raise OSError(28, "No space left on device")
        self.rows += self._open
        self._open.clear()
        self.told.append(f"commit {batch}")

    def close(self) -> None:
        """Close it."""
        self.told.append("close")


async def test_rows_arrive_and_are_counted() -> None:
    """Every value is a row of the sink; what failed is in the report."""
    api, sink = Api({7: 404, 8: 403}), Kept()
    async with api.client() as client:
        report = await client.bulk(paths(100), response_format=User, sink=sink, expected={404}).run()
    assert sorted(row.id for row in sink.rows) == [n for n in range(100) if n not in (7, 8)]
    assert sink.told == ["open 0", "commit 1", "close"]
    counted = (report.calls, report.done, report.failed, report.expected, report.rows, report.rejected)
    assert counted == (100, 98, 1, 1, 98, 0)
    assert report.errors == {"403 HTTPForbidden": 1}
    assert report.failures[0].call == Call("/users/8")
    assert report.bytes > 98 * 20
    assert report.seconds > 0
    assert report.rate > 0
    assert list(report.percentiles) == [50, 90, 95, 99]
    assert not report.ok
    table = str(report)
    assert [line.split() for line in table.splitlines()][:3] == [["calls", "100"], ["done", "98"], ["failed", "1"]]
    assert "403 HTTPForbidden" in table
    with pytest.raises(errors.ClientError, match="1 of 100 calls failed: 1 403 HTTPForbidden") as caught:
        report.raise_for_failures()
    assert isinstance(caught.value.__cause__, errors.HTTPForbidden)


async def test_a_run_without_failures_is_ok() -> None:
    """`ok` is true, `raise_for_failures` does nothing, and one of no calls at all is fine."""
    for count in (0, 3):
        async with Api().client() as client:
            report = await client.bulk(paths(count), sink=sinks.Discard()).run()
        assert report.ok
        report.raise_for_failures()
        assert (report.calls, report.rows) == (count, count)
    assert Report().percentiles == {}


async def test_a_batch_ends_with_10000_rows_or_with_its_time() -> None:
    """Rows are committed while others come, by their number and by the clock."""
    document = {"data": [{"id": n} for n in range(4000)]}
    sink = Kept()
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: json_response(document))) as client:
        calls = [f"/{n}" for n in range(7)]
        report = await client.bulk(calls, response_format=User, items="data", sink=sink, in_flight=1).run()
    assert report.rows == len(sink.rows) == 28_000
    assert sink.told == ["open 0", "commit 1", "commit 2", "commit 3", "close"]

    sink, told = Kept(), asyncio.Event()

    async def answer(request: Request) -> Response:
        if request.target == "/users/1":
            await told.wait()
        return json_response(1)

    async with AsyncClient("http://a.example", transport=MockTransport(answer)) as client:
        running = asyncio.ensure_future(client.bulk(paths(2), sink=sink, in_flight=1, commit_every=0.01).run())
        await until(lambda: "commit 1" in sink.told)
        told.set()
        assert (await running).rows == 2


async def test_a_transform_makes_rows_of_a_row() -> None:
    """A row, several, or none; what it raises ends the run, and what came before is kept."""
    made: dict[int, Any] = {0: None, 1: [], 2: "row", 3: ["a", "b"], 4: ("c",), 5: (letter for letter in "de")}
    sink = Kept()
    async with Api().client() as client:
        bulk = client.bulk(paths(6), response_format=User, sink=sink, transform=lambda user: made[user.id])
        report = await bulk.run()
        assert sorted(sink.rows) == ["a", "b", "c", "d", "e", "row"]
        assert (report.rows, report.done) == (6, 6)
        sink = Kept()
        bulk = client.bulk(paths(9), response_format=User, sink=sink, transform=lambda user: made[user.id], in_flight=1)
        made[2], made[5] = "row", "x"
        with pytest.raises(KeyError) as caught:
            await bulk.run()
        assert "transform: of a row of <Call GET /users/6>" in caught.value.__notes__
        assert sorted(sink.rows) == ["a", "b", "c", "row", "x"]


async def test_tags_become_columns(tmp_path: Path) -> None:
    """What a call adds stands in each of its rows, of a sink of one's own as well."""
    calls = [Call("/users/1", tags={"region": "eu"}), Call("/users/2", tags={"region": "us"})]
    sink = Kept()
    async with Api().client() as client:
        await client.bulk(calls, response_format=User, sink=sink).run()
        await client.bulk(calls, response_format=User, sink=sinks.NDJSON(tmp_path / "rows.ndjson")).run()
    wanted = [{"id": 1, "name": "user 1", "region": "eu"}, {"id": 2, "name": "user 2", "region": "us"}]
    assert sorted(sink.rows, key=lambda row: row["id"]) == wanted
    assert sorted(read_lines(tmp_path / "rows.ndjson"), key=lambda row: row["id"]) == wanted


async def test_rejects_are_reported() -> None:
    """A row that does not fit costs no other, and the report says which it was."""
    document = {"data": [{"id": 1}, {"id": "two"}, {"id": 3}]}
    sink = Kept()
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: json_response(document))) as client:
        report = await client.bulk(["/a", "/b"], response_format=User, items="data", sink=sink).run()
    assert sorted(row.id for row in sink.rows) == [1, 1, 3, 3]
    assert (report.rejected, report.rows, report.done, report.ok) == (2, 4, 2, False)
    assert report.rejects[0].path == "$.data[1].id"


@pytest.mark.parametrize(("most", "least_failed"), [(5, 6), (0, 1), (0.5, 51)])
async def test_too_many_failures_stop_the_run(most: float, least_failed: int) -> None:
    """More failures than allowed, or than a share of 100 and more calls, and nothing more is pulled."""
    api = Api(dict.fromkeys(range(10000), 403))
    async with api.client() as client:
        report = await client.bulk(paths(10_000), sink=sinks.Discard(), in_flight=4, max_failures=most).run()
        assert report.stopped
        assert least_failed <= report.failed <= 200
        with pytest.raises(errors.ClientError, match="it was stopped before its end"):
            report.raise_for_failures()
        bulk = client.bulk(paths(10_000), in_flight=4, max_failures=most)
        seen = [outcome async for outcome in bulk]
        assert least_failed <= len(seen) <= 200
        assert bulk.report.stopped


async def test_few_failures_do_not() -> None:
    """As many as are allowed, and a share of few calls, stop nothing."""
    api = Api(dict.fromkeys(range(5), 403))
    async with api.client() as client:
        assert not (await client.bulk(paths(50), sink=sinks.Discard(), max_failures=5).run()).stopped
        assert not (await client.bulk(paths(50), sink=sinks.Discard(), max_failures=0.05).run()).stopped


async def test_progress_is_told() -> None:
    """The function gets the report, at its end in any case; `True` is a bar."""
    seen: list[int] = []
    async with Api().client() as client:
        await client.bulk(paths(20), sink=sinks.Discard(), progress=lambda report: seen.append(report.rows)).run()
        assert seen[-1] == 20
        await client.bulk(paths(20), sink=sinks.Discard(), progress=True).run()


async def test_a_cancelled_run_keeps_what_came() -> None:
    """What was answered is committed before the cancellation goes on, and the sink is closed."""
    api, sink = Api(), Kept()
    async with api.client() as client:
        bulk = client.bulk(paths(100), response_format=User, sink=sink, in_flight=4)
        running = asyncio.create_task(bulk.run())
        await until(lambda: bulk.report.done >= 10)
        api.gate = asyncio.Event()
        await until(lambda: api.now == 4)
        done = bulk.report.done
        before = asyncio.all_tasks() - {running}
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert len(sink.rows) >= done >= 10
        assert sink.told[-1] == "close"
        assert api.now == 0
        assert asyncio.all_tasks() <= before
        assert bulk.report.stopped


async def test_an_iterator_that_raises_keeps_what_came() -> None:
    """What the calls before it gave is committed, then its error is raised."""

    def calls() -> Iterator[str]:
        yield from paths(10)
        raise LookupError("no more paths")

    sink = Kept()
    async with Api().client() as client:
        with pytest.raises(LookupError, match="no more paths"):
            await client.bulk(calls(), response_format=User, sink=sink, in_flight=3).run()
    assert sorted(row.id for row in sink.rows) == list(range(10))
    assert sink.told == ["open 0", "commit 1", "close"]


async def test_stop_commits_what_is_in_flight() -> None:
    """A run that is stopped ends in order: what was sent is a row, and the report says that it was stopped."""
    api, sink = Api(), Kept()
    async with api.client() as client:
        bulk = client.bulk(paths(100), response_format=User, sink=sink, in_flight=4)
        running = asyncio.create_task(bulk.run())
        await until(lambda: bulk.report.done >= 10)
        bulk.stop()
        report = await running
    assert report.stopped
    assert len(sink.rows) == report.done == report.calls == api.asked.total()
    assert report.calls < 100


@pytest.mark.parametrize("batch", [1, 3])
async def test_a_sink_that_fails_stops_the_run(batch: int) -> None:
    """A full disk is a `SinkError` that names the sink; what was committed before stays."""
    document = {"data": [{"id": n} for n in range(6000)]}
    sink = Kept()
    sink.fails_at = batch
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: json_response(document))) as client:
        bulk = client.bulk((f"/{n}" for n in range(100)), items="data", sink=sink, in_flight=2)
        with pytest.raises(errors.SinkError, match=r"the sink Kept failed: OSError: .*No space left"):
            await bulk.run()
    assert sink.told == ["open 0", *[f"commit {each}" for each in range(1, batch)], "close"]
    assert len(sink.rows) == (batch - 1) * 12_000
    assert bulk.report.calls < 100


async def test_a_run_is_used_once() -> None:
    """A second run, an iteration of a bulk with a sink, and one of a closed client are refused."""
    async with Api().client() as client:
        bulk = client.bulk(paths(1), sink=sinks.Discard())
        with pytest.raises(errors.ValidationError, match=r"sink: is written by run\(\)"):
            await anext(bulk)
        await bulk.run()
        with pytest.raises(errors.AsyncClientError, match="was used before"):
            await bulk.run()
        unused = client.bulk(paths(1), sink=sinks.Discard())
    with pytest.raises(errors.AsyncClientError, match="closed"):
        await unused.run()
