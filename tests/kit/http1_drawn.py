"""Parts of HTTP/1.1 answers as hypothesis draws them, and how they are written and cut."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

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
