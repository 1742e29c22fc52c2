"""How often something happened of late is counted here, over a clock that is passed in."""

from __future__ import annotations

from collections import deque

#: In how many parts a window is counted: what has left it is forgotten a part at a time.
_PARTS = 10


class Tally:
    """Counts events, and the marks among them, of the last `window` seconds.

    Nothing is forgotten before it is a window old, and everything is forgotten a tenth of a window later at most.

    Args:
        window: Seconds.
        now: Seconds on a clock that never goes back, the same for every call.

    Attributes:
        events: Events that are not forgotten.
        marks: Marks that are not forgotten.
    """

    __slots__ = ("_part", "_parts", "_turn", "events", "marks")

    def __init__(self, window: float, now: float) -> None:
        self._part = window / _PARTS
        self._clear(now)

    def _clear(self, now: float) -> None:
        self._turn = now + self._part
        self._parts = deque([[0, 0]])
        self.events = 0
        self.marks = 0

    def add(self, now: float, events: int = 1) -> None:
        """Count events."""
        if now >= self._turn:
            self.advance(now)
        self._parts[-1][0] += events
        self.events += events

    def mark(self, now: float) -> None:
        """Count a mark."""
        self.advance(now)
        self._parts[-1][1] += 1
        self.marks += 1

    def advance(self, now: float) -> None:
        """Forget what has left the window."""
        if now < self._turn:
            return
        passed = (now - self._turn) / self._part if self._part else _PARTS
        if passed >= _PARTS:
            self._clear(now)
            return
        turns = int(passed) + 1
        self._turn += turns * self._part
        for _ in range(turns):
            self._parts.append([0, 0])
            if len(self._parts) > _PARTS + 1:
                events, marks = self._parts.popleft()
                self.events -= events
                self.marks -= marks
