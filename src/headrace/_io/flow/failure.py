"""How a call fails: what is counted, and what becomes of a time that is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headrace import _redact
from headrace._core.call import Undecoded
from headrace._core.messages import Delivery
from headrace._io.frames import clear_frames
from headrace.errors import RequestTimeout

if TYPE_CHECKING:
    from headrace._core.call import Call
    from headrace._core.messages import Request
    from headrace._core.stats import Stats
    from headrace._io.deadline import Deadline


def failed(error: BaseException, call: Call, request: Request | None, deadline: Deadline, stats: Stats) -> None:
    """Count a call that has failed, and clear what it has left in the variables of its frames.

    Args:
        error: What came up to the client.
        call: What was asked for.
        request: What was to be sent; `None` where it had not come to that.
        deadline: The time of the call.
        stats: Where to count.

    Raises:
        headrace.errors.RequestTimeout: The time is over.
    """
    clear_frames(error)
    delivery = Delivery() if request is None else request.delivery
    if delivery.sink is not None:
        delivery.sink.close()
    if isinstance(error, asyncio.CancelledError) and deadline.is_mine():
        where = _redact.path(call.path or ("" if request is None else request.shown))
        verdict = "was not answered" if call.response_format is Undecoded.STREAMED else "did not end"
        message = f"{call.method} {where} {verdict} within {deadline.seconds:g} s"
        late = RequestTimeout(message, maybe_sent=delivery.sent)
        late.attempts = delivery.attempts
        stats.errors["RequestTimeout"] += 1
        raise late from None
    if isinstance(error, Exception):
        stats.errors[type(error).__name__] += 1
