"""The law of a batch: its rows are written, the journal notes what it ends, the sink commits it, the journal marks it.

Everything here happens in one thread that is not the event loop's. `STEPS` names the steps in their order, so that
tests can end the process between any two.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from headrace.bulk._letters import DeadLetter, Rejected, letter_of
from headrace.bulk._sinks.base import Target
from headrace.bulk._sinks.columns import builtins, plain_rows
from headrace.bulk._sinks.discard import Discard
from headrace.bulk.journal import More, Writer
from headrace.errors import FrameworkException, JournalError, SinkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from headrace.bulk._sinks.base import Misfit
    from headrace.bulk.keys import Digests
    from headrace.bulk.outcomes import Err
    from headrace.bulk.samples import Sample

STEPS: Final = ("begin", "written", "noted", "committed", "marked")


def _nothing(step: str, batch: int) -> None:
    """Do nothing between two steps."""


#: Called between the steps.
between: Callable[[str, int], None] = _nothing


class PageMark(NamedTuple):
    """What a journal is told of a page of a series.

    Attributes:
        digest: Of the call.
        state: How far the series is behind the page, as JSON; `None` where it stays as it was.
        lasting: Whether the series is asked again in the next run, from its mark.
    """

    digest: bytes
    state: bytes | None
    lasting: bool


class Part(NamedTuple):
    """Rows of a batch that the sink is given before the others have come; see `Batch`."""

    rows: list[Any]
    keys: list[str | None]
    indexes: list[int]


class Batch:
    """What is gathered until the next commit.

    Attributes:
        rows: Rows for the sink.
        keys: The key of the call of each row.
        indexes: Which row of its answer each is, or is made of.
        done: The digests of the calls that are done.
        series: By the digest of its call, how far a series of pages is, and whether it is over; see `More`.
        dead: The calls that failed.
        rejects: Rows that did not fit.
        calls: How many calls ended.
        samples: How the run went since the last commit.
        routes: What was seen of each route so far.
        dropped: How many rows a sink has taken that throws them away: they are not gathered.
        given: How many rows the sink was given already.
    """

    __slots__ = (
        "calls", "dead", "done", "dropped", "given", "indexes", "keys", "rejects", "routes", "rows", "samples",
        "series",
    )  # fmt: skip

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.keys: list[str | None] = []
        self.indexes: list[int] = []
        self.done: list[bytes] = []
        self.series: dict[bytes, tuple[bytes | None, bool]] = {}
        self.dead: list[tuple[bytes, DeadLetter]] = []
        self.rejects: list[Rejected] = []
        self.calls = 0
        self.samples: list[Sample] = []
        self.routes: Mapping[str, Any] | None = None
        self.dropped = 0
        self.given = 0

    @property
    def count(self) -> int:
        """How many rows it has, those that the sink was given included."""
        return self.given + len(self.rows)

    def part(self) -> Part:
        """Take the rows out that the sink is to be given now."""
        part = Part(self.rows, self.keys, self.indexes)
        self.given += len(self.rows)
        self.rows, self.keys, self.indexes = [], [], []
        return part

    def note(self, mark: bytes | PageMark, *, last: bool) -> None:
        """Note that a call is done, or how far its series is."""
        if not isinstance(mark, PageMark):
            self.done.append(mark)
            return
        if last and not mark.lasting:
            self.series[mark.digest] = (None, False)
            self.done.append(mark.digest)
            return
        state, _ = self.series.get(mark.digest, (None, False)) if mark.state is None else (mark.state, False)
        self.series[mark.digest] = (state, last)

    def bury(self, mark: bytes | PageMark, outcome: Err) -> None:
        """Put a failure among the dead letters; a series stays where it is."""
        digest = mark.digest if isinstance(mark, PageMark) else mark
        self.dead.append((digest, letter_of(outcome, time.time())))


class Keeper:
    """Keeps a sink and a journal in step.

    Args:
        sink: The sink; `None` where the outcomes are handed out instead.
        path: Of the journal, or `None`.
        job: What the journal is of.
        settings: What a report shall show beside it, without secrets.

    Attributes:
        keeps_rows: Whether the sink has any use for rows.
    """

    def __init__(
        self, sink: Any, path: Path | None, job: Mapping[str, str], settings: Mapping[str, str] | None = None
    ) -> None:
        self._settings = settings
        self._sink = sink
        self._ours = isinstance(sink, Target)
        self.keeps_rows = type(sink) is not Discard
        #: How many rows the sink is given at once, before its commit.
        self.at_once: float = sink.at_once if self._ours else math.inf
        self._misfits: list[Rejected] = []  # of what it was given since the last commit
        self._fault: BaseException | None = None
        self._path = path
        self._job = job
        self._journal: Writer | None = None
        self._number = 0
        self._opened = False

    def open(self) -> tuple[Digests, Digests] | None:
        """Open both, and bring them in step.

        Returns:
            What is done, and what has failed; `None` without a journal.

        Raises:
            headrace.errors.JournalError: The journal cannot be used, or does not fit the sink.
            headrace.errors.SinkError: The sink cannot be opened.
        """
        try:
            if self._path is None:
                self._begin_sink()
                return None
            self._journal = journal = Writer(self._path)
            journal.check(self._job)
            if self._ours:
                self._sink.token = journal.token
            if journal.number:
                self._resume(journal)
            else:
                self._begin_sink()
                self._commit_sink(1)
                journal.begin(self._job)
            if self._settings is not None:
                journal.describe(self._settings)
            self._number = journal.number
            return journal.load(), journal.dead
        except BaseException:
            self.close()
            raise

    def _begin_sink(self) -> None:
        if self._sink is None:
            return
        if self._ours and self._path is None:
            self._sink.token = ""
        self._opened = True
        self._guarded(self._sink.open, 0)

    def _resume(self, journal: Writer) -> None:
        number = journal.number
        found = number
        if self._sink is not None:
            self._opened = True
            found = self._guarded(self._sink.open, number)
        if found == number + 1 and journal.pending:
            journal.mark()
        elif found == number:
            journal.drop()
        else:
            message = f"journal: {journal.path} is at batch {number}, and {_named(self._sink)} at batch {found}"
            raise JournalError(message)

    @property
    def has_series(self) -> bool:
        """Whether the journal knows of series that are not over."""
        return self._journal is not None and self._journal.has_series

    def series(self, digests: list[bytes]) -> dict[bytes, bytes]:
        """Read how far the series of some calls are, but for those that have not begun."""
        return {} if self._journal is None else self._journal.series(digests)

    def finish(self) -> None:
        """End a run that has asked for everything: the next asks the series that are incremental from their marks."""
        if self._journal is not None:
            self._journal.finish()

    def write(self, part: Part) -> None:
        """Give the sink rows of the next batch, while they are warm; what that raises, its commit raises."""
        if self._fault is None:
            try:
                self._misfits += self._write(part)
            except BaseException as error:  # noqa: BLE001 - raised where somebody waits
                self._fault = error

    def commit(self, batch: Batch) -> tuple[int, list[Rejected]]:
        """Make a batch durable.

        Returns:
            How many rows the sink took, and those that it could not hold.

        Raises:
            headrace.errors.SinkError: The sink cannot be written; the batch is not there.
            headrace.errors.JournalError: The journal cannot be written.
        """
        number = self._number + 1
        between(STEPS[0], number)
        if batch.rows and self._sink is not None:
            self.write(batch.part())
        if self._fault is not None:
            raise self._fault
        misfits, self._misfits = self._misfits, []
        between(STEPS[1], number)
        if self._journal is not None:
            more = More(batch.dead, [*batch.rejects, *misfits], batch.series)
            self._journal.note(b"".join(batch.done), more, batch.samples, batch.routes)
        between(STEPS[2], number)
        self._commit_sink(number)
        between(STEPS[3], number)
        if self._journal is not None:
            self._journal.mark()
        between(STEPS[4], number)
        self._number = number
        return batch.given + batch.dropped - len(misfits), misfits

    def _write(self, part: Part) -> list[Rejected]:
        rows = part.rows if self._ours else plain_rows(part.rows)
        found: list[Misfit] | None = self._guarded(self._sink.write, rows)
        if not self._ours or not found:
            return []
        return [
            Rejected(part.keys[at], part.indexes[at], each.path, each.message, _raw(part.rows[at]))
            for each in found
            for at in (each.row,)
        ]

    def _commit_sink(self, number: int) -> None:
        if self._sink is not None:
            self._guarded(self._sink.commit, number)

    def _guarded(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """Do a step of a sink, which may be anybody's: what it raises is a `SinkError`, or the end of the program."""
        try:
            return step(*arguments)
        except (FrameworkException, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            raise SinkError(f"{_named(self._sink)} failed: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close both; may be called more than once."""
        journal, self._journal = self._journal, None
        opened, self._opened = self._opened, False
        try:
            if opened:
                self._guarded(self._sink.close)
        finally:
            if journal is not None:
                journal.close()


def _named(sink: Any) -> str:
    return str(getattr(sink, "identity", None) or f"the sink {type(sink).__name__}")


def _raw(row: Any) -> bytes:
    """Write a row that has no place, as well as it can be."""
    try:
        return msgspec.json.encode(builtins(getattr(row, "row", row)))
    except (TypeError, ValueError, RecursionError, OverflowError):
        return repr(row).encode("utf-8", "replace")[:2000]
