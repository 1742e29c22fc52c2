"""A file goes past our own memory: `sendfile(2)` in a thread, from the page cache into the socket."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from typing import Any, Protocol

from headrace._io.wire import raw_socket
from headrace.errors import ConnectionLost

#: Whether this system can do it; elsewhere `sendfile` has other arguments, or none of it is there.
AVAILABLE = sys.platform == "linux" and hasattr(os, "sendfile")
#: Bytes of one system call, so that a thread that is to stop does so soon.
_ONE_CALL = 1024 * 1024


class Uplink(Protocol):
    """What sending a file asks of the connection that it goes over."""

    async def drained(self) -> None:
        """Wait until the transport holds no byte any more."""
        ...

    async def paused(self) -> None:
        """Wait for `resume_writing`."""
        ...

    def resume_writing(self) -> None:
        """Go on."""
        ...


class Pusher:
    """Sends pieces of files into the socket of one plain connection, between what its transport writes.

    Args:
        connection: The connection.
        transport: Its transport.
    """

    __slots__ = ("_bypass", "_connection", "_transport")

    def __init__(self, connection: Uplink, transport: Any) -> None:
        self._connection = connection
        self._transport = transport
        self._bypass = raw_socket.Bypass(transport)
        # The transport calls nothing but an empty buffer resumed: our bytes must not overtake its own.
        transport.set_write_buffer_limits(0)

    async def push(self, descriptor: int, start: int, count: int) -> int:
        """Send a piece of a file.

        Args:
            descriptor: The file.
            start: Where the piece begins.
            count: Bytes that it has at most.

        Returns:
            How many bytes were sent; 0 where the file has none there, or cannot be sent in this way.

        Raises:
            headrace.errors.ConnectionLost: The connection is gone.
        """
        await self._connection.drained()
        while True:
            try:
                sent = await self._bypass.in_thread(self._send, descriptor, start, count)
            except (ConnectionError, TimeoutError) as error:
                message = "the server ended the connection while the body was sent"
                raise ConnectionLost(message) from error
            except OSError:
                return 0  # a file that cannot be read says so when it is read the other way
            if sent is not None:
                return sent
            await self._writable()
            await self._connection.drained()  # or it is gone

    def _send(self, descriptor: int, start: int, count: int) -> int | None:
        """Send until the piece ends, or the socket has taken nothing for a while; `None` is nothing at all."""
        at, end = start, start + count
        while at < end and not self._bypass.stopped:
            try:
                sent = os.sendfile(self._bypass.socket, descriptor, at, min(_ONE_CALL, end - at))
            except BlockingIOError:
                if not self._bypass.ready(select.POLLOUT):
                    break
                continue
            except OSError:
                if at > start:
                    break  # what was sent counts; the next call meets the error again
                raise
            if not sent:
                return at - start
            at += sent
        return at - start or None

    async def _writable(self) -> None:
        """Wait until the socket takes more, without a thread; also until the connection is gone."""
        loop = asyncio.get_running_loop()
        loop.add_writer(self._bypass.socket, self._connection.resume_writing)
        try:
            await self._connection.paused()
        finally:
            loop.remove_writer(self._bypass.socket)

    def close(self) -> None:
        """Give up the duplicate, and leave the transport as it was."""
        self._bypass.close()
        if not self._transport.is_closing():
            self._transport.set_write_buffer_limits()


def pusher_of(connection: Uplink, transport: Any) -> Pusher | None:
    """Make a `Pusher` where the system has `sendfile` and the connection is not encrypted."""
    if not AVAILABLE or not raw_socket.possible(transport):
        return None
    try:
        return Pusher(connection, transport)
    except OSError:  # no descriptor is left: reading needs no other one
        return None
