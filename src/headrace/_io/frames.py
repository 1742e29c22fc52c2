"""No secret stays in the variables of a frame that an error came through."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Whose variables are cleared. A caller's own functions, which may have failed here too, keep theirs.
_ROOMS = ("headrace", "aiohttp", "yarl")


def clear_frames(error: BaseException) -> None:
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

    The same error may be raised in other requests, too, which clear the frames that they find there.
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
