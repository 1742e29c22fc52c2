"""Codings undone while a body arrives: the same as all at once, in bounded steps, cut anywhere."""

import gzip
import itertools
import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace._core.http import content_coding
from headrace._core.http.content_coding_streaming import Decoding
from headrace.errors import ProtocolError

zstd = content_coding.modules()["zstd"]
ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", lambda data: gzip.compress(data, mtime=0)),
    "members": ("x-gzip", lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]) + b"\0\0"),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", lambda data: zlib.compress(data)[2:-4]),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", lambda data: zstd.compress(data[:9]) + zstd.compress(data[9:])),
    "two": ("deflate, gzip", lambda data: gzip.compress(zlib.compress(data))),
    "none": ("identity", bytes),
}
each_coding = pytest.mark.parametrize(("field", "encode"), ENCODERS.values(), ids=ENCODERS)


def decoded(field: str, pieces: list[bytes]) -> bytes:
    """Decode what arrives in these pieces."""
    decoding = Decoding(field)
    steps = [step for piece in pieces if piece for step in decoding.feed(piece)]
    decoding.end()
    assert all(len(step) <= 512 * 1024 for step in steps)  # brotli holds to its limit by the block
    return b"".join(steps)


@each_coding
@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 400), max_size=5))
def test_any_cut_gives_the_same(field: str, encode: Callable[[bytes], bytes], data: bytes, cuts: list[int]) -> None:
    """Wherever the pieces end, the content is that of the whole."""
    body = encode(data)
    edges = [0, *sorted(cuts), len(body) + 400]
    assert decoded(field, [body[a:b] for a, b in itertools.pairwise(edges)]) == data


def member(flags: int, data: bytes) -> bytes:
    """Write a gzip member with the optional fields that the flags name (RFC 1952, section 2.3.1)."""
    head = b"\x1f\x8b\x08" + bytes([flags]) + bytes(5) + b"\xff"
    for flag, field in ((4, b"\5\0extra"), (8, b"name\0"), (16, b"comment\0")):
        head += field if flags & flag else b""
    if flags & 2:
        head += (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little")
    return head + gzip.compress(data, mtime=0)[10:]


@pytest.mark.parametrize("flags", range(32))
def test_the_head_of_a_gzip_file_may_come_in_pieces(flags: int) -> None:
    """Whatever fields the head has, and wherever it is cut, the content is that of the whole."""
    body = member(flags, b"hello") + b"\0\0\0\0" + member(flags, b"world")
    for place in range(1, len(body)):
        assert decoded("gzip", [body[:place], body[place:]]) == b"helloworld"
    single = [body[place : place + 1] for place in range(len(body))]
    assert decoded("gzip", single) == b"helloworld"
    for missing in range(1, 20):
        with pytest.raises(ProtocolError):
            decoded("gzip", single[:-missing])


@pytest.mark.parametrize("flags", [0x20, 0x40, 0x80, 0x28])
@pytest.mark.hazard(31)
def test_reserved_flags_of_a_gzip_file_are_refused(flags: int) -> None:
    """Flags that nobody has given a meaning yet are an error (RFC 1952, section 2.3.1.2), at once and in pieces."""
    body = member(flags, b"hello")
    with pytest.raises(ProtocolError):
        content_coding.decode(body, "gzip", None)
    for place in range(1, len(body) + 1):
        with pytest.raises(ProtocolError):
            decoded("gzip", [body[:place], body[place:]])


@pytest.mark.parametrize("field", ["gzip", "deflate"])
@pytest.mark.hazard(30, 31)
def test_zeros_behind_a_stream_are_padding(field: str) -> None:
    """Zeros behind a stream, and between two members, are no content and no fault, at once and in pieces."""
    encode = ENCODERS[field][1]
    body, data = encode(b"hello") + b"\0\0\0", b"hello"
    if field == "gzip":
        body, data = body + encode(b"world") + b"\0", b"helloworld"
    assert content_coding.decode(body, field, None) == data
    for place in range(1, len(body) + 1):
        assert decoded(field, [body[:place], body[place:]]) == data


@pytest.mark.parametrize("field", ["gzip", "zstd"])
@pytest.mark.hazard(30)
def test_a_stream_has_so_many_members_and_no_more(field: str) -> None:
    """1024 members or frames are read, and one more is an error, however they come."""
    one = ENCODERS[field][1](b"") if field == "gzip" else zstd.compress(b"x")
    assert decoded(field, [one * 1024]) == decoded(field, [one] * 1024)
    for pieces in ([one * 1025], [one] * 1025):
        with pytest.raises(ProtocolError, match="more than 1024"):
            decoded(field, pieces)


@pytest.mark.parametrize(("field", "wbits"), [("gzip", 31), ("deflate", 15), ("deflate", -15)])
def test_what_has_come_is_not_held_back(field: str, wbits: int) -> None:
    """All content of a piece is there as soon as it is, also a little more than a step of it."""
    for more in range(1, 2100, 131):
        stream = zlib.compressobj(wbits=wbits)
        piece = stream.compress(b"\0" * (content_coding.STEP + more)) + stream.flush(zlib.Z_SYNC_FLUSH)
        for end in (len(piece), len(piece) - 4):  # with, and without, the four bytes by which a flush is known
            assert sum(map(len, Decoding(field).feed(piece[:end]))) == content_coding.STEP + more


@each_coding
@pytest.mark.hazard(28, "CVE-2025-66471", "CVE-2026-84382")
def test_a_bomb_comes_in_steps(field: str, encode: Callable[[bytes], bytes]) -> None:
    """A small piece that holds a lot gives it out in bounded steps."""
    if field == "identity":
        return
    data = b"\0" * 3_000_001
    assert decoded(field, [encode(data)]) == data


@each_coding
@pytest.mark.parametrize("missing", [1, 5])
def test_a_stream_that_is_cut_short_is_refused(field: str, encode: Callable[[bytes], bytes], missing: int) -> None:
    """An end that has not come is an error, except for what has no end of its own."""
    body = encode(bytes(range(200))).rstrip(b"\0")[:-missing]
    if field == "identity":
        assert decoded(field, [body]) == body
    else:
        with pytest.raises(ProtocolError, match="cut short"):
            decoded(field, [body])


@pytest.mark.parametrize("field", ["gzip", "deflate", "br", "zstd"])
def test_garbage_is_refused(field: str) -> None:
    """What is no stream of its coding, and what follows one, is an error."""
    with pytest.raises(ProtocolError, match=field):
        decoded(field, [b"\xff" * 50])


def test_bytes_behind_a_stream_are_refused() -> None:
    """Nothing may follow a deflate stream."""
    with pytest.raises(ProtocolError, match="bytes follow"):
        decoded("deflate", [zlib.compress(b"x"), b"more"])


def test_an_unknown_coding_is_refused_at_once() -> None:
    """A coding that cannot be decoded is an error before the first byte; no body needs none."""
    with pytest.raises(ProtocolError, match="'rot13'"):
        Decoding("rot13")
    assert decoded("gzip", []) == b""
