"""Outcomes that are handed out: with a journal, one is done when the next is asked for."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from headrace.bulk._letters import Rejected
from headrace.bulk.batches import Batch
from headrace.bulk.outcomes import Err, Ok
from headrace.bulk.running import MOST

if TYPE_CHECKING:
    from headrace.bulk.batches import Keeper, PageMark
    from headrace.bulk.keys import Digests
    from headrace.bulk.outcomes import Outcome
    from headrace.bulk.running import Thread


class Handing:
    """Keeps in the journal, if there is one, what was handed out.

    Args:
        keeper: Commits batches, or `None`.
        thread: Where it does so.
        every: Seconds after which a batch ends.

    Attributes:
        is_finished: Whether everything was asked for, and handed out.
    """

    def __init__(self, keeper: Keeper | None, thread: Thread | None, every: float) -> None:
        self.keeper = keeper
        self._thread = thread
        self._every = every
        self.is_finished = False
        self._due = monotonic() + every
        self._batch = Batch()
        self._last: tuple[Outcome[Any], bytes | PageMark | None, bool] | None = None

    async def open(self) -> tuple[Digests, Digests] | None:
        """Open the journal; see `Keeper.open`."""
        assert self._thread is not None and self.keeper is not None  # noqa: S101, PT018 - asked only then
        return await self._thread.run(self.keeper.open)

    def hand(self, outcome: Outcome[Any], mark: bytes | PageMark | None, *, failure: bool) -> None:
        """Note what is handed out now; asked where there is a journal."""
        self._last = (outcome, mark, failure)

    async def next_is_asked(self) -> None:
        """Take what was handed out last for done, and commit where that is due."""
        self._settle()
        batch = self._batch
        if batch.calls and (batch.calls >= MOST or monotonic() >= self._due):
            await self._commit()

    def _settle(self) -> None:
        last, self._last = self._last, None
        if last is None:
            return
        outcome, mark, failure = last
        batch = self._batch
        batch.calls += 1
        assert mark is not None  # noqa: S101 - there is a journal
        if failure:
            assert type(outcome) is Err  # noqa: S101 - nothing else is one
            batch.bury(mark, outcome)
            return
        batch.note(mark, last=outcome.meta.last)
        if type(outcome) is Ok:
            batch.rejects += (
                Rejected(outcome.meta.key, each.index, each.path, each.message, each.raw) for each in outcome.rejects
            )

    async def _commit(self) -> None:
        assert self._thread is not None and self.keeper is not None  # noqa: S101, PT018 - asked only then
        batch, self._batch = self._batch, Batch()
        self._due = monotonic() + self._every
        await self._thread.run(self.keeper.commit, batch)

    async def aclose(self) -> None:
        """Commit what is done, and close the journal; may be called more than once."""
        if self.keeper is None or self._thread is None:
            return
        keeper, thread = self.keeper, self._thread
        try:
            if self._batch.calls:
                await self._commit()
            if self.is_finished:
                await thread.run(keeper.finish)
        finally:
            self.keeper = self._thread = None
            try:
                await thread.run(keeper.close)
            finally:
                thread.end()
