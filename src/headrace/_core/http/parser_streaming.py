"""The body of an answer is handed on while it arrives; what is legal is decided by `headrace._core.http.parser`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from headrace._core.http.parser import ResponseParser

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace._core.messages import Response
    from headrace.errors import TransportError


class Receiver(Protocol):
    """What takes a body that arrives."""

    paused: bool

    def feed(self, piece: bytes) -> None:
        """Take at least one byte of it."""
        ...

    def end(self) -> None:
        """Hear that it is whole."""
        ...

    def fail(self, error: TransportError) -> None:
        """Hear that the rest will not come."""
        ...


class StreamingParser(ResponseParser):
    """Reads an answer, and hands out what it has collected of the body of a success after every piece that it is fed.

    An answer that is no success, and one whose body comes with its head, is collected as ever.

    Args:
        method: The method of the request.
        limit: Bytes that the body of an answer that is no success may have; that of a success has no limit.
        begin: Called with the head of a success whose body is still to come; returns what takes it.
    """

    _succeeds = False
    _receiver: Receiver | None = None
    _answer: Response | None = None

    def __init__(self, method: str, limit: int | None, begin: Callable[[Response], Receiver]) -> None:
        super().__init__(method, limit)
        self._begin = begin

    @property
    def paused(self) -> bool:  # type: ignore[override] # a constant there
        """Whether whoever takes the body has asked the peer to wait."""
        return self._receiver is not None and self._receiver.paused

    def _take_head(self, head: bytes) -> bool:
        final = super()._take_head(head)
        if final and self.status < 300:
            self._succeeds = True
            self._limit = None
        return final

    def feed(self, data: bytes) -> bool:
        """Read bytes as they arrive; see `ResponseParser.feed`."""
        complete = super().feed(data)
        if not self._succeeds:
            return complete
        receiver = self._receiver
        if receiver is None:
            if complete:
                return True
            self._answer = self.response()
            receiver = self._receiver = self._begin(self._answer)
        piece = self._collected()
        if piece:
            receiver.feed(piece)
        if complete:
            if self._answer is not None:
                self._answer.trailers = self.trailers
            receiver.end()
        return complete

    @property
    def skippable(self) -> int:
        """How many bytes of the body may be read past this parser: all of a counted one, but for the last."""
        return max(self._left - 1, 0)  # 0 where a body is not counted, too

    def skip(self, count: int) -> None:
        """Note that so many bytes of the body were read past this parser, after all that it was fed."""
        self._left -= count

    def _collected(self) -> bytes:
        """Take what there is of the body."""
        if self.complete:
            body, self.body = self.body, b""
            return body
        return self._pieces.take()

    def eof(self) -> bool:
        """Note that the peer has ended the connection in good order; see `ResponseParser.eof`."""
        complete = super().eof()
        if complete and self._receiver is not None:
            self._receiver.end()
        return complete

    def fail(self, error: TransportError) -> None:
        """Tell who takes the body that the rest of it will not come."""
        if self._receiver is not None:
            self._receiver.fail(error)
