"""The client's side of its limiter lives here: a request waits for its start, and the limiter hears what came of it."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from headrace._core.limits import server_limits
from headrace._core.messages import Held
from headrace._io.limits.rate import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headrace._core.messages import Origin, Request, Response
    from headrace._core.stats import Stats
    from headrace._io.closing import Closing
    from headrace.types import Limiter

logger = logging.getLogger("headrace.AsyncClient")

_FIRST_REFUSAL = min(server_limits.REFUSALS)


class Admission:
    """Sends requests when a limiter lets them start, and holds those back whose server asks for it.

    Args:
        limiter: Any `Limiter`; what it has beyond `acquire` is used.
        home: The client's own origin. A limiter that knows no origins listens to that one alone.
        forward: Sends a request that may start.
        counts_starts: Whether what sends it tells the limiter of a start that comes later, see `Request.turn`.
        closing: Ends the waiting when the client is closed.
        stats: Where to count.
    """

    __slots__ = (
        "_closing",
        "_counts",
        "_forward",
        "_home",
        "_limiter",
        "_stats",
        "_try_acquire",
        "_turn",
        "send",
    )

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
        self._limiter: Any = limiter
        self._home = home
        self._try_acquire: Any = getattr(limiter, "try_acquire", None)
        self._counts = counts_starts
        self._turn: Any = limiter if counts_starts and isinstance(limiter, RateLimiter) else None
        self._forward = forward
        self._closing = closing
        self._stats = stats
        # Chosen once: most limiters are ours, one for all requests, and follow nobody.
        ours = type(limiter) is RateLimiter and not limiter.follow
        self.send = self._send if ours else self._send_by_its_own

    async def _send(self, request: Request) -> Response:
        """Send a request by the one limiter."""
        if not self._try_acquire(1, request.origin.text):
            await self._wait(self._limiter, request)
        request.turn = self._turn
        while True:
            try:
                response = await self._forward(request)
            except Held:
                await self._wait(self._turn, request, again=True)
            else:
                if response.status >= _FIRST_REFUSAL:
                    self._refused(self._limiter, request, response)
                return response

    async def _send_by_its_own(self, request: Request) -> Response:
        """Send a request by the limiter that is its own, and tell a limiter that follows the server what it says."""
        limiter = self._limiter
        if hasattr(limiter, "for_request"):
            limiter = limiter.for_request(request)
        arguments = _arguments(limiter, request)
        try_acquire = getattr(limiter, "try_acquire", None)
        if try_acquire is None or not try_acquire(*arguments):
            await self._wait(limiter, request)
        request.turn = limiter if self._counts and hasattr(limiter, "rejoin") else None
        while True:
            try:
                response = await self._heard(limiter, request)
            except Held:
                await self._wait(limiter, request, again=True)
            else:
                if response.status >= _FIRST_REFUSAL and hasattr(limiter, "pause"):
                    self._refused(limiter, request, response)
                return response

    async def _heard(self, limiter: Any, request: Request) -> Response:
        follow = getattr(limiter, "follow", None)
        if follow is None:
            return await self._forward(request)
        mark = limiter.sent()
        told: list[server_limits.Told] = []
        try:
            response = await self._forward(request)
            if follow and self._is_of(limiter, request):
                told = server_limits.read(response.headers, datetime.now(UTC), _most_pause(limiter))
        finally:
            limiter.heard(mark, told)
        return response

    def _is_of(self, limiter: Any, request: Request) -> bool:
        """Tell whether a limiter listens to the server of a request: that of a key, or else to our own API."""
        return limiter is not self._limiter or request.origin == self._home

    def _refused(self, limiter: Any, request: Request, response: Response) -> None:
        """Hold the origin back for as long as its server asks; of a limiter that knows none, everybody."""
        seconds = server_limits.refused_for(response.status, response.headers, datetime.now(UTC), _most_pause(limiter))
        if seconds <= 0:
            return
        if getattr(limiter, "by_origin", False):
            origin = request.origin.text
            logger.info("Rate limit: the server asks to wait %.3g s (%s)", seconds, origin)
            limiter.pause(seconds, origin)
        elif self._is_of(limiter, request):
            logger.info("Rate limit: the server asks to wait %.3g s", seconds)
            limiter.pause(seconds)

    async def _wait(self, limiter: Any, request: Request, *, again: bool = False) -> None:
        """Wait for a start; `again` for one that was allowed before, and came to nothing."""
        if hasattr(limiter, "try_acquire"):  # else there is no telling whether it will be a wait
            logger.info("Waiting for rate limit")
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._stats.limiter_waits += not again
        try:
            if again:
                await self._closing.or_closed(limiter.rejoin(request.origin.text))
            else:
                await self._closing.or_closed(limiter.acquire(*_arguments(limiter, request)))
        finally:
            self._stats.limiter_seconds += loop.time() - began


def _arguments(limiter: Any, request: Request) -> tuple[int, str] | tuple[()]:
    """Choose what a limiter is told of a request: its weight and origin, where it asks for them."""
    return (1, request.origin.text) if getattr(limiter, "by_origin", False) else ()


def _most_pause(limiter: Any) -> float:
    return float(getattr(limiter, "most_pause", server_limits.MOST_SECONDS))
