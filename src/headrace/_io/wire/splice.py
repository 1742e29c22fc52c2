"""Bodies of known length go from the socket into a file here, in one thread and past the event loop.

Read by the loop, every piece costs an object, a call of each layer and a change of threads; and two threads that copy
on one core hold the loop up. On Linux the bytes do not even pass through the process: `splice(2)` hands them on.

A server that copies what it sends does so in pieces of 32 KiB or less. Taken one by one, each costs two system calls
and a change of cores; so the thread lets half a megabyte gather (SO_RCVLOWAT, tcp(7)), for as long as it would wait for
the peer anyway, and takes what there is then.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from headrace._io.wire import raw_socket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace._core.messages import FileTarget
    from headrace.types import Bytes

#: Bytes of one read: more are slower, because they no longer fit into the core's cache between the two copies.
_ONE_READ: Final = 256 * 1024
#: Bytes that a pipe holds at most; Linux lets everybody have so much, but not all of the time.
_PIPE: Final = 1024 * 1024
#: Bytes that are to gather before a thread reads them.
_GATHERED: Final = 512 * 1024
#: Seconds after which a thread gives account, so that progress shows.
_ROUND: Final = 0.05


class Puller:
    """Reads the body of one answer from a plain connection whose transport does not read meanwhile.

    Args:
        transport: The transport of the connection.
    """

    __slots__ = ("_buffer", "_bypass", "_gathering", "_pipe", "ended")

    def __init__(self, transport: Any) -> None:
        self._bypass = raw_socket.Bypass(transport)
        self._gathering = 1  # bytes that have to be there before the socket is said to be readable
        self._buffer: memoryview | None = None
        self._pipe: tuple[int, int] | None = None
        self.ended = False  # the peer sends no more: its transport will find out why

    async def pull(self, pieces: Sequence[Bytes], most: int, target: FileTarget) -> int:
        """Write pieces that are there, then what can be read within a moment.

        Args:
            pieces: What comes first.
            most: Bytes to read at most.
            target: Where they go.

        Returns:
            Bytes that were read and written.
        """
        return await self._bypass.in_thread(self._pull, pieces, most, target)

    def _pull(self, pieces: Sequence[Bytes], most: int, target: FileTarget) -> int:
        if pieces:
            target.write(pieces)
        step = self._splice if target.takes_pipes and hasattr(os, "splice") and self._piped() else self._read
        left, until = most, time.monotonic() + _ROUND
        while left and not self._bypass.stopped and time.monotonic() < until:
            self._gather(min(_GATHERED, left))
            gathered = self._bypass.ready(select.POLLIN)
            try:
                count = step(left, target)
            except BlockingIOError:
                if not gathered:
                    break
                continue
            if not count:
                self.ended = True
                break
            left -= count
        self._gather(1)  # whoever waits next, waits for any byte
        return most - left

    def _gather(self, count: int) -> None:
        """Say how many bytes have to be there before the socket is readable, where the system knows of that."""
        if count != self._gathering and sys.platform == "linux":
            self._gathering = count
            self._bypass.set_option(socket.SO_RCVLOWAT, count)

    def _read(self, most: int, target: FileTarget) -> int:
        """Read once, and write that; 0 is the end."""
        if self._buffer is None:
            self._buffer = memoryview(bytearray(_ONE_READ))
        try:
            count = os.readv(self._bypass.socket, [self._buffer[:most]])
        except ConnectionError:
            return 0
        if count:
            target.write([self._buffer[:count]])
        return count

    def _splice(self, most: int, target: FileTarget) -> int:
        """Move what there is without a copy of ours; 0 is the end."""
        readable, writable = self._pipe or (-1, -1)
        try:
            count = os.splice(self._bypass.socket, writable, min(most, _PIPE))
        except ConnectionError:
            return 0
        if count:
            target.take(readable, count)
        return count

    def _piped(self) -> bool:
        """Have a pipe; tell whether there is one."""
        if self._pipe is None:
            import fcntl  # is not everywhere, unlike this module

            try:
                self._pipe = os.pipe()
            except OSError:  # no descriptor is left: a buffer needs none
                return False
            with contextlib.suppress(OSError):  # all that a user may have of larger ones is in use
                fcntl.fcntl(self._pipe[1], fcntl.F_SETPIPE_SZ, _PIPE)
        return True

    async def readable(self, waiter: asyncio.Future[None]) -> None:
        """Wait for more without a thread, or until somebody else ends the waiting.

        Args:
            waiter: What they would end it with.
        """

        def heard() -> None:
            if not waiter.done():
                waiter.set_result(None)

        loop = asyncio.get_running_loop()
        loop.add_reader(self._bypass.socket, heard)
        try:
            await waiter
        finally:
            loop.remove_reader(self._bypass.socket)

    def close(self) -> None:
        """Give up what it has of the socket."""
        self._bypass.close()
        for end in self._pipe or ():
            os.close(end)


def puller_of(transport: Any) -> Puller | None:
    """Make a `Puller` where the connection is not encrypted."""
    if not hasattr(os, "readv") or not raw_socket.possible(transport):
        return None
    try:
        return Puller(transport)
    except OSError:  # no descriptor is left: the loop needs no other one
        return None
