"""What has no place in its column is a reject, never another value, and never the end of a run: in every sink."""

import datetime as dt
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import duckdb
import msgspec
import pydantic
import pytest

from headrace import AsyncClient, Call, sinks
from headrace.testing import MockTransport, Response
from tests.kit.bulk import Api, paths, read_duckdb, read_lines, read_parts, read_table

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])

SINKS: dict[str, Callable[[Path], Any]] = {
    "ndjson": lambda folder: sinks.NDJSON(folder / "rows.ndjson"),
    "sqlite": lambda folder: sinks.SQLite(folder / "rows.db", "rows"),
    "parquet": lambda folder: sinks.Parquet(folder / "rows"),
    "duckdb": lambda folder: sinks.DuckDB(folder / "rows.duck", "rows"),
}
UTC = dt.UTC
LAST = dt.timezone(-dt.timedelta(hours=1))


def read(kind: str, folder: Path) -> dict[int, Any]:
    """Read the rows, by their number."""
    match kind:
        case "ndjson":
            return {row["id"]: row["v"] for row in read_lines(folder / "rows.ndjson")}
        case "parquet":
            return {row["id"]: row["v"] for row in read_parts(folder / "rows")}
        case "sqlite":
            return dict(read_table(folder / "rows.db", "rows"))
    return dict(read_duckdb(folder / "rows.duck", "rows"))


class Whole(msgspec.Struct):
    """A row with a whole number."""

    id: int
    v: int


class Real(msgspec.Struct):
    """A row with a number."""

    id: int
    v: float


class Either(msgspec.Struct):
    """A row with a number of either kind."""

    id: int
    v: int | float


class Reals(msgspec.Struct):
    """A row with numbers."""

    id: int
    v: list[float]


class Truth(msgspec.Struct):
    """A row with what is true or false."""

    id: int
    v: bool


class Text(msgspec.Struct):
    """A row with a text."""

    id: int
    v: str


class Texts(msgspec.Struct):
    """A row with texts."""

    id: int
    v: list[str]


class Octets(msgspec.Struct):
    """A row with bytes."""

    id: int
    v: bytes


class Day(msgspec.Struct):
    """A row with a date."""

    id: int
    v: dt.date


class Instant(msgspec.Struct):
    """A row with a time that has a zone."""

    id: int
    v: Annotated[dt.datetime, msgspec.Meta(tz=True)]


class Local(msgspec.Struct):
    """A row with a time that has none."""

    id: int
    v: Annotated[dt.datetime, msgspec.Meta(tz=False)]


class Anything(msgspec.Struct):
    """A row with JSON."""

    id: int
    v: Any


#: A kind of row, a value that is good, and some that are none of its type.
WRONG: list[tuple[type, Any, list[Any]]] = [
    (Whole, 1, [1.5, "12", 2**63, -(2**63) - 1, math.nan, math.inf, Decimal(1)]),
    (Real, 0.5, ["0.5", "nan", 2**53 + 1, 10**400, Decimal("0.1")]),
    (Either, 0.5, [2**53 + 1, 10**400]),
    (Truth, True, ["x", 2, [], math.nan]),
    (Text, "é", [5, "\ud800", ["x"]]),
    (Octets, b"\xff", [3, [1, 2], "x"]),
    (Day, dt.date(2020, 2, 29), ["2020-01-01", 5, dt.datetime(2020, 1, 1, 12, tzinfo=UTC)]),
    (Instant, dt.datetime(2020, 1, 1, tzinfo=UTC), ["x", 5, dt.datetime(2020, 1, 1), dt.date(2020, 1, 1)]),  # noqa: DTZ001
    (Local, dt.datetime(2020, 1, 1), ["x", 5, dt.datetime(2020, 1, 1, tzinfo=UTC)]),  # noqa: DTZ001
]  # fmt: skip
#: The same, where it is told by every sink, for JSON cannot say it either.
WITHOUT_JSON: list[tuple[type, Any, list[Any]]] = [
    (Text, "é", ["\ud800"]),
    (Texts, ["é"], [["\ud800"]]),
    (Anything, 1, [math.nan, {"a": [math.inf]}, {"\ud800": 1}, object()]),
]


def cases(table: list[tuple[type, Any, list[Any]]]) -> list[Any]:
    """Name each value."""
    return [
        pytest.param(kind, good, value, id=f"{kind.__name__}-{number}")
        for kind, good, wrong in table
        for number, value in enumerate(wrong)
    ]


def saying(body: bytes) -> AsyncClient:
    """Make a client whose server always says the same."""
    return AsyncClient("http://a.example", transport=MockTransport(lambda _: Response(200, (), body)))


async def run(sink: Any, rows: list[Any]) -> Any:
    """Write rows that a transform has made."""
    async with Api().client() as client:
        return await client.bulk(paths(1), transform=lambda _: list(rows), sink=sink).run()


async def check(kind: str, folder: Path, row: type, good: Any, wrong: Any) -> None:
    """See that the wrong row is told, and the others are there."""
    report = await run(SINKS[kind](folder), [row(0, good), row(1, wrong), row(2, good)])
    assert (report.rows, report.rejected) == (2, 1)
    assert report.rejects[0].index == 0  # it was made of the one row of the answer
    found = read(kind, folder)
    assert sorted(found) == [0, 2]
    assert found[0] == found[2]


@pytest.mark.hazard(73)
@pytest.mark.parametrize("kind", ["sqlite", "parquet", "duckdb"])
@pytest.mark.parametrize(("row", "good", "wrong"), cases(WRONG))
async def test_another_value_is_a_reject(tmp_path: Path, kind: str, row: type, good: Any, wrong: Any) -> None:
    """No number is cut, no text read as a number, no time loses its zone; the rows around it are kept."""
    await check(kind, tmp_path, row, good, wrong)


@pytest.mark.hazard(73)
@pytest.mark.parametrize("kind", list(SINKS))
@pytest.mark.parametrize(("row", "good", "wrong"), cases(WITHOUT_JSON))
async def test_what_has_no_json_is_a_reject(tmp_path: Path, kind: str, row: type, good: Any, wrong: Any) -> None:
    """Encoders write a NaN as null, which would be another value."""
    await check(kind, tmp_path, row, good, wrong)


@pytest.mark.hazard(73)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("row", [Real, Reals])
@pytest.mark.parametrize("kind", list(SINKS))
async def test_a_number_that_is_none_is_kept_or_told(tmp_path: Path, kind: str, row: type, value: float) -> None:
    """Parquet and DuckDB hold NaN and infinities, a column of SQLite infinities; elsewhere they are rejects."""
    given = [value] if row is Reals else value
    good = [1.0] if row is Reals else 1.0
    report = await run(SINKS[kind](tmp_path), [row(0, good), row(1, given), row(2, good)])
    found = read(kind, tmp_path)
    holds = kind in {"parquet", "duckdb"} or (kind == "sqlite" and row is Real and math.isinf(value))
    assert (report.rows, report.rejected) == ((3, 0) if holds else (2, 1))
    assert repr(found.get(1)) == (repr(given) if holds else "None")
    assert (1 in found) == holds


@pytest.mark.parametrize("kind", list(SINKS))
async def test_values_that_are_equal_are_taken(tmp_path: Path, kind: str) -> None:
    """A whole float is a whole number, 1 is true, and an integer is a number."""
    for number, (row, value, kept) in enumerate(
        [(Whole, 3.0, 3), (Truth, 1, 1), (Real, 5, 5.0), (Real, Decimal(2), 2)]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        report = await run(SINKS[kind](folder), [row(0, value)])
        assert (report.rows, report.rejected) == (1, 0)
        assert kind == "ndjson" or read(kind, folder) == {0: kept}


@pytest.mark.hazard(73)
@pytest.mark.parametrize("kind", ["parquet", "duckdb"])
async def test_a_time_that_nobody_could_read_is_a_reject(tmp_path: Path, kind: str) -> None:
    """It is kept in UTC, where it would be in the year 0 or 10000; a server may say it, so it ends no run."""
    times = ("2020-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00Z")
    body = msgspec.json.encode([{"id": number, "v": time} for number, time in enumerate(times)])
    async with saying(body) as client:
        sink = SINKS[kind](tmp_path)
        report = await client.bulk(["/x"], response_format=Instant, items="", sink=sink, journal=True).run()
    assert (report.rows, report.rejected) == (2, 1)
    assert (report.rejects[0].index, report.rejects[0].path) == (1, "$.v")
    assert sorted(read(kind, tmp_path)) == [0, 2]


class Loose(pydantic.BaseModel):
    """A model that reads NaN from a text."""

    id: int
    v: float


class Computed(msgspec.Struct):
    """A model whose own code makes a NaN."""

    id: int
    v: float = 0.0

    def __post_init__(self) -> None:
        self.v = math.nan


@pytest.mark.parametrize("model", [Loose, Computed])
async def test_a_model_may_make_a_nan(tmp_path: Path, model: Any) -> None:
    """Without a transform too."""
    body = b'{"id":1,"v":"NaN"}' if model is Loose else b'{"id":1}'
    async with saying(body) as client:
        report = await client.bulk(["/x"], response_format=model, sink=sinks.NDJSON(tmp_path / "rows")).run()
    assert (report.rows, report.rejected) == (0, 1)


async def test_a_model_within_a_row_may_make_a_nan(tmp_path: Path) -> None:
    """A mapping is what JSON says, and what it holds need not be."""
    async with saying(b'{"w":{"id":1,"v":"NaN"}}') as client:
        sink = sinks.NDJSON(tmp_path / "rows")
        report = await client.bulk(["/x"], response_format=dict[str, Loose], sink=sink).run()
    assert (report.rows, report.rejected) == (0, 1)


@pytest.mark.parametrize("model", [Loose, Computed])
async def test_a_model_of_one_call_may_make_a_nan(tmp_path: Path, model: Any) -> None:
    """What is known of the rows of the bulk says nothing of the rows of a call with a format of its own."""
    body = b'{"id":1,"v":"NaN"}' if model is Loose else b'{"id":1}'
    calls = [Call("/x", response_format=model)]
    for number, given in enumerate((None, Real)):
        async with saying(body) as client:
            sink = sinks.NDJSON(tmp_path / str(number))
            report = await client.bulk(calls, response_format=given, sink=sink).run()
        assert (report.rows, report.rejected) == (0, 1)


async def test_a_sink_that_is_used_again_knows_nothing_of_the_run_before(tmp_path: Path) -> None:
    """A transform makes the rows of the second run, of the class that the first one's had."""
    sink = sinks.NDJSON(tmp_path / "rows", mode="append")
    async with saying(b'{"id":1,"v":0.5}') as client:
        first = await client.bulk(["/x"], response_format=Real, sink=sink).run()
        second = await client.bulk(
            ["/x"], response_format=Real, sink=sink, transform=lambda row: Real(row.id, math.nan)
        ).run()
    assert (first.rows, first.rejected) == (1, 0)
    assert (second.rows, second.rejected) == (0, 1)


class Part(msgspec.Struct):
    """A row with a part that is not decoded."""

    v: msgspec.Raw


async def test_an_undecoded_part_may_have_lines(tmp_path: Path) -> None:
    """It becomes one line."""
    sink = sinks.NDJSON(tmp_path / "rows")
    async with saying(b'{"v":{"a":\r\n1}}') as client:
        report = await client.bulk(["/x"], response_format=Part, sink=sink).run()
    assert report.ok
    assert (tmp_path / "rows").read_bytes() == b'{"v":{"a":1}}\n'


async def test_null_is_no_nan(tmp_path: Path) -> None:
    """Rows with null are kept, as decoded and behind a transform."""
    body = b'{"id":1,"v":null,"w":[null,{"x":null}]}'
    for number, transform in enumerate((None, lambda row: row)):
        async with saying(body) as client:
            sink = sinks.NDJSON(tmp_path / str(number))
            report = await client.bulk(["/x"], sink=sink, transform=transform).run()
        assert report.ok
        assert (tmp_path / str(number)).read_bytes() == body + b"\n"


@pytest.mark.hazard(73)
async def test_rows_that_a_table_of_duckdb_refuses(tmp_path: Path) -> None:
    """A constraint of the user's own costs the rows that break it, in the middle of a batch and among several."""
    path = tmp_path / "rows.duck"
    with duckdb.connect(str(path)) as book:
        book.execute("CREATE TABLE rows (id BIGINT, v BIGINT NOT NULL CHECK (v % 10 <> 7))")
    made = [Whole(number, number) for number in range(100)]
    sink = sinks.DuckDB(path, "rows", mode="append")
    async with Api().client() as client:
        bulk = client.bulk(paths(3), transform=lambda user: [Whole(user["id"], each.v) for each in made], sink=sink)
        report = await bulk.run()
    assert (report.rows, report.rejected) == (270, 30)
    assert {each.message[:16] for each in report.rejects} == {"Constraint Error"}
    assert [msgspec.json.decode(each.raw)["v"] for each in report.rejects] == list(range(7, 100, 10)) * 3
    assert len(read_duckdb(path, "rows")) == 270


async def test_the_index_of_a_reject_is_that_in_its_answer(tmp_path: Path) -> None:
    """Whatever was before it in its batch, and whichever rows of the answer did not fit their model."""
    rows = b'[{"id":0,"v":1},{"id":"x","v":1},{"id":2,"v":%d},{"id":3,"v":1},{"id":4,"v":%d}]' % (2**63, 2**63)
    async with saying(rows) as client:
        calls = [{"path": "/x", "key": f"k{number}"} for number in range(3)]
        for number, transform in enumerate((None, lambda row: [row, row])):
            sink = sinks.SQLite(tmp_path / f"{number}.db", "rows")
            bulk = client.bulk(
                calls, response_format=Whole, items="", ordered=True, transform=transform, sink=sink, journal=True
            )
            report = await bulk.run()
            made = [(each.key, each.index) for each in report.rejects if each.path == "$.v"]
            once = [(f"k{call}", index) for call in range(3) for index in (2, 4)]
            assert made == (once if transform is None else [each for each in once for _ in range(2)])
