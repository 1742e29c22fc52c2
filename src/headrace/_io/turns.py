"""Who waits for a start lives here: one queue, first come first served, and one timer however many wait."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds after which a timer looks again, however far off the moment is.
_LONGEST_TIMER: Final = 86400.0


class _Waiter:
    """One who waits: its future is resolved when its turn has come."""

    __slots__ = ("future", "granted", "weight")

    def __init__(self, future: asyncio.Future[None], weight: int) -> None:
        self.future = future
        self.weight = weight
        self.granted = 0  # what it will count, once it is released


class Turns:
    """Releases waiters, each at the moment from which on it may start; what that moment is, a subclass says.

    A waiter that was released starts when its task runs, which may be later. Until then it has no moment that could be
    counted, so what it will count is `_granted`. It starts only if that is still allowed when it runs.

    Args:
        clock: Seconds on a clock that never goes back.
    """

    __slots__ = ("_clock", "_granted", "_loop", "_released", "_returned", "_timer", "_waiters", "capacity", "waited")

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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def _due(self, now: float, weight: int) -> float:
        """Compute from which moment on so many may start, behind what is granted; `now` or less is now."""
        raise NotImplementedError

    def _start(self, now: float, weight: int) -> None:
        """Count starts."""
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        """How many are waiting now; `waited` is how many seconds callers have waited in all."""
        return len(self._waiters) + len(self._returned)

    @property
    def _is_free(self) -> bool:
        """Whether whoever comes now comes first."""
        return not (self._waiters or self._returned or self._released)

    async def _wait(self, weight: int, *, first: bool = False) -> None:
        """Wait for a turn, and start.

        Args:
            weight: As how many starts it counts.
            first: Whether it comes before all that have had no turn yet.
        """
        loop = self._bind()
        waiter = _Waiter(loop.create_future(), weight)
        (self._returned if first else self._waiters)[waiter] = None
        began = self._clock()
        # A future that is done at once would let this one start before those that were released ahead of it. So only
        # one that is alone looks itself; for others the last of those that are released does.
        if not self._released:
            if self.waiting == 1:
                self._release()
            elif first:
                loop.call_soon(self._release)
        try:
            while waiter not in self._released:
                # Whoever was released and is held up again before it could start waits for another future.
                await waiter.future
        except BaseException:
            # Released or not: the start did not happen, so its place is the next one's.
            if waiter in self._released:
                del self._released[waiter]
                self._granted -= waiter.granted
            self._waiters.pop(waiter, None)
            self._returned.pop(waiter, None)
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

    def __getstate__(self) -> tuple[Any, dict[str, Any]]:
        """Be copied with nothing that belongs to a loop."""
        if self._granted or not self._is_free:
            message = "a limiter that somebody waits for cannot be pickled"
            raise TypeError(message)
        state: Any = super().__getstate__()
        return state[0], state[1] | {"_loop": None, "_timer": None}

    def _bind(self) -> asyncio.AbstractEventLoop:
        """Belong to the running loop, as long as somebody waits."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._loop is not None:
                if not self._is_free and not self._loop.is_closed():
                    message = "the limiter is in use on another event loop"
                    raise RuntimeError(message)
                # Whoever waited on a loop that was closed waits no more.
                for queue in (self._waiters, self._returned, self._released):
                    queue.clear()
                self._granted = 0
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

    def _take_back(self) -> None:
        """Put those that were released and have not started to the head of the queue, in their order."""
        for waiter in reversed(self._released):
            waiter.future = waiter.future.get_loop().create_future()
            self._returned[waiter] = None
            self._returned.move_to_end(waiter, last=False)
            self._granted -= waiter.granted
        self._released.clear()

    def _release(self) -> None:
        """Release as many as may start at this moment, and set the timer for the next."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not (self._waiters or self._returned):
            return
        now = self._clock()
        due = math.inf
        while queue := self._returned or self._waiters:
            waiter = next(iter(queue))
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
            due = math.inf
        # Where it is up to those that are granted and have not started, the last of them looks again.
        if due < math.inf:
            self._timer = loop.call_later(min(due - now, _LONGEST_TIMER), self._release)
