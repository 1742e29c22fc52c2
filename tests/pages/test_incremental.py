"""`incremental=`: a series gives what is new since the one before it, each row once."""

import dataclasses
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import pydantic
import pytest

import headrace
from headrace import AsyncClient, Incremental, errors
from headrace.pages import Cursor, Link, NextUrl, Offset
from headrace.testing import MockTransport, json_response
from headrace.transports import Request, Response
from tests.kit.bulk import Event, Feed

NEXT = Cursor("next", parameter="cursor")


class Night:
    """Series of one feed, each with the state of the one before it.

    Args:
        feed: What answers.
        incremental: How new rows are told.
        given: Other options of the series.
    """

    def __init__(self, feed: Feed, incremental: Incremental, **given: Any) -> None:
        self.feed = feed
        self.given: dict[str, Any] = {"response_format": Event, "items": "data", "pages": NEXT, **given}
        self.incremental = incremental
        self.state: Any = None

    async def ids(self, **given: Any) -> list[Any]:
        """Read a series; gives the ids of its rows."""
        async with self.feed.client() as client:
            pages = client.paginate(
                "/feed/a", incremental=self.incremental, resume=self.state, **{**self.given, **given}
            )
            rows = await pages.collect()
            self.state = json.loads(json.dumps(pages.state))
        return [row["id"] if isinstance(row, dict) else row.id for row in rows]


@pytest.mark.parametrize("parameter", [None, "since"])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_each_row_comes_once(order: Any, parameter: str | None) -> None:
    """Night after night what is new, ties at the edge included, whether the server knows of the mark or not."""
    feed = Feed(order=order)
    feed.put("a", (1, 10), (2, 11), (3, 12), (4, 12), (5, 13))
    night = Night(feed, Incremental("at", parameter, order=order))
    assert sorted(await night.ids()) == [1, 2, 3, 4, 5]
    assert await night.ids() == []
    feed.put("a", (6, 13), (7, 14))
    assert sorted(await night.ids()) == [6, 7]
    assert await night.ids() == []
    assert {since for _, since, _ in feed.asked} == ({None, "13", "14"} if parameter else {None})


async def test_descending_pages_end_behind_the_first_row_that_is_too_old() -> None:
    """No more is asked for, though the server has more."""
    feed = Feed(size=2, order="desc")
    feed.put("a", *((number, number) for number in range(1, 21)))
    night = Night(feed, Incremental("at", order="desc"))
    assert len(await night.ids()) == 20
    feed.asked.clear()
    feed.put("a", (21, 21), (22, 22))
    assert await night.ids() == [22, 21]
    assert len(feed.asked) == 2
    feed.asked.clear()
    assert await Night(feed, Incremental("at", order="desc", initial=19)).ids() == [22, 21, 20, 19]
    assert len(feed.asked) == 3


async def test_a_mark_stays_until_its_series_has_ended() -> None:
    """A descending series that was left half-way goes on where it was, and loses nothing."""
    feed = Feed(size=2, order="desc")
    feed.put("a", *((number, number) for number in range(1, 7)))
    night = Night(feed, Incremental("at", "since", order="desc"))
    await night.ids()
    feed.put("a", *((number, number) for number in range(7, 13)))
    assert await night.ids(max_pages=1) == [12, 11]
    feed.put("a", (13, 13))  # which came too late for this series
    assert await night.ids(max_pages=1) == [10, 9]
    assert feed.asked[-1] == ("a", "6", "11-11")
    assert await night.ids() == [8, 7]
    assert await night.ids() == [13]
    assert feed.asked[-1] == ("a", "12", None)
    assert await night.ids() == []


async def test_rows_that_come_late_within_the_lag() -> None:
    """They come once, and those that are later still do not; with a longer lag nothing comes again."""
    feed = Feed()
    feed.put("a", (1, 100), (2, 110))
    night = Night(feed, Incremental("at", "since", lag=15))
    assert await night.ids() == [1, 2]
    feed.put("a", (3, 95), (4, 94), (5, 101), (6, 110), (7, 111))
    assert await night.ids() == [3, 5, 6, 7]
    assert feed.asked[-2:] == [("a", "95", None), ("a", "95", "101-5")]
    assert await night.ids() == []
    feed.put("a", (8, 96))
    assert await night.ids() == [8]
    night.incremental = Incremental("at", "since", lag=1000)
    assert await night.ids() == []
    feed.put("a", (9, 97), (10, 94), (11, 300))
    assert await night.ids() == [9, 11]
    feed.put("a", (12, 97), (13, 94))
    assert await night.ids() == [12]
    night.incremental = Incremental("at", "since")
    feed.put("a", (14, 299), (15, 300))
    assert await night.ids() == [15]


async def test_rows_are_told_apart_by_a_key_or_as_a_whole() -> None:
    """A row that is another at the same time is new, unless its key says that it is the same."""

    def answer(_: Request) -> Response:
        return json_response(rows)

    async with AsyncClient("http://a.example", transport=MockTransport(answer)) as client:
        for key, wanted in ((None, 2), ("id", 1), (["id", "version"], 2)):
            rows = [{"id": 1, "version": 1, "at": 5, "note": "a"}]
            asked = Incremental("at", row_key=key)
            pages = client.paginate("/x", items="", pages=Offset(total=1), incremental=asked)
            assert len(await pages.collect()) == 1
            rows = [{"id": 1, "version": 2, "at": 5, "note": "b"}, {"id": 2, "version": 1, "at": 5, "note": "a"}]
            again = client.paginate("/x", items="", pages=Offset(total=2), incremental=asked, resume=pages.state)
            assert len(await again.collect()) == wanted
            # with another value it is another version of the row
            rows = [{"id": 2, "version": 1, "at": 6, "note": "a"}]
            last = client.paginate("/x", items="", pages=Offset(total=1), incremental=asked, resume=again.state)
            assert len(await last.collect()) == 1


async def test_the_order_of_names_in_a_row_is_no_difference() -> None:
    """Plain JSON whose members come in another order is the same row."""
    rows = [{"id": 1, "at": 5}]
    transport = MockTransport(lambda _: json_response(rows))
    async with AsyncClient("http://a.example", transport=transport) as client:
        pages = client.paginate("/x", items="", pages=Offset(total=1), incremental=Incremental("at"))
        assert len(await pages.collect()) == 1
        rows = [{"at": 5, "id": 1}]
        again = client.paginate(
            "/x", items="", pages=Offset(total=1), incremental=Incremental("at"), resume=pages.state
        )
        assert await again.collect() == []


async def test_initial_and_end() -> None:
    """From the one on, and not from the other on; ascending rows end there."""
    feed = Feed(size=2)
    feed.put("a", *((number, number) for number in range(1, 10)))
    assert await Night(feed, Incremental("at", "since", initial=3, end=6)).ids() == [3, 4, 5]
    assert len(feed.asked) == 4
    assert feed.asked[0] == ("a", "3", None)
    feed.asked.clear()
    night = Night(feed, Incremental("at", initial=3, end=6, order="asc"))
    assert await night.ids() == [3, 4, 5]
    assert len(feed.asked) == 3
    night.incremental = Incremental("at", "since", initial=1)
    assert await night.ids() == [6, 7, 8, 9]
    assert feed.asked[-3] == ("a", "5", None)


async def test_a_parameter_of_the_call_is_sent_while_there_is_no_mark() -> None:
    """And the mark takes its place."""
    feed = Feed()
    feed.put("a", (1, 1), (2, 2), (3, 3))
    night = Night(feed, Incremental("at", "since"), parameters={"since": 2})
    assert await night.ids() == [2, 3]
    feed.put("a", (4, 4))
    assert await night.ids() == [4]
    assert [since for _, since, _ in feed.asked] == ["2", "3"]


class Stamped(msgspec.Struct):
    """A row whose name in the document is another one."""

    id: int
    changed: datetime = msgspec.field(name="changedAt")


class Plain(pydantic.BaseModel):
    """The same with pydantic."""

    id: int
    changed: datetime = pydantic.Field(alias="changedAt")


class Received(headrace.Response):
    """A row that knows who answered and when."""

    id: int
    changedAt: datetime  # noqa: N815 - the name in the document


@dataclasses.dataclass
class Data:
    """The same as a dataclass."""

    id: int
    changedAt: datetime  # noqa: N815 - the name in the document


@attrs.define
class Attrs:
    """The same with attrs."""

    id: int
    changedAt: datetime  # noqa: N815 - the name in the document


@pytest.mark.parametrize("row_format", [Stamped, Plain, Received, Data, Attrs], ids=lambda each: each.__name__)
async def test_values_compare_as_the_type_of_the_model(row_format: Any) -> None:
    """Times in other zones compare as times, and the mark is sent as one."""
    rows = [{"id": 1, "changedAt": "2024-05-01T12:00:00+02:00"}, {"id": 2, "changedAt": "2024-05-01T11:00:00Z"}]
    asked: list[str | None] = []

    def answer(request: Request) -> Response:
        asked.append(request.url.query.get("since"))
        return json_response({"rows": rows})

    transport = MockTransport(answer)
    async with AsyncClient("http://a.example", transport=transport) as client:
        given: dict[str, Any] = {"response_format": row_format, "items": "rows", "pages": NextUrl("next")}
        given["incremental"] = Incremental("changedAt", "since", initial="2024-05-01T00:00:00Z")
        pages = client.paginate("/x", **given)
        assert [row.id for row in await pages.collect()] == [1, 2]
        rows += [
            {"id": 3, "changedAt": "2024-05-01T12:30:00+02:00"},
            {"id": 4, "changedAt": "2024-05-01T13:00:00+02:00"},
        ]
        again = client.paginate("/x", resume=json.loads(json.dumps(pages.state)), **given)
        assert [row.id for row in await again.collect()] == [4]
        late = {**given, "incremental": Incremental("changedAt", "since", lag=timedelta(hours=1))}
        with pytest.raises(errors.ValidationError, match="resume: has the mark of another field than"):
            client.paginate("/x", resume=again.state, **{**given, "incremental": Incremental("id")})
        last = client.paginate("/x", resume=again.state, **late)
        assert [row.id for row in await last.collect()] == []
    assert asked[0] == "2024-05-01T00:00:00Z"  # as it was written
    sent = [each and datetime.fromisoformat(each) for each in asked]
    eleven = datetime(2024, 5, 1, 11, tzinfo=UTC)
    assert sent == [datetime(2024, 5, 1, tzinfo=UTC), eleven, eleven]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([9, 10], int),
        (["9.5", "10.5"], Decimal),
        (["2024-01-09", "2024-01-10"], date),
        ([2**60, 2**60 + 1], int),
        ([0.5, 1.25], float),
        (["a", "b"], str),
        (["P1D", "P2D"], timedelta),
    ],
)
async def test_marks_of_every_kind(values: list[Any], kind: Any) -> None:
    """They survive JSON as what they are."""
    row: Any = msgspec.defstruct("Row", [("at", kind)])
    rows = [{"at": values[0]}]
    transport = MockTransport(lambda _: json_response(rows))
    async with AsyncClient("http://a.example", transport=transport) as client:
        given: dict[str, Any] = {"response_format": row, "items": "", "pages": Link()}
        given["incremental"] = Incremental("at")
        pages = client.paginate("/x", **given)
        assert len(await pages.collect()) == 1
        rows.append({"at": values[1]})
        again = client.paginate("/x", resume=json.loads(json.dumps(pages.state)), **given)
        assert len(await again.collect()) == 1


async def test_a_field_in_a_part_of_a_row() -> None:
    """Its place is named."""
    rows = [{"meta": {"at": 1}}, {"meta": {"at": 3}}]
    transport = MockTransport(lambda _: json_response(rows))
    async with AsyncClient("http://a.example", transport=transport) as client:
        asked = Incremental("meta.at", initial=2)
        pages = client.paginate("/x", items="", pages=Link(), incremental=asked)
        assert await pages.collect() == [{"meta": {"at": 3}}]


async def test_pages_that_are_asked_for_at_once() -> None:
    """New rows come in their order, and a descending series stops all the same."""
    asked = []

    def answer(request: Request) -> Response:
        first = int(request.url.query["offset"])
        asked.append(first)
        return json_response({"data": [{"id": n, "at": 100 - n} for n in range(first, first + 10)], "total": 100})

    async with AsyncClient("http://a.example", transport=MockTransport(answer)) as client:
        given: dict[str, Any] = {"response_format": Event, "items": "data", "parallel": 3}
        given["pages"] = Offset(limit=10, total="total")
        pages = client.paginate("/x", incremental=Incremental("at", initial=75, order="desc"), **given)
        assert [row.id for row in await pages.collect()] == list(range(26))
        assert len(asked) < 8
