"""The sinks: every row once and as it is, what does not fit told, and targets that are not theirs left alone."""

import enum
import pickle
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from headrace import AsyncClient, Call, errors, sinks
from headrace.bulk import Journal
from headrace.bulk._sinks.durable import Mark
from headrace.testing import MockTransport, json_response
from tests.kit.bulk import Api, User, paths, read_duckdb, read_lines, read_parts, read_table

MAKERS: dict[str, Callable[..., Any]] = {
    "ndjson": lambda folder, **options: sinks.NDJSON(folder / "rows.ndjson", **options),
    "gzip": lambda folder, **options: sinks.NDJSON(folder / "rows.ndjson.gz", **options),
    "zstd": lambda folder, **options: sinks.NDJSON(folder / "rows.ndjson.zst", **options),
    "sqlite": lambda folder, **options: sinks.SQLite(folder / "rows.db", "users", **options),
    "parquet": lambda folder, **options: sinks.Parquet(folder / "rows", rows_per_file=30, **options),
    "duckdb": lambda folder, **options: sinks.DuckDB(folder / "rows.duckdb", "users", **options),
}
TABLES = ("sqlite", "parquet", "duckdb")


class Color(enum.Enum):
    """A color."""

    RED = "red"


class Point(msgspec.Struct):
    """A part of a row."""

    x: int
    note: str | None = None


class Row(msgspec.Struct, rename="camel"):
    """A row with columns of many kinds."""

    user_id: int
    share: float
    name: str
    good: bool
    when: Annotated[datetime, msgspec.Meta(tz=True)]
    local: Annotated[datetime, msgspec.Meta(tz=False)]
    day: date
    price: Decimal
    raw: bytes
    color: Color
    point: Point
    points: list[Point]
    anything: Any
    either: int | str
    maybe: int | None = None


ROW = Row(
    7, 0.5, "Zoë", True, datetime(2026, 1, 2, 3, 4, 5, 6000, UTC), datetime.fromisoformat("2026-01-02"),
    date(2026, 1, 2),
    Decimal("1.10"), b"\0\xff", Color.RED, Point(1), [Point(2, "two")], {"a": [1, None]}, "x",
)  # fmt: skip


def ids(sink: str, folder: Path) -> list[int]:
    """Read the ids that a sink holds."""
    if sink == "sqlite":
        return sorted(row[0] for row in read_table(folder / "rows.db", "users"))
    if sink == "duckdb":
        return sorted(row[0] for row in read_duckdb(folder / "rows.duckdb", "users"))
    if sink == "parquet":
        return sorted(row["id"] for row in read_parts(folder / "rows"))
    (path,) = (each for each in folder.glob("rows.ndjson*") if each.suffix in (".ndjson", ".gz", ".zst"))
    return sorted(row["id"] for row in read_lines(path))


async def fill(sink: Any, calls: Any, **options: Any) -> Any:
    """Run calls into a sink."""
    async with Api().client() as client:
        return await client.bulk(calls, **{"response_format": User, "sink": sink, **options}).run()


@pytest.mark.parametrize("sink", MAKERS)
async def test_a_sink_without_a_journal(sink: str, tmp_path: Path) -> None:
    """Rows arrive; a target that is not empty is refused, added to, or replaced; nothing is left beside it."""
    make = MAKERS[sink]
    assert pickle.loads(pickle.dumps(make(tmp_path))).path == make(tmp_path).path
    await fill(make(tmp_path), paths(100))
    assert ids(sink, tmp_path) == list(range(100))
    with pytest.raises(errors.SinkError, match=r'is not empty: give it mode="append" or mode="replace"'):
        await fill(make(tmp_path), paths(1))
    assert ids(sink, tmp_path) == list(range(100))
    await fill(make(tmp_path, mode="append"), paths(100, 100))
    assert ids(sink, tmp_path) == list(range(200))
    await fill(make(tmp_path, mode="replace"), paths(10))
    assert ids(sink, tmp_path) == list(range(10))
    assert [path.name for path in list(tmp_path.rglob(".*"))] == []  # noqa: ASYNC240 - nothing else runs


@pytest.mark.parametrize("sink", MAKERS)
async def test_a_sink_with_a_journal(sink: str, tmp_path: Path) -> None:
    """A second run goes on in it; one whose target was changed meanwhile is refused."""
    make = MAKERS[sink]
    await fill(make(tmp_path), paths(70), journal=True)
    await fill(make(tmp_path), paths(100), journal=True)
    assert ids(sink, tmp_path) == list(range(100))
    (tmp_path / "other").mkdir()
    with pytest.raises(errors.JournalError, match="is empty or knows of no journal"):
        await fill(make(tmp_path / "other"), paths(120), journal=make(tmp_path).journal)
    await fill(make(tmp_path, mode="append"), paths(3, 500), journal=tmp_path / "another")
    with pytest.raises(errors.JournalError, match="was written by another run since"):
        await fill(make(tmp_path), paths(120), journal=True)
    assert ids(sink, tmp_path) == [*range(100), 500, 501, 502]


@pytest.mark.parametrize("sink", ["ndjson", "gzip", "zstd"])
async def test_a_line_that_was_begun_is_cut_off(sink: str, tmp_path: Path) -> None:
    """What is behind the last batch is no row; a file that is shorter than its journal says is refused."""
    make = MAKERS[sink]
    await fill(make(tmp_path), paths(50), journal=True)
    path = make(tmp_path).path
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id": 99, "na')
    await fill(make(tmp_path), paths(60), journal=True)
    assert ids(sink, tmp_path) == list(range(60))
    path.write_bytes(whole[:-1])
    with pytest.raises(errors.JournalError, match="it was cut"):
        await fill(make(tmp_path), paths(70), journal=True)


def test_a_mark_survives_a_torn_half(tmp_path: Path) -> None:
    """Whatever became of the half that was being written, the other one is read."""
    mark = Mark(tmp_path / "mark")
    assert mark.read() is None
    for batch in range(1, 6):
        mark.write(batch=batch)
        assert (mark.read() or {})["batch"] == batch
    mark.close()
    whole = mark.path.read_bytes()
    for at in (0, 512):
        torn = whole[:at] + b"\0" * 100 + whole[at + 100 :]
        mark.path.write_bytes(torn)
        assert (mark.read() or {})["batch"] in (4, 5)
    mark.path.write_bytes(b"nothing")
    assert mark.read() is None
    again = Mark(tmp_path / "mark")
    mark.path.write_bytes(whole)
    again.write(batch=6)
    assert (again.read() or {})["batch"] == 6
    again.close()


async def test_ndjson_keeps_lines_apart(tmp_path: Path) -> None:
    """Behind a file whose last line has no end, and of parts that were never decoded, each row is one line."""

    class Raw(msgspec.Struct):
        part: msgspec.Raw

    path = tmp_path / "rows.ndjson"
    path.write_text('{"id": 1}')
    answer = json_response({"part": 1})
    answer.body = b'{"part": {\n "a": [1,\n 2]\n}}'
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: answer)) as client:
        await client.bulk("/x", response_format=Raw, sink=sinks.NDJSON(path, mode="append")).run()
    assert read_lines(path) == [{"id": 1}, {"part": {"a": [1, 2]}}]


async def of_rows(sink: Any, rows: list[Any], **options: Any) -> Any:
    """Put rows into a sink, as the transform of one call."""
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: json_response(1))) as client:
        return await client.bulk("/x", sink=sink, transform=lambda _: rows, **options).run()


async def test_columns_of_parquet(tmp_path: Path) -> None:
    """Values keep their types; nested ones are structs, and what has no type is JSON text."""
    await of_rows(sinks.Parquet(tmp_path / "rows"), [ROW])
    (found,) = read_parts(tmp_path / "rows")
    assert found == {
        "userId": 7,
        "share": 0.5,
        "name": "Zoë",
        "good": True,
        "when": ROW.when,
        "local": ROW.local,
        "day": ROW.day,
        "price": "1.10",
        "raw": b"\0\xff",
        "color": "red",
        "point": {"x": 1, "note": None},
        "points": [{"x": 2, "note": "two"}],
        "anything": '{"a":[1,null]}',
        "either": '"x"',
        "maybe": None,
    }


async def test_columns_of_sqlite(tmp_path: Path) -> None:
    """Scalars are scalars, everything else is JSON text."""
    await of_rows(sinks.SQLite(tmp_path / "rows.db", 'odd "table"'), [ROW])
    with sqlite3.connect(tmp_path / "rows.db") as book:
        (row,) = book.execute('SELECT * FROM "odd ""table"""').fetchall()
    book.close()
    assert row == (
        7, 0.5, "Zoë", 1, "2026-01-02T03:04:05.006000Z", "2026-01-02T00:00:00", "2026-01-02", "1.10", b"\0\xff", "red",
        '{"x":1,"note":null}', '[{"x":2,"note":"two"}]', '{"a":[1,null]}', '"x"', None,
    )  # fmt: skip


async def test_columns_of_duckdb(tmp_path: Path) -> None:
    """As in Parquet, but that the offset of a time is the session's."""
    await of_rows(sinks.DuckDB(tmp_path / "rows.duckdb", 'odd "table"'), [ROW])
    import duckdb

    with duckdb.connect(str(tmp_path / "rows.duckdb")) as book:
        query = 'SELECT * EXCLUDE ("when"), epoch_us("when") FROM "odd ""table"""'
        (row,) = book.execute(query).fetchall()
    assert row == (
        7, 0.5, "Zoë", True, ROW.local, ROW.day, "1.10", b"\0\xff", "red", {"x": 1, "note": None},
        [{"x": 2, "note": "two"}], '{"a":[1,null]}', '"x"', None, int(ROW.when.timestamp() * 1_000_000),
    )  # fmt: skip


@pytest.mark.parametrize("sink", TABLES)
async def test_what_does_not_fit_a_column_is_a_reject(sink: str, tmp_path: Path) -> None:
    """It costs no other row, and is told with its place: a number beyond 64 bits, a row of another kind."""
    rows = [User(1), User(2**70), User(3), Point(4), User(5)]
    report = await of_rows(MAKERS[sink](tmp_path), rows, journal=tmp_path / "journal")
    assert ids(sink, tmp_path) == [1, 3, 5]
    assert (report.rows, report.rejected, report.ok) == (3, 2, False)
    with Journal(tmp_path / "journal") as journal:
        told = [(each.path, each.message, each.raw) for each in journal.rejects()]
    assert told == [
        ("$.id", "the number has more than 64 bits", b'{"id":1180591620717411303424,"name":""}'),
        ("$", "a Point has other columns than User", b'{"x":4,"note":null}'),
    ]


async def test_ndjson_rejects_what_has_no_json(tmp_path: Path) -> None:
    """A row that cannot be written costs no other."""
    report = await of_rows(sinks.NDJSON(tmp_path / "rows.ndjson"), [{"id": 1}, {"id": object()}, {"id": 3}])
    assert ids("ndjson", tmp_path) == [1, 3]
    assert report.rejected == 1


@pytest.mark.parametrize("sink", ["sqlite", "duckdb"])
async def test_a_primary_key_makes_upserts(sink: str, tmp_path: Path) -> None:
    """The last row of a key stands, in one batch and over several; a key that is null is a reject."""

    class Keyed(msgspec.Struct):
        id: int | None
        name: str

    def make(**options: Any) -> Any:
        return MAKERS[sink](tmp_path, primary_key="id", **options)

    await of_rows(make(), [Keyed(1, "a"), Keyed(2, "b"), Keyed(1, "c")])
    report = await of_rows(make(mode="append"), [Keyed(2, "d"), Keyed(3, "e"), Keyed(None, "f")])
    read = (
        read_table(tmp_path / "rows.db", "users")
        if sink == "sqlite"
        else read_duckdb(tmp_path / "rows.duckdb", "users")
    )
    assert sorted(read) == [(1, "c"), (2, "d"), (3, "e")]
    assert (report.rows, report.rejected) == (2, 1)
    (tmp_path / "other").mkdir()
    with pytest.raises(errors.SinkError, match="there is no column 'nr'; the columns are id, name"):
        await of_rows(MAKERS[sink](tmp_path / "other", primary_key="nr"), [Keyed(1, "a")])


@pytest.mark.parametrize("sink", TABLES)
async def test_tags_are_columns(sink: str, tmp_path: Path) -> None:
    """They stand behind those of the model; one that is there already is an error."""
    calls = [Call(f"/users/{n}", tags={"region": "eu", "page": n}) for n in range(3)]
    await fill(MAKERS[sink](tmp_path), calls)
    wanted = [(n, f"user {n}", "eu", n) for n in range(3)]
    if sink == "parquet":
        assert sorted(tuple(row.values()) for row in read_parts(tmp_path / "rows")) == wanted
    elif sink == "sqlite":
        assert sorted(read_table(tmp_path / "rows.db", "users")) == wanted
    else:
        assert sorted(read_duckdb(tmp_path / "rows.duckdb", "users")) == wanted
    (tmp_path / "other").mkdir()
    with pytest.raises(errors.SinkError, match="tags: 'id' is a column of User already"):
        await fill(MAKERS[sink](tmp_path / "other"), [Call("/users/1", tags={"id": 1})])


@pytest.mark.parametrize("sink", TABLES)
async def test_plain_json_has_no_columns(sink: str, tmp_path: Path) -> None:
    """A sink of columns wants a model, and says so before anything is asked."""
    api = Api()
    async with api.client() as client:
        with pytest.raises(errors.SinkError, match="plain JSON has no columns: give a Struct"):
            await client.bulk(paths(3), sink=MAKERS[sink](tmp_path)).run()
    assert api.asked.total() == 0
    with pytest.raises(errors.SinkError, match="dict has no columns"):
        await of_rows(MAKERS[sink](tmp_path), [{"id": 1}])


@pytest.mark.parametrize("sink", ["sqlite", "duckdb"])
async def test_a_table_without_the_columns_is_refused(sink: str, tmp_path: Path) -> None:
    """It is left as it is."""
    await of_rows(MAKERS[sink](tmp_path), [User(1)])
    with pytest.raises(errors.SinkError, match="has no column 'x'; add it"):
        await of_rows(MAKERS[sink](tmp_path, mode="append"), [Point(1)])
    assert ids(sink, tmp_path) == [1]


@pytest.mark.parametrize("sink", MAKERS)
async def test_a_place_that_cannot_be_written_is_told(sink: str, tmp_path: Path) -> None:
    """A folder that is not there is a `SinkError`, and nothing is asked."""
    api = Api()
    async with api.client() as client:
        bulk = client.bulk(paths(3), response_format=User, sink=MAKERS[sink](tmp_path / "no" / "folder"))
        with pytest.raises(errors.SinkError, match="cannot be written"):
            await bulk.run()
    assert api.asked.total() == 0


async def test_files_of_parquet_have_their_rows(tmp_path: Path) -> None:
    """Each has `rows_per_file` at least, but for the last; a next run adds files, and none is left aside."""

    def make() -> sinks.Parquet:
        return sinks.Parquet(tmp_path / "rows", rows_per_file=5000)

    document = {"data": [{"id": n} for n in range(4000)]}
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: json_response(document))) as client:
        for count in (8, 9):
            calls = [f"/{n}" for n in range(count)]
            await client.bulk(calls, response_format=User, items="data", sink=make(), journal=True, in_flight=1).run()
    from pyarrow import parquet

    counts = [parquet.read_metadata(path).num_rows for path in sorted((tmp_path / "rows").glob("*.parquet"))]
    assert counts == [12_000, 12_000, 8000, 4000]
    assert len(read_parts(tmp_path / "rows")) == 36_000
    assert [path.name for path in (tmp_path / "rows").iterdir() if not path.name.startswith("part-")] in (
        [".mark", ".waiting-000004"],
        [".waiting-000004", ".mark"],
    )


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: sinks.NDJSON(3), "NDJSON: path: got int"),
        (lambda: sinks.NDJSON("x", mode="add"), "NDJSON: mode: got str"),
        (lambda: sinks.SQLite("x", ""), "SQLite: table: got str"),
        (lambda: sinks.SQLite("x", "t", []), "SQLite: primary_key: got list"),
        (lambda: sinks.DuckDB("x", "t", [1]), "DuckDB: primary_key: got list"),
        (lambda: sinks.Parquet("x", rows_per_file=0), "rows_per_file: got int"),
    ],
)
def test_a_wrong_argument_is_named(make: Callable[[], Any], told: str) -> None:
    """Before anything is opened."""
    with pytest.raises(errors.ValidationError, match=told):
        make()
