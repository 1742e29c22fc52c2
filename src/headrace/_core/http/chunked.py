"""The chunked coding (RFC 9112, section 7.1) is read by llhttp, and what it lets pass is counted and bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from httptools import HttpResponseParser

from headrace.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_TRAILERS: Final = 64
_MOST_TRAILER_BYTES: Final = 16 * 1024
_MOST_TRAILER_SECTION: Final = 2 * _MOST_TRAILER_BYTES  # with all that is between names and values
#: A head that puts llhttp into the state behind a real one.
_PREAMBLE: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_EMPTY_LINE: Final = b"\r\n\r\n"


class _End:
    """Hears that a body has ended, and nothing else of it."""

    __slots__ = ("reached",)

    def __init__(self) -> None:
        self.reached = False

    def on_message_complete(self) -> None:
        self.reached = True


def _new_follower() -> tuple[HttpResponseParser, _End]:
    """Make a parser that stands before the first chunk, and what hears it end."""
    end = _End()
    parser = HttpResponseParser(end)
    parser.feed_data(_PREAMBLE)
    return parser, end


class Chunks:
    """Receives a chunked body; a head of our own puts llhttp into the state behind a real one."""

    __slots__ = (
        "_before", "_follower", "_last", "_parser", "_parts", "_section", "began", "complete", "count", "size",
        "trailer_bytes", "trailers",
    )  # fmt: skip

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # of the body, in the piece that was fed last
        self.size = 0
        self.count = 0
        self._before = -1  # bytes of the body before the last chunk; as many as of the body are in the last of all
        self._section = 0  # bytes of pieces in which nothing but trailer fields, or a part of one, has come
        self.trailers: list[tuple[str, str]] = []
        self.trailer_bytes = 0
        self.began = 0
        self.complete = False
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._parser.feed_data(_PREAMBLE)
        self.trailers.clear()
        self.trailer_bytes = 0
        self._last = b""
        self._follower: tuple[HttpResponseParser, _End] | None = None  # stands where the last piece begins

    def feed(self, data: bytes) -> None:
        if self._parser is None:
            return
        if self._last:
            if self._follower is None:
                self._follower = _new_follower()
            self._follower[0].feed_data(self._last)
        self._last = data
        before = self._before
        self._parser.feed_data(data)
        if before == self.size and not self.complete:
            self._check_section(len(data))

    def _check_section(self, count: int) -> None:
        """Hold a trailer section that comes in pieces to its limit: llhttp tells of a field when it is whole."""
        self._section += count
        if self._section > _MOST_TRAILER_SECTION:
            message = f"more than {_MOST_TRAILER_SECTION} bytes of trailer fields"
            raise ProtocolError(message)

    def taken(self) -> list[bytes]:
        """Take what there is of the body, chunk by chunk; to be done after every piece, for many chunks weigh much."""
        parts, self._parts = self._parts, []
        return parts

    def behind(self) -> int:
        """Count the bytes of the last piece that follow the body, which has ended in it.

        llhttp does not tell. So a second parser, which stands where the piece begins, is fed up to one place after the
        other where a body can end, until it has ended there.
        """
        data, begin = self._last, 0
        parser, end = self._follower or _new_follower()
        for place in _possible_ends(data):
            parser.feed_data(data[begin:place])
            if end.reached:
                return len(data) - place
            begin = place
        return 0

    def release(self) -> None:
        self._parser = None  # it holds our callbacks: a cycle that only the collector would free
        self._follower = None
        self._last = b""

    def on_message_begin(self) -> None:
        self.began += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.complete:  # a field of another message, glued behind ours
            return
        self.trailer_bytes += len(name) + len(value)
        self.trailers.append((name.decode("latin-1"), value.decode("utf-8", "surrogateescape").strip(" \t")))
        if len(self.trailers) > MOST_TRAILERS or self.trailer_bytes > _MOST_TRAILER_BYTES:
            message = f"more than {MOST_TRAILERS} trailer fields or {_MOST_TRAILER_BYTES} bytes of them"
            raise ProtocolError(message)

    def on_chunk_header(self) -> None:
        self.count += 1
        self._before = self.size

    def on_body(self, data: bytes) -> None:
        if self.complete:  # the body of another message, glued behind ours
            return
        self.size += len(data)
        self._parts.append(data)

    def on_message_complete(self) -> None:
        self.complete = True


def _possible_ends(data: bytes) -> Iterator[int]:
    """Say behind which bytes of a piece a body can end: an empty line is the last of it (RFC 9112, section 7.1)."""
    yield from range(1, min(4, len(data) + 1))  # the line may have begun in the piece before
    end = data.find(_EMPTY_LINE)
    while end >= 0:
        yield end + 4
        end = data.find(_EMPTY_LINE, end + 1)
