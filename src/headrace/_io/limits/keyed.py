"""Every key has a limiter of its own, and is forgotten only when that is as good as new.

Forgetting it earlier would let the same key start anew
within a window that is still running.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, Literal

from headrace._checks import wrong
from headrace._core.limits.server_limits import MOST_SECONDS
from headrace._core.limits.windows import whole
from headrace._io.limits.rate import RateLimiter
from headrace.types import ForgettableLimiter, Limiter, TryingLimiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from headrace._core.messages import Request

#: Keys that are looked at when there is a new one, and when there is no place for it. More than one is forgotten for
#: each that comes, so that what is remembered follows what is in use.
_LOOKS: Final = 2
_LOOKS_WHEN_FULL: Final = 32
#: Seconds after which all keys are looked at again while somebody waits for a place: those with waiters name no moment.
_LONGEST_ROUND: Final = 1.0


class KeyedLimiter:
    """Gives every host, route or token a limiter of its own.

    Keys that are idle are forgotten. One that somebody waits for, whose window is running, that is paused, or that has
    a request under way is not. Where `most_keys` such keys are remembered, a new key waits until there is a place.

    Args:
        rate: Starts in a window, for each key; or a function that makes the limiter of a key. Such a function is called
            again when a key that was forgotten comes back, and the arguments down to `most_pause` but `key` and
            `most_keys` are its own affair.
        interval: Seconds that the window is long.
        key: What tells requests apart: ``"origin"`` (scheme, host and port), or a function of the request.
        most_keys: Keys that are remembered at most.
        burst: How many may start at once; see `RateLimiter`.
        margin: Seconds that the window is longer than the server's.
        follow: Whether to hold back for what the server says of its limits, each key for itself.
        most_pause: Seconds that one answer of a server's may pause its origin; see `RateLimiter`.
        clock: Seconds on a clock that never goes back.

    Raises:
        headrace.errors.ValidationError: A value is wrong.
    """

    __slots__ = (
        "_forgotten", "_key", "_limiters", "_loop", "_make", "_most", "_queue", "_round", "_settings",
    )  # fmt: skip

    def __init__(
        self,
        rate: float | Callable[[Any], Limiter],
        interval: float = 1.0,
        *,
        key: Literal["origin"] | Callable[[Request], Hashable] = "origin",
        most_keys: int = 10_000,
        burst: int | None = None,
        margin: float = 0.0,
        follow: bool = False,
        most_pause: float = MOST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        whole("most_keys", most_keys)
        if key != "origin" and not callable(key):
            raise wrong("key", key, "'origin' or a function of the request")
        options: dict[str, Any] = {
            "burst": burst, "margin": margin, "follow": follow, "most_pause": most_pause, "clock": clock,
        }  # fmt: skip
        self._make: Callable[[Any], Limiter]
        if callable(rate):
            self._make = rate
        else:
            RateLimiter(rate, interval, **options)  # a wrong value is told now, and not at the first key
            self._make = lambda _: RateLimiter(rate, interval, **options)
        self._settings = (rate, interval, {"key": key, "most_keys": most_keys, **options})
        self._key = None if key == "origin" else key
        self._most = most_keys
        self._limiters: OrderedDict[Hashable, Limiter] = OrderedDict()
        self._forgotten = 0.0  # seconds waited at limiters that are forgotten
        self._queue: OrderedDict[asyncio.Future[Limiter], Hashable] = OrderedDict()
        self._round: asyncio.Handle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def waiting(self) -> int:
        """How many are waiting now, over all keys."""
        return len(self._queue) + sum(getattr(limiter, "waiting", 0) for limiter in self._limiters.values())

    @property
    def waited(self) -> float:
        """How many seconds callers have waited in all at limiters of keys; for a place of a key is not counted."""
        return self._forgotten + sum(getattr(limiter, "waited", 0.0) for limiter in self._limiters.values())

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._limiters)

    def __bool__(self) -> bool:
        """Be true, also without a key."""
        return True

    async def acquire(self, key: Hashable = None, weight: int = 1) -> None:
        """Wait until a request of a key may start.

        Args:
            key: Which one.
            weight: As how many starts it counts.

        Raises:
            headrace.errors.ValidationError: The key cannot be hashed, or the weight is wrong.
        """
        limiter: Any = self._find(key) or await self.placed(key)
        await limiter.acquire(*_weighed(weight))

    def try_acquire(self, key: Hashable = None, weight: int = 1) -> bool:
        """Start now if that is allowed for a key and nobody waits.

        Args:
            key: Which one.
            weight: As how many starts it counts.

        Returns:
            Whether the request may start.

        Raises:
            headrace.errors.ValidationError: The key cannot be hashed, or the weight is wrong.
        """
        limiter = self._find(key)
        return isinstance(limiter, TryingLimiter) and bool(limiter.try_acquire(*_weighed(weight)))

    def for_request(self, request: Request) -> Limiter | Awaitable[Limiter]:
        """Find the limiter of a request.

        Args:
            request: What is to be sent.

        Returns:
            Its limiter, or what waits until its key has a place.
        """
        key = request.origin.text if self._key is None else self._key(request)
        return self._find(key) or self.placed(key)

    def _find(self, key: Hashable) -> Limiter | None:
        """Find the limiter of a key, or make it; `None` where there is no place for another."""
        try:
            limiter = self._limiters.get(key)
        except TypeError:
            raise wrong("key", key, "what can be hashed, or a function of the request that returns such") from None
        if limiter is not None:
            self._limiters.move_to_end(key)
            return limiter
        if self._queue:  # whoever came first has the next place
            return None
        self._forget(_LOOKS)
        if len(self._limiters) >= self._most:
            self._forget(_LOOKS_WHEN_FULL)
        return self._add(key) if len(self._limiters) < self._most else None

    def _add(self, key: Hashable) -> Limiter:
        limiter = self._make(key)
        if not isinstance(limiter, Limiter):
            raise wrong("rate", limiter, "a number above 0, or a function that returns a Limiter")
        self._limiters[key] = limiter
        return limiter

    def _forget(self, looks: int) -> float:
        """Forget the idle ones among the keys that were not used for the longest time.

        Args:
            looks: Keys to look at.

        Returns:
            Seconds until the first of the others may be idle.
        """
        limiters = self._limiters
        soonest = math.inf
        for _ in range(min(looks, len(limiters))):
            key, limiter = limiters.popitem(last=False)
            busy = limiter.idle_in() if isinstance(limiter, ForgettableLimiter) else math.inf
            if busy > 0:
                limiters[key] = limiter  # behind all others, so that these are looked at next
                soonest = min(soonest, busy)
            else:
                self._forgotten += getattr(limiter, "waited", 0.0)
        return soonest

    async def placed(self, key: Hashable) -> Limiter:
        """Wait until a key has a place.

        Args:
            key: Which one.

        Returns:
            Its limiter.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._queue and self._loop is not None and not self._loop.is_closed():
                message = "the limiter is in use on another event loop"
                raise RuntimeError(message)
            self._queue.clear()
            self._loop = loop
        limiter: Limiter | None = None
        # A place that was given may be another key's when the one who waited for it runs: until then it is idle.
        while limiter is None or self._limiters.get(key) is not limiter:
            future: asyncio.Future[Limiter] = loop.create_future()
            self._queue[future] = key
            if len(self._queue) == 1:
                self._round = loop.call_soon(self._look, loop, len(self._limiters), math.inf)
            try:
                limiter = await future
            finally:
                self._queue.pop(future, None)
                if not self._queue and self._round is not None:
                    self._round.cancel()
        return limiter

    def _look(self, loop: asyncio.AbstractEventLoop, left: int, soonest: float) -> None:
        """Look for idle keys, some at a time, and give their places to those who wait for one, in their order.

        Args:
            loop: The loop that they wait on.
            left: Keys that were not looked at in this round.
            soonest: Seconds until the first of those that were may be idle.
        """
        soonest = min(soonest, self._forget(min(left, _LOOKS_WHEN_FULL)))
        left -= _LOOKS_WHEN_FULL
        while self._queue:
            future, key = next(iter(self._queue.items()))
            limiter = self._limiters.get(key)
            if limiter is None and len(self._limiters) >= self._most:
                break
            del self._queue[future]
            if not future.done():
                try:
                    future.set_result(limiter or self._add(key))
                except Exception as error:  # noqa: BLE001 - the function that makes limiters is the user's
                    future.set_exception(error)
        if not self._queue:
            return
        if left > 0:
            self._round = loop.call_soon(self._look, loop, left, soonest)
        else:
            self._round = loop.call_later(min(soonest, _LONGEST_ROUND), self._look, loop, len(self._limiters), math.inf)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be copied as it was made, without any key."""
        return _made, (type(self), *self._settings)

    def __repr__(self) -> str:
        rate = self._settings[0]
        shown = getattr(rate, "__qualname__", rate) if callable(rate) else f"{rate:g}, {self._settings[1]:g}"
        return f"KeyedLimiter({shown}, keys={len(self)}, waiting={self.waiting})"


def _weighed(weight: int) -> tuple[int] | tuple[()]:
    """Choose what a limiter is told of a weight: one that knows of none need not be told of the usual one."""
    return () if weight == 1 else (weight,)


def _made(kind: type[KeyedLimiter], rate: Any, interval: float, options: dict[str, Any]) -> KeyedLimiter:
    return kind(rate, interval, **options)
