"""The client's side of its limiter lives here: a request waits for its start, and the limiter hears what came of it."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from headrace._core import limits
from headrace._core.messages import Held
from headrace._io.limiter import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headrace._core.messages import Request, Response
    from headrace._core.stats import Stats
    from headrace._io.closing import Closing
    from headrace.types import Limiter

logger = logging.getLogger("headrace.AsyncClient")

_FIRST_REFUSAL = min(limits.REFUSALS)


class Admission:
    """Sends requests when a limiter lets them start, and holds everybody back when the server asks for it.

    Args:
        limiter: Any `Limiter`; what it has beyond `acquire` is used.
        forward: Sends a request that may start.
        counts_starts: Whether what sends it tells the limiter of a start that comes later, see `Request.turn`.
        closing: Ends the waiting when the client is closed.
        stats: Where to count.
    """

    __slots__ = (
        "_closing",
        "_counts",
        "_forward",
        "_limiter",
        "_pause",
        "_stats",
        "_try_acquire",
        "_turn",
        "send",
    )

    def __init__(
        self,
        limiter: Limiter,
        forward: Callable[[Request], Awaitable[Response]],
        closing: Closing,
        stats: Stats,
        *,
        counts_starts: bool,
    ) -> None:
        self._limiter = limiter
        self._try_acquire = getattr(limiter, "try_acquire", None)
        self._pause = getattr(limiter, "pause", None)
        self._counts = counts_starts
        self._turn: Any = limiter if counts_starts and isinstance(limiter, RateLimiter) else None
        self._forward = forward
        self._closing = closing
        self._stats = stats
        # Chosen once: most limiters are one for all requests, and follow nobody.
        each = hasattr(limiter, "for_request") or getattr(limiter, "follow", False)
        self.send = self._send_by_its_own if each else self._send

    async def _send(self, request: Request) -> Response:
        """Send a request by the one limiter."""
        if self._try_acquire is None or not self._try_acquire():
            await self._wait(self._limiter)
        request.turn = self._turn
        while True:
            try:
                response = await self._forward(request)
            except Held:
                await self._wait(self._turn, again=True)
            else:
                if response.status >= _FIRST_REFUSAL and self._pause is not None:
                    _refused(self._pause, response)
                return response

    async def _send_by_its_own(self, request: Request) -> Response:
        """Send a request by the limiter that is its own, and tell a limiter that follows the server what it says."""
        limiter: Any = self._limiter
        if hasattr(limiter, "for_request"):
            limiter = limiter.for_request(request)
        try_acquire = getattr(limiter, "try_acquire", None)
        if try_acquire is None or not try_acquire():
            await self._wait(limiter)
        request.turn = limiter if self._counts and hasattr(limiter, "rejoin") else None
        while True:
            try:
                response = await self._heard(limiter, request)
            except Held:
                await self._wait(limiter, again=True)
            else:
                if response.status >= _FIRST_REFUSAL and hasattr(limiter, "pause"):
                    _refused(limiter.pause, response)
                return response

    async def _heard(self, limiter: Any, request: Request) -> Response:
        follow = getattr(limiter, "follow", None)
        if follow is None:
            return await self._forward(request)
        mark = limiter.sent()
        told: list[limits.Told] = []
        try:
            response = await self._forward(request)
            if follow:
                told = limits.read(response.headers, datetime.now(UTC))
        finally:
            limiter.heard(mark, told)
        return response

    async def _wait(self, limiter: Any, *, again: bool = False) -> None:
        """Wait for a start; `again` for one that was allowed before, and came to nothing."""
        if hasattr(limiter, "try_acquire"):  # else there is no telling whether it will be a wait
            logger.info("Waiting for rate limit")
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._stats.limiter_waits += not again
        try:
            await self._closing.or_closed(limiter.rejoin() if again else limiter.acquire())
        finally:
            self._stats.limiter_seconds += loop.time() - began


def _refused(pause: Callable[[float], Any], response: Response) -> None:
    """Hold everybody back for as long as the server asks."""
    seconds = limits.refused_for(response.status, response.headers, datetime.now(UTC))
    if seconds > 0:
        logger.info("Rate limit: the server asks to wait %.3g s", seconds)
        pause(seconds)
