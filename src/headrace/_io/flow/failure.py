"""How a request fails lives here: what is counted, what becomes of a time that is over, and what a log may not see."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from headrace import _redact
from headrace.errors import RequestTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace._core.messages import Request
    from headrace._core.stats import Stats
    from headrace._io.deadline import Deadline
    from headrace.config import Timeout

#: Whose variables are forgotten. A caller's own functions, which may have failed here too, keep theirs.
_ROOMS = ("headrace", "aiohttp", "yarl")


def failed(
    error: BaseException,
    deadline: Deadline | None,
    limits: Timeout,
    stats: Stats,
    method: Any,
    path: Any,
    verdict: str,
    request: Request | None,
) -> RequestTimeout | None:
    """Count a request that has failed, and forget what it has left in the variables of its frames.

    Args:
        error: What came up to the client.
        deadline: The time of the request; `None` where it has no end.
        limits: How long that was.
        stats: Where to count.
        method: Its method.
        path: Where it went.
        verdict: What it did not do within its time.
        request: What was to be sent; `None` where it had not come to that.

    Returns:
        The error to raise instead, where the time is over.
    """
    forget(error)
    if isinstance(error, asyncio.CancelledError):
        if deadline is None or not deadline.is_mine():
            return None
        sent = request is not None and request.sent
        late = RequestTimeout(f"{method} {_redact.path(path)} {verdict} within {limits.total:g} s", maybe_sent=sent)
        late.attempts = vars(error).get("attempts", ())
        stats.errors["RequestTimeout"] += 1
        return late
    if isinstance(error, Exception):
        stats.errors[type(error).__name__] += 1
    return None


def forget(error: BaseException) -> None:
    """Clear the variables of the frames that an error has come through, its causes' too.

    Trackers of errors show the variables of every frame, and ours hold header fields, cookies and bodies. Frames that
    are running cannot be cleared; whoever is drops its secrets itself. None may be suspended, for to clear that is to
    end its coroutine (up to Python 3.12): whoever catches an error and then waits has to `go_on`.
    """
    for each in chain(error):
        trace = each.__traceback__
        while trace is not None:
            frame = trace.tb_frame
            if str(frame.f_globals.get("__name__", "")).partition(".")[0] in _ROOMS:
                with contextlib.suppress(RuntimeError):  # it is running
                    frame.clear()
            trace = trace.tb_next


def go_on(error: BaseException) -> None:
    """Take the frame that has caught an error out of its traceback, because the frame has not ended with it.

    The same error may be raised in other requests, too, which forget the frames that they find there.
    """
    trace = error.__traceback__
    if trace is not None:
        error.__traceback__ = trace.tb_next


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, each once."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            waiting += [each.__cause__, each.__context__]
            yield each
