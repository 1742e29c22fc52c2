"""What marks a request as sent, and what bounds the time of one attempt or of all of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headrace._io.closing import this_task
from headrace._io.flow.failure import went_into
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


class Timed:
    """A layer that gives what is below it so many seconds.

    Args:
        send: Sends a request.
        seconds: Seconds for all of it, the wait for a connection included.
        deadlines: What bounds its time.
        says: What the error says, with places for the seconds and for what they went into.
    """

    __slots__ = ("_deadlines", "_says", "_seconds", "_send")

    def __init__(
        self, send: Callable[[Request], Awaitable[Response]], seconds: float, deadlines: Deadlines, says: str
    ) -> None:
        self._send = send
        self._seconds = seconds
        self._deadlines = deadlines
        self._says = says

    async def send(self, request: Request) -> Response:
        """Send a request; raises `RequestTimeout` when its time is over."""
        before = dict(request.delivery.spent or {})
        deadline = self._deadlines.begin(self._seconds, this_task())
        try:
            return await self._send(request)
        except asyncio.CancelledError:
            if not deadline.is_mine():
                raise
            delivery = request.delivery
            message = self._says.format(self._seconds, went_into(delivery, self._seconds, before))
            late = RequestTimeout(message, maybe_sent=delivery.sent)
            late.attempts = delivery.attempts
            raise late from None
        finally:
            deadline.end()


def named(request: Request) -> str:
    """Name a request in an error: its method and path, without the query, which may hold secrets."""
    return f"{request.method} {request.target.partition('?')[0]}"
