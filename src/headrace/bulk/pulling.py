"""Which call comes next: what the journal has, and what has come before, is skipped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from headrace.bulk.keys import digest
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from headrace._core.call import Call
    from headrace.bulk.keys import Digests
    from headrace.bulk.report import Report
    from headrace.bulk.shape import Shape
    from headrace.bulk.source import Pulled, Source

#: Calls that are skipped before others on the loop have their turn.
_PATIENCE = 512


class Known:
    """Which calls need not be asked.

    Args:
        place: Joins a path to that of the client.
        skipped: Those that are done, or failed and not to be asked again.
        begun: Those of this run.
    """

    __slots__ = ("begun", "place", "skipped")

    def __init__(self, place: Callable[[Any], str], skipped: Collection[Digests], begun: Digests) -> None:
        self.place = place
        self.skipped = tuple(each for each in skipped if len(each))
        self.begun = begun


class Pulling:
    """Pulls calls, and numbers those that have to be asked.

    Args:
        source: The calls.
        shape: What a bulk makes of them.
        report: Where to count.
        known: Which calls are skipped; `None` without a journal.

    Attributes:
        drained: Whether there is no call any more.
    """

    __slots__ = ("_known", "_number", "_report", "_shape", "_skipped", "_source", "drained")

    def __init__(self, source: Source, shape: Shape, report: Report, known: Known | None) -> None:
        self._source = source
        self._shape = shape
        self._report = report
        self._known = known
        self._number = 0
        self._skipped = 0
        self.drained = False

    def pull(self, count: int, pulled: list[Pulled]) -> None:
        """Pull calls that have to be asked; fewer where there are no more, or where very many were skipped.

        Args:
            count: How many.
            pulled: Where to put them; those that came before an error are there.

        Raises:
            headrace.errors.ValidationError: What came is no call.
        """
        source, known = self._source, self._known
        patience = _PATIENCE
        try:
            while count > 0 and patience:
                call = source.pull()
                if call is None:
                    self.drained = True
                    return
                if known is None:
                    each: Pulled | None = (call, call.key, None, source.count, source.is_plain)
                else:
                    each = self._wanted(call, known)
                if each is None:
                    patience -= 1
                else:
                    pulled.append(each)
                    count -= 1
        finally:
            self._report.calls = source.count

    async def apull(self) -> Pulled | None:
        """Pull the next call of an async iterable; `None` where it is skipped, or there is none."""
        call = await self._source.apull()
        if call is None:
            self.drained = True
            return None
        self._report.calls = self._source.count
        known = self._known
        if known is None:
            return call, call.key, None, self._source.count, self._source.is_plain
        pulled = self._wanted(call, known)
        if pulled is None:
            self._skipped += 1
            if self._skipped % _PATIENCE == 0:
                await asyncio.sleep(0)
        return pulled

    def _wanted(self, call: Call, known: Known) -> Pulled | None:
        """Give the key and digest of a call; `None` where it need not be asked."""
        source, asked = self._source, self._shape.incremental_of(call)
        try:
            mark = digest(call, known.place, None if asked is None else asked.parameter)
        except ValidationError as error:
            raise ValidationError(f"calls[{source.count - 1}]: {error}") from None
        for each in known.skipped:
            if mark in each:
                self._report.skipped += 1
                return None
        if not known.begun.add(mark):
            self._report.duplicates += 1
            return None
        self._number = number = self._number + 1
        return call, call.key or mark.hex(), mark, number, source.is_plain
