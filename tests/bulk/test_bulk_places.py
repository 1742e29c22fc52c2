"""Where a sink and a journal lie: what is beside them is theirs alone, and a path is a path."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import sinks
from headrace.bulk import Journal
from headrace.errors import JournalError, SinkError, ValidationError
from tests.kit.bulk import Api, User, paths, read_duckdb, read_lines, read_parts, read_table

ONE_LOOP = pytest.mark.asyncio(loop_factories=["asyncio"])
PRECIOUS = b"somebody else's\n" * 200
pytestmark = [pytest.mark.skipif(os.name == "nt", reason="no links, pipes or locks of this kind there")]

SINKS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "ndjson": (lambda folder: sinks.NDJSON(folder / "rows.ndjson"), "rows.ndjson"),
    "parquet": (lambda folder: sinks.Parquet(folder / "rows", rows_per_file=2), "rows"),
    "sqlite": (lambda folder: sinks.SQLite(folder / "rows.db", "rows"), "rows.db"),
    "duckdb": (lambda folder: sinks.DuckDB(folder / "rows.duck", "rows"), "rows.duck"),
}
#: What lies beside a target, under names that anybody can guess.
BESIDE: list[tuple[str, str]] = [
    ("ndjson", ".rows.ndjson.mark"),
    ("ndjson", "rows.ndjson.journal"),
    ("ndjson", "rows.ndjson.journal-lock"),
    ("parquet", "rows/.mark"),
    ("parquet", "rows/.waiting-000000"),
    ("parquet", "rows/.waiting-000001"),
    ("parquet", "rows/part-000000.parquet.tmp"),
    ("parquet", "rows/part-000001.parquet.tmp"),
    ("sqlite", "rows.db.journal"),
    ("duckdb", "rows.duck.wal"),
]


async def run(sink: Any, count: int = 5, **options: Any) -> Any:
    """Write users into a sink."""
    async with Api().client() as client:
        return await client.bulk(paths(count), response_format=User, sink=sink, **{"journal": True, **options}).run()


def ids(kind: str, folder: Path) -> list[int]:
    """Read which users are there."""
    path = folder / SINKS[kind][1]
    match kind:
        case "ndjson":
            return sorted(row["id"] for row in read_lines(path))
        case "parquet":
            return sorted(row["id"] for row in read_parts(path))
        case "sqlite":
            return sorted(row[0] for row in read_table(path, "rows"))
    return sorted(row[0] for row in read_duckdb(path, "rows"))


@ONE_LOOP
@pytest.mark.hazard(67)
@pytest.mark.parametrize("there", [True, False], ids=["a file", "nothing"])
@pytest.mark.parametrize(("kind", "name"), BESIDE)
async def test_nothing_is_written_through_a_link(tmp_path: Path, kind: str, name: str, *, there: bool) -> None:
    """Whoever may write to the folder cannot have us write elsewhere: it is an error, or the link is taken away."""
    victim, folder = tmp_path / "victim", tmp_path / "mine"
    if there:
        victim.write_bytes(PRECIOUS)
    link = folder / name
    link.parent.mkdir(parents=True)
    link.symlink_to(victim)
    (outcome,) = await asyncio.gather(run(SINKS[kind][0](folder)), return_exceptions=True)
    if isinstance(outcome, BaseException):
        assert isinstance(outcome, (JournalError, SinkError))
        assert "rows" in str(outcome)
    else:
        assert ids(kind, folder) == list(range(5))
    assert victim.exists() == there
    assert not there or victim.read_bytes() == PRECIOUS


#: A pipe that DuckDB would wait for is not beside its target, but in its place.
PIPES = [*BESIDE[:-1], ("ndjson", "rows.ndjson"), ("sqlite", "rows.db"), ("duckdb", "rows.duck")]


@ONE_LOOP
@pytest.mark.hazard(67)
@pytest.mark.parametrize(("kind", "name"), PIPES)
async def test_nobody_waits_for_a_pipe(tmp_path: Path, kind: str, name: str) -> None:
    """Nor is one taken for a file."""
    pipe = tmp_path / name
    pipe.parent.mkdir(exist_ok=True)
    os.mkfifo(pipe)
    (outcome,) = await asyncio.gather(run(SINKS[kind][0](tmp_path)), return_exceptions=True)
    if isinstance(outcome, BaseException):
        assert isinstance(outcome, (JournalError, SinkError))
        assert "no plain file" in str(outcome)
    else:
        assert ids(kind, tmp_path) == list(range(5))


@pytest.mark.hazard(67)
async def test_a_second_name_is_not_ours(tmp_path: Path) -> None:
    """A hard link would be another file's content."""
    victim = tmp_path / "victim"
    victim.write_bytes(PRECIOUS)
    (tmp_path / ".rows.ndjson.mark").hardlink_to(victim)
    with pytest.raises(SinkError, match="remove it"):
        await run(sinks.NDJSON(tmp_path / "rows.ndjson"))
    assert victim.read_bytes() == PRECIOUS


async def test_what_the_user_links_is_followed(tmp_path: Path) -> None:
    """The target and the journal that are named may lie elsewhere."""
    there = tmp_path / "there"
    there.mkdir()
    (there / "rows").touch()
    (tmp_path / "rows.ndjson").symlink_to(there / "rows")
    await run(sinks.NDJSON(tmp_path / "rows.ndjson"), journal=there / "journal")
    (tmp_path / "journal").symlink_to(there / "journal")
    report = await run(sinks.NDJSON(tmp_path / "rows.ndjson"), journal=tmp_path / "journal")
    assert report.skipped == 5
    assert len(read_lines(there / "rows")) == 5


@pytest.mark.hazard(75)
@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
async def test_two_runs_do_not_write_one_target(tmp_path: Path, kind: str) -> None:
    """Without a journal too: they would write over each other's rows, and count both."""
    api = Api()
    api.gate = asyncio.Event()
    async with api.client() as client:
        make = SINKS[kind][0]
        bulk = client.bulk(paths(5), response_format=User, sink=make(tmp_path))
        first = asyncio.ensure_future(bulk.run())
        while not api.now:  # noqa: ASYNC110 - its sink is open then
            await asyncio.sleep(0)
        with pytest.raises(SinkError, match="is being written by another run"):
            await client.bulk(paths(5), response_format=User, sink=make(tmp_path)).run()
        api.gate.set()
        assert (await first).rows == 5
    assert ids(kind, tmp_path) == list(range(5))


@pytest.mark.hazard(75)
@pytest.mark.parametrize("journal", [True, None])
@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
async def test_runs_that_begin_at_once(tmp_path: Path, kind: str, *, journal: bool | None) -> None:
    """One of them writes, whichever has made which file first; each of the others is told why it does not."""
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        runs = [run(SINKS[kind][0](folder), journal=journal) for _ in range(4)]
        outcomes = await asyncio.gather(*runs, return_exceptions=True)
        failures = [each for each in outcomes if isinstance(each, BaseException)]
        for each in failures:
            assert isinstance(each, (JournalError, SinkError))
            assert "is being written by another run" in str(each) or "is not empty" in str(each)
        # With a journal, one that begins when another has ended finds everything done.
        rows = [each.rows for each in outcomes if not isinstance(each, BaseException)]
        assert sorted(rows, reverse=True) == [5, *[0] * (len(rows) - 1)]
        assert ids(kind, folder) == list(range(5))


@pytest.mark.parametrize("path", [":memory:", "", ".", ":memory:x"])
def test_what_names_no_file_is_refused(path: str) -> None:
    """A database in memory would be gone when the run ends."""
    for make in (lambda: sinks.SQLite(path, "rows"), lambda: sinks.DuckDB(path, "rows"), lambda: Journal(path)):
        if path != ":memory:x" or "Journal" not in make.__code__.co_names:
            with pytest.raises(ValidationError, match="takes the path of a file"):
                make()


@pytest.mark.hazard(73)
async def test_a_path_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a database takes it for: rows went into memory, and were counted as written."""
    monkeypatch.chdir(tmp_path)
    for name in ("file:rows?mode=memory", "file:rows", "md:rows", "http:rows"):
        for sink in (sinks.SQLite(f"{name}.db", "rows"), sinks.DuckDB(f"{name}.duck", "rows")):
            await run(sink, journal=f"{name}-{type(sink).__name__}")
        assert read_table(tmp_path / f"{name}.db", "rows") == [(each, f"user {each}") for each in range(5)]
        assert len(read_duckdb(tmp_path / f"{name}.duck", "rows")) == 5
    await run(sinks.Parquet("."), journal=True)
    assert len(read_parts(tmp_path)) == 5
