"""A connection over TLS is read into a buffer of ours.

Given the choice, the TLS layer of an event loop makes an object of 256 KiB for each read, and cuts it to what came.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from headrace._io.wire.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace._core.stats import Stats

#: Bytes of one read at most, as event loops have it.
_ONE_READ: Final = 256 * 1024


class EncryptedConnection(Connection, asyncio.BufferedProtocol):
    """A `Connection` over TLS.

    Args:
        loop: See `Connection`, as all others.
        key: The same.
        on_free: The same.
        on_gone: The same.
        on_lost: The same.
        stats: The same.
        read_into: What is read goes there first, see `Maker`.
    """

    __slots__ = ("_read_into",)

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        key: str,
        on_free: Callable[[Connection], None],
        on_gone: Callable[[Connection], None],
        on_lost: Callable[[Connection], None],
        stats: Stats,
        read_into: memoryview,
    ) -> None:
        super().__init__(loop, key, on_free, on_gone, on_lost, stats)
        self._read_into = read_into

    def get_buffer(self, sizehint: int) -> Any:  # noqa: ARG002 - the layer asks for as much as we have
        """Lend the buffer."""
        return self._read_into

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        self.data_received(bytes(self._read_into[:nbytes]))


class Maker:
    """Makes the connections of one loop, with one buffer for all that are encrypted.

    They may share it, because nothing runs between a read and its `buffer_updated`. It is a `memoryview`: asyncio's TLS
    cuts it into slices to read on behind what it has, and slices of a `bytearray` are copies, so that what came second
    would be lost in silence.

    Args:
        loop: The loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._read_into: memoryview | None = None

    def __call__(
        self,
        key: str,
        on_free: Callable[[Connection], None],
        on_gone: Callable[[Connection], None],
        on_lost: Callable[[Connection], None],
        stats: Stats,
        *,
        encrypted: bool,
    ) -> Connection:
        """Make a connection that waits for its transport; see `Connection`."""
        if not encrypted:
            return Connection(self._loop, key, on_free, on_gone, on_lost, stats)
        if self._read_into is None:
            self._read_into = memoryview(bytearray(_ONE_READ))
        return EncryptedConnection(self._loop, key, on_free, on_gone, on_lost, stats, self._read_into)
