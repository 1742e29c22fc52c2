"""A limit that many clients share: a log of the permits that were granted, on the one clock of whoever keeps the log.

A client starts within `lateness` seconds of *asking*, or not at all. It asked before the permit was stamped, so a start
lies between its stamp and its stamp plus the lateness. In the log every window of `interval + lateness` seconds holds
at most the limit; so does every window of `interval` seconds of the starts, whatever the clocks of the clients say.

`sliding_log.lua` is the same law for a server; this one is for a process that keeps the log itself. Neither grants
anything for the length of the longest window when the log is new: what was granted before is not known.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Clients in the queue that are looked at in one step, at most.
MOST_LOOKED_AT: Final = 128
#: How many batches fit into the lateness: who waits is told to come when a batch of permits is there, not a single one.
_BATCHES: Final = 4
#: Microseconds after which a client in the queue looks again, at most.
LONGEST_WAIT: Final = 5_000_000
#: Origins that are paused at once, at most.
MOST_PAUSED: Final = 10_000


class SharedLaw(NamedTuple):
    """A limit as its keeper knows it; all clients of one name must mean the same.

    Attributes:
        windows: How many permits every window of how many microseconds of the log holds, the lateness included.
        batch: Permits that are worth coming for, where more are wanted.
        grace: Microseconds for which a place in the queue is kept for a client that should have come.
    """

    windows: tuple[tuple[int, int], ...]
    batch: int
    grace: int

    @classmethod
    def of(cls, windows: Sequence[tuple[int, float]], lateness: float) -> SharedLaw:
        """Make the law of windows.

        Args:
            windows: Starts that every window of how many seconds may hold.
            lateness: Seconds from asking to a start, at most.
        """
        rate = min(capacity / seconds for capacity, seconds in windows)
        return cls(
            # One more, for a stamp is up to a microsecond older than the moment that it stands for.
            tuple((capacity, math.ceil((seconds + lateness) * 1e6) + 1) for capacity, seconds in windows),
            max(1, math.floor(rate * lateness / _BATCHES)),
            math.ceil(lateness * 2.5e6),
        )

    @property
    def longest(self) -> int:
        """Microseconds of the longest window."""
        return max(span for _, span in self.windows)

    @property
    def text(self) -> str:
        """The windows, to compare and to show: `10:1020001` is ten permits in 1.02 s of the log."""
        return ";".join(f"{capacity}:{span}" for capacity, span in self.windows)


class Ask(NamedTuple):
    """What a client asks for.

    Attributes:
        client: Its name in the queue, one a process and limiter.
        least: Permits below which none is of use, at least 1: the weight of who waits longest.
        wanted: Permits for those who wait. A client that gets fewer has a place in the queue.
        most: Permits that it takes, with those for whom nobody waits yet; 0 gives its place up.
        known: The version of the pauses that it knows.
        back: Permits that were never used, and never will be: the stamp and the permits of their answer, and how many.
        pauses: Pauses to make known: microseconds from now on, by origin; `""` is all of them.
    """

    client: str
    least: int
    wanted: int
    most: int
    known: int = -1
    back: Sequence[tuple[int, int, int]] = ()
    pauses: Mapping[str, int] = {}


class Reply(NamedTuple):
    """What a keeper answers.

    Attributes:
        granted: Permits; none are fewer than the least that was asked for.
        now: The moment of the keeper's clock, in microseconds: the stamp of these permits.
        wait: Microseconds after which it is worth asking again, where fewer were granted than wanted.
        version: The version of the pauses.
        pauses: All that hold, as microseconds from now on by origin, where that version was not known; else `None`.
    """

    granted: int
    now: int
    wait: int
    version: int
    pauses: dict[str, int] | None


class Keeper(Protocol):
    """Whoever keeps a log, as a limiter knows it; one for each event loop."""

    async def ask(self, ask: Ask) -> Reply:
        """Ask for permits.

        Raises:
            OSError: Nobody answers; to be tried again.
            headrace.errors.LimiterError: It answers that it will not do; trying again is of no use.
        """
        ...

    async def close(self) -> None:
        """Let go of its connection."""
        ...


class _Log:
    """The permits of one window: stamps with how many were granted then, the oldest first."""

    __slots__ = ("capacity", "entries", "span", "total")

    def __init__(self, capacity: int, span: int) -> None:
        self.capacity = capacity
        self.span = span
        self.entries: deque[tuple[int, int]] = deque()
        self.total = 0

    def forget(self, now: int) -> None:
        entries = self.entries
        while entries and now - entries[0][0] >= self.span:
            self.total -= entries.popleft()[1]

    def take_back(self, stamp: int, granted: int, unused: int) -> None:
        """Forget permits that were never used."""
        entries = self.entries
        for index in range(len(entries) - 1, -1, -1):
            if entries[index] == (stamp, granted):
                self.total -= unused
                if unused == granted:
                    del entries[index]
                else:
                    entries[index] = (stamp, granted - unused)
                return

    def free_at(self, needed: int) -> int:
        """Compute when so many permits are free, if those that are free before are granted at once."""
        leaving = self.total + needed - self.capacity
        if leaving <= 0 or not self.entries:
            return 0
        rounds, leaving = divmod(leaving - 1, self.capacity)
        for stamp, count in self.entries:
            leaving -= count
            if leaving < 0:
                return stamp + self.span * (rounds + 1)
        return self.entries[-1][0] + self.span * (rounds + 1)


class SharedLog:
    """Keeps the log of one limit.

    Args:
        law: The limit.
        now: The moment, in microseconds of a clock that never goes back.
    """

    def __init__(self, law: SharedLaw, now: int) -> None:
        self._law = law
        self._logs = [_Log(capacity, span) for capacity, span in law.windows]
        self._capacity = min(capacity for capacity, _ in law.windows)
        self._from = now + law.longest
        # Permits that are wanted, when the client should come, and from when on they are kept for it.
        self._queue: OrderedDict[str, tuple[int, int, int]] = OrderedDict()
        self._pauses: dict[str, int] = {}
        self._version = now % 10**9  # another one than of a log that was lost

    def ask(self, ask: Ask, now: int) -> Reply:
        """Answer a client.

        Args:
            ask: What it asks for.
            now: The moment, in microseconds.
        """
        self._pause(ask.pauses, now)
        for stamp, count, unused in ask.back:
            for log in self._logs:
                log.take_back(stamp, count, unused)
        granted = wait = 0
        held = max(self._from, self._pauses.get("", 0)) - now
        if ask.most <= 0:
            self._queue.pop(ask.client, None)
        elif held > 0:
            wait = held
            if ask.wanted > 0:
                self._come_in(ask, ask.wanted, now + wait)
        else:
            granted, wait = self._serve(ask, now)
        pauses = None
        if ask.known != self._version:
            pauses = {origin: until - now for origin, until in self._pauses.items()}
        return Reply(granted, now, wait, self._version, pauses)

    def _pause(self, pauses: Mapping[str, int], now: int) -> None:
        for origin in [origin for origin, until in self._pauses.items() if until <= now] if self._pauses else ():
            del self._pauses[origin]
        for origin, left in pauses.items():
            known = self._pauses.get(origin, 0)
            if now + left > max(known, now) and (known or len(self._pauses) < MOST_PAUSED):
                self._pauses[origin] = now + left
                self._version += 1

    def _serve(self, ask: Ask, now: int) -> tuple[int, int]:
        for log in self._logs:
            log.forget(now)
        free = min(log.capacity - log.total for log in self._logs)
        others = len(self._queue) - (ask.client in self._queue)
        share = max(1, -(-self._capacity // (others + 1)))
        ahead, due = self._ahead(ask.client, share, now)
        room = free - due
        granted = min(ask.most, max(ask.least, share), room) if room >= ask.least else 0
        if granted > 0:
            for log in self._logs:
                log.entries.append((now, granted))
                log.total += granted
        missing = ask.wanted - granted
        if missing <= 0:
            self._queue.pop(ask.client, None)
            return granted, 0
        if granted > 0 and self._queue.pop(ask.client, None) is not None:
            ahead, _ = self._ahead(ask.client, share, now)  # it is behind all others now
        needed = ahead + max(ask.least, min(missing, share, self._law.batch))
        at = max(log.free_at(needed) for log in self._logs)
        # Whoever is far behind looks again before that: those ahead may have gone.
        soon = min(self._law.longest // 4, LONGEST_WAIT)
        wait = min(at - now, soon) if at > now else max(1000, self._law.grace // 10)
        self._come_in(ask, missing, now + wait)
        return granted, wait

    def _come_in(self, ask: Ask, wanted: int, comes_at: int) -> None:
        """Give a client its place; for whoever needs several at once they are kept all the time, or they never come."""
        self._queue[ask.client] = (wanted, comes_at, 0 if ask.least > 1 else comes_at)

    def _ahead(self, client: str, share: int, now: int) -> tuple[int, int]:
        """Count the permits that clients ahead in the queue want, and of these those that are kept for them now.

        Kept are those of clients that should have come by now, unless they are so late that they lose their place.
        """
        total = due = 0
        late: list[Any] = []
        for other, (wanted, comes_at, kept_from) in islice(self._queue.items(), MOST_LOOKED_AT):
            if other == client:
                break
            if comes_at + self._law.grace < now:
                late.append(other)
                continue
            total += min(wanted, share)
            due += min(wanted, share) if kept_from <= now else 0
        for other in late:
            del self._queue[other]
        return total, due
