"""Permits are asked for in small batches, and nothing starts on one that is too old.

The law is `headrace._core.limits.shared_log`, and who is next in this process is `headrace._io.limits.queue`. One task
asks, while there is somebody to ask for; it lets the connection go when there was nobody for a while.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
import weakref
from typing import TYPE_CHECKING, Final

from headrace._core.limits.leases import Leases
from headrace._core.limits.server_limits import MOST_SECONDS, Follower
from headrace._core.limits.shared_log import Ask, Keeper, Reply, SharedLaw
from headrace._core.limits.windows import law, positive, whole
from headrace._io.limits.queue import StartQueue
from headrace.errors import LimiterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace._core.limits.windows import Window
    from headrace._io.limits.queue import _Waiter

#: Asks in a row whose permits all came too late, before that is an error.
_MOST_BURNED: Final = 3
#: Seconds after which a keeper that did not answer is asked again; doubled each time, up to the second.
_FIRST_RETRY: Final = 0.02
_LONGEST_RETRY: Final = 0.5
#: Permits that are asked for at once for those who wait, at first: as many as a loop should be able to start in time.
#: They grow with every answer that comes in time, and are halved, down to a few, where permits are burned; from then on
#: they grow by one.
_FIRST_BITE: Final = 64.0
_LEAST_BITE: Final = 8.0
_GROWTH: Final = 1.25
#: Seconds between two looks, where the moment to ask is past and nothing is to be asked all the same.
_LEAST_WAIT: Final = 0.001
_everyone: weakref.WeakSet[PermitQueue] = weakref.WeakSet()


class PermitQueue(StartQueue):
    """The waiters of one process, and the permits that are asked for them; `LeasedLimiter` has the words for both."""

    def __init__(
        self,
        limits: tuple[tuple[float, float], ...],
        *,
        burst: int | None = None,
        margin: float = 0.0,
        lateness: float = 0.02,
        patience: float = 10.0,
        fallback: float | None = None,
        follow: bool = False,
        most_pause: float = MOST_SECONDS,
        idle: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if burst is not None:
            whole("burst", burst)
        positive("margin", margin, or_zero=True)
        positive("lateness", lateness)
        positive("patience", patience)
        positive("most_pause", most_pause, or_zero=True)
        positive("idle", idle)
        super().__init__(clock)
        windows = law(limits, burst=burst, margin=margin)
        self._law = SharedLaw.of([(window.capacity, window.seconds) for window in windows], lateness)
        self._own: tuple[Window, ...] = ()
        if fallback is not None:
            self._own = law(((fallback, limits[0][1]),), burst=None, margin=margin)
        self._limits = limits
        self._lateness = lateness
        self._patience = patience
        self._idle = idle
        self.most_pause = most_pause
        self.capacity = min(window.capacity for window in windows)
        #: Permits that are held for whoever may come, at most; none where the rate leaves less than one.
        self._most_ahead = math.floor(min(w.capacity / w.seconds for w in windows) * lateness)
        self._follower = Follower() if follow else None
        self._in_flight = 0
        self._paused_until = -math.inf
        self._unshared: dict[str, float] = {}  # pauses to tell the keeper of, and until when
        self._known = -1  # the version of those that it told of
        self._begin()

    def _begin(self) -> None:
        """Know nothing of a keeper, as one that was just made, or copied by a fork."""
        self._client = f"{os.getpid():x}-{os.urandom(6).hex()}"
        self._asker: asyncio.Task[None] | None = None
        self._wake: asyncio.Event | None = None
        self._leases = Leases(self._lateness, self._most_ahead)
        self._held = self._leases.held
        self._plain = False  # whether nothing but a permit is needed for a start
        self._tried = False
        self._queued = False  # whether the keeper has a place for this client
        self._looked_at = -math.inf
        self._bite, self._has_burned = _FIRST_BITE, False
        self._not_before = -math.inf  # when it is worth asking for those who wait
        self._late = self._used = 0  # asks in a row whose permits came too late; permits used before the first of them
        self._late_since: float | None = None
        self._failing_since: float | None = None
        self._by_itself = False  # whether the fallback is at work
        _everyone.add(self)

    def _keeper(self) -> Keeper:
        """Make what asks the keeper of the log, on the running loop."""
        raise NotImplementedError

    def _held_until(self, now: float, weight: int) -> float:
        """Tell until when nobody may start, whatever permits there are."""
        if self._follower is None:
            return self._paused_until
        return max(self._paused_until, self._follower.due(now, weight, self._granted))

    def _due(self, now: float, weight: int) -> float:
        due = self._held_until(now, weight)
        if due > now:
            return due
        if self._by_itself:
            for window in self._own:
                window.forget(now, 2 * weight)
                due = max(due, window.due(self._granted + min(weight, window.capacity)))
            self._tried = True
            self._ask_soon()  # the keeper may be back
            return due
        if self._leases.usable(now) - self._granted >= weight:
            return due
        self._ask_soon()
        return math.inf

    def _start(self, now: float, weight: int) -> None:
        if self._follower is not None:
            self._follower.started(weight)
        if self._by_itself:
            for window in self._own:
                window.record(now, weight)
            return
        self._leases.take(weight)
        if self._leases.is_due(now, weight):
            self._leases.looked()
            self._ask_soon()

    def _is_too_late(self, waiter: _Waiter) -> bool:
        now = self._clock()
        if self._by_itself or self._leases.usable(now) >= waiter.granted:
            return False
        # The loop has stalled: the permits that it was released for are burned, and so are those of all with it.
        self._take_back()
        if not self._count_burned(busy=True):
            self._release()
        return waiter not in self._released

    def _ask_soon(self) -> None:
        """Wake the task that asks, or start it."""
        if self._wake is not None:
            self._wake.set()
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self._loop is None or (self._loop is not loop and self._loop.is_closed()):
            self._bind()
        if self._loop is loop:
            self._wake = asyncio.Event()
            self._wake.set()
            self._asker = loop.create_task(self._serve(), name="headrace: shared limit")

    def _bind(self) -> asyncio.AbstractEventLoop:
        before = self._loop
        loop = super()._bind()
        if loop is not before:
            if self._asker is not None and before is not None and not before.is_closed():
                before.call_soon_threadsafe(self._asker.cancel)
            self._asker = self._wake = None
        return loop

    async def _serve(self) -> None:
        """Ask, as long as somebody wants something."""
        keeper = self._keeper()
        wake = self._wake
        try:
            while wake is not None and wake is self._wake:
                wake.clear()
                ask = self._next_ask()
                if ask is not None:
                    await self._ask(keeper, ask)
                    continue
                seconds = max(self._not_before - self._clock(), _LEAST_WAIT) if self._wants() else self._idle
                try:
                    async with asyncio.timeout(seconds):
                        await wake.wait()
                except TimeoutError:
                    if not self._wants() and not self._unshared:
                        break
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, nobody waits for ever
            self._refuse(f"{self!r}: {type(error).__name__}: {error}", error)
        finally:
            if self._wake is wake:
                self._wake = self._asker = self._failing_since = None
                self._leases.burn()
            await keeper.close()

    def _wants(self) -> int:
        """Count the permits that are wanted for those who wait."""
        now = self._clock()
        self._end_pauses(now)
        head = self._head()
        if head is None or self._held_until(now, 1) > now:
            return 0
        back = sum(len(aside.returned) + len(aside.waiters) for aside in self._back.values())
        return max(len(self._waiters) + len(self._returned) + back, min(head[0].weight, self.capacity))

    def _next_ask(self) -> Ask | None:
        """Say what is to be asked now."""
        now = self._clock()
        pauses = {origin: math.ceil((until - now) * 1e6) for origin, until in self._unshared.items() if until > now}
        self._unshared.clear()
        wants = self._wants()
        there = self._leases.usable(now) - self._granted
        back = tuple(self._leases.back)
        tried, self._tried = self._tried, False
        if self._by_itself:
            return Ask(self._client, 1, 0, 0, self._known, (), pauses) if tried or wants or pauses else None
        missing = min(max(0, wants - there), int(self._bite))
        ahead = self._leases.ahead(now, self._granted + wants)
        if now >= self._not_before and (missing or ahead or (tried and not wants and there <= 0)):
            head = self._head() if wants else None
            least = 1 if head is None else max(1, min(head[0].weight, self.capacity) - max(0, there))
            most = max(least, missing + ahead)
            self._leases.back.clear()
            return Ask(self._client, least, missing, most, self._known, back, pauses)
        if pauses or (self._queued and not wants):
            return Ask(self._client, 1, 0, 0, self._known, (), pauses)
        return None

    async def _ask(self, keeper: Keeper, ask: Ask) -> None:
        asked = self._clock()
        failing = 0.0 if self._failing_since is None else asked - self._failing_since
        look = asyncio.get_running_loop().call_later(self._lateness / 2, self._look)
        try:
            async with asyncio.timeout(self._patience - failing if failing < self._patience else self._patience):
                reply = await keeper.ask(ask)
        except LimiterError as error:
            self._share_again(ask, asked)
            self._refuse(str(error), error)
            self._not_before = self._clock() + _LONGEST_RETRY
        except OSError as error:  # TimeoutError is one
            self._share_again(ask, asked)
            await self._failed(keeper, asked, error)
        else:
            self._answered(asked, ask, reply)
        finally:
            look.cancel()

    def _look(self) -> None:
        """Note that the loop has time."""
        self._looked_at = self._clock()

    def _share_again(self, ask: Ask, asked: float) -> None:
        for origin, left in ask.pauses.items():
            self._unshared[origin] = max(self._unshared.get(origin, 0.0), asked + left / 1e6)

    def _refuse(self, text: str, cause: Exception | None = None) -> None:
        """Let all who wait fail."""

        def error() -> Exception:
            made = LimiterError(text)
            # Without its frames: they know where the keeper is, and the password to it.
            made.__cause__ = None if cause is None else cause.with_traceback(None)
            return made

        self._fail(error)

    async def _failed(self, keeper: Keeper, asked: float, error: OSError) -> None:
        """Be patient, then fail, or go on alone."""
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = asked
        failing = now - self._failing_since
        self._queued = False
        if failing >= self._patience:
            if self._own:
                if not self._by_itself:
                    self._by_itself, self._plain = True, False
                self._release()
            else:
                reason = str(error) or "no answer"
                text = f"{self!r}: out of reach for {failing:.3g} s (patience={self._patience:g}): {reason}"
                self._refuse(text, error)
        await keeper.close()
        pause = min(_LONGEST_RETRY, max(_FIRST_RETRY, failing), max(_FIRST_RETRY, self._patience - failing))
        await asyncio.sleep(pause)

    def _answered(self, asked: float, ask: Ask, reply: Reply) -> None:
        now = self._clock()
        self._failing_since = None
        self._known = reply.version
        if self._by_itself:
            # What was started without the keeper counts for one window more; it knows nothing of that.
            ends = max((window.empty_at() for window in self._own), default=-math.inf)
            self._by_itself = False
            self._paused_until = max(self._paused_until, ends)
        for origin, left in (reply.pauses or {}).items():
            self._hold_back(origin or None, now + left / 1e6)
        if reply.granted < ask.most:
            self._leases.are_scarce(now)
        missing = ask.wanted - reply.granted
        self._queued = missing > 0
        if ask.most and (missing > 0 or not reply.granted):
            self._not_before = now + max(reply.wait / 1e6, 0.0 if missing > 0 else self._lateness / 2)
        if reply.granted and self._leases.add(asked, reply.granted, now, reply.now):
            if reply.granted >= int(self._bite) and self._bite < self.capacity:
                self._bite = self._bite * _GROWTH if not self._has_burned else self._bite + 1
        elif reply.granted:
            self._not_before = -math.inf
            if ask.wanted:
                # The loop looked in between, unless it had no time for that either.
                busy = self._looked_at < asked or self._looked_at > asked + 0.75 * self._lateness
                self._count_burned(busy=busy, seconds=now - asked)
        self._release()

    def _count_burned(self, *, busy: bool, seconds: float = 0.0) -> bool:
        """Count permits that came too late for those who waited.

        Args:
            busy: Whether it is this event loop that was late: that may pass, and is an error only for as long as
                nobody has patience for; else the third time in a row is one.
            seconds: How long the answer took.

        Returns:
            Whether it was an error, which those who wait have got.
        """
        now = self._clock()
        self._bite, self._has_burned = max(_LEAST_BITE, self._bite / 2), True
        if self._late_since is None or self._leases.used != self._used:
            self._late, self._used, self._late_since = 0, self._leases.used, now
        self._late += not busy
        lasting = now - self._late_since
        if self._late >= _MOST_BURNED:
            what = (
                f"{self._late} permits in a row came later than lateness={self._lateness:g} s, the last after"
                f" {seconds:.3g} s; give a lateness above the round trip"
            )
        elif lasting >= self._patience:
            what = (
                f"for {lasting:.3g} s the event loop was too busy to use permits within lateness={self._lateness:g} s;"
                " keep the event loop free, or give a larger lateness"
            )
        else:
            return False
        self._late_since = None
        self._refuse(f"{self!r}: {what}")
        return True

    def _hold_back(self, origin: str | None, until: float) -> None:
        """Let nobody start before a moment, or nobody of an origin."""
        self._plain = False
        if origin is None:
            self._paused_until = max(self._paused_until, until)
            self._changed()
        else:
            self._pause_origin(origin, until)


def _forked() -> None:
    """Hold nothing in a child process that its parent holds too."""
    for limiter in _everyone:
        limiter._begin()  # noqa: SLF001 - our own class


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
