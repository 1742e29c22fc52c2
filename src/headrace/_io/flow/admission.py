"""A request waits for its start, and the limiter hears what came of it."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from headrace._core.limits import server_limits
from headrace._core.messages import HeldBack, RejoinedTurn, Wait
from headrace._io.deadline import FromStart
from headrace._io.limits.rate import RateLimiter
from headrace.types import ChoosingLimiter, FollowingLimiter, OriginLimiter, PausingLimiter, TryingLimiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headrace._core.messages import Origin, Request, Response
    from headrace._core.stats import Stats
    from headrace._io.closing import Closing
    from headrace.types import Limiter

T = TypeVar("T")

logger = logging.getLogger("headrace.AsyncClient")

_FIRST_REFUSAL = min(server_limits.REFUSALS)
#: Seconds by which a pause has to end later than the one before it, to be told of.
_AS_LATE: Final = 1.0
#: Origins whose pauses are remembered for the log.
_MOST_TOLD: Final = 1000


class _Abilities(NamedTuple):
    """What limiters of one kind have beyond `acquire`; see the Protocols of `headrace.types`."""

    tries: bool
    pauses: bool
    by_origin: bool
    follows: bool
    rejoins: bool

    @classmethod
    def of(cls, limiter: Any) -> _Abilities:
        """Ask a limiter."""
        return cls(
            isinstance(limiter, TryingLimiter),
            isinstance(limiter, PausingLimiter),
            isinstance(limiter, OriginLimiter) and bool(limiter.by_origin),
            isinstance(limiter, FollowingLimiter),
            isinstance(limiter, RejoinedTurn),
        )


class Admission:
    """Sends requests when a limiter lets them start, and holds those back whose server asks for it.

    Args:
        limiter: Any `Limiter`; what it has beyond `acquire` is used.
        home: The client's own origin. A limiter that knows no origins listens to that one alone.
        forward: Sends a request that may start.
        counts_starts: Whether what sends it tells the limiter of a start that comes later, see `Delivery.turn`.
        closing: Ends the waiting when the client is closed.
        stats: Where to count.

    Attributes:
        limiter: The limiter.
        send: Sends a request when it may start.
    """

    __slots__ = (
        "_chooses", "_closing", "_counts", "_crowds", "_forward", "_home", "_kinds", "_limiter", "_stats", "_told",
        "limiter", "send",
    )  # fmt: skip

    def __init__(
        self,
        limiter: Limiter,
        home: Origin,
        forward: Callable[[Request], Awaitable[Response]],
        closing: Closing,
        stats: Stats,
        *,
        counts_starts: bool,
    ) -> None:
        self.limiter = limiter
        self._limiter: Any = limiter
        self._home = home
        self._counts = counts_starts
        self._forward = forward
        self._closing = closing
        self._stats = stats
        self._crowds: dict[int, int] = {}  # how many wait, by the limiter that they wait for
        self._told: dict[str, float] = {}  # until when origins are paused, as far as the log knows
        self._chooses = isinstance(limiter, ChoosingLimiter)
        self._kinds: dict[type, _Abilities] = {type(limiter): _Abilities.of(limiter)}
        # Chosen once: most limiters are ours, one for all requests, and follow nobody.
        ours = type(limiter) is RateLimiter and not limiter.follow
        self.send = self._send if ours else self._send_by_its_own

    async def _send(self, request: Request) -> Response:
        """Send a request by the one limiter, which is ours."""
        limiter = self._limiter
        if not limiter.try_acquire(1, request.origin.text):
            await self._wait(limiter.acquire(1, request.origin.text), limiter, request)
        request.delivery.turn = limiter if self._counts else None
        while True:
            try:
                response = await self._forward(request)
            except HeldBack:
                await self._wait(limiter.rejoin(request.origin.text), limiter, request, again=True)
            else:
                self.heard(request, response)
                return response

    def heard(self, request: Request, response: Response) -> None:
        """Hold the origin of a request back where its answer asks for it; for the one limiter, which is ours."""
        if response.status >= _FIRST_REFUSAL:
            self._refused(self._limiter, _OURS, request, response)

    async def _send_by_its_own(self, request: Request) -> Response:
        """Send a request by the limiter that is its own, and tell a limiter that follows the server what it says."""
        limiter, waited = self._limiter, False
        if self._chooses:
            limiter = limiter.for_request(request)
            if isawaitable(limiter):
                limiter, waited = await self._wait(limiter, self._limiter, request), True
        able = self._kinds.get(type(limiter))
        if able is None:
            able = self._kinds[type(limiter)] = _Abilities.of(limiter)
        arguments = (1, request.origin.text) if able.by_origin else ()
        if not able.tries or not limiter.try_acquire(*arguments):
            await self._wait(limiter.acquire(*arguments), limiter, request, again=waited, surely=able.tries)
        request.delivery.turn = limiter if self._counts and able.rejoins else None
        while True:
            try:
                response = await self._heard(limiter, able, request)
            except HeldBack:
                await self._wait(limiter.rejoin(request.origin.text), limiter, request, again=True)
            else:
                if response.status >= _FIRST_REFUSAL and able.pauses:
                    self._refused(limiter, able, request, response)
                return response

    async def _heard(self, limiter: Any, able: _Abilities, request: Request) -> Response:
        if not able.follows:
            return await self._forward(request)
        mark = limiter.sent()
        told: list[server_limits.Told] = []
        try:
            response = await self._forward(request)
            if limiter.follow and self._is_of(limiter, request):
                told = server_limits.read(response.headers, datetime.now(UTC), _most_pause(limiter))
        finally:
            limiter.heard(mark, told)
        return response

    def _is_of(self, limiter: Any, request: Request) -> bool:
        """Tell whether a limiter listens to the server of a request: that of a key, or else to our own API."""
        return limiter is not self._limiter or request.origin == self._home

    def _refused(self, limiter: Any, able: _Abilities, request: Request, response: Response) -> None:
        """Hold the origin back for as long as its server asks; of a limiter that knows none, everybody."""
        seconds = server_limits.refused_for(response, datetime.now(UTC), _most_pause(limiter))
        if seconds <= 0:
            return
        origin = request.origin.text
        if able.by_origin:
            self._tell_of_pause(origin, seconds)
            limiter.pause(seconds, origin)
        elif self._is_of(limiter, request):
            self._tell_of_pause(origin, seconds)
            limiter.pause(seconds)

    def _tell_of_pause(self, origin: str, seconds: float) -> None:
        """Log a pause that a server asks for, once for all answers that ask for the same."""
        until = asyncio.get_running_loop().time() + seconds
        if self._told.get(origin, 0.0) + _AS_LATE >= until:
            return
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told[origin] = until
        logger.warning("Rate limit: the server asks to wait %.3g s (%s)", seconds, origin)

    async def _wait(
        self, start: Awaitable[T], limiter: Any, request: Request, *, again: bool = False, surely: bool = True
    ) -> T:
        """Wait for a start.

        Args:
            start: What is waited for.
            limiter: Whose start it is.
            request: What waits.
            again: Whether the request has waited before, for its limiter or for a start that came to nothing.
            surely: Whether it is known to be a wait.
        """
        crowd = self._crowds.get(id(limiter), 0)
        self._crowds[id(limiter)] = crowd + 1
        if surely and not crowd and logger.isEnabledFor(logging.INFO):  # once, however many come behind it
            next_in = getattr(limiter, "next_in", None)  # a limiter need not know
            if next_in is None:
                logger.info("Waiting for rate limit")
            else:
                logger.info("Waiting for rate limit: %.3g s until the next start", next_in(request.origin.text))
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._stats.limiter_waits += not again
        clock = _clock(request)
        if clock is not None:
            clock.hold()
        try:
            return await self._closing.or_closed(start)
        finally:
            seconds = loop.time() - began
            self._stats.limiter_seconds += seconds
            if clock is None:
                request.delivery.spend(Wait.RATE_LIMIT, seconds)
            else:
                clock.begin_again()
            self._crowds[id(limiter)] -= 1
            if not self._crowds[id(limiter)]:
                del self._crowds[id(limiter)]


_OURS: Final = _Abilities(tries=True, pauses=True, by_origin=True, follows=True, rejoins=True)


def _most_pause(limiter: Any) -> float:
    return float(getattr(limiter, "most_pause", server_limits.MOST_SECONDS))


def _clock(request: Request) -> Any:
    """Find the clock that stands while a request waits for its start; `None` where its time runs from the call on."""
    timeout, delivery = request.timeout, request.delivery
    return timeout.clock if isinstance(timeout, FromStart) and not delivery.attempts and not delivery.follows else None
