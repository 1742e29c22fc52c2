"""The body of an answer while it arrives over a connection of ours: never more of it than the reader takes.

What has arrived and was not read yet is held; above a high mark the socket is not read from any more, so that the
server has to wait (TCP flow control, RFC 9293, section 3.8.6), and below a low mark it is again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from headrace._core.pieces import Pieces
from headrace.errors import AsyncClientError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from headrace._core.messages import FileTarget, Response
    from headrace._io.wire.splice import Puller
    from headrace.errors import TransportError

#: Bytes; a loop reads up to 256 KiB at once, so there are 512 KiB at most.
_HIGH: Final = 256 * 1024
_LOW: Final = 64 * 1024


class Lender(Protocol):
    """What a body asks of the connection that it comes over."""

    @property
    def skippable(self) -> int:
        """How many bytes of it may be read past the transport."""
        ...

    def skip(self, count: int) -> None:
        """Note that so many were read past the transport."""
        ...

    def puller(self) -> Puller | None:
        """Make what reads past the transport; `None` where that cannot be."""
        ...

    def pause_reading(self) -> None:
        """Let the server wait."""
        ...

    def resume_reading(self) -> None:
        """Read on."""
        ...

    def abandon(self, waiter: asyncio.Future[Response], /) -> None:
        """End the exchange, if it is still the same."""
        ...


class Arriving:
    """A `headrace._core.messages.BodySource` over a connection.

    Args:
        connection: The connection, lent to this exchange until the body has ended.
        answer: The future of the exchange's answer, which tells it from a later one on the same connection.
        loop: Its loop.
    """

    __slots__ = ("_answer", "_connection", "_ended", "_error", "_loop", "_pieces", "_waiter", "paused")

    def __init__(self, connection: Lender, answer: asyncio.Future[Response], loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._answer = answer
        self._loop = loop
        self._pieces = Pieces(b"")
        self._ended = False
        self._error: TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.paused = False

    # What the connection calls; see `headrace._core.http.parser_streaming.Receiver`.

    def feed(self, piece: bytes) -> None:
        """Take at least one byte of the body."""
        self._pieces.add(piece)
        if self._pieces.size >= _HIGH and not self.paused:
            self.paused = True
            self._connection.pause_reading()
        self._wake()

    def end(self) -> None:
        """Hear that the body is whole: from now on the connection is another's."""
        self._ended = True
        self._resume()
        self._wake()

    def fail(self, error: TransportError) -> None:
        """Hear that the rest will not come; what has come can still be read."""
        self._error = error
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _resume(self) -> None:
        if self.paused:
            self.paused = False
            self._connection.resume_reading()

    # What the reader calls.

    async def read(self) -> bytes:
        """Wait for the next piece; see `headrace._core.messages.BodySource.read`."""
        while not self._pieces.size:
            if self._ended:
                return b""
            if self._error is not None:
                raise self._error
            if self._waiter is not None:
                message = "a streamed body is read by one task at a time"
                raise AsyncClientError(message)
            self._waiter = waiter = self._loop.create_future()
            try:
                await waiter
            finally:
                if self._waiter is waiter:
                    self._waiter = None
        piece = self._pieces.first()
        if self._pieces.size <= _LOW and not self._ended and self._error is None:
            self._resume()
        return piece

    async def pull(self, target: FileTarget, tell: Callable[[], object]) -> None:
        """Let a thread write what it can read of the body by itself; what is left is for `read`.

        Args:
            target: Where it is written, in a thread.
            tell: Called in the loop, now and then, when something was written.

        Raises:
            Exception: Whatever the target raises.
        """
        connection = self._connection
        puller = connection.puller() if connection.skippable else None
        if puller is None:
            return
        connection.pause_reading()
        try:
            while (most := connection.skippable) and not puller.ended:
                pieces = self._pieces.all()
                self.paused = True  # the server is not waited for while a thread writes
                count = await puller.pull(pieces, most, target)
                self.paused = False
                connection.skip(count)
                tell()
                if not count and not puller.ended:
                    await self._heard(puller)
        except BaseException:
            self.close()  # nobody knows any more which byte comes next
            raise
        finally:
            puller.close()
            self.paused = True
            self._resume()

    async def _heard(self, puller: Puller) -> None:
        """Wait until there is something to read for a puller, or the exchange has failed."""
        self._waiter = waiter = self._loop.create_future()
        try:
            if self._error is None:
                await puller.readable(waiter)
        finally:
            self._waiter = None

    def close(self) -> None:
        """Take no more of it; see `headrace._core.messages.BodySource.close`."""
        self._pieces.clear()
        self._connection.abandon(self._answer)
