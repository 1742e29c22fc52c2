"""The glance that most answers are read by finds what the whole parser finds, or nothing."""

import itertools

import pytest

from headrace._core.http import glance
from headrace._core.http.glance import read_whole
from tests.kit.http1_answers import GLUED, OK, read, start


def test_the_usual_answer_is_read_at_a_glance() -> None:
    """An answer in one piece, with a length and nothing unusual, needs no parser of its own."""
    for line in (b"HTTP/1.1 200 OK", b"HTTP/1.1 201 Created", b"HTTP/1.1 404 Not Found"):
        whole = read_whole(start(line), None)
        assert whole is not None
        assert (whole.status, whole.body) == (int(line[9:12]), b"hello")


FIELDS = [
    b"Content-Length: 5", b"content-length: 5", b"Content-Length:5", b"Content-Length: 05", b"Content-Length: 4",
    b"Content-Length: 6", b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"CONTENT-ENCODING: br",
    b"Set-Cookie: a=1", b"set-cookie: a=1", b"Connection: close", b"Connection: keep-alive", b"X: y", b"X:", b"X : y",
    b" folded", b"X: a\0b", b"X: \xff", b"Date: now", b"", b"X: Content-Length: 5", b"\nX: y",
]  # fmt: skip


@pytest.mark.parametrize(
    "line", [OK[:-2], b"HTTP/1.1 201 A", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 X", b"HTTP/1.1 200 \0"]
)
@pytest.mark.parametrize("body", [b"hello", b"hell", b"hello!", b"", b"5\r\nhello\r\n0\r\n\r\n", b"hello" + GLUED])
def test_a_glance_never_finds_what_the_parser_does_not(line: bytes, body: bytes) -> None:
    """Whatever fields come together, the glance finds what the parser finds, or leaves it to the parser."""
    for fields in itertools.product(FIELDS, FIELDS):
        for limit in (None, 4):
            read([b"\r\n".join([line, *fields, b"", b""]) + body], limit=limit)


@pytest.mark.parametrize("chunks", [1, 2, 65])
def test_few_chunks_are_read_at_a_glance(chunks: int) -> None:
    """A chunked answer in one piece is what most servers of APIs send; more chunks are the parser's."""
    body = b"".join(b"3\r\nab%d\r\n" % (number % 10) for number in range(chunks)) + b"0\r\n\r\n"
    whole = read_whole(OK + b"Transfer-Encoding: chunked\r\n\r\n" + body, None)
    if chunks == 65:
        assert whole is None
    else:
        assert whole is not None
        assert whole.body == b"ab0ab1"[: 3 * chunks]


@pytest.mark.parametrize("field", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_a_head_that_is_known_says_nothing_of_another_body(field: bytes) -> None:
    """What was found in a head is kept for the next one of the same bytes, and each body is looked at anew."""
    head = OK + field + b"\r\nX-Kept: " + field[:4] + b"\r\n\r\n"
    bodies = (b"hello", b"world") if b"Length" in field else (b"2\r\nhi\r\n0\r\n\r\n", b"3\r\nyou\r\n0\r\n\r\n")
    for body in (*bodies, *bodies):
        whole = read_whole(head + body, None)
        assert whole is not None
        assert whole.body == (body if b"Length" in field else body[3:-7])
    assert head[:-4] in glance._KNOWN
    for body in (b"", b"hell", b"hello!", b"2\r\nhi\r\n", bodies[0] + OK, bodies[0][:-1]):
        assert read_whole(head + body, None) is None
    assert read_whole(head + bodies[0], 1) is None
    assert read_whole(head[:-4], None) is None


def test_few_heads_are_kept() -> None:
    """Heads that are each new are not kept at all, and of others so many that they cost no memory to speak of."""
    for number in range(1000):
        read_whole(OK + b"X-Request-Id: %d\r\nContent-Length: 5\r\n\r\nhello" % number, None)
    assert not any(b"X-Request-Id" in head for head in glance._KNOWN)
    for number in range(1000):
        for date in (b"%d" % number, b"%d" % number + b"x" * 2000):
            for _ in range(2):
                read_whole(OK + b"Date: " + date + b"\r\nContent-Length: 5\r\n\r\nhello", None)
    assert 0 < len(glance._KNOWN) <= 128
    assert max(map(len, glance._KNOWN)) <= 1024


def test_half_a_head_is_no_answer() -> None:
    """What was found so far may have a line behind it."""
    for _ in range(3):
        assert read_whole(OK + b"Content-Length: 0", None) is None
        assert read_whole(OK + b"Content-Length: 0\r\n", None) is None
