"""When a request may start lives here."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from headrace.config import wrong
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable


class RateLimiter:
    """Lets at most `rate` requests start in every window of `interval` seconds, first come first served.

    A start is stamped when it is released, never computed in advance, so that a loop that stalls cannot bunch them.
    Waiters share one timer.

    Args:
        rate: Starts in a window. Below 1, one start in every `interval / rate` seconds.
        interval: Seconds that the window is long.
        clock: Seconds on a clock that never goes back.

    Raises:
        headrace.errors.ValidationError: A value is not a number above 0.
    """

    __slots__ = (
        "_clock",
        "_granted",
        "_paused_until",
        "_starts",
        "_timer",
        "_waiters",
        "capacity",
        "interval",
        "rate",
        "waited",
        "window",
    )

    def __init__(self, rate: float, interval: float = 1.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._starts: deque[float] = deque()
        self._granted = 0  # released, and not yet started: they have no moment of their own yet
        self._waiters: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._paused_until = -math.inf
        self.waited = 0.0
        self._set(rate, interval)

    def _set(self, rate: float, interval: float) -> None:
        for name, value in (("rate", rate), ("interval", interval)):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise wrong(name, value, "a number above 0")
            if not (math.isfinite(value) and value > 0):
                message = f"{name}: got {value!r}, takes a number above 0"
                raise ValidationError(message)
        self.rate = rate
        self.interval = interval
        self.capacity = max(1, math.floor(rate))
        self.window = interval if rate >= 1 else interval / rate

    @property
    def waiting(self) -> int:
        """How many are waiting now; `waited` is how many seconds callers have waited in all."""
        return len(self._waiters)

    async def acquire(self) -> None:
        """Wait until a request may start."""
        if self.try_acquire():
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = None
        began = self._clock()
        self._arm()
        try:
            await waiter
        except asyncio.CancelledError:
            if self._waiters.pop(waiter, self) is self and not waiter.cancelled():
                # Released and cancelled in the same step: the start did not happen, so its place is the next one's.
                self._granted -= 1
                self._release()
            raise
        else:
            self._granted -= 1
            self._starts.append(self._clock())
            self._arm()
        finally:
            self.waited += self._clock() - began

    def try_acquire(self) -> bool:
        """Start now if that is allowed and nobody waits.

        Returns:
            Whether the request may start.
        """
        if self._waiters or self._delay() > 0:
            return False
        self._starts.append(self._clock())
        return True

    def pause(self, seconds: float) -> None:
        """Let nobody start for so many seconds from now.

        Args:
            seconds: A number of seconds; a pause that ends later than this one stands.
        """
        self._paused_until = max(self._paused_until, self._clock() + seconds)
        self._rearm()

    def update(self, rate: float, interval: float | None = None) -> None:
        """Change the limit; the starts of the last window still count.

        Args:
            rate: Starts in a window.
            interval: Seconds that the window is long; `None` leaves it.
        """
        self._set(rate, self.interval if interval is None else interval)
        self._rearm()

    def _delay(self) -> float:
        """Compute the seconds until a start is allowed; 0 or less is now."""
        now = self._clock()
        starts = self._starts
        if now < self._paused_until:
            return self._paused_until - now
        horizon = now - self.window
        while starts and starts[0] <= horizon:
            starts.popleft()
        free = self.capacity - self._granted
        if len(starts) < free:
            return 0.0
        return starts[len(starts) - free] + self.window - now if free > 0 else math.inf

    def _arm(self) -> None:
        if self._timer is None and self._waiters and not self._granted:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, self._delay()), self._on_timer)

    def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._arm()

    def _on_timer(self) -> None:
        self._timer = None
        self._release()

    def _release(self) -> None:
        """Release as many as the law allows at this moment, then wait for the next."""
        while self._waiters and self._delay() <= 0:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.done():
                self._granted += 1
                waiter.set_result(None)
        self._arm()

    def __repr__(self) -> str:
        return f"RateLimiter({self.rate:g}, {self.interval:g}, waiting={self.waiting})"
