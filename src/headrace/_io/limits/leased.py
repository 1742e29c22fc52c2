"""A limiter whose permits another one grants, whoever keeps the log of them; see `headrace._io.limits.permits`."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Final

from headrace._core.limits.shared_log import MOST_PAUSED
from headrace._core.limits.windows import positive, whole
from headrace._io.limits.permits import PermitQueue
from headrace._io.limits.rate import RateLimiter
from headrace.types import ChoosingLimiter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace._core.limits.server_limits import Mark, Told


class LeasedLimiter(PermitQueue):
    """Lets requests start by the permits of a keeper that many processes ask.

    Args:
        limits: The rate and the interval (seconds) of each limit.
        burst: How many may start at once; of a single limit.
        margin: Seconds that each window is longer.
        lateness: Seconds from asking to a start, at most.
        patience: Seconds that a keeper may be out of reach.
        fallback: Starts in each interval that this process makes by itself while the keeper is out of reach.
        follow: Whether to hold back for what the server's `RateLimit` and `X-RateLimit` fields say.
        most_pause: Seconds that one answer of a server's may pause its origin, or hold back who follows; 0 for none.
        idle: Seconds after which a connection that nobody needs is let go.
        clock: Seconds on a clock that never goes back, the one of the loop's timers.
    """

    by_origin: Final = True

    @property
    def rate(self) -> float:
        """Starts in a window, the first of several."""
        return self._limits[0][0]

    @property
    def interval(self) -> float:
        """Seconds that the window is long, the first of several."""
        return self._limits[0][1]

    @property
    def follow(self) -> bool:
        """Whether what the server says of its limits is listened to."""
        return self._follower is not None

    async def acquire(self, weight: int = 1, origin: str | None = None) -> None:
        """Wait until a request may start.

        Args:
            weight: As how many starts it counts. A heavy one is not overtaken by lighter ones behind it.
            origin: Where it goes, such as ``"https://api.example.com"``, so that it waits for the pauses of that.

        Raises:
            headrace.errors.LimiterError: The keeper of the limit was out of reach for `patience` seconds, answers too
                late three times in a row, or will not keep it.
            headrace.errors.ValidationError: The weight is no whole number above 0, or more than a window ever holds.
        """
        if not self.try_acquire(weight, origin):
            self._plain = False
            await self._wait(int(weight), origin)

    def try_acquire(self, weight: int = 1, origin: str | None = None) -> bool:
        """Start now if a permit is there and nobody waits; where none is, one is asked for.

        Args:
            weight: As how many starts it counts.
            origin: Where it goes; see `acquire`.

        Returns:
            Whether the request may start.

        Raises:
            headrace.errors.ValidationError: The weight is no whole number above 0, or more than a window ever holds.
        """
        if self._plain and weight == 1 and self._held:
            lease, now = self._held[0], self._clock()
            if lease.count and now <= lease.expires:
                lease.count -= 1
                leases = self._leases
                leases.spare -= 1  # `is_due`, spelled out
                if (leases.spare <= 0 or now >= leases.due) and self._wake is not None:
                    leases.looked()
                    self._wake.set()
                return True
        if weight == 1:
            weight = 1  # whatever type it had
        else:
            whole("weight", weight, self.capacity)
        now = self._clock()
        if not self._comes_first(origin, now) or self._due(now, weight) > now:
            self._plain, self._tried = False, True
            return False
        self._start(now, weight)
        self._plain = self._follower is None and not (self._paused or self._by_itself)
        return True

    def pause(self, seconds: float, origin: str | None = None) -> None:
        """Let nobody start for so many seconds from now, in whatever process; the others hear of it when they next ask.

        Args:
            seconds: A number of seconds; a pause that ends later than this one stands.
            origin: Whose requests are held, and no others; `None` holds all.

        Raises:
            headrace.errors.ValidationError: It is no finite number from 0 on.
        """
        positive("seconds", seconds, or_zero=True)
        until = self._clock() + seconds
        self._hold_back(origin, until)
        if seconds and len(self._unshared) < MOST_PAUSED:
            self._unshared[origin or ""] = max(until, self._unshared.get(origin or "", 0.0))
            self._ask_soon()

    def hold(self) -> None:
        """Take a start back that was made in this very step: its request is not sent before there is a connection."""
        if self._follower is not None:
            self._follower.started(-1)
        if self._by_itself:
            for window in self._own:
                if window.starts:
                    window.starts.pop()
        else:
            self._leases.put_back()
        self._leases.out += 1
        self._release()

    def resume(self, *, at_any_rate: bool = False, origin: str | None = None) -> bool:
        """Make a start that was taken back, now, if there is a permit for it that is not too old.

        Args:
            at_any_rate: Whether its request is sent, or has failed, in any case; then it uses a permit if there is one.
            origin: Where its request goes; see `acquire`.

        Returns:
            Whether the request may start; else its place is the first in the queue, see `rejoin`.
        """
        now = self._clock()
        self._leases.usable(now)  # what is too old by now is this one's, and is not given back
        self._leases.out -= 1
        allowed = not self._is_paused(origin, now) and self._due(now, 1) <= now
        if allowed:
            self._start(now, 1)
        return allowed or at_any_rate

    def drop(self) -> None:
        """Let another one start instead; it can already."""
        self._leases.out -= 1
        self._release()

    async def rejoin(self, origin: str | None = None) -> None:
        """Wait for a start again, before all that have had no turn yet.

        Args:
            origin: Where its request goes; see `acquire`.
        """
        self._plain = False
        await self._wait(1, origin, first=True)

    def sent(self) -> Mark | None:
        """Note that a request that has started is under way.

        Returns:
            What `heard` has to be called with when it has ended.
        """
        self._in_flight += 1
        return None if self._follower is None else self._follower.sent()

    def heard(self, mark: Mark | None, told: Iterable[Told] = ()) -> None:
        """Hear the end of a request, and what its answer says of the server's limits; where nothing is left, tell all.

        Args:
            mark: What `sent` has returned.
            told: What the answer says; nothing where none came.
        """
        self._in_flight -= 1
        if self._follower is not None and mark is not None:
            now = self._clock()
            self._follower.heard(mark, told, now)
            due = self._follower.due(now, 1)
            if due > max(now, self._paused_until) and told:
                self.pause(due - now)
            self._plain = False
            self._changed()

    def next_in(self, origin: str | None = None) -> float:
        """Compute in how many seconds it is worth asking for the next start, as far as is known.

        Args:
            origin: Where it goes; see `acquire`.

        Returns:
            Seconds, 0 for now.
        """
        now = self._clock()
        paused = now if origin is None else self._paused.get(origin, now)
        return max(0.0, max(self._held_until(now, 1), self._not_before, paused) - now)

    def idle_in(self) -> float:
        """Compute in how many seconds nothing is left of it in this process: no pause, nobody waits.

        Returns:
            Seconds, 0 for now; infinity while somebody waits or a request is under way.
        """
        if self._in_flight or self._granted or self._aside or self._unshared or not self._is_free:
            return math.inf
        own = (window.empty_at() for window in self._own)
        return max(0.0, max(self._paused_until, *self._paused.values(), *own, -math.inf) - self._clock())

    async def close(self) -> None:
        """Let the connection go, if there is one; that is optional, and the limiter may be used again.

        Whoever waits gets a `headrace.errors.LimiterError`.
        """
        asker = self._asker
        if asker is not None and self._loop is asyncio.get_running_loop():
            asker.cancel()
            await asyncio.gather(asker, return_exceptions=True)
            self._refuse(f"{self!r}: the limiter was closed")


def is_simple(limiter: Any) -> bool:
    """Tell whether a limiter is one of ours, the same for all requests, that need not hear of every answer."""
    ours = type(limiter) is RateLimiter or isinstance(limiter, LeasedLimiter)
    return ours and not limiter.follow and not isinstance(limiter, ChoosingLimiter)
