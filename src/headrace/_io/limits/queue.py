"""Who comes first starts first: one queue, and one timer however many wait.

Those whose origin is paused step aside when they come to the head of the queue, and hold nobody up. When the pause is
over they come before all that are in the queue still, for they have come before them.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds after which a timer looks again, however far off the moment is.
_LONGEST_TIMER: Final = 86400.0
#: Origins that are paused at most. Who answers for more names than that could be asked at any other of them as well.
_MOST_PAUSED: Final = 10_000


class _Waiter:
    """One who waits: its future is resolved when its turn has come."""

    __slots__ = ("future", "granted", "origin", "weight")

    def __init__(self, future: asyncio.Future[None], weight: int, origin: str | None) -> None:
        self.future = future
        self.weight = weight
        self.origin = origin
        self.granted = 0  # what it will count, once it is released


class _Aside:
    """Those of one origin that have stepped aside: `returned` had their turn before."""

    __slots__ = ("returned", "waiters")

    def __init__(self) -> None:
        self.returned: OrderedDict[_Waiter, None] = OrderedDict()
        self.waiters: OrderedDict[_Waiter, None] = OrderedDict()


class StartQueue:
    """Releases waiters, each at the moment from which on it may start; what that moment is, a subclass says.

    A waiter that was released starts when its task runs, which may be later. Until then it has no moment that could be
    counted, so what it will count is `_granted`. It starts only if that is still allowed when it runs.

    Args:
        clock: Seconds on a clock that never goes back.
    """

    __slots__ = (
        "_aside", "_back", "_clock", "_ends", "_granted", "_loop", "_paused", "_released", "_returned", "_timer",
        "_waiters", "capacity", "waited",
    )  # fmt: skip

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        #: The largest weight that can be asked for.
        self.capacity = 1
        #: How many seconds callers have waited in all.
        self.waited = 0.0
        self._granted = 0
        self._waiters: OrderedDict[_Waiter, None] = OrderedDict()
        # Those that had their turn and could not use it: they come before all others.
        self._returned: OrderedDict[_Waiter, None] = OrderedDict()
        self._released: dict[_Waiter, None] = {}
        # Until when origins are paused, and the same as a heap: one entry an origin, never later than its moment.
        self._paused: dict[str, float] = {}
        self._ends: list[tuple[float, str]] = []
        self._aside: dict[str | None, _Aside] = {}
        self._back: OrderedDict[str | None, _Aside] = OrderedDict()  # those whose pause is over
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def _due(self, now: float, weight: int) -> float:
        """Compute from which moment on so many may start, behind what is granted; `now` or less is now."""
        raise NotImplementedError

    def _start(self, now: float, weight: int) -> None:
        """Count starts."""
        raise NotImplementedError

    def _is_too_late(self, waiter: _Waiter) -> bool:  # noqa: ARG002 - a subclass looks at it
        """Tell whether what a waiter was released for is gone when it runs; then it waits again, for another future."""
        return False

    @property
    def waiting(self) -> int:
        """How many are waiting now; `waited` is how many seconds callers have waited in all."""
        aside = sum(len(aside.returned) + len(aside.waiters) for aside in self._aside.values())
        return len(self._waiters) + len(self._returned) + aside

    @property
    def _is_free(self) -> bool:
        """Whether nobody waits who may start before the pause of an origin is over."""
        return not (self._waiters or self._returned or self._released or self._back)

    def _comes_first(self, origin: str | None, now: float) -> bool:
        """Tell whether whoever comes now comes first."""
        self._end_pauses(now)
        return self._is_free and origin not in self._aside and origin not in self._paused

    async def _wait(self, weight: int, origin: str | None = None, *, first: bool = False) -> None:
        """Wait for a turn, and start.

        Args:
            weight: As how many starts it counts.
            origin: Where its request goes; `None` for nowhere that could be paused.
            first: Whether it comes before all that have had no turn yet.
        """
        loop = self._bind()
        waiter = _Waiter(loop.create_future(), weight, origin)
        (self._returned if first else self._waiters)[waiter] = None
        began = self._clock()
        # A future that is done at once would let this one start before those that were released ahead of it. So only
        # one that is alone looks itself; for others the last of those that are released does.
        if not self._released:
            if len(self._waiters) + len(self._returned) == 1:
                self._release()
            elif first:
                loop.call_soon(self._release)
        try:
            while waiter not in self._released or self._is_too_late(waiter):
                # Whoever was released and is held up again before it could start waits for another future.
                await waiter.future
        except BaseException:
            # Released or not: the start did not happen, so its place is the next one's.
            if waiter in self._released:
                del self._released[waiter]
                self._granted -= waiter.granted
            self._leave(waiter)
            self.waited += self._clock() - began
            self._release()
            raise
        del self._released[waiter]
        self._granted -= waiter.granted
        now = self._clock()
        self.waited += now - began
        self._start(now, waiter.granted)
        if not self._released:
            self._release()

    def _leave(self, waiter: _Waiter) -> None:
        self._waiters.pop(waiter, None)
        self._returned.pop(waiter, None)
        aside = self._aside.get(waiter.origin)
        if aside is not None:
            aside.waiters.pop(waiter, None)
            aside.returned.pop(waiter, None)
            self._forget_if_empty(waiter.origin, aside)

    def _forget_if_empty(self, origin: str | None, aside: _Aside) -> None:
        if not (aside.waiters or aside.returned):
            del self._aside[origin]
            self._back.pop(origin, None)

    def __getstate__(self) -> tuple[Any, dict[str, Any]]:
        """Be copied with nothing that belongs to a loop."""
        if self._granted or self._aside or not self._is_free:
            message = "a limiter that somebody waits for cannot be pickled"
            raise TypeError(message)
        state: Any = super().__getstate__()
        return state[0], state[1] | {"_loop": None, "_timer": None}

    def _bind(self) -> asyncio.AbstractEventLoop:
        """Belong to the running loop, as long as somebody waits."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._loop is not None:
                if (self._aside or not self._is_free) and not self._loop.is_closed():
                    message = "the limiter is in use on another event loop"
                    raise RuntimeError(message)
                # Whoever waited on a loop that was closed waits no more; a start that is held still counts.
                self._granted -= sum(waiter.granted for waiter in self._released)
                for queue in (self._waiters, self._returned, self._released, self._aside, self._back):
                    queue.clear()
                self._timer = None
            self._loop = loop
        return loop

    def _changed(self) -> None:
        """Look again who may start: the law is another one than a moment ago."""
        if self._released:
            now = self._clock()
            if self._due(now, 0) > now:
                self._take_back()
        self._release()

    def _fail(self, error: Callable[[], Exception]) -> None:
        """Let all who wait and were not released fail, each with an error of its own."""
        aside = [queue for one in self._aside.values() for queue in (one.returned, one.waiters)]
        for queue in (self._returned, self._waiters, *aside):
            for waiter in queue:
                if not waiter.future.done():
                    waiter.future.set_exception(error())

    def _take_back(self) -> None:
        """Put those that were released and have not started to the head of the queue, in their order."""
        for waiter in reversed(self._released):
            waiter.future = waiter.future.get_loop().create_future()
            self._returned[waiter] = None
            self._returned.move_to_end(waiter, last=False)
            self._granted -= waiter.granted
        self._released.clear()

    def _pause_origin(self, origin: str, until: float) -> None:
        """Let nobody of an origin start before a moment; a pause of its that ends later stands."""
        now = self._clock()
        self._end_pauses(now)
        known = self._paused.get(origin)
        if until <= now or (known is not None and known >= until) or (known is None and self._is_full()):
            return
        self._paused[origin] = until
        if known is None:
            heapq.heappush(self._ends, (until, origin))
            self._back.pop(origin, None)
            if any(waiter.origin == origin for waiter in self._released):
                self._take_back()
        self._release()

    def _is_paused(self, origin: str | None, now: float) -> bool:
        return origin is not None and self._paused.get(origin, now) > now

    def _is_full(self) -> bool:
        return len(self._paused) >= _MOST_PAUSED

    def _end_pauses(self, now: float) -> None:
        """Forget the pauses that are over, and let those who stepped aside for them come next."""
        ends = self._ends
        while ends and ends[0][0] <= now:
            _, origin = heapq.heappop(ends)
            until = self._paused[origin]
            if until > now:  # it was made longer
                heapq.heappush(ends, (until, origin))
                continue
            del self._paused[origin]
            if origin in self._aside:
                self._back[origin] = self._aside[origin]

    def _head(self) -> tuple[_Waiter, OrderedDict[_Waiter, None]] | None:
        """Find who is next, and the queue that it is in; those whose origin is paused step aside."""
        while queue := self._returned or self._those_back() or self._waiters:
            waiter = next(iter(queue))
            if waiter.origin not in self._paused:
                return waiter, queue
            aside = self._aside.setdefault(waiter.origin, _Aside())
            (aside.returned if queue is self._returned else aside.waiters)[waiter] = None
            del queue[waiter]
        return None

    def _those_back(self) -> OrderedDict[_Waiter, None] | None:
        for aside in self._back.values():
            return aside.returned or aside.waiters
        return None

    def _release(self) -> None:
        """Release as many as may start at this moment, and set the timer for the next."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not (self._waiters or self._returned or self._aside):
            return
        now = self._clock()
        self._end_pauses(now)
        due = math.inf
        while head := self._head():
            waiter, queue = head
            if not waiter.future.done():  # else it was cancelled, and is about to leave
                weight = min(waiter.weight, self.capacity)  # nobody waits for more than there ever is
                due = self._due(now, weight)
                if due > now:
                    break
                self._released[waiter] = None
                self._granted += weight
                waiter.granted = weight
                waiter.future.set_result(None)
            del queue[waiter]
            if waiter.origin in self._back:
                self._forget_if_empty(waiter.origin, self._back[waiter.origin])
            due = math.inf
        # Where it is up to those that are granted and have not started, the last of them looks again.
        due = min(due, self._next_end())
        if due < math.inf:
            self._timer = loop.call_later(min(due - now, _LONGEST_TIMER), self._release)

    def _next_end(self) -> float:
        """Tell when those may come back who have stepped aside, the first of them at the earliest."""
        return self._ends[0][0] if self._aside and self._ends else math.inf
