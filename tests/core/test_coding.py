"""What becomes of a compressed body."""

from __future__ import annotations

import contextlib
import gzip
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace._core.http import content_coding
from headrace.errors import ProtocolError, ResponseTooLarge
from tests.kit.codings import ENCODERS, MIB, NOISE, each_coding, forget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"Wes Brot ich ess, des Lied ich sing. " * 40


@pytest.fixture(params=["isal", "zlib"], scope="module", autouse=True)
def inflater(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run every test with ISA-L and without it."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "zlib":
            patch.setitem(sys.modules, "isal", None)
        forget()
        yield
    forget()


@pytest.fixture
def fresh_decoders() -> Iterator[None]:
    """Let the available codings be found anew in the test, and again behind it."""
    forget()
    yield
    forget()


@each_coding
@pytest.mark.parametrize(
    "data",
    [b"", b"x", TEXT, NOISE, bytes(3 * MIB), bytes(256 * 1024), NOISE[: 256 * 1024]],
    ids=["empty", "byte", "text", "noise", "zeros", "a step of zeros", "a step of noise"],
)
def test_what_was_encoded_is_decoded(name: str, encode: Callable[[bytes], bytes], data: bytes) -> None:
    """A body of any size and kind comes back from every coding."""
    assert content_coding.decode(encode(data), name, None) == data


@settings(max_examples=60)
@given(data=st.binary(max_size=3000), names=st.lists(st.sampled_from(sorted(ENCODERS)), max_size=4))
def test_chains_are_undone_from_the_last_to_the_first(data: bytes, names: list[str]) -> None:
    """Up to four codings, one upon the other, are undone."""
    body = data
    for name in names:
        body = ENCODERS[name][1](body)
    assert content_coding.decode(body, ", ".join(ENCODERS[name][0] for name in names), None) == data


@pytest.mark.hazard(29, "CVE-2025-66418")
def test_a_fifth_coding_is_refused() -> None:
    """More than four codings are an error, whatever the body."""
    body = TEXT
    for _ in range(5):
        body = gzip.compress(body)
    assert content_coding.decode(body, "gzip, gzip, gzip, gzip", None) == gzip.compress(TEXT)
    with pytest.raises(ProtocolError, match="5 content codings, more than 4"):
        content_coding.decode(body, "gzip, gzip, gzip, gzip, gzip", None)


@pytest.mark.parametrize(
    "field", ["gzip", "GZIP", " gzip ", "x-gzip", "identity, gzip", "gzip,,identity", ",gzip,", "none, gzip"]
)
def test_names_are_read_as_servers_write_them(field: str) -> None:
    """Case, space, the old `x-`, `identity` and `none` make no difference."""
    assert content_coding.decode(gzip.compress(TEXT), field, None) == TEXT


@pytest.mark.parametrize("field", ["", "identity", " , identity", "none", "None"])
def test_no_coding_leaves_the_body_alone(field: str) -> None:
    """A body without a real coding is not touched, nor held to the limit again."""
    assert content_coding.decode(NOISE, field, 1) == NOISE


@pytest.mark.parametrize("field", ["gzip", "br", "zstd", "deflate", "gzip, br", "unheard-of"])
def test_an_empty_body_needs_no_decoding(field: str) -> None:
    """An empty body stays empty whatever its field says, as servers answer HEAD or 304."""
    assert content_coding.decode(b"", field, None) == b""


@pytest.mark.parametrize("field", ["unheard-of", "gzip, unheard-of", "compress"])
def test_an_unknown_coding_is_refused_by_name(field: str) -> None:
    """The error names the coding that is unknown and those that are known."""
    with pytest.raises(ProtocolError, match=r"(unheard-of|compress)'.* gzip, deflate, br, zstd"):
        content_coding.decode(TEXT, field, None)


@each_coding
@pytest.mark.parametrize("data", [TEXT, NOISE[:600_000]], ids=["text", "noise"])
@pytest.mark.hazard(31)
def test_a_body_that_was_cut_short_is_an_error(name: str, encode: Callable[[bytes], bytes], data: bytes) -> None:
    """A part of a stream is never taken for a shorter whole."""
    body = encode(data)
    ends = {*range(1, min(30, len(body))), *(len(body) - left for left in range(1, 30)), len(body) // 2}
    for end in ends:
        with pytest.raises(ProtocolError, match=rf"^the body is not valid {name}: "):
            content_coding.decode(body[:end], name, None)


@pytest.mark.parametrize("scheme", ["gzip", "deflate", "zstd"])
@settings(max_examples=80)
@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_damaged_body_is_an_error_or_unharmed(scheme: str, place: int, bit: int) -> None:
    """A checksum that does not fit is an error; damage never leads to another body."""
    name, encode = ENCODERS[scheme]
    body = bytearray(encode(TEXT))
    body[place % len(body)] ^= 1 << bit
    try:
        decoded = content_coding.decode(bytes(body), name, MIB)
    except ProtocolError:
        return
    assert decoded == TEXT


@settings(max_examples=200)
@given(body=st.binary(min_size=1, max_size=200), name=st.sampled_from(["gzip", "deflate", "br", "zstd"]))
def test_any_bytes_are_a_body_or_an_error(body: bytes, name: str) -> None:
    """Whatever a server sends, no other error than ours gets out."""
    with contextlib.suppress(ProtocolError, ResponseTooLarge):
        assert len(content_coding.decode(body, name, MIB)) <= MIB


@each_coding
@pytest.mark.parametrize("junk", [b"junk", b"\0\0x", b"\n"])
@pytest.mark.hazard(31)
def test_bytes_behind_the_stream_are_an_error(name: str, encode: Callable[[bytes], bytes], junk: bytes) -> None:
    """Nothing but zeros may follow a stream."""
    with pytest.raises(ProtocolError, match=name):
        content_coding.decode(encode(TEXT) + junk, name, None)


def test_gzip_may_end_in_zeros() -> None:
    """Zeros that pad a gzip file to a block are no damage."""
    assert content_coding.decode(gzip.compress(TEXT) + bytes(512), "gzip", None) == TEXT


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@pytest.mark.hazard(30)
def test_members_are_joined(name: str) -> None:
    """All members of a stream belong to the body, the second no less than the first, up to 1024 of them."""
    encode = ENCODERS[name][1]
    assert content_coding.decode(encode(TEXT) + encode(b"") + encode(NOISE), name, None) == TEXT + NOISE
    assert content_coding.decode(encode(b"x") * 1024, name, None) == b"x" * 1024
    with pytest.raises(ProtocolError, match="more than 1024"):
        content_coding.decode(encode(b"x") * 1025, name, None)
    with pytest.raises(ProtocolError, match=name):
        content_coding.decode(encode(TEXT) + encode(NOISE)[:-1], name, None)


@pytest.mark.parametrize("name", ["deflate", "bare deflate", "br"])
def test_other_codings_have_no_members(name: str) -> None:
    """A second stream behind one that has no members is an error, not lost."""
    field, encode = ENCODERS[name]
    with pytest.raises(ProtocolError, match=field):
        content_coding.decode(encode(TEXT) * 2, field, None)


def test_zstd_frames_to_be_skipped_are_skipped() -> None:
    """A frame that says to skip it adds nothing to the body (RFC 8878, section 3.1.2)."""
    skipped = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    assert content_coding.decode(skipped + zstd.compress(TEXT) + skipped, "zstd", None) == TEXT


@pytest.mark.hazard(30)
def test_a_zstd_window_is_limited() -> None:
    """A frame that wants more than the 8 MiB of RFC 9659 to be decoded is refused."""

    def windowed(log: int) -> bytes:
        stream = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: log})
        return stream.compress(b"x" * 1000, zstd.ZstdCompressor.FLUSH_BLOCK) + stream.flush()

    assert content_coding.decode(windowed(23), "zstd", None) == b"x" * 1000
    with pytest.raises(ProtocolError, match="memory"):
        content_coding.decode(windowed(24), "zstd", None)


@each_coding
@pytest.mark.hazard(28, "CVE-2025-69223", "CVE-2025-6176")
def test_a_bomb_stops_at_the_limit(name: str, encode: Callable[[bytes], bytes]) -> None:
    """Zeros that would become 64 MiB are refused at 1 MiB."""
    bomb = encode(bytes(64 * MIB))
    assert len(bomb) < MIB
    with pytest.raises(ResponseTooLarge, match=f"more than {MIB} bytes"):
        content_coding.decode(bomb, name, MIB)


@each_coding
@pytest.mark.hazard(28)
def test_content_comes_in_steps(name: str, encode: Callable[[bytes], bytes]) -> None:
    """Whether anybody still wants the content of a small body that holds a lot is asked again and again."""
    asked = 0

    def stopped() -> bool:
        nonlocal asked
        asked += 1
        return False

    assert content_coding.decode(encode(bytes(4 * MIB)), name, None, stopped) == bytes(4 * MIB)
    assert asked >= 8


def test_a_bomb_inside_stops_at_the_limit() -> None:
    """The limit holds after every coding of a chain, and over all members together."""
    inner = gzip.compress(bytes(64 * MIB))
    for body, field in ((gzip.compress(inner), "gzip, gzip"), (gzip.compress(bytes(MIB)) * 2, "gzip")):
        with pytest.raises(ResponseTooLarge):
            content_coding.decode(body, field, MIB)


@each_coding
@pytest.mark.parametrize("data", [TEXT, NOISE], ids=["text", "noise"])
def test_the_limit_itself_is_allowed(name: str, encode: Callable[[bytes], bytes], data: bytes) -> None:
    """A body of exactly the limit is decoded, and one byte less is too little for it."""
    assert content_coding.decode(encode(data), name, len(data)) == data
    with pytest.raises(ResponseTooLarge):
        content_coding.decode(encode(data), name, len(data) - 1)


@pytest.mark.usefixtures("fresh_decoders")
@pytest.mark.parametrize(
    ("absent", "field"),
    [
        ([], "gzip, deflate, br, zstd"),
        (["brotli"], "gzip, deflate, zstd"),
        (["backports", "compression"], "gzip, deflate, br"),
        (["brotli", "backports", "compression"], "gzip, deflate"),
    ],
)
def test_only_what_can_be_decoded_is_asked_for(absent: list[str], field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Accept-Encoding` names the codings of the libraries that are there, and no others are decoded."""
    for module in absent:
        monkeypatch.setitem(sys.modules, module, None)
    assert content_coding.accept_encoding() == field
    for name, encode in ENCODERS.values():
        if name not in field:
            with pytest.raises(ProtocolError, match=f"'{name}', and only {field} can"):
                content_coding.decode(encode(TEXT), name, None)
