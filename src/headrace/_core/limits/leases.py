"""Permits that a client holds: each may be used until it is too old; how many are worth holding follows from use."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

#: The share of their life in which the permits that are asked for ahead should be used.
_AHEAD: Final = 0.75


class Lease:
    """Permits of one answer.

    Attributes:
        expires: The moment after which none may be used.
        count: How many are left.
    """

    __slots__ = ("count", "expires")

    def __init__(self, expires: float, count: int) -> None:
        self.expires = expires
        self.count = count


class Leases:
    """The permits that are held.

    Args:
        life: Seconds from asking to the last moment at which a permit may be used.
        most: Permits that are held for those who are still to come, at most.

    Attributes:
        held: The leases, the oldest first; who takes a permit takes it of the first that has one.
        low: Permits of the last lease below which it is time to ask for more.
    """

    __slots__ = ("_burned", "_counted", "_counted_at", "_issued", "_life", "_most", "_per_second", "held", "low")

    def __init__(self, life: float, most: int) -> None:
        self._life = life
        self._most = most
        self._issued = self._burned = self._counted = 0
        self._counted_at = -math.inf
        self._per_second = 0.0
        self.held: deque[Lease] = deque()
        self.low = 0

    def add(self, asked: float, count: int, now: float) -> bool:
        """Take the permits of an answer.

        Args:
            asked: When they were asked for.
            count: How many.
            now: The moment.

        Returns:
            Whether they may still be used; else they are burned.
        """
        self._issued += count
        if now > asked + self._life:
            self._burned += count
            return False
        self.held.append(Lease(asked + self._life, count))
        return True

    @property
    def used(self) -> int:
        """How many were used so far."""
        return self._issued - self._burned - sum(lease.count for lease in self.held)

    def usable(self, now: float) -> int:
        """Count those that may be used, and burn those that are too old."""
        held = self.held
        while held and (held[0].expires < now or not held[0].count):
            self._burned += held.popleft().count
        return sum(lease.count for lease in held)

    def take(self, weight: int) -> None:
        """Use permits, of which there are enough: `usable` has said so at this moment."""
        for lease in self.held:
            taken = min(weight, lease.count)
            lease.count -= taken
            weight -= taken

    def put_back(self) -> None:
        """Put back one that was taken in this very step; of several leases it is none that may be used longer."""
        if self.held:
            self.held[0].count += 1

    def burn(self) -> None:
        """Burn all."""
        self._burned += sum(lease.count for lease in self.held)
        self.held.clear()

    def ahead(self, now: float) -> int:
        """Estimate how many permits will be used before those of the next answer are too old.

        Args:
            now: The moment.

        Returns:
            Permits; also sets `low`.
        """
        used = self.used
        elapsed = now - self._counted_at
        if elapsed >= self._life / 2:
            self._per_second = (used - self._counted) / elapsed
            self._counted, self._counted_at = used, now
        wanted = min(self._most, math.ceil(self._per_second * self._life * _AHEAD))
        self.low = wanted // 2
        return wanted
