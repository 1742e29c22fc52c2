"""Attempts start when a `Pace` lets them, and it hears how each of them has ended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from headrace._core.limits import server_limits
from headrace._core.messages import Response
from headrace._core.retries.retry_after import asked
from headrace.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headrace._core.limits.pace import Pace
    from headrace._core.messages import Request


class Pacer:
    """A pace on a loop.

    Args:
        pace: What says how many may be in flight, and when the next may start.

    Attributes:
        in_flight: Attempts that have started and not ended.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._turns = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self.in_flight = 0

    @property
    def width(self) -> int:
        """How many may be in flight."""
        return self._pace.width

    def try_start(self) -> bool:
        """Start now, if that is allowed and nobody waits; tell whether."""
        now = self._loop.time()
        if self._turns.locked() or self._pace.wait(now) > 0:
            return False
        self._pace.started(now)
        self.in_flight += 1
        return True

    def when_free(self, then: Callable[[], object]) -> None:
        """Call back when another may start; who has asked before is not forgotten, and there is one at most."""
        if self._timer is None:
            wait = max(self._pace.wait(self._loop.time()), 0.001)
            self._timer = self._loop.call_later(wait, self._call, then)

    def _call(self, then: Callable[[], object]) -> None:
        self._timer = None
        then()

    def stop(self) -> None:
        """Call nobody back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def turn(self) -> None:
        """Wait until another may start, first come first served, and start."""
        async with self._turns:
            while (wait := self._pace.wait(self._loop.time())) > 0:  # noqa: ASYNC110 - it is time that is waited for
                await asyncio.sleep(wait)
            self._pace.started(self._loop.time())
        self.in_flight += 1

    def ended(self, outcome: Any, seconds: float) -> None:
        """Hear how an attempt has ended.

        Args:
            outcome: Its `Response`, or what there is instead.
            seconds: How long it took.
        """
        self._heard(outcome, seconds)
        self.in_flight -= 1

    def _heard(self, outcome: Any, seconds: float) -> None:
        now, in_flight = self._loop.time(), self.in_flight
        if isinstance(outcome, Response):
            refused = outcome.status in server_limits.REFUSALS
            wait = asked(outcome, datetime.now(UTC)) if refused else None
            self._pace.ended(now, seconds, in_flight, refused=refused, asked=wait, failed=False)
            if _speaks_of_limits(outcome):
                told = server_limits.read(outcome.headers, datetime.now(UTC))
                self._pace.rate.told(now, told, in_flight - 1)
        elif isinstance(outcome, (TransportError, asyncio.CancelledError)):
            self._pace.ended(now, seconds, in_flight, refused=False, asked=None, failed=True)

    # The layers of the chain.

    def pacing(self, send: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Let attempts start when they may."""

        async def paced(request: Request) -> Response:
            await self.turn()
            try:
                return await send(request)
            finally:
                self.in_flight -= 1

        return paced

    def measuring(self, send: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Hear how attempts end, and how long they take without their waits."""

        async def measured(request: Request) -> Response:
            began, before = self._loop.time(), _waited(request)
            outcome: Any = None
            try:
                outcome = await send(request)
            except TransportError as error:
                outcome = error
                raise
            else:
                return outcome  # type: ignore[no-any-return] # a response
            finally:
                if outcome is not None:
                    self._heard(outcome, self._loop.time() - began - (_waited(request) - before))

        return measured


def _waited(request: Request) -> float:
    spent = None if request.way is None else request.way.spent
    return 0.0 if spent is None else sum(spent.values())


def _speaks_of_limits(response: Response) -> bool:
    """Tell at a glance whether an answer may have fields that say what its server allows."""
    fields = response.fields
    return b"ratelimit" in fields.lower() if isinstance(fields, bytes) else True
