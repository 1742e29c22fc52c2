"""A start is stamped when it happens, and happens only where every window has room for it.

The law is `headrace._core.limits.windows`, and who is next is `headrace._io.limits.queue`. This module takes the time
of a start at the moment at which it happens.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final, Self

from headrace._core.limits.server_limits import MOST_SECONDS, Follower
from headrace._core.limits.windows import changed, law, positive, whole
from headrace._io.limits.queue import StartQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from headrace._core.limits.server_limits import Mark, Told
    from headrace._core.limits.windows import Window

#: Starts that may be made on one look at the window, at most.
_CHUNK: Final = 256


class RateLimiter(StartQueue):
    """Lets at most `rate` requests start in every window of `interval` seconds, first come first served.

    A start is stamped when it happens, never computed in advance, so that a loop that stalls cannot bunch them.
    Waiters share one timer, and what a start costs does not depend on how many wait.

    A rate below 1 is one start in every `1 / rate` intervals. Above 1 the whole part counts, for three in one interval
    are more than 2.5; five in every two intervals is `RateLimiter(5, 2 * interval)`.

    Args:
        rate: Starts in a window.
        interval: Seconds that the window is long.
        burst: How many may start at once; the others follow spaced: no more than `burst` starts in any
            `burst * interval / rate` seconds. 1 spaces them evenly, `None` lets a whole window start at once.
        margin: Seconds that the window is longer than the server's, for networks that bring requests closer together.
        follow: Whether to hold back for what the server's `RateLimit` and `X-RateLimit` fields say.
        most_pause: Seconds that one answer of a server's may pause its origin, or hold back who follows; 0 for none.
        clock: Seconds on a clock that never goes back.

    Attributes:
        by_origin: That starts and pauses may be those of one origin; see `headrace.types.Limiter`.

    Raises:
        headrace.errors.ValidationError: A value is not a number above 0; a margin and `most_pause` may be 0.
    """

    by_origin: Final = True

    __slots__ = (
        "_burst",
        "_follower",
        "_in_flight",
        "_limits",
        "_margin",
        "_paused_until",
        "_room",
        "_starts",
        "_windows",
        "most_pause",
    )

    def __init__(
        self,
        rate: float,
        interval: float = 1.0,
        *,
        burst: int | None = None,
        margin: float = 0.0,
        follow: bool = False,
        most_pause: float = MOST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._set_up(((rate, interval),), burst, margin, follow, most_pause, clock)

    @classmethod
    def all_of(
        cls,
        *limits: tuple[float, float],
        margin: float = 0.0,
        follow: bool = False,
        most_pause: float = MOST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Make a limiter that keeps several limits at once, such as 10 a second and 5,000 an hour.

        Args:
            limits: The rate and the interval (seconds) of each.
            margin: Seconds that each window is longer than the server's.
            follow: Whether to hold back for what the server's `RateLimit` and `X-RateLimit` fields say.
            most_pause: Seconds that one answer of a server's may pause its origin, or hold back who follows.
            clock: Seconds on a clock that never goes back.

        Raises:
            headrace.errors.ValidationError: There is no limit, or a value is not a number above 0.
        """
        limiter = cls.__new__(cls)
        limiter._set_up(limits, None, margin, follow, most_pause, clock)  # noqa: SLF001 - our own class
        return limiter

    def _set_up(
        self,
        limits: tuple[tuple[float, float], ...],
        burst: int | None,
        margin: float,
        follow: bool,  # noqa: FBT001 - the constructors' own
        most_pause: float,
        clock: Callable[[], float],
    ) -> None:
        if burst is not None:
            whole("burst", burst)
        positive("margin", margin, or_zero=True)
        positive("most_pause", most_pause, or_zero=True)
        StartQueue.__init__(self, clock)
        self._burst = burst
        self._margin = margin
        #: Seconds that one answer of a server's may pause its origin.
        self.most_pause = most_pause
        self._follower = Follower() if follow else None
        self._in_flight = 0
        self._room = 0  # starts that are allowed without another look: the fast path
        self._paused_until = -math.inf
        self._set(limits, ())

    def _set(self, limits: tuple[tuple[float, float], ...], starts: Iterable[float]) -> None:
        self._windows = law(limits, burst=self._burst, margin=self._margin, starts=starts)
        self._limits = limits
        self.capacity = min(window.capacity for window in self._windows)
        self._starts = self._windows[0].starts

    @property
    def rate(self) -> float:
        """Starts in a window, the first of several."""
        return self._limits[0][0]

    @property
    def interval(self) -> float:
        """Seconds that the window is long, the first of several."""
        return self._limits[0][1]

    @property
    def windows(self) -> tuple[tuple[int, float], ...]:
        """How many starts (at least 1) every window of how many seconds may hold, `margin` and `burst` included."""
        return tuple((window.capacity, window.seconds) for window in self._windows)

    @property
    def starts(self) -> tuple[float, ...]:
        """The moments of the starts that still count, in seconds of its clock, the oldest first.

        A start of weight 3 is there three times; one that is held, or was taken back, is not.
        """
        longest = self._longest()
        now = self._clock()
        return tuple(moment for moment in longest.starts if moment + longest.seconds > now)

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
            headrace.errors.ValidationError: The weight is no whole number above 0, or more than a window ever holds.
        """
        # The lines of `try_acquire` once more: a call costs as much as all of them.
        if self._room and weight == 1:
            self._room -= 1
            self._starts.append(self._clock())
        elif not self._try(weight, origin):
            self._room = 0
            await self._wait(int(weight), origin)

    def try_acquire(self, weight: int = 1, origin: str | None = None) -> bool:
        """Start now if that is allowed and nobody waits.

        Args:
            weight: As how many starts it counts.
            origin: Where it goes; see `acquire`.

        Returns:
            Whether the request may start.

        Raises:
            headrace.errors.ValidationError: The weight is no whole number above 0, or more than a window ever holds.
        """
        if self._room and weight == 1:
            self._room -= 1
            self._starts.append(self._clock())
            return True
        return self._try(weight, origin)

    def _try(self, weight: int, origin: str | None) -> bool:
        if weight == 1:
            weight = 1  # whatever type it had
        else:
            whole("weight", weight, self.capacity)
        now = self._clock()
        if not self._comes_first(origin, now) or self._due(now, weight) > now:
            return False
        self._start(now, weight)
        if len(self._windows) == 1 and self._follower is None and not self._paused:
            # What the window has room for now, it has room for later: time only makes more.
            window = self._windows[0]
            window.forget(now, 2 * _CHUNK)
            self._room = max(0, min(_CHUNK, window.capacity - len(window.starts) - self._granted))
        return True

    def pause(self, seconds: float, origin: str | None = None) -> None:
        """Let nobody start for so many seconds from now.

        Args:
            seconds: A number of seconds; a pause that ends later than this one stands.
            origin: Whose requests are held, and no others; `None` holds all.

        Raises:
            headrace.errors.ValidationError: It is no finite number from 0 on.
        """
        positive("seconds", seconds, or_zero=True)
        until = self._clock() + seconds
        if origin is None:
            self._paused_until = max(self._paused_until, until)
            self._look_again()
        else:
            self._room = 0
            self._pause_origin(origin, until)

    def update(self, rate: float, interval: float | None = None) -> None:
        """Change the limit; the starts of the last window still count.

        Args:
            rate: Starts in a window. Whoever waits with a larger weight than that counts as a whole window.
            interval: Seconds that the window is long; `None` leaves it. Of several limits it names the one to change.

        Raises:
            headrace.errors.ValidationError: A value is no number above 0, or none of several limits has the interval.
        """
        self._set(changed(self._limits, rate, interval), self._longest().starts)
        self._take_back()
        self._look_again()

    def _longest(self) -> Window:
        """Find the window whose memory has every start that still counts anywhere."""
        return max(self._windows, key=lambda window: window.seconds)

    def _look_again(self) -> None:
        """Take note of a law that is another one than a moment ago."""
        self._room = 0
        self._changed()

    def hold(self) -> None:
        """Take a start back that was made in this very step: its request is not sent before there is a connection.

        Until `resume` or `drop` it has no moment, and keeps its place.
        """
        for window in self._windows:
            if window.starts:  # else it is so short that the start has left it
                window.starts.pop()
        if self._follower is not None:
            self._follower.started(-1)
        self._granted += 1

    def resume(self, *, at_any_rate: bool = False, origin: str | None = None) -> bool:
        """Make a start that was held, now.

        Args:
            at_any_rate: Whether also where a pause has come between; else its place is lost, see `rejoin`.
            origin: Where its request goes; see `acquire`.

        Returns:
            Whether the request may start.
        """
        now = self._clock()
        allowed = at_any_rate or (self._due(now, 0) <= now and not self._is_paused(origin, now))
        self._granted -= 1
        if allowed:
            self._start(now, 1)
        self._release()
        return allowed

    def drop(self) -> None:
        """Give the place of a start that was held to the next one."""
        self._granted -= 1
        self._release()

    async def rejoin(self, origin: str | None = None) -> None:
        """Wait for a start again, before all that have had no turn yet.

        Args:
            origin: Where its request goes; see `acquire`.
        """
        self._room = 0
        await self._wait(1, origin, first=True)

    def sent(self) -> Mark | None:
        """Note that a request that has started is under way.

        Returns:
            What `heard` has to be called with when it has ended.
        """
        self._in_flight += 1
        return None if self._follower is None else self._follower.sent()

    def heard(self, mark: Mark | None, told: Iterable[Told] = ()) -> None:
        """Hear the end of a request, and what its answer says of the server's limits.

        Args:
            mark: What `sent` has returned.
            told: What the answer says; nothing where none came.
        """
        self._in_flight -= 1
        if self._follower is not None and mark is not None:
            self._follower.heard(mark, told, self._clock())
            self._look_again()

    def next_in(self, origin: str | None = None) -> float:
        """Compute in how many seconds the next start is allowed, that of whoever has waited longest.

        Args:
            origin: Where it goes; see `acquire`.

        Returns:
            Seconds, 0 for now.
        """
        now = self._clock()
        due = max(self._due(now, 1), now if origin is None else self._paused.get(origin, now))
        return max(0.0, due - now)

    def idle_in(self) -> float:
        """Compute in how many seconds it will be as if it were new: no start counts, nobody waits, nothing holds it.

        Returns:
            Seconds, 0 for now; infinity while somebody waits or a request is under way.
        """
        if self._in_flight or self._granted or self._aside or not self._is_free:
            return math.inf
        until = max(self._paused_until, *self._paused.values(), *(window.empty_at() for window in self._windows))
        if self._follower is not None:
            until = max(until, self._follower.empty_at())
        return max(0.0, until - self._clock())

    def _due(self, now: float, weight: int) -> float:
        due = self._paused_until
        granted = self._granted
        for window in self._windows:
            window.forget(now, 2 * weight)
            due = max(due, window.due(granted + weight))
        if self._follower is not None:
            due = max(due, self._follower.due(now, weight, granted))
        return due

    def _start(self, now: float, weight: int) -> None:
        for window in self._windows:
            window.record(now, weight)
        if self._follower is not None:
            self._follower.started(weight)

    def __getstate__(self) -> tuple[Any, dict[str, Any]]:
        """Be copied with all starts, and without the requests that are under way: their answers come elsewhere."""
        plain, slots = super().__getstate__()
        return plain, slots | {"_in_flight": 0, "_follower": Follower() if self.follow else None}

    def __repr__(self) -> str:
        shown = [f"{rate:g}, {interval:g}" for rate, interval in self._limits]
        if len(shown) == 1:
            return f"RateLimiter({shown[0]}, waiting={self.waiting})"
        return f"RateLimiter.all_of({', '.join(f'({pair})' for pair in shown)}, waiting={self.waiting})"
