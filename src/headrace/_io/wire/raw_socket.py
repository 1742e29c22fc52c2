"""A socket is read or written past its transport here: a thread has a duplicate of its descriptor, for plain sockets.

A thread is used because a disk may have to be waited for. It works on a duplicate: the number of the original may be
another connection's as soon as the event loop has closed it, the duplicate's is ours until we close it.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from typing import TYPE_CHECKING, Any, TypeVar

from headrace._io import threads

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Milliseconds that a thread waits for the peer, before the loop does so without a thread.
_PATIENCE = 10


class Bypass:
    """A duplicate of the socket of one plain connection.

    Args:
        transport: Its transport; see `possible`.

    Raises:
        OSError: No descriptor is left.
    """

    __slots__ = ("_poll", "socket", "stopped")

    def __init__(self, transport: Any) -> None:
        self.socket = os.dup(transport.get_extra_info("socket").fileno())
        self.stopped = False  # read by the thread: it is to come to its end
        self._poll: select.poll | None = None

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do work that looks at `stopped` between its steps; a cancellation waits for the step that is under way."""
        working = threads.begin(work, *arguments)
        try:
            return await threads.result(working)
        finally:
            self.stopped = not working.done()
            await threads.settled(working)

    def ready(self, event: int) -> bool:
        """Wait a moment for the peer, in the thread; tell whether it was worth it."""
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.socket, event)
        return bool(self._poll.poll(_PATIENCE))

    def set_option(self, option: int, value: int) -> None:
        """Set a number of the socket's level, which holds for the original as well; a socket that is gone has none."""
        with contextlib.suppress(OSError):
            view = socket.socket(fileno=self.socket)
            try:
                view.setsockopt(socket.SOL_SOCKET, option, value)
            finally:
                view.detach()

    def close(self) -> None:
        """Give up the duplicate."""
        os.close(self.socket)


def possible(transport: Any) -> bool:
    """Tell whether a transport is open and writes to its socket just what it is given, and whether threads may poll."""
    if transport is None or transport.is_closing() or not hasattr(select, "poll"):
        return False
    return transport.get_extra_info("sslcontext") is None and transport.get_extra_info("socket") is not None
