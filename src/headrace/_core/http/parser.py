"""Bytes become an answer only if they are a legal one (RFC 9112): what is legal, where it ends, what may be reused.

llhttp judges every head and every chunk in its strict mode. It is fed each head exactly to its last byte and never sees
a body that is counted or runs to the end of the connection: those are counted here, so that bytes behind an answer are
always noticed. RFC 9112 is quoted where a rule comes from it; anything doubtful ends the connection.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from headrace._core.http.chunked import MOST_TRAILERS, Chunks
from headrace._core.http.foreign import not_http
from headrace._core.messages import Response
from headrace._core.pieces import Pieces
from headrace.errors import ProtocolError, ResponseTooLarge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.errors import TransportError

HEAD_END: Final = b"\r\n\r\n"
MOST_HEAD: Final = 64 * 1024
MOST_FIELDS: Final = 256
_MOST_INTERIM: Final = 32
_CHUNK_OVERHEAD: Final = 16 * 1024
FEWEST_BYTES_OF_TOO_MANY: Final = 4 * MOST_FIELDS  # "a:\r\n"
_DIGITS: Final = 18
_KNOWN_INTERIM: Final = frozenset({100, 102, 103})
BODILESS: Final = frozenset({204, 304})


# How the body of an answer ends (RFC 9112, section 6.3).
_State = enum.Enum("_State", "HEAD COUNTED CHUNKED TO_END COMPLETE")
_HEAD, _COUNTED, _CHUNKED, _TO_END, _COMPLETE = _State


class ResponseParser:
    """Reads one final answer, interim ones before it included. One parser an answer: nothing can carry over.

    Args:
        method: The method of the request, which decides whether the answer can have a body.
        limit: Bytes that the body may have; `None` is no limit.
    """

    # Defaults of the class, because most answers come in one piece and never set them.
    status = 0
    head = b""
    body = b""  # whole as soon as the answer is
    coding = b""
    has_cookies = False
    reusable = False
    continued = False  # whether a 100 came: the body is wanted (RFC 9110, section 10.1.1)
    paused = False  # whether it has asked the peer to wait
    behind = 0  # bytes that came in one piece with the end of a chunked body and do not belong to it
    trailers: Sequence[tuple[str, str]] = ()
    _state = _HEAD
    _spent = 0
    _interim = 0
    _partial: bytearray | None = None
    _judge: HttpResponseParser | None = None
    _pieces: Pieces[bytes]  # of the body
    _left = 0
    _size = 0  # of a body that runs to the end of the connection
    _chunks: Chunks | None = None
    _overhead = 0
    _tail = b""

    def __init__(self, method: str, limit: int | None = None) -> None:
        self._method = method
        self._limit = limit

    @property
    def complete(self) -> bool:
        """Whether the whole answer is there."""
        return self._state is _COMPLETE

    def feed(self, data: bytes) -> bool:
        """Read bytes as they arrive.

        Args:
            data: At least one byte.

        Returns:
            Whether the answer is complete now.

        Raises:
            headrace.errors.ProtocolError: They are not a legal answer.
            headrace.errors.ResponseTooLarge: The body is larger than the limit.
        """
        state = self._state
        if state is _HEAD:
            return self._feed_head(data)
        if state is _COUNTED:
            return self._feed_counted(data)
        if state is _CHUNKED:
            return self._feed_chunked(data)
        if state is _TO_END:
            self._keep(data)
            return False
        self.reusable = False  # bytes behind the answer
        return True

    def eof(self) -> bool:
        """Note that the peer has ended the connection in good order.

        Returns:
            Whether that completes the answer: only a body without a length may end so (RFC 9112, section 6.3, rule 8).
        """
        self.reusable = False
        if self._state is _TO_END:
            self._end(self._pieces.take())
        return self._state is _COMPLETE

    def response(self) -> Response:
        """Make the response of a complete answer."""
        return Response(self.status, self.head, self.body, self.coding, self.has_cookies, self.trailers)

    def fail(self, error: TransportError) -> None:
        """Hear that the rest of the answer will not come."""

    def describe_missing(self) -> str:
        """Say what of the answer is missing."""
        if self._state is _HEAD:
            return "before the head of the answer was complete"
        if self._state is _COUNTED:
            return f"{self._left} bytes before the end of the body (status {self.status})"
        return f"in the middle of the body (status {self.status})"

    def _end(self, body: bytes) -> bool:
        self.body = body
        self._state = _COMPLETE
        return True

    def _feed_head(self, data: bytes) -> bool:
        while True:
            partial = self._partial
            known = 0
            if partial is None:
                if data[0] != 0x48:  # the H of HTTP; llhttp would skip line ends here
                    raise not_http(data)
                self._judge = HttpResponseParser(None)
                end = data.find(HEAD_END)
            else:
                known = len(partial)
                partial += data
                end = partial.find(HEAD_END, max(0, known - 3))
            if end < 0:
                self._hear(data)
                if partial is None:
                    self._partial = bytearray(data)
                return False
            cut = end + 4 - known
            head = data[:cut]
            self._hear(head)
            data = data[cut:]
            if self._take_head(head if partial is None else bytes(partial[: end + 4])):
                return self._begin_body(data)
            if not data:
                return False

    def _hear(self, data: bytes) -> None:
        """Let llhttp judge (a part of) a head, and hold it to our limit."""
        self._spent += len(data)
        if self._spent > MOST_HEAD:
            message = f"the head of the answer has more than {MOST_HEAD} bytes"
            raise ProtocolError(message)
        try:
            self._judge.feed_data(data)  # type: ignore[union-attr] # made with the first byte of the head
        except (HttpParserError, HttpParserUpgrade) as error:
            message = f"the head of the answer is not legal: {error or type(error).__name__}"
            if self._judge.get_status_code() == 101:  # type: ignore[union-attr] # as above; its error tells nothing
                message = "the answer has status 101 and switches to another protocol, which was not asked for"
            raise ProtocolError(message) from error

    def _take_head(self, head: bytes) -> bool:
        """Accept a complete head; tell whether it is the final one."""
        self.status = status = self._judge.get_status_code()  # type: ignore[union-attr] # as above
        self.head = head
        # llhttp lets anything stand in the status line, so whatever is not the usual one is looked at.
        if not head.startswith(b"HTTP/1.1 200 OK\r\n") and (
            not head.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) or status < 100 or b"\0" in head
        ):
            message = f"the answer is not HTTP/1.0 or HTTP/1.1: it begins {head[:64]!r}"
            raise ProtocolError(message)
        if len(head) > FEWEST_BYTES_OF_TOO_MANY and head.count(b"\r\n") - 2 > MOST_FIELDS:
            message = f"the head of the answer has more than {MOST_FIELDS} fields"
            raise ProtocolError(message)
        if status >= 200:
            return True
        self._partial = None
        self._interim += 1
        self.continued = self.continued or status == 100
        lower = head.lower()
        framed = b"\r\ncontent-length:" in lower or b"\r\ntransfer-encoding:" in lower
        if status == 101 or self._interim > _MOST_INTERIM or (framed and status not in _KNOWN_INTERIM):
            message = f"the answer has an interim status {status} that was not asked for, or too many of them"
            raise ProtocolError(message)
        return False

    def _begin_body(self, rest: bytes) -> bool:
        """Find out how the body ends (RFC 9112, section 6.3) and take the bytes of it that are there."""
        lower = self.head.lower()
        # `find`, because `in` tries its left side as a number first and pays for the exception.
        self.has_cookies = lower.find(b"\r\nset-cookie:") >= 0
        chunked = False
        if lower.find(b"-encoding:") >= 0:
            chunked = _is_chunked(lower)
            self.coding = b",".join(values(lower, b"\r\ncontent-encoding:"))
        start = lower.find(b"\r\ncontent-length:") + 17
        length = _length(lower[start : lower.find(b"\r\n", start)]) if start > 16 else None
        if self.status in BODILESS or self._method == "HEAD" or not length or chunked:
            return self._begin_unusual(lower, rest, length, chunked=chunked)
        if self._limit is not None and length > self._limit:
            message = f"the body has {length} bytes, more than the {self._limit} that are allowed"
            raise ResponseTooLarge(message)
        # llhttp stands before the body, where it knows whether the peer keeps the connection (RFC 9112, section 9.3).
        self.reusable = self._judge.should_keep_alive()  # type: ignore[union-attr] # as above
        if len(rest) == length:
            self.body = rest
            self._state = _COMPLETE
            return True
        self._state = _COUNTED
        self._pieces = Pieces(b"")
        self._left = length
        return bool(rest) and self._feed_counted(rest)

    def _begin_unusual(self, lower: bytes, rest: bytes, length: int | None, *, chunked: bool) -> bool:
        """Take an answer without a body, with an empty one, or with one that is not counted."""
        if chunked and length is not None:  # section 6.1: a sign of request smuggling
            message = "the answer has both Transfer-Encoding and Content-Length"
            raise ProtocolError(message)
        self.reusable = _keeps_alive(lower)
        if self.status in BODILESS or self._method == "HEAD" or length == 0:
            if rest or (self.status == 204 and (chunked or length)):
                self.reusable = False
            return self._end(b"")
        return self._begin_unsized(rest, chunked=chunked)

    def _begin_unsized(self, rest: bytes, *, chunked: bool) -> bool:
        if chunked:
            self._state = _CHUNKED
            self._chunks = Chunks()
            self._pieces = Pieces(b"")
            return bool(rest) and self._feed_chunked(rest)
        self._state = _TO_END
        self._pieces = Pieces(b"")
        self.reusable = False
        self._keep(rest)
        return False

    def _feed_counted(self, data: bytes) -> bool:
        left = self._left - len(data)
        if left < 0:
            data = data[:left]
            self.reusable = False
        self._left = left
        if left <= 0 and not self._pieces.size:
            return self._end(data)
        self._pieces.add(data)
        return left <= 0 and self._end(self._pieces.take())

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        self._pieces.add(data)
        self._check_size(self._size)

    def _check_size(self, size: int) -> None:
        if self._limit is not None and size > self._limit:
            message = f"the body has more than the {self._limit} bytes that are allowed"
            raise ResponseTooLarge(message)

    def _feed_chunked(self, data: bytes) -> bool:
        chunks = self._chunks
        if chunks is None:
            return False
        before = chunks.size
        glued = False
        try:
            chunks.feed(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not chunks.complete:
                self._check_size(chunks.size)  # which in smaller pieces would have come first
                if isinstance(error.__context__, ProtocolError):
                    raise error.__context__ from None
                message = f"the chunked body is not legal: {error or type(error).__name__}"
                raise ProtocolError(message) from error
            glued = True
        self._check_size(chunks.size)
        self._pieces.extend(chunks.taken())
        self._overhead += len(data) - (chunks.size - before)
        self._tail = (self._tail + data[-5:])[-5:]
        if chunks.complete:
            # Bytes behind the body: a new message, or the line ends that llhttp skips before one.
            glued = glued or chunks.began > 1 or not self._tail.endswith(HEAD_END) or self._tail[:1] in (b"\r", b"\n")
        if glued:
            self.reusable = False
            self.behind = chunks.behind()
            self._overhead -= self.behind
        if self._overhead > _CHUNK_OVERHEAD + 16 * chunks.count + chunks.trailer_bytes + 8 * MOST_TRAILERS:
            message = "the chunked body has more framing than content"
            raise ProtocolError(message)
        if not chunks.complete:
            return False
        chunks.release()
        self.trailers = chunks.trailers or ()
        return self._end(self._pieces.take())


def values(lower_head: bytes, name: bytes) -> list[bytes]:
    """Read every value of a field from a head in lower case; the name stands between its line end and its colon."""
    found = []
    start = lower_head.find(name)
    while start >= 0:
        start += len(name)
        end = lower_head.find(b"\r\n", start)
        found.append(lower_head[start:end].strip(b" \t"))
        start = lower_head.find(name, end)
    return found


def _length(value: bytes) -> int:
    """Read the one `Content-Length`; llhttp has refused a second one, and whatever is no number."""
    value = value.strip(b" \t")
    if not value.isdigit() or len(value) > _DIGITS:
        message = f"the answer has no legal Content-Length: {value[:80]!r}"
        raise ProtocolError(message)
    return int(value)


def _is_chunked(lower_head: bytes) -> bool:
    found = values(lower_head, b"\r\ntransfer-encoding:")
    if not found:
        return False
    if found != [b"chunked"] or not _is_http_1_1(lower_head):  # section 6.1: HTTP/1.0 has no transfer codings
        message = f"the answer has a Transfer-Encoding other than one `chunked`: {b', '.join(found)[:80]!r}"
        raise ProtocolError(message)
    return True


def _is_http_1_1(lower_head: bytes) -> bool:
    return lower_head.startswith(b"http/1.1")


def _keeps_alive(lower_head: bytes) -> bool:
    """Tell whether the peer will keep the connection (RFC 9112, section 9.3)."""
    options = b",".join(values(lower_head, b"\r\nconnection:"))
    tokens = {token.strip(b" \t") for token in options.split(b",")}
    return b"close" not in tokens and (_is_http_1_1(lower_head) or b"keep-alive" in tokens)
