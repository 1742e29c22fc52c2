"""Most answers come in one piece with nothing unusual in it: such a one is read at a glance.

A glance refuses nothing: whatever it does not know is left to `ResponseParser`, which finds the same.
"""

from __future__ import annotations

from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from headrace._core.http.parser import (
    BODILESS,
    FEWEST_BYTES_OF_TOO_MANY,
    HEAD_END,
    MOST_FIELDS,
    MOST_HEAD,
    values,
)
from headrace._core.messages import Response

#: How the status lines begin that are known here.
_PLAIN_STATUSES: Final = {b"HTTP/1.1 %d " % status: status for status in range(200, 600) if status not in BODILESS}
_HEX: Final = b"0123456789abcdefABCDEF"
_MOST_DIGITS: Final = 8  # of the size of a chunk
_MOST_CHUNKS: Final = 64
_CHUNKED: Final = -1  # for the bytes of a body that tells them itself
_LONGEST_KEPT: Final = 1024
_MOST_KEPT: Final = 128
#: What was found in heads, by their bytes without the end: those of one server are often the same for a second, as long
#: as nothing in them is new but `Date`. One that has come twice running is kept; what is full is emptied.
_KNOWN: Final[dict[bytes, tuple[int, bytes, bytes, int]]] = {}
_PREVIOUS: Final = [b""]
#: The last chunk, and the end of a trailer section without a field.
_LAST: Final = b"0\r\n\r\n"


def read_whole(data: bytes, limit: int | None) -> Response | None:
    """Read an answer that one piece holds from its first byte to its last.

    Args:
        data: The first bytes of an answer to a request that is no `HEAD`.
        limit: Bytes that the body may have; `None` is no limit.

    Returns:
        The response, whose connection may be used again; `None` where `ResponseParser` has to look.
    """
    head, _, body = data.partition(HEAD_END)
    known = _KNOWN.get(head) if _KNOWN else None
    if known is None:
        known = _judged(head, len(body))
        if known is None:
            return None
        if head == _PREVIOUS[0]:
            _keep(head, known)
        _PREVIOUS[0] = head
    status, fields, coding, size = known
    if size != len(body):
        content = _unchunked(body) if size == _CHUNKED else None
        if content is None:
            return None
        body = content
    if limit is not None and len(body) > limit:
        return None
    return Response(status, fields, body, coding, False)


def _keep(head: bytes, known: tuple[int, bytes, bytes, int]) -> None:
    if len(head) <= _LONGEST_KEPT:
        if len(_KNOWN) >= _MOST_KEPT:
            _KNOWN.clear()
        _KNOWN[head] = known


def _judged(head: bytes, size: int) -> tuple[int, bytes, bytes, int] | None:
    """Judge a head with so many bytes behind it.

    Returns:
        The status, the head with its end, its `Content-Encoding`, and the bytes of its body or `_CHUNKED`; `None` where
        anything is unusual.
    """
    status = _PLAIN_STATUSES.get(head[:13])
    if not size or status is None:
        return None
    head += HEAD_END
    if len(head) > FEWEST_BYTES_OF_TOO_MANY and (len(head) > MOST_HEAD or head.count(b"\r\n") - 2 > MOST_FIELDS):
        return None
    judge = HttpResponseParser(None)
    try:
        judge.feed_data(head)
    except (HttpParserError, HttpParserUpgrade):
        return None
    # In text, because looking for bytes in bytes costs thrice as much. llhttp lets no second length pass.
    fields = head.decode("latin-1").lower()
    if (
        "\0" in fields  # which llhttp lets stand in a reason phrase
        or "\r\nset-cookie:" in fields
        or not judge.should_keep_alive()
    ):
        return None
    coding = b""
    is_counted = f"\r\ncontent-length: {size}\r\n" in fields
    if "-encoding:" in fields:
        if "\r\ntransfer-encoding:" in fields:
            if not _is_chunked(fields):
                return None
            size, is_counted = _CHUNKED, True
        if "\r\ncontent-encoding:" in fields:
            coding = b",".join(values(head.lower(), b"\r\ncontent-encoding:"))
    return (status, head, coding, size) if is_counted else None


def _is_chunked(fields: str) -> bool:
    return (
        "\r\ntransfer-encoding: chunked\r\n" in fields
        and fields.count("\r\ntransfer-encoding:") == 1
        and "\r\ncontent-length:" not in fields
    )


def _unchunked(data: bytes) -> bytes | None:
    """Read a chunked body (RFC 9112, section 7.1) of few chunks, with no extension and no trailer field.

    Args:
        data: All that came behind the head.

    Returns:
        The content; `None` where anything is unusual, or missing, or behind it.
    """
    at = 0
    parts: list[bytes] = []
    while len(parts) < _MOST_CHUNKS:
        end = data.find(b"\r\n", at, at + _MOST_DIGITS + 2)
        digits = data[at:end]
        if end <= at or digits.strip(_HEX):
            return None
        size = int(digits, 16)
        if not size:
            break
        at = end + 2 + size
        parts.append(data[end + 2 : at])
        if data[at : at + 2] != b"\r\n":
            return None
        at += 2
    if not parts or data[at:] != _LAST:
        return None
    return parts[0] if len(parts) == 1 else b"".join(parts)
