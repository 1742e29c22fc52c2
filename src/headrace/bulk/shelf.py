"""What has ended and was not taken: in the order of its calls where that is wanted, and a series page by page."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from headrace.bulk.batches import PageMark
    from headrace.bulk.outcomes import Outcome

    #: An outcome, and what a journal is told of it.
    Taken: TypeAlias = tuple[Outcome[Any], bytes | PageMark | None]


class Seat(NamedTuple):
    """The place of a series among the calls that are in flight; see `headrace.bulk.series.Seat`."""

    put: Callable[[Outcome[Any], PageMark | None], None]
    room: Callable[[], Coroutine[Any, Any, bool]]


class Shelf:
    """Where outcomes wait to be taken.

    Args:
        window: How many pages may wait beside those that end their calls.
        ordered: Whether outcomes come in the order of their calls.

    Attributes:
        ready: What may be taken.
        cut: Whether a series was cut off before its end.
    """

    __slots__ = ("_early", "_ended", "_next", "_pages", "_room", "_stopped", "_window", "cut", "ready")

    def __init__(self, window: int, *, ordered: bool) -> None:
        self._window = window
        self._early: dict[int, list[Taken]] | None = {} if ordered else None
        self._ended: set[int] = set()  # calls all of whose outcomes are early
        self._next = 0  # the number of the call whose outcomes come next, where they are ordered
        self._pages = 0  # pages, but for the last of a series, that are not taken
        self._room = asyncio.Event()
        self._stopped = False
        self.cut = False
        self.ready: deque[Taken] = deque()

    def put(self, number: int, outcome: Outcome[Any], mark: bytes | PageMark | None) -> None:
        """Put an outcome down.

        Args:
            number: Of its call.
            outcome: What came of it, or of a page of it.
            mark: What a journal is told.
        """
        last = outcome.meta.last
        if not last:
            self._pages += 1
        if self._early is None:
            self.ready.append((outcome, mark))
            return
        if number == self._next:
            self.ready.append((outcome, mark))
        else:
            self._early.setdefault(number, []).append((outcome, mark))
        if last:
            self._end(number)

    def take(self) -> Taken:
        """Take what is ready first; there has to be something."""
        taken = self.ready.popleft()
        if not taken[0].meta.last:
            self._pages -= 1
            self._room.set()
        return taken

    async def room(self, number: int) -> bool:
        """Wait until a series may ask for another page; `False` where all was stopped, and it is cut off here.

        Args:
            number: Of its call.
        """
        while not self._stopped:
            # Where outcomes are ordered, the first call goes on whatever others have put down behind it.
            waiting = len(self.ready) if number == self._next else self._pages
            if waiting < self._window:
                return True
            self._room.clear()
            await self._room.wait()
        self.cut = True
        if self._early is not None:
            self._end(number)
        return False

    def seat(self, number: int, put: Callable[..., None]) -> Seat:
        """Make the place of a series.

        Args:
            number: Of its call.
            put: Puts down its pages; see `put`.
        """
        return Seat(partial(put, number), partial(self.room, number))

    def stop(self) -> None:
        """Let series end behind the page that they are at."""
        self._stopped = True
        self._room.set()

    def _end(self, number: int) -> None:
        """Let the outcomes of the next call be taken."""
        early, ended = self._early, self._ended
        assert early is not None  # noqa: S101 - they are ordered
        ended.add(number)
        while self._next in ended:
            ended.discard(self._next)
            self._next += 1
            self.ready.extend(early.pop(self._next, ()))
        self._room.set()
