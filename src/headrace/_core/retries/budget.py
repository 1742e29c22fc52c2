"""Retries are a share of the requests: a token bucket that the requests themselves fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace._core.retries.sliding_count import Tally

if TYPE_CHECKING:
    from headrace.policies import RetryBudget


class Budget:
    """Holds the retries of a client to a share of its requests (Finagle, `RetryBudget`).

    In the last `window` seconds there are never more retries than `reserve + ratio * requests`.

    Args:
        settings: The share, the reserve and the window.
        now: Seconds on a clock that never goes back, the same for every call.
    """

    __slots__ = ("_ratio", "_reserve", "_tally", "deposit")

    def __init__(self, settings: RetryBudget, now: float) -> None:
        self._ratio = settings.ratio
        self._reserve = settings.reserve
        self._tally = Tally(settings.window, now)
        #: Count a request, or several, at the moment `now`: `deposit(now)`, `deposit(now, 3)`.
        self.deposit = self._tally.add

    def withdraw(self, now: float) -> bool:
        """Take the token of one retry.

        Returns:
            Whether there was one.
        """
        tally = self._tally
        tally.advance(now)
        if tally.marks + 1 > self._reserve + self._ratio * tally.events:
            return False
        tally.mark(now)
        return True

    def __repr__(self) -> str:
        return f"Budget({self._tally.marks} retries of {self._tally.events} requests)"
