"""Outcomes in the order of their calls, however these end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections import deque
    from typing import TypeAlias

    from headrace.bulk.batches import PageMark
    from headrace.bulk.outcomes import Outcome

    #: An outcome, and what a journal is told of it.
    Taken: TypeAlias = tuple[Outcome[Any], bytes | PageMark | None]


class Order:
    """Holds back what is early.

    Args:
        ready: Where outcomes go when their turn has come.

    Attributes:
        first: The number of the call whose turn it is.
    """

    __slots__ = ("_early", "_ended", "_ready", "first")

    def __init__(self, ready: deque[Taken]) -> None:
        self._ready = ready
        self._early: dict[int, list[Taken]] = {}
        self._ended: set[int] = set()  # calls all of whose outcomes are early
        self.first = 0

    def put(self, number: int, taken: Taken) -> None:
        """Take an outcome of a call; see `end`."""
        if number == self.first:
            self._ready.append(taken)
        else:
            self._early.setdefault(number, []).append(taken)

    def end(self, number: int) -> None:
        """Note that a call has no more outcomes: the next may have its turn."""
        ended = self._ended
        ended.add(number)
        while self.first in ended:
            ended.discard(self.first)
            self.first += 1
            self._ready.extend(self._early.pop(self.first, ()))
