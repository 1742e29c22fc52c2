"""A run writes what its calls give: rows are gathered on the loop, and committed by a thread while others come."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from headrace import _calling
from headrace._core.request import encode
from headrace._io.threads import result, settled
from headrace.bulk._letters import Rejected
from headrace.bulk._sinks.base import Tagged
from headrace.bulk.batches import Batch
from headrace.bulk.outcomes import Err, Ok
from headrace.bulk.report import MOST_KEPT
from headrace.bulk.transforming import made_of, rows_of, transformed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from headrace.bulk.batches import Keeper, PageMark
    from headrace.bulk.engine import Engine
    from headrace.bulk.outcomes import Outcome
    from headrace.bulk.report import Report
    from headrace.bulk.samples import Sampler
    from headrace.bulk.tally import Tally

T = TypeVar("T")

#: Rows, or calls, after which a batch ends. More are not gathered before it is committed: no more than this many are
#: ever asked for again.
MOST: Final = 10_000
#: Answers that a thread that waits for the bulk makes rows of at once.
_AT_ONCE: Final = 256
_PROGRESS_SECONDS: Final = 0.1
_TICK_SECONDS: Final = 0.05
_SAMPLE_SECONDS: Final = 1.0


class Thread:
    """The one thread of a sink and a journal: one of its own, or that which waits for the bulk."""

    def __init__(self) -> None:
        self._caller = _calling.current.get()
        self._pool = ThreadPoolExecutor(1, "headrace-bulk")  # which has no thread before there is work for it

    def begin(self, work: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        """Begin work; see `headrace._io.threads.begin`."""
        if self._caller is not None:
            return asyncio.ensure_future(self._caller.call(work, *arguments))
        return asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do work; a cancellation goes on when it has ended."""
        future = self.begin(work, *arguments)
        try:
            return await result(future)
        except asyncio.CancelledError:
            await settled(future)
            raise

    def end(self) -> None:
        """Let the thread go once it has nothing to do."""
        self._pool.shutdown(wait=False)


class Run:
    """Takes what is ready, and hands batches to the thread.

    Args:
        engine: Gives outcomes.
        keeper: Commits batches.
        thread: Where it does so.
        tally: Counts.
        transform: Makes of a row a row, several, or none; or `None`.
        commit_every: Seconds after which a batch ends.
        progress: Is told of the report, at most ten times a second; or `None`.
        sampler: Says how the run goes, once a second; or `None`.
    """

    def __init__(
        self,
        engine: Engine,
        keeper: Keeper,
        thread: Thread,
        tally: Tally,
        transform: Callable[[Any], Any] | None,
        commit_every: float,
        progress: Callable[[Report], object] | None,
        sampler: Sampler | None = None,
    ) -> None:
        self._engine = engine
        self._keeper = keeper
        self._thread = thread
        self._tally = tally
        self._report = tally.report
        self._transform = transform
        self._every = commit_every
        self._progress = progress
        self._sampler = sampler
        self._sampled = monotonic()
        self._told = 0.0
        self._due = monotonic() + commit_every
        self._batch = Batch()
        self._commit: asyncio.Future[Any] | None = None
        self._unheard: asyncio.Future[Any] | None = None  # the same, until what it has kept is counted
        self._writing = (0, 0)  # rows and calls that are being committed
        self._parts: list[asyncio.Future[None]] = []  # of the batch, which the sink is being given
        self._timer: asyncio.TimerHandle | None = None
        self._taken: list[tuple[Outcome[Any], bytes | PageMark | None]] = []

    async def run(self) -> None:
        """Take everything; what is ready when it ends, however it ends, is committed."""
        engine = self._engine
        engine.be_patient()  # nobody waits for a row of a run: to be woken for each costs more
        self._tick()
        try:
            while await engine.wait():
                self._report.sort()
                await self._take()
                if len(self._batch.rows) >= self._keeper.at_once:
                    self._parts.append(self._thread.begin(self._keeper.write, self._batch.part()))
                if self._full or (self._batch.calls and monotonic() >= self._due):
                    await self._hand_over()
                self._tell()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            await self._end()
            self._tell(last=True)
        await self._settle()

    async def _take(self) -> None:
        """Take what is ready, until the batch is full; a thread that waits for the bulk makes rows of many at once."""
        engine, transform = self._engine, self._transform
        if transform is None or _calling.current.get() is None:
            self._take_here()
            return
        while engine.ready and len(self._taken) < _AT_ONCE:
            self._taken.append(engine.take()[:2])
        values = [outcome.value if type(outcome) is Ok else None for outcome, _ in self._taken]
        made, error = await _calling.call(made_of, transform, values)
        taken, self._taken = self._taken, []
        for (outcome, mark), rows in zip(taken, made, strict=False):
            self._add(outcome, mark, rows)
        if self._sampler is not None:
            self._sampler.hear([outcome for outcome, _ in taken[: len(made)]])
        if error is not None:
            error.add_note(f"transform: of a row of {taken[len(made)][0].call!r}")
            raise error

    async def _end(self) -> None:
        """Stop what is in flight, take what is there, and commit it, however often that is cancelled."""
        interrupted: asyncio.CancelledError | None = None
        try:
            await self._engine.aclose()
        except asyncio.CancelledError as error:
            interrupted = error
        while self._engine.ready or self._taken:
            try:
                await self._take_last()
            except asyncio.CancelledError as error:
                interrupted = error
            except Exception:  # noqa: BLE001 - a transform that fails has been heard of
                self._taken = []
        for _ in range(2):  # what is under way, and what was gathered meanwhile
            try:
                if not self._commit_failed:
                    await self._settle()
                    if self._batch.calls:
                        self._sample(monotonic())
                        self._hand()
                    await self._settle()
            except asyncio.CancelledError as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted

    async def _take_last(self) -> None:
        """Take what is there at the end; what fails is left out."""
        if self._transform is not None and _calling.current.get() is not None:
            await self._take()
        else:
            outcome, mark, _ = self._engine.take()
            self._add(outcome, mark)
            if self._sampler is not None:
                self._sampler.hear([outcome])

    @property
    def _full(self) -> bool:
        rows, calls = self._writing
        return rows + self._batch.count >= MOST or calls + self._batch.calls >= MOST

    def _take_here(self) -> None:
        """Take what is ready, until the batch is full, in this very thread."""
        engine, batch, answered, sampler = self._engine, self._batch, self._report.answered, self._sampler
        rows, keys, indexes = batch.rows, batch.keys, batch.indexes
        ready, plain = engine.ready, self._transform is None
        keeps = self._keeper.keeps_rows
        taken = []
        most_rows, most_calls = (MOST - writing for writing in self._writing)
        most_rows -= batch.given
        for _ in range(min(len(ready), most_calls - batch.calls)):
            if len(rows) >= most_rows:
                break
            outcome, mark, _ = engine.take()
            value = outcome.value if type(outcome) is Ok else None
            if plain and value is not None and type(value) is not list and outcome.call.tags is None:
                # One row of one answer, which is what nearly all are: `_add`, spelled out.
                if keeps:
                    rows.append(value)
                    keys.append(outcome.meta.key)
                    indexes.append(0)
                else:
                    batch.dropped += 1
                answered(outcome.meta)
                if mark is not None:
                    batch.note(mark, last=outcome.meta.last)
                batch.calls += 1
            else:
                self._add(outcome, mark)
            taken.append(outcome)
        if sampler is not None:
            sampler.hear(taken)

    def _add(self, outcome: Outcome[Any], mark: bytes | PageMark | None, made: list[list[Any]] | None = None) -> None:
        batch = self._batch
        if type(outcome) is Ok:
            value = outcome.value
            if self._transform is None and outcome.call.tags is None and type(value) is not list and value is not None:
                batch.rows.append(value)
                batch.keys.append(outcome.meta.key)
                batch.indexes.append(0)
            else:
                rows, indexes = self._rows(outcome, made)
                batch.rows += rows
                batch.keys += [outcome.meta.key] * len(rows)
                batch.indexes += indexes
            self._tally.count(outcome)
            if mark is not None:
                if outcome.rejects:
                    batch.rejects += (
                        Rejected(outcome.meta.key, each.index, each.path, each.message, each.raw)
                        for each in outcome.rejects
                    )
                batch.note(mark, last=outcome.meta.last)
        elif self._tally.count(outcome):
            if mark is not None:
                assert type(outcome) is Err  # noqa: S101 - there is no third
                batch.bury(mark, outcome)
            if self._tally.exceeded:
                self._engine.stop()
        elif mark is not None:
            batch.note(mark, last=True)
        batch.calls += 1

    def _rows(self, outcome: Ok[Any], made: list[list[Any]] | None) -> tuple[list[Any], Sequence[int]]:
        """Make the rows of an answer, as they go to the sink; tells of each which row of the answer it is of.

        Args:
            outcome: The answer.
            made: What a transform has made of each row already, if it has.
        """
        rows = rows_of(outcome.value)
        indexes: Sequence[int] = range(len(rows))
        if outcome.rejects:
            misfits = {each.index for each in outcome.rejects}
            indexes = [index for index in range(len(rows) + len(misfits)) if index not in misfits]
        if self._transform is not None:
            if made is None:
                try:
                    made = transformed(self._transform, rows)
                except Exception as error:
                    error.add_note(f"transform: of a row of {outcome.call!r}")
                    raise
            pairs = [(row, index) for found, index in zip(made, indexes, strict=True) for row in found]
            rows, indexes = [row for row, _ in pairs], [index for _, index in pairs]
        tags = outcome.call.tags
        if tags is not None:
            added = encode.mapping(tags, "tags")
            rows = [Tagged(row, added) for row in rows]
        return rows, indexes

    async def _hand_over(self) -> None:
        """Give the batch to the thread, once that is done with the one before."""
        await self._settle()
        if self._batch.calls:
            self._hand()
        self._due = monotonic() + self._every

    def _hand(self) -> None:
        batch, self._batch = self._batch, Batch()
        if self._sampler is not None:
            batch.routes = {name: msgspec.structs.replace(route) for name, route in self._sampler.routes.items()}
        self._writing = (batch.count, batch.calls)
        self._parts.clear()  # the thread does one after the other, and the commit is the last
        self._commit = self._unheard = self._thread.begin(self._keeper.commit, batch)
        self._commit.add_done_callback(self._committed)

    def _committed(self, commit: asyncio.Future[Any]) -> None:
        self._hear(commit)
        self._engine.nudge()
        if commit.cancelled() or commit.exception() is not None:
            self._engine.stop()  # nothing more can be kept

    def _hear(self, commit: asyncio.Future[Any]) -> None:
        """Count what a commit has kept, once: a step of the loop may come later than whoever waits for it goes on."""
        if commit is not self._unheard:
            return
        self._unheard = None
        self._writing = (0, 0)
        if commit.cancelled() or commit.exception() is not None:
            return
        rows, misfits = commit.result()
        report = self._report
        report.rows += rows
        report.rejected += len(misfits)
        report.rejects += misfits[: MOST_KEPT - len(report.rejects)]

    @property
    def _commit_failed(self) -> bool:
        commit = self._commit
        return commit is not None and commit.done() and (commit.cancelled() or commit.exception() is not None)

    async def _settle(self) -> None:
        """Wait for the commit that is under way; raises what it has raised."""
        commit = self._commit
        if commit is None:
            return
        await settled(commit)
        self._hear(commit)
        await commit

    def _tick(self) -> None:
        """Look at the time again when a batch may be due, also where nothing comes."""
        self._engine.nudge()
        self._timer = asyncio.get_running_loop().call_later(min(self._every, _TICK_SECONDS), self._tick)

    def _sample(self, now: float) -> None:
        """Note how it goes; the next commit keeps that."""
        if self._sampler is not None:
            self._sampled = now
            rows = self._batch.count + self._batch.dropped
            self._batch.samples.append(self._sampler.take(self._report.seconds, rows))

    def _tell(self, *, last: bool = False) -> None:
        if self._sampler is not None and monotonic() - self._sampled >= _SAMPLE_SECONDS:
            self._sample(monotonic())
        now = monotonic()
        if self._progress is not None and (last or now - self._told >= _PROGRESS_SECONDS):
            self._told = now
            self._progress(self._report)
