"""The places of series among the calls that are in flight: when they may ask for another page."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.bulk.batches import PageMark
    from headrace.bulk.ordering import Ended
    from headrace.bulk.outbox import Outbox
    from headrace.bulk.outcomes import Outcome


class Seats:
    """Lets series ask for their next pages, those that have waited longest first.

    Pages that are not taken count against a window of their own. A series that waits here is not in flight: where
    there may be fewer of them than there are, they take turns.

    Args:
        outbox: Where pages go.
        may_fly: Tells whether another call may be in flight, where so many of those under way wait here.
        looked_for: Is called when a page has come.

    Attributes:
        window: How many pages, but for the last of a series, may be there and not taken.
        pages: How many there are.
        waiting: The series that wait, by the numbers of their calls.
        cut: Whether a series was stopped before its end.
    """

    __slots__ = ("_looked_for", "_may_fly", "_outbox", "_stopping", "cut", "pages", "waiting", "window")

    def __init__(self, outbox: Outbox, may_fly: Callable[[int], bool], looked_for: Callable[[], object]) -> None:
        self._outbox = outbox
        self._may_fly = may_fly
        self._looked_for = looked_for
        self._stopping = False
        self.window = 0
        self.pages = 0
        self.waiting: dict[int, asyncio.Future[None]] = {}
        self.cut = False

    def seat(self, number: int) -> Seat:
        """Make the place of a series, by the number of its call."""
        return Seat(self, number)

    def put(self, ended: Ended) -> None:
        """Hand over a page."""
        if not ended[0].meta.last:
            self.pages += 1
        self._outbox.put(ended)
        self._outbox.tell()
        self._looked_for()

    def look(self) -> None:
        """Let those go on for which there is room."""
        waiting, order = self.waiting, self._outbox.order
        # Where outcomes are ordered, the first call goes on whatever others have ready behind it.
        if (
            order is not None
            and order.first in waiting
            and len(self._outbox.ready) < self.window
            and self._may_fly(len(waiting))
        ):
            self._let_go(order.first)
        while waiting and self.pages < self.window and self._may_fly(len(waiting)):
            self._let_go(next(iter(waiting)))

    def _let_go(self, number: int) -> None:
        waiter = self.waiting.pop(number)
        if not waiter.done():
            waiter.set_result(None)

    async def room(self, number: int) -> bool:
        """Wait until a series may ask for another page; `False` where it was stopped, and is cut off here.

        Args:
            number: Of its call.
        """
        if not self._stopping:
            self.waiting[number] = waiter = asyncio.get_running_loop().create_future()
            self.look()
            try:
                await waiter
            finally:
                self.waiting.pop(number, None)
        if not self._stopping:
            return True
        self.cut = True
        if self._outbox.order is not None:
            self._outbox.order.end(number)
        return False

    def stop(self) -> None:
        """Cut every series off behind the page that it is at."""
        self._stopping = True
        for number in tuple(self.waiting):
            self._let_go(number)


class Seat:
    """The place of a series; see `headrace.bulk.series.Seat`.

    Args:
        seats: Those of all.
        number: Of its call.
    """

    __slots__ = ("_number", "_seats")

    def __init__(self, seats: Seats, number: int) -> None:
        self._seats = seats
        self._number = number

    def put(self, outcome: Outcome[Any], mark: PageMark | None) -> None:
        """Hand over a page."""
        self._seats.put((outcome, mark, self._number))

    async def room(self) -> bool:
        """Wait until another page may be asked for; `False` where the bulk was stopped."""
        return await self._seats.room(self._number)
