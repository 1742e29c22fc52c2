"""The pieces of a body are taken where the code of their iterable is to run: on the loop, or in the caller's thread.

A thread takes as many as a window holds, and tells the loop only where that waits for more: to hand each piece over by
itself would cost more than to send it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from headrace import _calling

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

_MOST_PIECES: Final = 64
_MOST_BYTES: Final = 256 * 1024


async def pieces_of(source: Iterable[Any]) -> AsyncGenerator[Any, None]:
    """Take the pieces of a plain iterable.

    Args:
        source: Its pieces are not looked at; what it raises is raised behind those before.
    """
    caller = _calling.current.get()
    if caller is None or isinstance(source, (list, tuple)):  # there is no code of the caller's in these
        for piece in source:
            yield piece
        return
    window = _Window(await caller.call(iter, source))
    try:
        while not await window.fill(caller):
            while await window.has_piece():
                yield window.pieces.popleft()
    finally:
        window.stop()


class _Window:
    """Pieces that a thread has taken and the loop has not sent yet."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._taking: asyncio.Task[bool] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._stopped = False
        self.pieces: deque[Any] = deque()

    async def fill(self, caller: _calling.Caller) -> bool:
        """Have the thread take pieces again; tell whether there are no more, and raise what it has met instead."""
        if self._taking is not None and self._taking.result():
            return True
        self._taking = self._loop.create_task(caller.call(self._take))
        self._taking.add_done_callback(self._wake)
        return False

    async def has_piece(self) -> bool:
        """Wait for a piece; there is none where the thread has ended its turn."""
        while not self.pieces and self._taking is not None and not self._taking.done():
            self._waiter = self._loop.create_future()
            if not self.pieces and not self._taking.done():  # the thread may have looked for the waiter before
                await self._waiter
            self._waiter = None
        return bool(self.pieces)

    def _take(self) -> bool:
        """Take pieces until the window is full; in the thread. Tell whether there are no more."""
        size = 0
        for count, piece in enumerate(self._source, 1):
            # A copy of what its owner may change before it is sent.
            own = bytes(piece) if isinstance(piece, (bytearray, memoryview)) else piece
            self.pieces.append(own)
            if self._waiter is not None:
                self._loop.call_soon_threadsafe(self._wake)
            size += len(own) if isinstance(own, bytes) else 0
            if self._stopped or count >= _MOST_PIECES or size >= _MOST_BYTES:
                return False
        return True

    def _wake(self, _: Any = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def stop(self) -> None:
        """Have the thread take no more."""
        self._stopped = True
        if self._taking is not None and not self._taking.cancel() and not self._taking.cancelled():
            self._taking.exception()  # seen: whoever wanted the pieces is gone
