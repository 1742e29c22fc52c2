"""The glance that most answers are read by finds what the whole parser finds, or nothing."""

import itertools

import pytest

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
