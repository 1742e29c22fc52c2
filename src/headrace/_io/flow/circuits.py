"""Requests meet the circuit of their origin, whose law is `headrace._core.retries.breaker`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from headrace._core.retries.breaker import Breakers, State
from headrace.errors import CircuitOpen, ConnectError, ConnectionLost, ProtocolError, RequestTimeout, TransportError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headrace._core.messages import Request, Response
    from headrace._core.retries.breaker import Breaker
    from headrace.policies import CircuitBreaker

logger = logging.getLogger("headrace.AsyncClient")

#: Errors that are the server's or the network's; others, such as `PoolTimeout`, are our own and say nothing of it.
_FAILURES = (ConnectError, ConnectionLost, ProtocolError, RequestTimeout)


class Circuits:
    """The circuits of all origins, and the two layers that keep to them.

    Args:
        settings: When a circuit opens, and for how long.
    """

    __slots__ = ("_breakers", "_clock", "_statuses")

    def __init__(self, settings: CircuitBreaker) -> None:
        self._breakers = Breakers(settings)
        self._statuses = settings.statuses
        self._clock = settings.clock

    def refusal(self, request: Request) -> float | None:
        """Tell whether a request would be refused now; see `headrace._core.retries.breaker.Breaker.refusal`."""
        now = self._clock()
        return self._breakers.of(request.origin.text, now).refusal(now)

    def check(self, request: Request) -> None:
        """Raise `CircuitOpen` if a request would be refused now."""
        seconds = self.refusal(request)
        if seconds is not None:
            raise _refused(request, seconds)

    def ahead_of(self, send: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Refuse what would be refused before it waits for anything, such as a limiter."""

        def checked(request: Request) -> Awaitable[Response]:
            self.check(request)
            return send(request)

        return checked

    def around(self, send: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Send nothing to an origin whose circuit is open, and note what comes of what is sent."""

        async def noted(request: Request) -> Response:
            return await self._send(request, send)

        return noted

    async def _send(self, request: Request, send: Callable[[Request], Awaitable[Response]]) -> Response:
        now = self._clock()
        breaker = self._breakers.of(request.origin.text, now)
        seconds = breaker.refusal(now)
        if seconds is not None:
            raise _refused(request, seconds)
        before = breaker.state
        ticket = breaker.enter()
        if breaker.state is not before:
            logger.info("Circuit to %s is half-open: one request is let through", request.origin.text)
        before = breaker.state
        succeeded: bool | None = None  # cancelled, or an error of the caller's own
        try:
            response = await send(request)
            succeeded = response.status not in self._statuses
        except TransportError as error:
            if isinstance(error, _FAILURES):
                succeeded = False
            raise
        finally:
            breaker.leave(ticket, succeeded, self._clock())
            if breaker.state is not before:
                self._tell(request.origin.text, breaker)
        return response

    def _tell(self, origin: str, breaker: Breaker) -> None:
        if breaker.state is State.OPEN:
            seconds = breaker.refusal(self._clock()) or 0.0
            logger.warning("Circuit to %s is open: too many failures; it is tried again in %.3g s", origin, seconds)
        else:
            logger.info("Circuit to %s is %s", origin, breaker.state.value)


def _refused(request: Request, seconds: float) -> CircuitOpen:
    message = f"the circuit to {request.origin.text} is open; it is worth trying again in {seconds:.3g} s"
    return CircuitOpen(message, retry_in=seconds)
