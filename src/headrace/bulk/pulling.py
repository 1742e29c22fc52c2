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
    from headrace.bulk.source import Source

    #: A call that has to be asked, with its key and digest, and its number.
    Pulled = tuple[Call, str | None, bytes | None, int]

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

    def pull(self) -> Pulled | None:
        """Pull the next call that has to be asked.

        Returns:
            The call; `None` where there is none, or where so many were skipped that others shall have their turn.

        Raises:
            headrace.errors.ValidationError: What came is no call.
        """
        pull, wanted = self._source.pull, self._wanted
        for _ in range(_PATIENCE):
            call = pull()
            if call is None:
                self.drained = True
                return None
            pulled = wanted(call)
            if pulled is not None:
                return pulled
        return None

    async def apull(self) -> Pulled | None:
        """Pull the next call of an async iterable; `None` where it is skipped, or there is none."""
        call = await self._source.apull()
        if call is None:
            self.drained = True
            return None
        pulled = self._wanted(call)
        if pulled is None:
            self._skipped += 1
            if self._skipped % _PATIENCE == 0:
                await asyncio.sleep(0)
        return pulled

    def _wanted(self, call: Call) -> Pulled | None:
        """Count a call, and give its key and digest; `None` where it need not be asked."""
        report, known = self._report, self._known
        report.calls += 1
        if known is None:
            key, mark = call.key, None
        else:
            asked = self._shape.incremental_of(call)
            try:
                mark = digest(call, known.place, None if asked is None else asked.parameter)
            except ValidationError as error:
                raise ValidationError(f"calls[{self._source.count - 1}]: {error}") from None
            for each in known.skipped:
                if mark in each:
                    report.skipped += 1
                    return None
            if not known.begun.add(mark):
                report.duplicates += 1
                return None
            key = call.key or mark.hex()
        number = self._number
        self._number = number + 1
        return call, key, mark, number
