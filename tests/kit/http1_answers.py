"""HTTP/1.1 answers, legal and illegal, and all that a user can learn of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from headrace._core.http.glance import read_whole
from headrace._core.http.parser import ResponseParser
from headrace._core.messages import Response
from headrace.errors import ProtocolError, ResponseTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 5\r\n"
COUNTED = OK + LENGTH + b"\r\nhello"
CHUNKED_HEAD = OK + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKED = CHUNKED_HEAD + b"5\r\nhello\r\n0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
GLUED = OK + b"X-Poison: 1\r\nContent-Length: 4\r\n\r\nEVIL"


class Verdict(NamedTuple):
    """All that a user can learn of an answer."""

    complete: bool
    reusable: bool
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]
    trailers: tuple[tuple[str, str], ...]


def read(
    pieces: Iterable[bytes], method: str = "GET", *, closes: bool = False, limit: int | None = None
) -> Verdict | str:
    """Feed pieces, and at the end the end of the connection; a refusal is the name of its error."""
    pieces = list(pieces)
    parser = ResponseParser(method, limit)
    try:
        for piece in pieces:
            if piece:
                parser.feed(piece)
        if closes:
            parser.eof()
    except (ProtocolError, ResponseTooLarge) as error:
        assert method == "HEAD" or len(pieces) > 1 or read_whole(pieces[0], limit) is None
        return type(error).__name__
    if len(pieces) == 1 and method != "HEAD" and not closes:
        agrees_with_the_glance(pieces[0], limit, parser)
    headers = tuple(Response(parser.status, parser.head).headers.items()) if parser.status >= 200 else ()
    return Verdict(parser.complete, parser.reusable, parser.status, bytes(parser.body), headers, tuple(parser.trailers))


def agrees_with_the_glance(wire: bytes, limit: int | None, parser: ResponseParser) -> None:
    """Hold the glance to the parser: where it finds a response, the parser has found the same, and may go on.

    It is asked three times, because it keeps what it has found in a head that comes twice running.
    """
    for _ in range(3):
        whole = read_whole(wire, limit)
        if whole is not None:
            assert parser.complete
            assert parser.reusable
            assert msgspec.structs.astuple(whole) == msgspec.structs.astuple(parser.response())


def head(lines: bytes) -> bytes:
    """Put field lines into an answer with the body `hello`."""
    return OK + lines + b"\r\n" + LENGTH + b"\r\nhello"


def chunks(body: bytes) -> bytes:
    """Put a chunked body behind its head."""
    return CHUNKED_HEAD + body


def start(line: bytes) -> bytes:
    """Put a status line before a head with the body `hello`."""
    return line + b"\r\n" + LENGTH + b"\r\nhello"


LEGAL = {
    # name: (wire, body, may be used again)
    "counted": (COUNTED, b"hello", True),
    "length with zeros in front": (OK + b"Content-Length: 005\r\n\r\nhello", b"hello", True),
    "length between spaces": (OK + b"content-length: \t 5\t \r\n\r\nhello", b"hello", True),
    "no reason": (start(b"HTTP/1.1 200"), b"hello", True),
    "empty reason": (start(b"HTTP/1.1 200 "), b"hello", True),
    "reason in latin-1": (start(b"HTTP/1.1 200 tr\xe8s bien"), b"hello", True),
    "status 999": (start(b"HTTP/1.1 999 Denied"), b"hello", True),
    "empty field": (head(b"X:"), b"hello", True),
    "field in utf-8": (head("X: größe".encode()), b"hello", True),
    "offered upgrade": (head(b"Upgrade: h2,h2c\r\nConnection: Upgrade, Keep-Alive"), b"hello", True),
    "close": (head(b"Connection: close"), b"hello", False),
    "close in a list": (head(b"Connection: foo , close"), b"hello", False),
    "close on a second line": (head(b"Connection: keep-alive\r\nConnection: close"), b"hello", False),
    "http/1.0": (start(b"HTTP/1.0 200 OK"), b"hello", False),
    "http/1.0 kept alive": (start(b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive"), b"hello", True),
    "chunked": (CHUNKED, b"hello", True),
    "chunked in capitals": (OK + b"TRANSFER-ENCODING: CHUNKED \r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello", True),
    "many chunks": (chunks(b"1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n"), b"hello", True),
    "hexadecimal size": (
        chunks(b"0A\r\n0123456789\r\nb\r\n0123456789a\r\n000\r\n\r\n"),
        b"01234567890123456789a",
        True,
    ),
    "extensions": (chunks(b'5;a;b=c;d="e f"\r\nhello\r\n0;last\r\n\r\n'), b"hello", True),
    "trailers": (chunks(b"5\r\nhello\r\n0\r\nX: y\r\nEmpty:\r\n\r\n"), b"hello", True),
    "100 before": (CONTINUE + COUNTED, b"hello", True),
    "103 with fields before": (b"HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\n" + CHUNKED, b"hello", True),
    "100 with a length before": (b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + COUNTED, b"hello", True),
    "unknown interim before": (b"HTTP/1.1 199 Hm\r\n\r\n" + COUNTED, b"hello", True),
    "32 interims before": (CONTINUE * 32 + COUNTED, b"hello", True),
    "CR LF behind": (COUNTED + b"\r\n", b"hello", False),
    "CR behind": (COUNTED + b"\r", b"hello", False),
    "LF behind": (COUNTED + b"\n", b"hello", False),
    "an answer behind": (COUNTED + GLUED, b"hello", False),
    "CR LF behind chunks": (CHUNKED + b"\r\n", b"hello", False),
    "CR behind chunks": (CHUNKED + b"\r", b"hello", False),
    "LF behind chunks": (CHUNKED + b"\n", b"hello", False),
    "two CR LF behind chunks": (CHUNKED + b"\r\n\r\n", b"hello", False),
    "junk behind chunks": (CHUNKED + b"junk", b"hello", False),
    "an answer behind chunks": (CHUNKED + GLUED, b"hello", False),
    "chunks behind chunks": (CHUNKED + CHUNKED, b"hello", False),
    "a bodiless answer behind chunks": (CHUNKED + b"HTTP/1.1 204 Empty\r\n\r\n", b"hello", False),
}


# fmt: off
ILLEGAL = [
    b"\x15\x03\x01\x00\x02\x02\x28", b"220 mail.example.com ESMTP\r\n", b"<html>hello</html>\r\n\r\n",
    b"\r\n" + COUNTED, b" " + COUNTED, b"\0" + COUNTED, b"PRI * HTTP/2.0\r\n\r\n", COUNTED.replace(b"\r\n", b"\n"),
    CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0"),
    *(start(text) for text in (
        b"http/1.1 200 OK", b"HTTP/2.0 200 OK", b"HTTP/0.9 200 OK", b"HTTP/1.2 200 OK", b"HTTP/1.10 200 OK",
        b"HTTP/11 200 OK", b"HTTP 200 OK", b"HTTPS/1.1 200 OK", b"ICY 200 OK", b"RTSP/1.0 200 OK", b"HTTP/1.1\t200 OK",
        b"HTTP/1.1  200 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 abc OK", b"HTTP/1.1 -20 OK",
        b"HTTP/1.1 200OK", b"HTTP/1.1 200\tOK", b"HTTP/1.1 099 OK", b"HTTP/1.1 000 OK", b"HTTP/1.1 200 O\0K",
        b"HTTP/1.1 200 O\rK",
    )),
    *(head(text) for text in (
        b"X: y\nZ: z", b"X: y\rz", b"X: y\r", b"X: \0", b"X: \x01", b"X: \x7f", b"X: y\r\n z", b"X: y\r\n\tz",
        b" X: y", b"X : y", b"X", b": y", b"X Y: z", b"X(: z", b"\xff: z",
    )),
    *(OK + b"Content-Length: " + text + b"\r\n\r\nhello" for text in (
        b"5, 5", b"5\r\nContent-Length: 5", b"5\r\nContent-Length: 6", b"+5", b"-5", b"0x5", b"0_5", b"5 5", b"5;",
        b"", b"\x0b5", "\uff15".encode(), b"1" + 18 * b"0", 20 * b"9", b"5\r\nTransfer-Encoding: chunked",
    )),
    *(OK + b"Transfer-Encoding: " + text + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n" for text in (
        b"gzip", b"gzip, chunked", b"identity", b"chunked, chunked", b"chunked\r\nTransfer-Encoding: chunked",
        b"chunked;q=1", b"xchunked", b"chunked,", b"", b"\x0bchunked", b"chunked\r\nContent-Length: 5",
    )),
    *(b"HTTP/1.1 " + text + COUNTED for text in (
        b"101 Switch\r\n\r\n", b"101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"199 Hm\r\nContent-Length: 5\r\n\r\n", b"150 Hm\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"100 Continue\r\n\r\n\r\n", CONTINUE[9:] + CONTINUE * 32,
    )),
    *(chunks(text + b"hello\r\n0\r\n\r\n") for text in (
        b"5g\r\n", b"0x5\r\n", b"+5\r\n", b"-1\r\n", b" 5\r\n", b"\r\n", b"1" * 17 + b"\r\n", b"5\n", b"5\r\r\n",
        b"6\r\n", b"4\r\n", b"5;a\nb\r\n", b"5;a\rb\r\n", b"5;\0\r\n",
    )),
    *(chunks(b"5\r\nhello" + text) for text in (
        b"\n0\r\n\r\n", b"XX0\r\n\r\n", b"\r\r\n0\r\n\r\n", b"\r\n0\n\n", b"\r\n0\r\n\r\r\n", b"\r\n0\r\nX\r\n\r\n",
        b"\r\n0\r\nX: y\r\n z\r\n\r\n", b"\r\n0\r\nX: y\nZ: z\r\n\r\n", b"\r\n0\r\nContent-Length: 3\r\n\r\n",
    )),
]
# fmt: on
