"""Outcomes in the order of their calls, however these end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections import deque
    from typing import TypeAlias

    from headrace.bulk.batches import PageMark
    from headrace.bulk.outcomes import Outcome

    #: An outcome, what a journal is told of it, and the number of its call, from 1.
    Ended: TypeAlias = tuple[Outcome[Any], bytes | PageMark | None, int]


class Order:
    """Holds back what is early.

    Args:
        ready: Where outcomes go when their turn has come.

    Attributes:
        first: The number of the call whose turn it is.
    """

    __slots__ = ("_early", "_ended", "_ready", "first")

    def __init__(self, ready: deque[Ended]) -> None:
        self._ready = ready
        self._early: dict[int, list[Ended]] = {}
        self._ended: set[int] = set()  # calls all of whose outcomes are early
        self.first = 1

    def put(self, ended: Ended) -> None:
        """Take an outcome of a call; the last one ends it."""
        number = ended[2]
        if number == self.first:
            self._ready.append(ended)
        else:
            self._early.setdefault(number, []).append(ended)
        if ended[0].meta.last:
            self.end(number)

    def end(self, number: int) -> None:
        """Note that a call has no more outcomes: the next may have its turn."""
        ended = self._ended
        ended.add(number)
        while self.first in ended:
            ended.discard(self.first)
            self.first += 1
            self._ready.extend(self._early.pop(self.first, ()))
