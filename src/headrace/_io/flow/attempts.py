"""What bounds and marks a single attempt, next to the transport."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headrace._io.closing import this_task
from headrace.errors import RequestTimeout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headrace._core.messages import Request, Response
    from headrace._io.deadline import Deadlines


class Marked:
    """A layer for a transport that does not tell when it begins to write: it may have, as soon as it was asked.

    Args:
        send: Sends a request.
    """

    __slots__ = ("_send",)

    def __init__(self, send: Callable[[Request], Awaitable[Response]]) -> None:
        self._send = send

    def send(self, request: Request) -> Awaitable[Response]:
        """Send a request that counts as sent."""
        request.delivery.sent = True
        return self._send(request)


class TimedAttempts:
    """A layer that gives each attempt so many seconds.

    Args:
        send: Sends a request.
        seconds: Seconds for an exchange, the wait for a connection included.
        deadlines: What bounds its time.
    """

    __slots__ = ("_deadlines", "_seconds", "_send")

    def __init__(self, send: Callable[[Request], Awaitable[Response]], seconds: float, deadlines: Deadlines) -> None:
        self._send = send
        self._seconds = seconds
        self._deadlines = deadlines

    async def send(self, request: Request) -> Response:
        """Send a request; raises `RequestTimeout` when its time is over."""
        deadline = self._deadlines.begin(self._seconds, this_task())
        try:
            return await self._send(request)
        except asyncio.CancelledError:
            if not deadline.is_mine():
                raise
            message = f"{request.method} {request.target.partition('?')[0]}: no answer within {self._seconds:g} s"
            raise RequestTimeout(message, maybe_sent=request.delivery.sent) from None
        finally:
            deadline.end()
