"""Permits that a client holds: each may be used until it is too old; how many are worth holding follows from use."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

#: For how much of their life permits are asked for ahead: more than all of it where there are plenty, for use comes in
#: bursts, and less where they are scarce, for what is burned is lost to others.
_PLENTY: Final = 1.5
_SCARCE: Final = 0.5
#: Seconds for which permits are scarce when fewer were granted than asked for.
_SCARCE_SECONDS: Final = 1.0


class Lease:
    """Permits of one answer.

    Attributes:
        expires: The moment after which none may be used.
        count: How many are left.
        granted: How many there were.
        stamp: When they were granted, by the clock of whoever did.
    """

    __slots__ = ("count", "expires", "granted", "stamp")

    def __init__(self, expires: float, count: int, stamp: int) -> None:
        self.expires = expires
        self.count = self.granted = count
        self.stamp = stamp


class Leases:
    """The permits that are held.

    Args:
        life: Seconds from asking to the last moment at which a permit may be used.
        most: Permits that are held for those who are still to come, at most.

    Attributes:
        held: The leases, the oldest first; who takes a permit takes it of the first that has one.
        out: Permits that were put back and may be used all the same, by who has them still.
        back: What was burned, to be given back: the stamp and the permits of an answer, and how many were not used.
        spare: Permits that may be used before it is time to look whether more should be asked for.
        due: The moment at which it is, however few were used.
    """

    __slots__ = (
        "_burned",
        "_counted",
        "_counted_at",
        "_issued",
        "_life",
        "_most",
        "_per_second",
        "_round_trip",
        "_scarce_until",
        "back",
        "due",
        "held",
        "out",
        "spare",
    )

    def __init__(self, life: float, most: int) -> None:
        self._life = life
        self._most = most
        self._issued = self._burned = self._counted = 0
        self._counted_at = -math.inf
        self._per_second = 0.0
        self._scarce_until = -math.inf
        self._round_trip = 0.0
        self.held: deque[Lease] = deque()
        self.spare = 0.0
        self.due = -math.inf
        self.out = 0
        self.back: list[tuple[int, int, int]] = []

    def add(self, asked: float, count: int, now: float, stamp: int = 0) -> bool:
        """Take the permits of an answer.

        Args:
            asked: When they were asked for.
            count: How many.
            now: The moment.
            stamp: When they were granted, by the clock of whoever did.

        Returns:
            Whether they may still be used; else they are burned.
        """
        self._issued += count
        self._round_trip += (now - asked - self._round_trip) / 8
        if now > asked + self._life:
            self._burned += count
            self.back.append((stamp, count, count))
            return False
        self.held.append(Lease(asked + self._life, count, stamp))
        return True

    @property
    def used(self) -> int:
        """How many were used so far."""
        return self._issued - self._burned - sum(lease.count for lease in self.held)

    def usable(self, now: float) -> int:
        """Count those that may be used, and burn those that are too old."""
        held = self.held
        while held and (held[0].expires < now or not held[0].count):
            lease = held.popleft()
            self._burned += lease.count
            # Whoever is on its way with a permit that was put back may start late; that one still counts.
            unused = max(0, lease.count - self.out)
            if unused:
                self.back.append((lease.stamp, lease.granted, unused))
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

    def ahead(self, now: float, spoken_for: int) -> int:
        """Estimate how many permits should be asked for ahead, so that some are there until the next answer comes.

        Args:
            now: The moment.
            spoken_for: Permits that are held for those who wait.

        Returns:
            Permits; 0 where enough are held. Also sets `spare` and `due`.
        """
        used = self.used
        elapsed = now - self._counted_at
        if elapsed >= 2 * self._life:
            # What was used comes in bursts, so that one window without use says little.
            self._per_second = max((used - self._counted) / elapsed, self._per_second / 2)
            self._counted, self._counted_at = used, now
        else:  # more is soon seen: else whoever begins would ask for every few, until the window has passed
            self._per_second = max(self._per_second, (used - self._counted) / max(elapsed, self._life))
        share = _SCARCE if now < self._scarce_until else _PLENTY
        wanted = min(self._most, math.floor(self._per_second * self._life * share))
        low = wanted if self._round_trip > self._life / 4 else wanted // 2
        until = now + self._round_trip
        lasting = sum(lease.count for lease in self.held if lease.expires > until) - spoken_for
        self.looked()
        if lasting <= low:
            return wanted - max(0, lasting)
        self.spare = lasting - low
        self.due = self.held[-1].expires - 2 * self._round_trip
        return 0

    def is_due(self, now: float, weight: int) -> bool:
        """Note that permits were used; tells whether it is time to look, which it is once."""
        self.spare -= weight
        return self.spare <= 0 or now >= self.due

    def looked(self) -> None:
        """Note that somebody looks."""
        self.spare = self.due = math.inf

    def are_scarce(self, now: float) -> None:
        """Note that fewer permits were granted than asked for."""
        self._scarce_until = now + _SCARCE_SECONDS
