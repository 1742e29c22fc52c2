"""A request is sent again when, and as often as, `headrace._core.retries.retry` decides.

A request that succeeds at once passes through one coroutine and a few comparisons. Everything else begins with the
first failure.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from headrace._core.messages import HeaderBlock, Response, Wait, replaced
from headrace._core.request import encode
from headrace._core.retries import retry
from headrace._core.retries.budget import Budget
from headrace._core.retries.retry_after import asked
from headrace._io.flow.attempts import named
from headrace._io.frames import go_on
from headrace.errors import Attempt, CircuitOpen, TransportError, UploadError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headrace._core.messages import Request
    from headrace._core.stats import Stats
    from headrace._io.closing import Closing
    from headrace._io.flow.circuits import Circuits
    from headrace.policies import Retry


logger = logging.getLogger("headrace.AsyncClient")


class Retrying:
    """Sends requests as often as a policy allows.

    Args:
        policy: The policy.
        send: Sends a request once; it is admitted anew each time.
        circuits: The circuits of the origins, or `None`.
        stats: Where to count.
        closing: Ends the wait for another attempt when the client is closed, and begins no other.
        clock: Seconds on a clock that never goes back.
        chance: A random number from 0 to 1 for each wait.
        sleep: Waits for a number of seconds.

    Attributes:
        deposit: Counts a request that is sent for the first time; `None` where the retries have no budget.
    """

    __slots__ = (
        "_budget", "_chance", "_circuits", "_clock", "_closing", "_policy", "_send", "_sleep", "_stats", "_statuses",
        "deposit",
    )  # fmt: skip

    def __init__(
        self,
        policy: Retry,
        send: Callable[[Request], Awaitable[Response]],
        circuits: Circuits | None,
        stats: Stats,
        closing: Closing,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._policy = policy
        self._statuses = policy.statuses
        self._send = send
        self._circuits = circuits
        self._stats = stats
        self._clock = clock
        self._chance = chance
        self._sleep = sleep
        self._closing = closing
        self._budget = None if policy.budget is None else Budget(policy.budget, clock())
        self.deposit = None if self._budget is None else self._budget.deposit

    def send(self, request: Request) -> Awaitable[Response]:
        """Send a request, the first one of a call with an idempotency key where the policy asks for one."""
        if request.idempotent or request.delivery.follows:
            return self._first(request)
        return self._named(self._repeatable(request))

    async def _named(self, request: Request) -> Response:
        """Send a request that is another one than was given, and name it in its answer."""
        response = await self._first(request)
        response.request = request
        return response

    def _repeatable(self, request: Request) -> Request:
        """Give a request its key, and say whether it may be sent once more when a kept-alive connection dies.

        Every attempt, and whatever follows from it, is the same operation.
        """
        policy, name, headers = self._policy, self._policy.idempotency_key, request.headers
        if name is not None and not retry.is_repeatable(policy, request.method, headers.names):
            headers = HeaderBlock([*headers.pairs, encode.header(name, str(uuid.uuid4()))], headers.credentials)
        idempotent = policy.retry_stale_posts or retry.is_repeatable(policy, request.method, headers.names)
        return replaced(request, headers=headers, idempotent=idempotent)

    def _first(self, request: Request) -> Awaitable[Response]:
        """Send a request."""
        return self.go_on_with(request, self._send, self.begin())

    def begin(self) -> float:
        """Note that a request is sent for the first time; returns when."""
        began: float = self._clock()
        if self.deposit is not None:
            self.deposit(began)
        return began

    async def go_on_with(
        self, request: Request, send: Callable[[Request], Awaitable[Response]], began: float
    ) -> Response:
        """Send a request for the first time, and go on with whatever comes of it; this is all that a success costs.

        Args:
            request: The request.
            send: Sends it once, or ends as a sending that is under way does.
            began: What `begin` has returned.
        """
        try:
            response = await send(request)
        except TransportError as error:
            go_on(error)
            return await self._again(request, error, began)
        except asyncio.CancelledError:
            _note(request, None, 0.0, self._clock() - began, 0.0)
            raise
        if response.status < 400 and response.status not in self._statuses:
            return response
        return await self._again(request, response, began)

    async def _again(self, request: Request, outcome: Response | TransportError, began: float) -> Response:
        """Send a request that has failed once until it succeeds, or may not be sent again."""
        policy = self._policy
        repeatable = retry.is_repeatable(policy, request.method, request.headers.names)
        now = self._clock()
        if not isinstance(outcome, CircuitOpen):
            _note(request, outcome, 0.0, now - began, 0.0)
        request.delivery.sent = sent = _maybe_sent(outcome)
        attempt, drawn = 1, policy.backoff
        try:
            while self._may_retry(outcome, attempt, repeatable=repeatable):
                drawn = retry.backoff(policy, drawn, self._chance())
                wanted = _asked(outcome)
                pause = retry.delay(policy, drawn, wanted)
                if not self._has_a_chance(request, now, began, pause):
                    break
                _check_body(request, outcome, sent=sent)
                if not retry.is_invited(wanted, pause) and not self._has_budget(now):
                    break
                await self._pause(request, outcome, attempt, pause, sent=sent)
                answer = await self._attempt(request, began, pause)
                if isinstance(answer, CircuitOpen):
                    break  # what happened before says more than that nothing happens now
                outcome = answer
                del answer
                request.delivery.sent = sent = sent or _maybe_sent(outcome)
                attempt += 1
                now = self._clock()
            return _end(outcome, sent=sent)
        except TransportError as error:
            error.attempts = request.delivery.attempts
            raise
        finally:
            del outcome  # an error knows this frame through its traceback

    async def _pause(
        self, request: Request, outcome: Response | TransportError, attempt: int, pause: float, *, sent: bool
    ) -> None:
        """Wait for the next attempt, and tell why."""
        if logger.isEnabledFor(logging.INFO):
            why = outcome.status if isinstance(outcome, Response) else _said(outcome)
            of = self._policy.attempts
            logger.info("Retry %d of %d in %.3g s: %s: %s", attempt, of - 1, pause, named(request), why)
        began = self._clock()
        try:
            await self._closing.or_closed(self._sleep(pause), maybe_sent=sent)
        finally:
            request.delivery.spend(Wait.PAUSES, self._clock() - began)

    async def _attempt(self, request: Request, began: float, waited: float) -> Response | TransportError:
        """Send a request once more, and write down how it failed if it did."""
        self._stats.retries += 1
        self._stats.attempts += 1
        started = self._clock()
        try:
            response = await self._send(request)
        except CircuitOpen as error:
            return error
        except TransportError as error:
            _note(request, error, started - began, self._clock() - started, waited)
            return error
        except asyncio.CancelledError:
            _note(request, None, started - began, self._clock() - started, waited)
            raise
        if response.status >= 300 or response.status in self._statuses:
            _note(request, response, started - began, self._clock() - started, waited)
        return response

    def _may_retry(self, outcome: Response | TransportError, attempt: int, *, repeatable: bool) -> bool:
        if self._closing.closed:
            return False
        if isinstance(outcome, Response):
            return retry.may_retry_status(self._policy, outcome.status, attempt, repeatable=repeatable)
        return retry.may_retry_error(self._policy, outcome, attempt, repeatable=repeatable)

    def _has_a_chance(self, request: Request, now: float, began: float, pause: float) -> bool:
        """Tell whether the time suffices for another attempt, and whether its origin will be asked at all."""
        if not retry.is_in_time(self._policy, request.timeout.total, now - began, pause):
            return False
        if self._circuits is not None and (self._circuits.refusal(request) or 0.0) > pause:
            self._stats.retries_refused += 1
            return False
        return True

    def _has_budget(self, now: float) -> bool:
        if self._budget is None or self._budget.withdraw(now):
            return True
        self._stats.retries_refused += 1
        return False


def _note(
    request: Request, outcome: Response | TransportError | None, started: float, elapsed: float, waited: float
) -> None:
    """Write an attempt down; `None` is one that was cut off."""
    status = error = None
    if isinstance(outcome, Response):
        status = outcome.status
    else:
        error = "cut off" if outcome is None else _said(outcome)
    delivery = request.delivery
    fact = Attempt(len(delivery.attempts) + 1, status, error, started, elapsed, waited)
    delivery.attempts = (*delivery.attempts, fact)


def _said(error: TransportError) -> str:
    """Write an error without the request that it is of, which is told beside it."""
    return f"{type(error).__name__}: {Exception.__str__(error)}"


def _check_body(request: Request, outcome: Response | TransportError, *, sent: bool) -> None:
    """Refuse to send a request again whose body has no start to return to.

    Raises:
        headrace.errors.UploadError: The body is spent.
    """
    body = request.body
    if body is None or isinstance(body, bytes) or body.refusal is None:
        return
    what = f"was answered with {outcome.status}" if isinstance(outcome, Response) else "failed"
    message = f"{named(request)} {what} and cannot be sent again: {body.refusal}"
    raise UploadError(message, maybe_sent=sent) from (outcome if isinstance(outcome, TransportError) else None)


def _asked(outcome: Response | TransportError) -> float | None:
    """Read what an answer asks for."""
    if not isinstance(outcome, Response):
        return None
    return asked(outcome, datetime.now(UTC))


def _maybe_sent(outcome: Response | TransportError) -> bool:
    return isinstance(outcome, Response) or outcome.maybe_sent


def _end(outcome: Response | TransportError, *, sent: bool) -> Response:
    """Leave it at the last outcome; an error tells whether any of the attempts may have reached the server."""
    if isinstance(outcome, Response):
        return outcome
    outcome.maybe_sent = sent
    try:
        raise outcome
    finally:
        del outcome  # the same
