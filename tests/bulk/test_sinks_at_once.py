"""Rows that are alike are read by column; what is stored is what it is where each row is read by itself."""

import dataclasses
import enum
import math
import sqlite3
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Generic, NotRequired, TypedDict, TypeVar

import attrs
import duckdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from headrace import sinks
from headrace.bulk._sinks import arrow, columns
from headrace.bulk._sinks.base import Misfit, Tagged
from headrace.bulk._sinks.duckdb import _narrowed
from tests.kit.bulk import read_duckdb, read_parts, read_table

T = TypeVar("T")


class Color(enum.Enum):
    """A color."""

    RED = "red"


class Size(enum.IntEnum):
    """A size."""

    SMALL = 1


class Point(msgspec.Struct, rename="camel"):
    """A part with columns of every kind."""

    the_x: int
    share: float
    note: str | None = None
    good: bool = True
    maybe: int | UnsetType = UNSET
    raw: bytes = b"\0"
    day: date = date(2026, 1, 2)
    at: Annotated[datetime, msgspec.Meta(tz=True)] = datetime(2026, 1, 2, 3, tzinfo=UTC)
    local: Annotated[datetime, msgspec.Meta(tz=False)] = datetime.fromisoformat("2026-01-02")
    color: Color = Color.RED
    size: Size = Size.SMALL
    key: uuid.UUID = uuid.UUID(int=7)
    price: Decimal = Decimal("1.10")
    span: timedelta = timedelta(seconds=5)
    hour: time = time(5)
    anything: Any = None
    names: list[str] = []
    below: "Below | None" = None


class Below(msgspec.Struct, tag="below"):
    """A part of a part."""

    x: float
    numbers: list[int | None] = []


class Few(msgspec.Struct, omit_defaults=True):
    """A part whose JSON leaves some out."""

    x: int = 1
    y: int = 2


class Pair(msgspec.Struct, array_like=True):
    """A part whose JSON has no names."""

    x: int


@dataclasses.dataclass
class Place:
    """A part that is a dataclass."""

    x: int
    _hidden: str = "h"
    names: list[str] = dataclasses.field(default_factory=list)


@attrs.define
class Spot:
    """A part that is a class of attrs."""

    x: int
    _hidden: str = "h"


class Row(msgspec.Struct, rename="pascal"):
    """A row with columns of every kind."""

    number: int
    share: float
    name: str
    good: bool
    raw: bytes | None
    day: date | None
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None
    local: Annotated[datetime, msgspec.Meta(tz=False)] | None
    color: Color
    point: Point | None
    points: list[Point | None] | None
    tables: list[list[float]]
    names: tuple[str, ...]
    parts: set[int]
    few: Few | UnsetType
    place: Place | None
    spot: Spot
    anything: Any
    maybe: int | UnsetType | None = UNSET


@dataclasses.dataclass
class Flat:
    """A row that is a dataclass."""

    x: int
    name: str | None
    share: float


class Typed(TypedDict):
    """A row that is a mapping."""

    x: int
    name: str
    point: NotRequired[Point]
    note: NotRequired[str | None]


class Held(msgspec.Struct, Generic[T]):
    """A row that holds what it is told."""

    x: T
    many: list[T]


class Holding(msgspec.Struct):
    """A row with such a part."""

    held: Held[int]


class Other(msgspec.Struct):
    """A row of another type: those beside it are read each by itself."""

    z: int


#: What a transform may put anywhere.
ODD: list[Any] = [
    2**63, -(2**63), -(2**63) - 1, 10**400, 1.5, 2.0, math.nan, math.inf, -math.inf, "\ud800", "a\0b", "é", "", b"x",
    True, 1, None, UNSET, [], [UNSET], {"x": 1}, Decimal(2), Decimal("0.1"), Color.RED, Size.SMALL, object(), time(1),
    date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC), datetime.fromisoformat("2026-01-02"), Below(1.0), Few(1, 3),
    datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-1))), [math.nan], ["\ud800"], [2**63], "xy", ("x",),
    frozenset({3}), bytearray(b"x"), {"\ud800": 1}, [None], [1, 2.5], uuid.UUID(int=1), [b"x"], Pair(1), ["x", 5],
]  # fmt: skip
WHOLE = st.integers(-(2**63), 2**63 - 1)
REAL = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(max_size=5)
AT = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
LOCAL = st.datetimes()
JSON = st.recursive(st.none() | WHOLE | REAL | TEXT, lambda inner: st.lists(inner, max_size=2), max_leaves=3)


def or_none(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a value, or nothing."""
    return st.none() | values


BELOW = st.builds(Below, REAL, st.lists(or_none(WHOLE), max_size=2))
POINT = st.builds(
    Point, WHOLE, REAL, or_none(TEXT), st.booleans(), WHOLE | st.just(UNSET), st.binary(max_size=3), st.dates(), AT,
    LOCAL, st.sampled_from(Color), st.just(Size.SMALL), st.uuids(), st.decimals(allow_nan=False), st.timedeltas(),
    st.times(), JSON, st.lists(TEXT, max_size=2), or_none(BELOW),
)  # fmt: skip
ROW = st.builds(
    Row, WHOLE, REAL, TEXT, st.booleans(), or_none(st.binary(max_size=3)), or_none(st.dates()), or_none(AT),
    or_none(LOCAL), st.sampled_from(Color), or_none(POINT), or_none(st.lists(or_none(POINT), max_size=2)),
    st.lists(st.lists(REAL, max_size=2), max_size=2), st.lists(TEXT, max_size=2).map(tuple),
    st.frozensets(WHOLE, max_size=2).map(set), st.builds(Few, WHOLE, WHOLE) | st.just(UNSET),
    or_none(st.builds(Place, WHOLE, TEXT, st.lists(TEXT, max_size=2))), st.builds(Spot, WHOLE, TEXT), JSON,
    or_none(WHOLE) | st.just(UNSET),
)  # fmt: skip
TYPED = st.fixed_dictionaries({"x": WHOLE, "name": TEXT}, optional={"point": POINT, "note": or_none(TEXT)})
HELD = st.builds(Holding, st.builds(Held, WHOLE, st.lists(WHOLE, max_size=2)))
GOOD: dict[Any, st.SearchStrategy[Any]] = {
    Row: ROW, Flat: st.builds(Flat, WHOLE, or_none(TEXT), REAL), Typed: TYPED, Holding: HELD,
}  # fmt: skip


@st.composite
def with_odd(draw: st.DrawFn, model: Any) -> list[Any]:
    """Draw rows of which some parts, as a transform may make them, are none of their types; the first is good."""
    first, *rows = draw(st.lists(GOOD[model], min_size=2, max_size=4))
    for _ in range(draw(st.integers(1, 2))):
        row = draw(st.sampled_from(rows))
        inner = [row.point, *(row.points or ())] if type(row) is Row and type(row.points) in (list, type(None)) else []
        place: Any = draw(st.sampled_from([row, *(each for each in inner if type(each) is Point)]))
        value = draw(st.sampled_from(ODD))
        if type(place) is dict:
            place[draw(st.sampled_from(["x", "name", "point", "note"]))] = value
        else:
            fields = place.__struct_fields__ if isinstance(place, msgspec.Struct) else ("x", "name", "share")
            setattr(place, draw(st.sampled_from(fields)), value)
    return [first, *rows]


def of_arrow(narrowed: Any, rows: list[Any], model: Any) -> tuple[list[Misfit], str]:
    """Make a table of rows; gives those that have no place, and all that it has, types too."""
    tables = arrow.Tables(narrowed)
    tables.reader.expect(model)
    table, _, misfits = tables.read(rows)
    return misfits, "" if table is None else f"{table.schema}{table.to_pylist()}"


def of_sqlite(rows: list[Any], model: Any) -> tuple[list[Misfit], str]:
    """Do the same with a database."""
    with TemporaryDirectory() as name:
        sink = sinks.SQLite(Path(name) / "rows", "rows")
        sink.expect(model)
        sink.open(0)
        assert sink._book is not None
        sink._book.execute("PRAGMA synchronous=OFF")  # nothing has to outlive the test
        misfits = sink.write(rows)
        sink.commit(1)
        sink.close()
        with sqlite3.connect(Path(name) / "rows") as book:
            found = list(book.execute("SELECT sql FROM sqlite_master WHERE name = 'rows'"))
            found += book.execute("SELECT * FROM rows").fetchall() if found else []
        book.close()
    return misfits, repr(found)


WAYS: dict[str, Callable[[list[Any], Any], tuple[list[Misfit], str]]] = {
    "parquet": partial(of_arrow, arrow._same),
    "duckdb": partial(of_arrow, _narrowed),
    "sqlite": of_sqlite,
}


def both(way: str, model: Any, rows: list[Any]) -> None:
    """See that rows, and those that are told, are the same where each is read by itself."""
    misfits, found = WAYS[way](rows, model)
    misfits_each, found_each = WAYS[way]([*rows, Other(1)], model)
    assert misfits == misfits_each[:-1]
    assert misfits_each[-1].row == len(rows)
    assert found == found_each


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", list(GOOD))
@settings(max_examples=20)
@given(data=st.data())
def test_rows_are_the_same_by_column(way: str, model: Any, data: st.DataObject) -> None:
    """Whatever a model has, and a server says."""
    both(way, model, data.draw(st.lists(GOOD[model], min_size=1, max_size=4)))


@pytest.mark.hazard(73)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", [Row, Flat, Typed])
@settings(max_examples=40)
@given(data=st.data())
def test_odd_rows_are_the_same_by_column(way: str, model: Any, data: st.DataObject) -> None:
    """What has no place is told in the same words, and what has one is the same value."""
    both(way, model, data.draw(with_odd(model)))


MAKERS: dict[str, Callable[..., Any]] = {
    "sqlite": lambda folder, *key: sinks.SQLite(folder / "rows.db", "rows", *key),
    "parquet": lambda folder: sinks.Parquet(folder / "rows"),
    "duckdb": lambda folder, *key: sinks.DuckDB(folder / "rows.duck", "rows", *key),
}


def read(kind: str, folder: Path) -> list[tuple[Any, ...]]:
    """Read all rows."""
    if kind == "parquet":
        return [tuple(row.values()) for row in read_parts(folder / "rows")]
    return read_table(folder / "rows.db", "rows") if kind == "sqlite" else read_duckdb(folder / "rows.duck", "rows")


def write(sink: Any, rows: list[Any]) -> list[Misfit]:
    """Write rows in one batch."""
    sink.open(0)
    misfits: list[Misfit] = sink.write(rows)
    sink.commit(1)
    sink.close()
    return misfits


@pytest.mark.parametrize("kind", MAKERS)
def test_rows_that_are_alike_are_read_by_column(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those with tags too: nothing is read row by row."""
    rows = [Tagged(Flat(number, None if number else "a", 0.5), {"of": "x"}) for number in range(3)]
    monkeypatch.setattr(columns.Reader, "read", None)
    assert write(MAKERS[kind](tmp_path), rows) == []
    assert read(kind, tmp_path) == [(0, "a", 0.5, "x"), (1, None, 0.5, "x"), (2, None, 0.5, "x")]


@pytest.mark.parametrize("kind", MAKERS)
def test_tags_that_differ_are_told(kind: str, tmp_path: Path) -> None:
    """Rows without the tags of the first, or with others, are no rows of its columns."""
    row = Flat(1, "a", 0.5)
    assert [each.row for each in write(MAKERS[kind](tmp_path), [row, Tagged(row, {"of": "x"})])] == [1]
    (tmp_path / "other").mkdir()
    tagged = [Tagged(row, {name: "x"}) for name in ("of", "of", "in")]
    assert [each.row for each in write(MAKERS[kind](tmp_path / "other"), tagged)] == [2]


class Lists(msgspec.Struct):
    """A row with parts that have no name, and some that have."""

    pair: Pair
    names: list[str] = []
    point: Below | None = None


@pytest.mark.hazard(73)
@pytest.mark.parametrize("kind", ["parquet", "duckdb"])
def test_a_part_of_another_shape_is_told(kind: str, tmp_path: Path) -> None:
    """A text is no list of its letters, and a number no struct; the rows around it are kept."""
    odd: Any = ["xy", {"x": "y"}, 5]
    rows = [Lists(Pair(1)), *(Lists(Pair(1), names=each) for each in odd), Lists(Pair(1), point=odd[2]), Lists(Pair(2))]
    misfits = write(MAKERS[kind](tmp_path), rows)
    assert [(each.row, each.path) for each in misfits] == [
        (1, "$.names"),
        (2, "$.names"),
        (3, "$.names"),
        (4, "$.point"),
    ]
    assert read(kind, tmp_path) == [("[1]", [], None), ("[2]", [], None)]


class Keyed(msgspec.Struct):
    """A row whose key is a number and a time."""

    share: float | None
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    number: int


@pytest.mark.hazard(73)
def test_keys_of_duckdb_that_are_equal_in_one_batch(tmp_path: Path) -> None:
    """The last is kept: also where the key is no number, or the same time in two zones."""
    at, there = datetime(2026, 1, 2, 3, tzinfo=UTC), datetime(2026, 1, 2, 4, tzinfo=timezone(timedelta(hours=1)))
    shares = [(math.nan, at), (None, at), (0.5, at), (math.nan, there), (0.0, at), (-0.0, there)]
    rows = [Keyed(share, when, number) for number, (share, when) in enumerate(shares)]
    misfits = write(MAKERS["duckdb"](tmp_path, ("share", "at")), rows)
    assert misfits == [Misfit(1, "$", "a column of the primary key is null")]
    with duckdb.connect(tmp_path / "rows.duck") as book:
        assert book.execute("SELECT number FROM rows ORDER BY number").fetchall() == [(2,), (3,), (5,)]


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("kind", ["parquet", "duckdb"])
def test_a_part_keeps_what_has_its_default(tmp_path: Path, kind: str, *, odd: bool) -> None:
    """Its JSON leaves that out, a column does not; neither by column nor, beside a row with no place, row by row."""

    class Outer(msgspec.Struct):
        id: int
        few: Few
        several: list[Few]

    rows: list[Any] = [Outer(1, Few(), [Few(), Few(x=3)])]
    rows += [Outer(2**63, Few(), [])] if odd else []
    sink: Any = sinks.Parquet(tmp_path / "p") if kind == "parquet" else sinks.DuckDB(tmp_path / "d", "t")
    sink.open(0)
    assert [misfit.row for misfit in sink.write(rows)] == ([1] if odd else [])
    sink.commit(1)
    sink.close()
    read = read_parts(tmp_path / "p") if kind == "parquet" else read_duckdb(tmp_path / "d", "t")
    ((_, few, several),) = [tuple(row.values()) if isinstance(row, dict) else row for row in read]
    assert (few, several) == ({"x": 1, "y": 2}, [{"x": 1, "y": 2}, {"x": 3, "y": 2}])
