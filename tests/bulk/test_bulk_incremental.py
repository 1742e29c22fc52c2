"""`incremental=` in a bulk: a mark for each call, which moves when its series is over and durable."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headrace import AsyncClient, Call, Incremental, errors, sinks
from headrace.bulk import Journal, Report
from headrace.pages import Cursor, Offset
from headrace.testing import MockTransport, json_response
from headrace.transports import Request, Response
from tests.kit.bulk import Event, Feed, read_lines

NEXT = Cursor("next", parameter="cursor")


class Nights:
    """Runs of one bulk, night after night.

    Args:
        feed: What answers.
        folder: Where rows and journal are.
        incremental: How new rows are told.
    """

    def __init__(self, feed: Feed, folder: Path, incremental: Incremental | None) -> None:
        self.feed = feed
        self.path = folder / "rows.ndjson"
        self.incremental = incremental

    async def run(self, calls: Any = ("/feed/a",), **given: Any) -> Report:
        """Run the calls once."""
        given = {"response_format": Event, "items": "data", "pages": NEXT, **given}
        async with self.feed.client() as client:
            sink = sinks.NDJSON(self.path)
            return await client.bulk(calls, sink=sink, journal=True, incremental=self.incremental, **given).run()

    def ids(self) -> list[int]:
        """Read the rows that are there, in order."""
        return sorted(row["id"] for row in read_lines(self.path))


def add_marks(journal: Path, count: int) -> None:
    """Put marks of other calls into a journal."""
    with closing(sqlite3.connect(journal)) as book, book:
        state, ended = book.execute("SELECT state, ended FROM series LIMIT 1").fetchone()
        others = ((number.to_bytes(16, "big"), state, ended) for number in range(count))
        book.executemany("INSERT OR REPLACE INTO series VALUES (?, ?, ?)", others)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_run_that_is_over_begins_again_from_its_marks(order: Any, tmp_path: Path) -> None:
    """Every call is asked again, each from a mark of its own."""
    feed = Feed(order=order)
    feed.put("a", (1, 10), (2, 11), (3, 12), (4, 12))
    feed.put("b", (5, 20))
    nights = Nights(feed, tmp_path, Incremental("at", "since", order=order))
    calls = ["/feed/a", "/feed/b", "/feed/c"]
    report = await nights.run(calls)
    assert (report.done, report.rows) == (3, 5)
    feed.asked.clear()
    report = await nights.run(calls)
    assert (report.done, report.skipped, report.rows) == (3, 0, 0)
    assert sorted(feed.asked) == [("a", "12", None), ("b", "20", None), ("c", None, None)]
    feed.put("a", (6, 12), (7, 13))
    feed.put("c", (8, 1))
    report = await nights.run(calls)
    assert report.rows == 3
    assert nights.ids() == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_a_mark_stays_where_a_series_fails(tmp_path: Path) -> None:
    """The next run goes on at the page that failed, with the old mark; what is over in it is asked again."""
    feed = Feed(size=2, order="desc")
    feed.put("a", *((number, number) for number in range(1, 4)))
    feed.put("b", (100, 1))
    nights = Nights(feed, tmp_path, Incremental("at", "since", order="desc"))
    calls = ["/feed/a", "/feed/b"]
    await nights.run(calls)
    feed.put("a", *((number, number) for number in range(4, 10)))
    feed.refused = {"6-6"}
    report = await nights.run(calls)
    assert (report.done, report.failed, report.rows) == (1, 1, 4)
    with Journal(tmp_path / "rows.ndjson.journal") as journal:
        assert [letter.call.path for letter in journal.failed()] == ["/feed/a"]
    feed.put("a", (10, 10))
    feed.refused.clear()
    feed.asked.clear()
    report = await nights.run(calls)
    assert (report.done, report.rows) == (2, 2)
    assert sorted(feed.asked) == [("a", "3", "4-4"), ("a", "3", "6-6"), ("b", "1", None)]
    report = await nights.run(calls)
    assert (report.done, report.rows) == (2, 1)
    assert nights.ids() == [*range(1, 11), 100]
    with Journal(tmp_path / "rows.ndjson.journal") as journal:
        assert list(journal.failed()) == []


async def test_a_run_that_was_stopped_is_not_over(tmp_path: Path) -> None:
    """What is done in it is skipped by the next, which asks for the rest."""
    feed = Feed()
    for number in range(40):
        feed.put(str(number), (number, 1))
    nights = Nights(feed, tmp_path, Incremental("at", "since"))
    calls = [f"/feed/{number}" for number in range(40)]

    async with feed.client() as client:
        given: dict[str, Any] = {"response_format": Event, "items": "data", "pages": NEXT, "in_flight": 1}
        bulk = client.bulk(
            calls, sink=sinks.NDJSON(nights.path), journal=True, incremental=nights.incremental,
            transform=lambda row: bulk.stop() or row if row.id == 10 else row, **given,
        )  # fmt: skip
        stopped = await bulk.run()
    assert stopped.stopped
    with Journal(tmp_path / "rows.ndjson.journal") as journal:
        assert journal.done == stopped.done < 40
    report = await nights.run(calls)
    assert (report.skipped, report.done) == (stopped.done, 40 - stopped.done)
    with Journal(tmp_path / "rows.ndjson.journal") as journal:
        assert journal.done == 0  # the run is over: all are asked again
    report = await nights.run(calls)
    assert (report.skipped, report.done, report.rows) == (0, 40, 0)
    assert nights.ids() == list(range(40))


async def test_an_iterated_bulk_is_over_when_all_is_handed_out(tmp_path: Path) -> None:
    """Without a sink too; one that is left early goes on where it was."""
    feed = Feed(size=1)
    feed.put("a", (1, 1), (2, 2), (3, 3))
    async with feed.client() as client:
        given: dict[str, Any] = {"response_format": Event, "items": "data", "pages": NEXT, "journal": tmp_path / "j"}
        given["incremental"] = Incremental("at", "since")

        async def ids() -> list[int]:
            return [row.id for each in [each async for each in client.bulk("/feed/a", **given)] for row in each.value]

        async with client.bulk("/feed/a", **given) as bulk:
            first = await anext(bulk)
            assert [row.id for row in (await anext(bulk)).value] == [2]
        assert first.meta.page == 0
        assert await ids() == [2, 3]
        feed.put("a", (4, 3), (5, 4))
        assert await ids() == [4, 5]
        assert await ids() == []


async def test_a_call_may_have_a_mark_of_its_own_kind(tmp_path: Path) -> None:
    """One that has none is done once; the marked parameter is no part of the key."""
    feed = Feed()
    feed.put("a", (1, 1))
    feed.put("b", (2, 2))
    nights = Nights(feed, tmp_path, None)
    marked = Incremental("at", "since")
    await nights.run([Call("/feed/a", incremental=marked, parameters={"since": 1}), "/feed/b"])
    feed.put("a", (3, 3))
    feed.put("b", (4, 4))
    report = await nights.run([Call("/feed/a", incremental=marked), "/feed/b"])
    assert (report.skipped, report.done, report.rows) == (1, 1, 1)
    report = await nights.run([Call("/feed/a", incremental=marked, parameters={"since": 9}), "/feed/b"])
    assert (report.skipped, report.done, report.rows) == (1, 1, 0)
    assert nights.ids() == [1, 2, 3]


async def test_one_answer_of_rows_has_a_mark_too(tmp_path: Path) -> None:
    """Without `pages`, a call is a series of one page."""
    feed = Feed(size=100)
    feed.put("a", (1, 1), (2, 2))
    nights = Nights(feed, tmp_path, Incremental("at", "since", lag=1))
    assert (await nights.run(pages=None)).rows == 2
    feed.put("a", (3, 1), (4, 2), (5, 0))
    assert (await nights.run(pages=None)).rows == 2
    assert nights.ids() == [1, 2, 3, 4]


async def test_what_was_expected_moves_no_mark(tmp_path: Path) -> None:
    """A status that is no failure ends a series for this run; the next one goes on where it was."""
    feed = Feed(size=1)
    feed.put("a", (1, 1), (2, 2), (3, 3))
    feed.refused = {"2-2"}
    nights = Nights(feed, tmp_path, Incremental("at", "since"))
    report = await nights.run(expected={403})
    assert (report.expected, report.failed, report.rows) == (1, 0, 2)
    report = await nights.run(expected={403})
    assert (report.skipped, report.expected, report.rows) == (0, 1, 0)
    feed.refused.clear()
    assert (await nights.run(expected={403})).rows == 1
    assert nights.ids() == [1, 2, 3]


async def test_more_partitions_than_others_keep(tmp_path: Path) -> None:
    """With 30,000 marks of other calls behind them, the oldest are not forgotten."""
    asked: list[Any] = []

    def answer(request: Request) -> Response:
        asked.append(request.url.query.get("since"))
        return json_response([{"id": int(request.url.path[1:]), "at": 5}])

    given: dict[str, Any] = {"response_format": Event, "items": "", "incremental": Incremental("at", "since")}
    async with AsyncClient("http://a.example", transport=MockTransport(answer)) as client:
        for rows in (300, 0):
            asked.clear()
            sink = sinks.NDJSON(tmp_path / "rows.ndjson")
            report = await client.bulk((f"/{n}" for n in range(300)), sink=sink, journal=True, **given).run()
            assert (report.done, report.rows) == (300, rows)
            assert set(asked) == ({None} if rows else {"5"})
            add_marks(tmp_path / "rows.ndjson.journal", 30_000)


async def test_rows_that_lack_the_field_are_a_failure(tmp_path: Path) -> None:
    """Nothing of that page is written, and nothing moves."""
    feed = Feed()
    feed.rows["a"] = [{"id": 1, "at": 0}]

    def answer(_: Request) -> Response:
        return json_response({"data": [{"id": 1}]})

    async with AsyncClient("http://a.example", transport=MockTransport(answer)) as client:
        given: dict[str, Any] = {"items": "data", "journal": True, "sink": sinks.NDJSON(tmp_path / "rows.ndjson")}
        report = await client.bulk("/x", incremental=Incremental("at"), **given).run()
    assert (report.failed, report.rows) == (1, 0)
    assert "row 0 of the page has nothing at $.at" in str(report.failures[0].error)


def test_what_it_needs(tmp_path: Path) -> None:
    """A journal, and rows."""
    client = Feed().client()
    marked = Incremental("at")
    with pytest.raises(errors.ValidationError, match="incremental: is taken with a journal, which keeps the marks"):
        client.bulk(["/x"], items="data", incremental=marked)
    with pytest.raises(errors.ValidationError, match="incremental: compares rows; items= or pages= says where they"):
        client.bulk(["/x"], incremental=marked, journal=tmp_path / "j")
    with pytest.raises(errors.ValidationError, match=r"incremental: got str .*, takes a headrace\.Incremental"):
        client.bulk(["/x"], items="data", incremental="at", journal=tmp_path / "j")  # type: ignore[call-overload]


async def test_what_a_call_needs(tmp_path: Path) -> None:
    """The same, and the error says which call it is."""
    async with Feed().client() as client:
        with pytest.raises(errors.ValidationError, match=r"calls\[0\]: incremental: is taken with a journal"):
            await anext(client.bulk([Call("/x", incremental=Incremental("at"))], items="data"))
        with pytest.raises(errors.ValidationError, match=r"calls\[0\]: has incremental, which a call may change only"):
            await anext(client.bulk([Call("/x", incremental=Incremental("at"))], journal=tmp_path / "j"))
        with pytest.raises(errors.ValidationError, match=r"calls\[0\]: incremental: got int"):
            await anext(client.bulk([Call("/x", incremental=7)], items="data", journal=tmp_path / "k"))


async def test_another_field_is_another_job(tmp_path: Path) -> None:
    """Marks of one field say nothing of another."""
    feed = Feed()
    nights = Nights(feed, tmp_path, Incremental("at"))
    await nights.run()
    nights.incremental = Incremental("id")
    with pytest.raises(errors.JournalError, match=r"its incremental was \$\.at, and is \$\.id"):
        await nights.run()


async def test_a_dead_letter_keeps_how_new_rows_are_told(tmp_path: Path) -> None:
    """With bounds of every kind."""

    class Row(msgspec.Struct):
        at: datetime

    now = datetime(2024, 5, 1, tzinfo=UTC)
    marked = Incremental(
        "at", "since", initial=now, end=now + timedelta(days=9), lag=timedelta(hours=1), row_key=["at"]
    )
    call = Call("/x", pages=Offset(), incremental=marked)
    transport = MockTransport(lambda _: json_response({}, status=403))
    async with AsyncClient("http://a.example", transport=transport) as client:
        given: dict[str, Any] = {"response_format": Row, "items": "", "sink": sinks.Discard()}
        await client.bulk([call], journal=tmp_path / "j", **given).run()
    with Journal(tmp_path / "j") as journal:
        (letter,) = journal.failed()
        assert letter.call == call
