"""A second parser, h11, writes answers and reads them: ours finds the same, whole or in pieces."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.http1_answers import ILLEGAL, LEGAL, Verdict, read
from tests.kit.http1_drawn import CUTS, EXTENSIONS, FIELDS, PIECES, Fields, answer_by_h11, as_sent, cut, lines

STATUSES = st.integers(200, 599).filter(lambda status: status not in {204, 304})


class Written(NamedTuple):
    """What a made-up server answers."""

    status: int
    fields: Fields
    pieces: list[bytes]
    extension: bytes
    trailers: Fields
    chunked: bool
    close: bool

    def head(self) -> Fields:
        """List the fields of the head, those of the framing too."""
        length = b"%d" % sum(map(len, self.pieces))
        framing = (b"Transfer-Encoding", b"chunked") if self.chunked else (b"Content-Length", length)
        return [*self.fields, framing, *([(b"Connection", b"close")] if self.close else [])]

    def wire(self) -> bytes:
        """Write it."""
        wire = b"HTTP/1.1 %d \r\n" % self.status + lines(self.head()) + b"\r\n"
        if not self.chunked:
            return wire + b"".join(self.pieces)
        coded = (b"%x%b\r\n%b\r\n" % (len(piece), self.extension, piece) for piece in self.pieces)
        return wire + b"".join(coded) + b"0" + self.extension + b"\r\n" + lines(self.trailers) + b"\r\n"


@settings(max_examples=150)
@given(
    written=st.builds(Written, STATUSES, FIELDS, PIECES, EXTENSIONS, FIELDS, st.booleans(), st.booleans()), cuts=CUTS
)
def test_what_was_written_is_read(written: Written, cuts: list[int]) -> None:
    """Any legal answer in any pieces is read as it was written, and as h11 reads it."""
    wire = written.wire()
    verdict = read(cut(wire, cuts))
    assert isinstance(verdict, Verdict)
    seen = (*verdict[1:4], as_sent(verdict.headers), as_sent(verdict.trailers))
    trailers = written.trailers if written.chunked else []
    assert verdict.complete
    assert seen == (not written.close, written.status, b"".join(written.pieces), written.head(), trailers)
    assert seen == answer_by_h11(wire)


@settings(max_examples=400)
@given(
    wire=st.sampled_from([row[0] for row in LEGAL.values()] + ILLEGAL),
    changes=st.lists(
        st.tuples(st.integers(0, 500), st.sampled_from(list(range(33)) + list(b":;,059afzH\x7f\xff"))), max_size=3
    ),
    cuts=CUTS,
)
def test_damaged_answers_have_one_verdict(wire: bytes, changes: list[tuple[int, int]], cuts: list[int]) -> None:
    """Whatever arrives is an answer or one of our errors, and the pieces it comes in do not decide which."""
    damaged = bytearray(wire)
    for position, byte in changes:
        damaged[position % len(damaged)] = byte
    whole = read([bytes(damaged)], closes=True)
    assert read(cut(bytes(damaged), cuts), closes=True) == whole
