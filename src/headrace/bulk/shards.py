"""A bulk in shards: some calls at a time, each shard in whatever process, and one ledger of what is done.

Nothing here knows what runs the shards. Whoever does asks a `Ledger` for shards, runs each with `run_shard` in some
process that has a client, and gives the result back. A shard's rows are one file, written aside; the ledger notes in
its journal what the shard ends, and renames the file to its place: a shard is done as a whole, or not at all.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from headrace._checks import is_number, wrong, wrong_number
from headrace._core.call import Call  # noqa: TC001 - the types of a Struct
from headrace.bulk._sinks.base import Target
from headrace.bulk._sinks.durable import sync_folder
from headrace.bulk._sinks.ndjson import NDJSON
from headrace.bulk._sinks.parquet import Parquet
from headrace.bulk.batches import Batch, Keeper
from headrace.bulk.keys import Digests, digest
from headrace.bulk.outcomes import Err, Meta
from headrace.bulk.report import MOST_KEPT, Report
from headrace.bulk.source import Source
from headrace.errors import ClientError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from headrace.bulk._letters import Rejected
    from headrace.bulk.client import BulkClient

#: Calls of a shard at most: as many failures as a report remembers.
MOST_CALLS: Final = MOST_KEPT
_PREFIX: Final = ".aside-"
_SERIES: Final = ("pages", "incremental")
#: Rows of one file of Parquet, where a shard is one file.
_ENDLESS: Final = 2**62


class Shard(NamedTuple):
    """Some calls that are made, and done, together.

    Attributes:
        number: Which one, from 0 on.
        calls: The calls.
        digests: What the journal knows them by.
    """

    number: int
    calls: list[Call]
    digests: list[bytes]


class ShardWork(NamedTuple):
    """What is the same for all shards.

    Attributes:
        aside: Where files are written before they are whole; a folder that all processes reach.
        suffix: What their names end with, which says what they are.
        options: The words of `client.bulk`, but those that are the ledger's.
    """

    aside: str
    suffix: str
    options: Mapping[str, Any]


class ShardResult(NamedTuple):
    """What came of a shard.

    Attributes:
        number: Which one.
        file: The file with its rows; `None` where it has none.
        report: What was done, without its failures and rejects.
        failures: Which calls failed, with what, and the facts.
        rejects: Rows that did not fit, 1,000 at most; their keys are the numbers of their calls in the shard.
    """

    number: int
    file: str | None
    report: Report
    failures: list[tuple[int, Exception, Meta]]
    rejects: list[Rejected]


async def run_shard(client: Any, work: ShardWork, shard: Shard) -> ShardResult:
    """Make the calls of a shard, and write their rows into a file aside.

    Args:
        client: An `AsyncClient`, which other shards may use at the same time.
        work: What is the same for all shards.
        shard: The calls.

    Returns:
        What came of it; nothing of it counts before a `Ledger` has it.

    Raises:
        headrace.errors.SinkError: The file cannot be written.
        headrace.errors.ClientError: It was stopped before its end.
    """
    place = Path(work.aside) / f"{shard.number}-{os.urandom(4).hex()}{work.suffix}"
    sink = Parquet(place, rows_per_file=_ENDLESS) if work.suffix == ".parquet" else NDJSON(place)
    calls = [msgspec.structs.replace(call, key=str(index)) for index, call in enumerate(shard.calls)]
    report = await client.bulk(calls, sink=sink, **work.options).run()
    if report.stopped:
        raise ClientError(f"shard {shard.number} was stopped before its end")
    failures = [(int(err.meta.key), _portable(err.error), err.meta) for err in report.failures]
    rejects, report.failures, report.rejects = report.rejects, [], []
    return ShardResult(shard.number, await asyncio.to_thread(_file, place), report, failures, rejects)


def _file(place: Path) -> str | None:
    """Find the file that a sink has written, and put away what else it has."""
    if not place.is_dir():
        return str(place) if place.stat().st_size else None
    parts = list(place.glob("part-*.parquet"))
    return str(parts[0]) if parts else None


def _portable(error: Exception) -> Exception:
    """Make an error that another process can read."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - it was just written
    except Exception:  # noqa: BLE001 - whatever it is that cannot
        return ClientError(f"{type(error).__name__}: {error}")
    return error


def refuse_series(where: str, words: Mapping[str, Any]) -> None:
    """Refuse what makes a series of a call: one that fails half-way has rows, and a shard has all or none of a call's.

    Args:
        where: What stands before the name in the error.
        words: The words of a bulk or of a call.

    Raises:
        headrace.errors.ValidationError: One of them makes a series.
    """
    for name in _SERIES:
        if words.get(name) is not None:
            message = f"{where}{name}: a shard has whole calls, and no series that go on later; give it to client.bulk"
            raise ValidationError(message)


class _Whole(Target):
    """A folder whose files are whole shards, written elsewhere, that are only given their names here."""

    def __init__(self, sink: NDJSON | Parquet) -> None:
        super().__init__(sink.path, sink.mode)
        if isinstance(sink, Parquet):
            self.suffix = ".parquet"
        else:
            self.suffix = ".ndjson" + (sink.path.suffix if sink.path.suffix in {".gz", ".zst"} else "")
        self._kind = type(sink).__name__
        self.file: str | None = None

    @property
    def identity(self) -> str:
        """What a journal knows it by."""
        return f"{self._kind} {self.path.name}, in shards"

    def _part(self, batch: int) -> Path:
        return self.path / f"part-{self.token}-{batch:06}{self.suffix}"

    def open(self, batch: int, /) -> int:
        """Look which shard is the last one; see `Sink.open`."""
        if self.path.exists() and not self.path.is_dir():
            raise self._failed(NotADirectoryError("it is no folder"))
        if not self.path.is_dir():
            self.path.mkdir()
            sync_folder(self.path.parent)
        if batch:
            return batch + self._part(batch + 1).exists()
        there = list(self.path.glob(f"part-*{self.suffix}"))
        if there and self.mode is None:
            raise self._occupied()
        if self.mode == "replace":
            for each in there:
                each.unlink()
        return 0

    def write(self, rows: Any, /) -> None:
        """Take no rows: they are in files."""

    def commit(self, batch: int, /) -> None:
        """Give the file of a shard its name."""
        file, self.file = self.file, None
        if file is not None:
            Path(file).rename(self._part(batch))
            sync_folder(self.path)

    def close(self) -> None:
        """Have nothing open."""


class Ledger:
    """Makes shards of calls, and keeps what came of them.

    Args:
        client: Says where calls go, and sends nothing.
        calls: As for `client.bulk`.
        sink: A folder: `sinks.Parquet` or `sinks.NDJSON`.
        journal: The path of the journal; `None` lies beside the folder.
        job: What the journal is of, but the sink.
        size: Calls of a shard.
        has_items: Whether the bulk names a place of rows.
        retry_failed: Whether calls that failed before are asked again.

    Attributes:
        report: What was done so far.

    Raises:
        headrace.errors.ValidationError: An argument is wrong.
    """

    def __init__(
        self,
        client: BulkClient,
        calls: Any,
        sink: Any,
        journal: Path | None,
        job: Mapping[str, str],
        *,
        size: int = MOST_CALLS,
        has_items: bool = False,
        retry_failed: bool = True,
    ) -> None:
        if type(sink) not in {NDJSON, Parquet}:
            remedy = "rows are written aside and renamed, which takes a folder on a disk that all machines reach"
            raise wrong("sink", sink, "sinks.Parquet(folder) or sinks.NDJSON(folder)", remedy)
        if not is_number(size, integer=True) or size > MOST_CALLS:
            raise wrong_number("shard", size, f"a whole number of calls from 1 to {MOST_CALLS:,}")
        self._client = client
        self._source = Source(calls, has_rows=has_items, has_journal=True)
        self._size = size
        self._retry_failed = retry_failed
        self._whole = whole = _Whole(sink)
        self._keeper = Keeper(whole, journal or whole.journal, {**job, "sink": whole.identity})
        self._skipped: tuple[Digests, ...] = ()
        self._begun = Digests()
        self._open: dict[int, Shard] = {}
        self._runner: asyncio.Runner | None = None
        self.report = Report()
        self.aside = ""

    def open(self) -> None:
        """Open the journal, and the folder.

        Raises:
            headrace.errors.JournalError: The journal is of another job, in use, or cannot be read.
            headrace.errors.SinkError: The folder cannot be used.
        """
        kept = self._keeper.open()
        assert kept is not None  # noqa: S101 - there is a journal
        self._skipped = kept[:1] if self._retry_failed else kept
        for left in self._whole.path.glob(f"{_PREFIX}*"):  # of runs that were killed
            shutil.rmtree(left, ignore_errors=True)
        aside = self._whole.path / f"{_PREFIX}{os.urandom(6).hex()}"
        aside.mkdir()
        self.aside = str(aside.absolute())

    def work(self, options: Mapping[str, Any]) -> ShardWork:
        """Say what is the same for all shards."""
        return ShardWork(self.aside, self._whole.suffix, options)

    def shards(self) -> Iterator[Shard]:
        """Make shards of the calls that are not done, as they are asked for; the same ones for the same calls.

        Raises:
            headrace.errors.ValidationError: One of the calls is none.
        """
        pull = self._pulling()
        number = 0
        shard = Shard(number, [], [])
        while (call := pull()) is not None:
            refuse_series(f"calls[{self._source.count - 1}]: ", {name: getattr(call, name) for name in _SERIES})
            found = digest(call, self._client.place)
            self.report.calls += 1
            if any(found in each for each in self._skipped):
                self.report.skipped += 1
            elif not self._begun.add(found):
                self.report.duplicates += 1
            else:
                shard.calls.append(call)
                shard.digests.append(found)
            if len(shard.calls) == self._size:
                self._open[number] = shard
                yield shard
                number += 1
                shard = Shard(number, [], [])
        if shard.calls:
            self._open[number] = shard
            yield shard

    def _pulling(self) -> Callable[[], Call | None]:
        source = self._source
        if not source.asynchronous:
            return source.pull
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._runner = runner = asyncio.Runner()
            return lambda: runner.run(source.apull())
        raise ValidationError("calls: an async iterable cannot be read where an event loop runs; give an iterable")

    def take(self, result: ShardResult) -> None:
        """Keep what came of a shard: its file gets its name, and its calls are done, once.

        Args:
            result: What `run_shard` has returned.

        Raises:
            headrace.errors.SinkError: The file cannot be renamed.
            headrace.errors.JournalError: The journal cannot be written.
        """
        shard = self._open.pop(result.number, None)
        if shard is None:  # it came twice: of a process that was given up and lived on
            return
        batch = Batch()
        batch.calls = len(shard.calls)
        keys = [call.key or found.hex() for call, found in zip(shard.calls, shard.digests, strict=True)]
        failed = set()
        for index, error, meta in result.failures:
            failed.add(index)
            outcome = Err(error, shard.calls[index], msgspec.structs.replace(meta, key=keys[index]))
            batch.bury(shard.digests[index], outcome)
            if len(self.report.failures) < MOST_KEPT:
                self.report.failures.append(outcome)
        batch.done = [found for index, found in enumerate(shard.digests) if index not in failed]
        batch.rejects = [
            msgspec.structs.replace(each, key=None if each.key is None else keys[int(each.key)])
            for each in result.rejects
        ]
        self.report.rejects += batch.rejects[: MOST_KEPT - len(self.report.rejects)]
        self._whole.file = result.file
        self._keeper.commit(batch)
        self.report.add(result.report)

    def close(self) -> None:
        """Let go of the journal and the calls, and delete what was written aside and never taken."""
        if self._runner is not None:
            self._runner.run(self._source.aclose())
            self._runner.close()
        self._keeper.close()
        if self.aside:
            shutil.rmtree(self.aside, ignore_errors=True)
