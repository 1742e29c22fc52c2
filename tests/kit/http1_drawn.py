"""Parts of HTTP/1.1 answers as hypothesis draws them: how they are written and cut, and what h11 reads of them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import h11
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = st.from_regex(rb"[!#$%&'*+.^_`|~A-Za-z0-9-]{1,12}", fullmatch=True).filter(
    lambda name: name.lower() not in {b"content-length", b"transfer-encoding", b"connection", b"upgrade"}
)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=20)
FIELDS = st.lists(st.tuples(NAMES, VALUES.map(lambda value: value.strip(" ").encode("latin-1"))), max_size=5)
EXTENSIONS = st.from_regex(rb'(;[a-z]{1,4}(=([a-z0-9]{1,4}|"[a-z ,;]{0,4}"))?){0,2}', fullmatch=True)
PIECES = st.lists(st.binary(min_size=1, max_size=40), max_size=6)
CUTS = st.lists(st.integers(0, 2000), max_size=6)
Fields = list[tuple[bytes, bytes]]


def lines(fields: Fields) -> bytes:
    """Write field lines."""
    return b"".join(b"%b: %b\r\n" % field for field in fields)


def as_sent(fields: Iterable[tuple[str, str]]) -> Fields:
    """Take fields back to the bytes that they came in."""
    return [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in fields]


def cut(wire: bytes, positions: list[int]) -> list[bytes]:
    """Cut bytes at positions, which may lie behind their end."""
    marks = sorted({0, len(wire), *(position % len(wire) for position in positions)})
    return [wire[a:b] for a, b in pairwise(marks)]


def answer_by_h11(wire: bytes, method: str = "GET", *, ended: bool = False) -> tuple[bool, int, bytes, Fields, Fields]:
    """Read a whole answer with h11.

    Args:
        wire: Its bytes.
        method: What it answers.
        ended: Whether the connection ends behind it.

    Returns:
        Whether the connection can be used again, status, body, fields and trailers.
    """
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "x"), ("Content-Length", "0")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(wire)
    if ended:
        connection.receive_data(b"")
    status, body, fields = 0, b"", []
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            status, fields = event.status_code, event.headers.raw_items()
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
    return connection.their_state is h11.DONE, status, body, fields, event.headers.raw_items()
