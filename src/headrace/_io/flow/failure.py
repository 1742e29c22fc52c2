"""How a call fails: what is counted, which request the error names, and what becomes of a time that is over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from yarl import URL

from headrace import _redact
from headrace._checks import shown
from headrace._core.call import Undecoded
from headrace._core.messages import Delivery
from headrace._io.frames import clear_frames
from headrace.errors import FrameworkException, HTTPError, RequestTimeout, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace._core.call import Call
    from headrace._core.messages import Request, Wait
    from headrace._core.request.prepare import Defaults
    from headrace._core.stats import Stats
    from headrace._io.deadline import Deadline


_SERVER: Final = "the server"
_OTHER: Final = "before it was sent"
#: Shares of a time below this are not worth telling.
_LEAST_SHARE: Final = 0.005


def failed(
    error: BaseException,
    call: Call,
    request: Request | None,
    deadline: Deadline,
    stats: Stats,
    defaults: Defaults | None,
) -> None:
    """Count a call that has failed, name it in its error, and clear what it has left in the variables of its frames.

    Args:
        error: What came up to the client.
        call: What was asked for.
        request: What was to be sent; `None` where it had not come to that.
        deadline: The time of the call.
        stats: Where to count.
        defaults: The client's settings, to find out where a call would have gone; `None` for one that has none.

    Raises:
        headrace.errors.RequestTimeout: The time is over.
    """
    clear_frames(error)
    delivery = Delivery() if request is None else request.delivery
    if delivery.sink is not None:
        delivery.sink.close()
    if isinstance(error, asyncio.CancelledError) and deadline.is_mine():
        verdict = "was not answered" if call.response_format is Undecoded.STREAMED else "did not end"
        # Without a request, it has waited for credentials: nothing else comes before.
        why = ": waited for credentials" if request is None else went_into(delivery, deadline.seconds)
        message = f"{verdict} within {deadline.seconds:g} s{why} (timeout=)"
        late = RequestTimeout(message, maybe_sent=delivery.sent)
        late.attempts = delivery.attempts
        _name(late, call, delivery.last or request, defaults)
        stats.errors["RequestTimeout"] += 1
        raise late from None
    if isinstance(error, Exception):
        stats.errors[type(error).__name__] += 1
    if isinstance(error, FrameworkException) and not isinstance(error, HTTPError):
        _name(error, call, delivery.last or request, defaults)


def went_into(delivery: Delivery, seconds: float, before: Mapping[Wait, float] | None = None) -> str:
    """Tell what the time of a request went into, as the end of a sentence.

    Args:
        delivery: What happened to it on its way.
        seconds: How long it had.
        before: What it had spent when the time began.
    """
    began = before or {}
    spent: dict[str, float] = {str(wait): part - began.get(wait, 0.0) for wait, part in (delivery.spent or {}).items()}
    rest = seconds - sum(spent.values())
    last = delivery.last
    was_sent = delivery.sent or (last is not None and last.delivery.sent)
    spent[_SERVER if was_sent else _OTHER] = rest
    told = [f"{what} {part:.3g} s" for what, part in spent.items() if part >= _LEAST_SHARE * seconds]
    count = len(delivery.attempts if last is None else last.delivery.attempts)
    attempts = f"; attempts: {count}" if count > 1 and before is None else ""  # else it is of one of them
    return f": waited for {', '.join(told)}{attempts}" if told else ""


def _name(error: FrameworkException, call: Call, request: Request | None, defaults: Defaults | None) -> None:
    """Write down in an error which request it is of."""
    if request is None:
        error.method = shown(call.method)
        error.url = _place(call, None if isinstance(error, ValidationError) else defaults)
        return
    error.method = shown(request.method)
    try:
        error.url = request.shown
    except ValueError:  # what a transport has made of it is no URL
        error.url = shown(_redact.path(request.target))


def _place(call: Call, defaults: Defaults | None) -> str:
    """Find where a call would have gone, as far as that is known: its URL, else its path."""
    if defaults is not None:
        try:
            origin, target, *_ = defaults.locate(call.path, call.parameters)
        except (FrameworkException, UnicodeEncodeError):
            pass  # its error tells of something that was wrong before
        else:
            credentials = defaults.credentials
            also = () if credentials is None else credentials.parameters.keys()
            return _redact.url(URL(origin.text + target, encoded=True), also)
    return "" if call.path is None else shown(_redact.path(call.path))
