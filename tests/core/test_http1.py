"""What the bytes of an HTTP/1.1 answer mean, whatever pieces they come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace._core.http.parser import ResponseParser
from headrace._core.http.parser_judge import Judge
from headrace.errors import ProtocolError, ResponseTooLarge
from tests.kit.http1_answers import (
    CHUNKED,
    CHUNKED_HEAD,
    CONTINUE,
    COUNTED,
    GLUED,
    ILLEGAL,
    LEGAL,
    LENGTH,
    OK,
    Verdict,
    chunks,
    head,
    read,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def splits(wire: bytes) -> Iterator[list[bytes]]:
    """Cut an answer in two at every position, and into single bytes."""
    yield from ([wire[:position], wire[position:]] for position in range(1, len(wire)))
    yield [wire[i : i + 1] for i in range(len(wire))]


def accepted(wire: bytes, method: str = "GET", *, closes: bool = False, limit: int | None = None) -> Verdict:
    """Read an answer that has to be legal."""
    verdict = read([wire], method, closes=closes, limit=limit)
    assert isinstance(verdict, Verdict), verdict
    return verdict


BODILESS = {
    # name: (method, wire, may be used again)
    "HEAD with a length": ("HEAD", OK + LENGTH + b"\r\n", True),
    "HEAD chunked": ("HEAD", CHUNKED_HEAD, True),
    "HEAD with a body": ("HEAD", COUNTED, False),
    "204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", True),
    "204 with length 0": ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", True),
    "204 chunked": ("GET", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", False),
    "304 with a length": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", True),
    "304 with a body": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", False),
    "304 and LF": ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\n\n", False),
}


@pytest.mark.parametrize(("wire", "body", "reusable"), LEGAL.values(), ids=LEGAL)
def test_a_legal_answer_is_read(wire: bytes, body: bytes, reusable: bool) -> None:
    """A legal answer has its body, and the connection is used again only where nothing speaks against it."""
    verdict = accepted(wire)
    assert (verdict.complete, verdict.body, verdict.reusable) == (True, body, reusable)


@pytest.mark.parametrize(("method", "wire", "reusable"), BODILESS.values(), ids=BODILESS)
@pytest.mark.hazard(21)
def test_an_answer_that_can_have_no_body_has_none(method: str, wire: bytes, reusable: bool) -> None:
    """What answers HEAD, and a 204 or 304, ends with its head, and bytes behind it end the connection."""
    verdict = accepted(wire, method)
    assert (verdict.complete, verdict.body, verdict.reusable) == (True, b"", reusable)
    assert {read(pieces, method) for pieces in splits(wire)} == {verdict}


@pytest.mark.parametrize("wire", [row[0] for row in LEGAL.values()], ids=LEGAL)
def test_pieces_do_not_change_a_legal_answer(wire: bytes) -> None:
    """The verdict on a legal answer is the same wherever it is cut."""
    assert {read(pieces) for pieces in splits(wire)} == {accepted(wire)}


@pytest.mark.parametrize("wire", ILLEGAL)
@pytest.mark.hazard(13, 14, 15, 16, 20, 24, 25, 26)
def test_an_illegal_answer_is_refused_in_any_pieces(wire: bytes) -> None:
    """An illegal answer is a `ProtocolError` wherever it is cut."""
    assert read([wire]) == "ProtocolError"
    assert {read(pieces) for pieces in splits(wire)} == {"ProtocolError"}


@pytest.mark.parametrize("wire", [COUNTED, CHUNKED, CONTINUE + CHUNKED, OK + b"\r\n"])
@pytest.mark.hazard(23)
def test_an_answer_is_not_complete_before_its_last_byte(wire: bytes) -> None:
    """Every part of an answer leaves it incomplete, and the end of the connection does not complete it."""
    for position in range(1, len(wire)):
        for closes in (False, True):
            verdict = accepted(wire[:position], closes=closes)
            assert not verdict.complete


@pytest.mark.parametrize("fields", [b"", b"Connection: keep-alive\r\n"])
@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
@pytest.mark.parametrize("body", [b"", b"hello", COUNTED])
def test_a_body_without_length_runs_to_the_end(version: bytes, fields: bytes, body: bytes) -> None:
    """Only the end of the connection completes a body without a length, and the connection is gone then."""
    wire = version + b" 200 OK\r\n" + fields + b"\r\n" + body
    assert not accepted(wire).complete
    ended = accepted(wire, closes=True)
    assert (ended.complete, ended.reusable, ended.body) == (True, False, body)
    assert {read(pieces, closes=True) for pieces in splits(wire)} == {ended}


def test_fields_are_those_of_the_final_answer() -> None:
    """Fields keep their order and repetitions, lose the space around them, and interim ones are not among them."""
    wire = b"HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\n" + head(b"X: \t a b \t\r\nx: c\r\nEmpty:\r\nSet-Cookie: d=e")
    fields = (("X", "a b"), ("x", "c"), ("Empty", ""), ("Set-Cookie", "d=e"), ("Content-Length", "5"))
    assert accepted(wire).headers == fields


@pytest.mark.hazard(18)
def test_trailers_are_kept_apart() -> None:
    """Fields behind a chunked body are trailers and never join the header fields, framing and cookies least of all."""
    verdict = accepted(chunks(b"0\r\nX: y\r\nSet-Cookie: a=b\r\nContent-Encoding: gzip\r\n\r\n"))
    assert verdict.trailers == (("X", "y"), ("Set-Cookie", "a=b"), ("Content-Encoding", "gzip"))
    assert verdict.headers == (("Transfer-Encoding", "chunked"),)


@pytest.mark.parametrize("wire", [CHUNKED, chunks(b"5\r\nhello\r\n0\r\nX: y\r\n\r\n")], ids=["bare", "with trailers"])
@pytest.mark.parametrize(
    "junk", [b"x" * 20_000, GLUED, (OK + b"X: y\r\n" * 70 + b"\r\n")], ids=["long", "one", "fields"]
)
@pytest.mark.hazard(22)
def test_what_follows_chunks_leaves_no_trace(wire: bytes, junk: bytes) -> None:
    """Bytes behind a chunked body change nothing but reuse, whether they come with it or after it."""
    apart = read([wire, junk])
    assert apart == accepted(wire)._replace(reusable=False)
    assert read([wire + junk]) == apart


@pytest.mark.parametrize(
    "body", [b"5\r\nhello\r\n", b"7\r\n\r\n\r\n0\r\n\r\n", b""], ids=["plain", "of line ends", "empty"]
)
@pytest.mark.parametrize("trailers", [b"", b"X: y\r\nZ:\r\n"], ids=["bare", "with trailers"])
@pytest.mark.parametrize("junk", [b"junk", b"\r\n\r\n", b"\n", b"0\r\n\r\n", GLUED])
@pytest.mark.hazard(22)
def test_what_follows_chunks_is_counted(body: bytes, trailers: bytes, junk: bytes) -> None:
    """Whatever pieces a chunked body comes in, it is known how many bytes of the last one are not of it."""
    wire = chunks(body + b"0\r\n" + trailers + b"\r\n")
    single = [wire[i : i + 1] for i in range(len(wire))]
    last = [([*single[:start], wire[start:] + junk], len(junk)) for start in range(len(wire))]
    for pieces, count in [*last, ([wire + junk], len(junk)), ([*single, junk], 0)]:
        judge = Judge("GET")
        complete = [judge.feed(piece) for piece in pieces]
        assert complete.index(True) == len(pieces) - (1 if count else 2)
        assert judge.behind == count


@pytest.mark.hazard(17, 22)
def test_what_follows_chunks_hides_no_framing() -> None:
    """A chunked body with more framing than is allowed is refused, also where other bytes come in one piece with it."""
    wire = chunks(b"1;" + b"x" * 18_000 + b"\r\nh\r\n0\r\n\r\n")
    for junk in (b"", b"junk", b"\r\n", GLUED):
        assert read([wire + junk]) == read([wire, junk]) == "ProtocolError"


@pytest.mark.hazard(20)
def test_switching_protocols_is_called_so() -> None:
    """Who meets a server that switches protocols is told so, which llhttp does not do."""
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    for wire in (upgrade, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", CONTINUE + upgrade):
        for pieces in splits(wire):
            parser = ResponseParser("GET")
            with pytest.raises(ProtocolError, match=r"status 101 and switches"):
                any(parser.feed(piece) for piece in pieces)


def wide(size: int) -> bytes:
    """Make an answer whose head has so many bytes."""
    wire = OK + b"Content-Length: 0\r\nX: \r\n\r\n"
    return wire[:-4] + b"x" * (size - len(wire)) + wire[-4:]


def many(fields: int) -> bytes:
    """Make an answer with so many fields."""
    return OK + b"x:\r\n" * (fields - 1) + b"Content-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        (wide(64 * 1024), wide(64 * 1024 + 1)),
        (b"", OK + b"X: " + b"x" * (64 * 1024)),
        (CONTINUE + wide(64 * 1024 - len(CONTINUE)), CONTINUE + wide(64 * 1024)),
        (CONTINUE * 32 + COUNTED, CONTINUE * 33 + COUNTED),
        (many(256), many(257)),
        (OK + b"x:\r\n" * 255 + LENGTH + b"\r\nhello", OK + b"x:\r\n" * 256 + LENGTH + b"\r\nhello"),
        (chunks(b"0\r\n" + b"X: y\r\n" * 64 + b"\r\n"), chunks(b"0\r\n" + b"X: y\r\n" * 65 + b"\r\n")),
        (chunks(b"0\r\nX: " + b"y" * 16_000 + b"\r\n\r\n"), chunks(b"0\r\nX: " + b"y" * 17_000 + b"\r\n\r\n")),
        (chunks(b"1;" + b"x" * 16_893 + b"\r\nh\r\n0\r\n\r\n"), chunks(b"1;" + b"x" * 16_918 + b"\r\nh\r\n0\r\n\r\n")),
        (chunks(b"1\r\nh\r\n" * 5000 + b"0\r\n\r\n"), chunks((b"1;" + b"x" * 40 + b"\r\nh\r\n") * 5000 + b"0\r\n\r\n")),
    ],
    ids=[
        "head",
        "endless head",
        "heads together",
        "interim",
        "fields",
        "fields and a body",
        "trailers",
        "trailer bytes",
        "extension",
        "tiny chunks",
    ],
)
@pytest.mark.hazard(17, 18, 19)
def test_an_answer_has_its_limits(allowed: bytes, refused: bytes) -> None:
    """What a server may send beside the body is limited, whatever pieces it comes in."""
    for pieces in ([allowed], [allowed[i : i + 1] for i in range(len(allowed))]):
        assert isinstance(read(pieces), Verdict)
    for pieces in ([refused], [refused[i : i + 1] for i in range(len(refused))]):
        assert read(pieces) == "ProtocolError"


@pytest.mark.hazard(17, 18)
def test_a_trailer_section_that_comes_in_pieces_has_its_limit() -> None:
    """Also the space around a trailer's value is limited, where a body of many chunks may have a lot of framing."""

    def pieces(spaces: int) -> list[bytes]:
        wire = chunks(b"1\r\nh\r\n" * 5000 + b"0\r\nX:" + b" " * spaces + b"y\r\n\r\n")
        return [wire[at : at + 1000] for at in range(0, len(wire), 1000)]

    verdict = read(pieces(31_000))
    assert isinstance(verdict, Verdict)
    assert verdict.trailers == (("X", "y"),)
    assert read(pieces(34_000)) == "ProtocolError"


@pytest.mark.parametrize("wire", [COUNTED, CHUNKED, OK + b"\r\nhello"], ids=["counted", "chunked", "to the end"])
def test_a_body_has_its_limit(wire: bytes) -> None:
    """A body of the limit is read, one byte more is `ResponseTooLarge`, and one that is not sent has no size."""
    assert accepted(OK + LENGTH + b"\r\n", "HEAD", limit=4).complete
    assert accepted(wire, closes=True, limit=5).body == b"hello"
    assert {read(pieces, closes=True, limit=4) for pieces in splits(wire)} == {"ResponseTooLarge"}


@pytest.mark.parametrize(("status", "streamed"), [(200, True), (299, True), (300, False), (404, False)])
def test_only_the_body_of_a_success_has_no_limit_where_it_is_streamed(status: int, streamed: bool) -> None:
    """What is no success is collected as ever, within the limit."""
    wire = b"HTTP/1.1 %d X\r\n" % status + LENGTH + b"\r\nhello"
    for pieces in splits(wire):
        judge = Judge("GET", 4, streamed=True)
        if streamed:
            assert [judge.feed(piece) for piece in pieces][-1]
        else:
            with pytest.raises(ResponseTooLarge):
                any(judge.feed(piece) for piece in pieces)


@pytest.mark.parametrize(
    ("wire", "missing"),
    [
        (OK, "before the head of the answer was complete"),
        (OK + LENGTH + b"\r\nhe", "3 bytes before the end of the body (status 200)"),
        (CHUNKED[:-3], "in the middle of the body (status 200)"),
    ],
    ids=["head", "counted", "chunked"],
)
def test_what_is_missing_is_said(wire: bytes, missing: str) -> None:
    """Of an answer that is cut short it is known where."""
    parser = ResponseParser("GET")
    assert not parser.feed(wire)
    assert parser.describe_missing() == missing


def test_a_body_that_is_too_large_and_illegal_is_too_large() -> None:
    """What comes first decides, in one piece as in many."""
    wire = chunks(b"5\r\nhello\r\njunk")
    assert read([wire], limit=5) == "ProtocolError"
    assert {read(pieces, limit=4) for pieces in ([wire], *splits(wire))} == {"ResponseTooLarge"}
