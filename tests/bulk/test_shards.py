"""A bulk in shards, without any engine: whatever is killed, and wherever, every key comes exactly once."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from headrace import AsyncClient, Call, sinks
from headrace._client.calling import Calling
from headrace.bulk import Journal, batches
from headrace.bulk.shards import Ledger, ShardResult, run_shard
from headrace.errors import ClientError, JournalError, SinkError, ValidationError
from headrace.pages import PageNumber
from headrace.testing import json_response
from tests.kit.bulk import Api, User, paths, read_lines

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.transports import Request, Response

OPTIONS: dict[str, Any] = {"response_format": User, "items": None, "retry": None, "in_flight": 8}


class _KilledError(BaseException):
    """A process that ends."""


def ledger_of(client: AsyncClient, calls: Any, sink: Any, **options: Any) -> Ledger:
    """Make a ledger of a client."""
    return Ledger(Calling(client), calls, sink, None, {"uri": client.uri.human_repr()}, **{"size": 10, **options})


async def run(api: Api, calls: Any, sink: Any, *, words: dict[str, Any] | None = None, **options: Any) -> Ledger:
    """Run all shards, two at a time, as an engine would."""
    client = api.client()
    ledger = ledger_of(client, calls, sink, **options)
    ledger.open()
    try:
        work = ledger.work(OPTIONS | (words or {}))
        shards = ledger.shards()
        while two := list(itertools.islice(shards, 2)):
            for result in await asyncio.gather(*(run_shard(client, work, shard) for shard in two)):
                ledger.take(result)
    finally:
        ledger.close()
        await client.close()
    return ledger


def rows_of(folder: Path) -> list[int]:
    """Read the numbers of all rows, of either kind of file."""
    parts = sorted(folder.glob("part-*"))
    if parts and parts[0].suffix == ".parquet":
        from pyarrow import parquet

        return [row["id"] for part in parts for row in parquet.read_table(part).to_pylist()]
    return [row["id"] for part in parts for row in read_lines(part)]


@pytest.mark.parametrize("sink", [sinks.Parquet, sinks.NDJSON])
async def test_every_shard_is_a_file(tmp_path: Path, sink: Any) -> None:
    """All rows come, a file a shard, nothing else is left, and the report is that of one machine."""
    ledger = await run(Api({7: 404, 23: 500}), paths(95), sink(tmp_path / "rows"))
    report = ledger.report
    assert sorted(rows_of(tmp_path / "rows")) == [number for number in range(95) if number not in {7, 23}]
    assert len(list((tmp_path / "rows").iterdir())) == 10
    assert (report.calls, report.done, report.failed, report.rows) == (95, 93, 2, 93)
    assert sorted(report.errors) == ["404 HTTPNotFound", "500 HTTPInternalServerError"]
    assert [str(err.call.path) for err in report.failures] == ["/users/7", "/users/23"]
    with Journal(tmp_path / "rows.journal") as journal:
        assert sorted(str(letter.call.path) for letter in journal.failed()) == ["/users/23", "/users/7"]


async def test_started_again_it_asks_for_what_failed(tmp_path: Path) -> None:
    """What is done is skipped, what failed is asked again, and a key that comes twice is one call."""
    calls = [*paths(30), *paths(5)]
    first = await run(Api({7: 500}), calls, sinks.NDJSON(tmp_path / "rows"))
    assert (first.report.done, first.report.duplicates) == (29, 5)
    api = Api()
    second = await run(api, [*calls, *paths(10, 100)], sinks.NDJSON(tmp_path / "rows"))
    assert (second.report.done, second.report.skipped) == (11, 34)
    assert Counter(rows_of(tmp_path / "rows")) == Counter([*range(30), *range(100, 110)])
    assert sum(api.asked.values()) == 11


@pytest.mark.parametrize("step", batches.STEPS)
@pytest.mark.parametrize("batch", [2, 4])
async def test_killed_at_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, batch: int) -> None:
    """A ledger that ends between any two steps of a shard goes on later, and no row is lost or doubled."""

    def between(at: str, number: int) -> None:
        if (at, number) == (step, batch):
            raise _KilledError

    monkeypatch.setattr(batches, "between", between)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # who is killed cleans nothing up
    with pytest.raises(_KilledError):
        await run(Api(), paths(60), sinks.NDJSON(tmp_path / "rows"))
    monkeypatch.undo()
    await run(Api(), paths(60), sinks.NDJSON(tmp_path / "rows"))
    assert sorted(rows_of(tmp_path / "rows")) == list(range(60))
    assert not list((tmp_path / "rows").glob(".aside*"))


async def test_a_result_that_comes_twice_counts_once(tmp_path: Path) -> None:
    """A process that was given up and lived on changes nothing."""
    api = Api()
    client = api.client()
    ledger = ledger_of(client, paths(10), sinks.NDJSON(tmp_path / "rows"))
    ledger.open()
    (shard,) = ledger.shards()
    work = ledger.work(OPTIONS)
    results: list[ShardResult] = [await run_shard(client, work, shard) for _ in range(2)]
    for result in results:
        ledger.take(result)
    ledger.close()
    await client.close()
    assert ledger.report.done == 10
    assert rows_of(tmp_path / "rows") == list(range(10))


async def test_tags_transform_and_rejects(tmp_path: Path) -> None:
    """Tags become columns, a transform makes rows, and what does not fit is known by its call."""
    calls = [Call(f"/users/{number}", key=f"k{number}", tags={"week": 7}) for number in range(4)]
    await run(
        Api(), calls, sinks.NDJSON(tmp_path / "rows"),
        words={"transform": lambda user: None if user.id == 2 else [user, user]},
    )  # fmt: skip
    (part,) = (tmp_path / "rows").glob("part-*")
    assert sorted((row["id"], row["week"]) for row in read_lines(part)) == [(n, 7) for n in (0, 0, 1, 1, 3, 3)]

    class Lists(Api):
        async def answer(self, request: Request) -> Response:  # noqa: ARG002 - the same for all
            return json_response([{"id": 1}, {"id": "one"}])

    ledger = await run(
        Lists(), [Call("/users/1", key="one")], sinks.NDJSON(tmp_path / "lists"), words={"items": ""}, has_items=True
    )
    assert ledger.report.rows == 1
    assert [each.key for each in ledger.report.rejects] == ["one"]
    assert ledger.report.rejected == 1


async def test_another_job_and_another_run(tmp_path: Path) -> None:
    """A journal is of one job, and of one run at a time."""
    client = Api().client()
    ledger = ledger_of(client, paths(3), sinks.NDJSON(tmp_path / "rows"))
    ledger.open()
    with pytest.raises(JournalError):
        ledger_of(client, paths(3), sinks.NDJSON(tmp_path / "rows")).open()
    ledger.close()
    with pytest.raises(JournalError, match="of another job: its sink was"):
        ledger_of(client, paths(3), sinks.Parquet(tmp_path / "rows")).open()


async def test_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    """Rows of others stay unless their folder is to be replaced."""
    folder = tmp_path / "rows"
    await run(Api(), paths(3), sinks.NDJSON(folder))
    (tmp_path / "rows.journal").unlink()
    with pytest.raises(SinkError, match='mode="append" or mode="replace"'):
        await run(Api(), paths(3), sinks.NDJSON(folder))
    (tmp_path / "rows.journal").unlink()
    await run(Api(), paths(2, 50), sinks.NDJSON(folder, mode="append"))
    assert sorted(rows_of(folder)) == [0, 1, 2, 50, 51]
    (tmp_path / "rows.journal").unlink()
    await run(Api(), paths(2, 70), sinks.NDJSON(folder, mode="replace"))
    assert rows_of(folder) == [70, 71]


@pytest.mark.parametrize(
    ("sink", "options", "text"),
    [
        (sinks.Discard(), {}, "takes sinks.Parquet"),
        (None, {}, "takes sinks.Parquet"),
        (sinks.NDJSON("x"), {"size": 0}, "shard: got"),
        (sinks.NDJSON("x"), {"size": 1001}, "from 1 to 1,000"),
    ],
)
async def test_wrong_arguments(sink: Any, options: dict[str, Any], text: str) -> None:
    """They are told when the ledger is made."""
    with pytest.raises(ValidationError, match=text):
        ledger_of(Api().client(), [], sink, **options)


async def test_series_are_refused(tmp_path: Path) -> None:
    """A shard has whole calls: what would go on half-way is told by its call."""
    calls = ["/users/1", Call("/users/2", pages=PageNumber())]
    with pytest.raises(ValidationError, match=r"calls\[1\]: pages: a shard has whole calls"):
        await run(Api(), calls, sinks.NDJSON(tmp_path / "rows"), has_items=True)


async def test_an_async_iterable_where_a_loop_runs(tmp_path: Path) -> None:
    """It cannot be waited for by what blocks, and that is told; elsewhere it is read."""

    async def numbers() -> Any:
        for number in range(3):
            yield f"/users/{number}"

    ledger = ledger_of(Api().client(), numbers(), sinks.NDJSON(tmp_path / "rows"))
    with pytest.raises(ValidationError, match="async iterable"):
        next(ledger.shards())

    def elsewhere() -> int:
        ledger = ledger_of(Api().client(), numbers(), sinks.NDJSON(tmp_path / "rows"))
        ledger.open()
        (shard,) = ledger.shards()
        ledger.close()
        return len(shard.calls)

    assert await asyncio.to_thread(elsewhere) == 3


async def test_what_cannot_be_pickled_is_told_in_words(tmp_path: Path) -> None:
    """An error with a part that no other process can read comes as its text."""
    from headrace.bulk.shards import _portable

    class OddError(Exception):
        def __reduce__(self) -> Any:
            raise TypeError

    assert isinstance(_portable(OddError("x")), ClientError)
    assert str(_portable(OddError("what was wrong"))) == "OddError: what was wrong"
    assert isinstance(_portable(ValueError("x")), ValueError)
