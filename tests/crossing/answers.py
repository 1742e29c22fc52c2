"""How requests are answered, well and badly: each kind is a generator of bytes, pauses and ends."""

import enum
import zlib
from collections.abc import Callable, Iterator

from tests.crossing.ledger import Ledger, payload

JUNK = "x00junk"
"""How an error shows what `_late_junk` says."""
POISON = b"HTTP/1.1 200 OK\r\nX-Token: poison\r\nContent-Length: 6\r\n\r\npoison"
LATE = b"HTTP/1.1 408 Request Timeout\r\nX-Token: late\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Then(enum.Enum):
    """What an answer does besides writing bytes (`bytes`) and letting time pass (`float`, seconds)."""

    NEXT = "go on in the next step of the loop"
    WHOLE = "note that the answer is written whole"
    SPOILED = "note that whatever comes on this connection from now on may fail"
    FIN = "close"
    END = "close, and note that this was said unasked"
    RESET = "close with an RST"


class Said(bytes):
    """What nobody has asked for: in the socket when it is noted, not in some buffer."""


Step = bytes | float | Then
Steps = Iterator[Step]


class Asked:
    """One request, as far as its head tells."""

    __slots__ = ("chunked", "expects", "kind", "left", "method", "number", "received", "sent_whole", "size", "token")

    def __init__(self, head: bytes, ledger: Ledger) -> None:
        lines = head.decode("latin-1").split("\r\n")
        self.method, target, _ = lines[0].split(" ")
        _, self.kind, size, self.token = target.split("/")
        self.number = ledger.number(self.token)
        self.size = int(size)
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if fields.get("x-token", self.token) != self.token:
            message = f"{self.token} came with the field of {fields['x-token']}"
            raise ValueError(message)
        self.chunked = "transfer-encoding" in fields
        self.expects = "expect" in fields
        self.left = int(fields.get("content-length", 0))
        self.received = bytearray()
        self.sent_whole = not self.chunked and not self.left


def answer(asked: Asked, body: bytes, *fields: str, status: str = "200 OK", length: bool = True) -> bytes:
    """Write the head of an answer, and the body unless the method is HEAD."""
    lines = [f"HTTP/1.1 {status}", f"X-Token: {asked.token}", *fields]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head if asked.method == "HEAD" else head + body


def _plain(asked: Asked) -> Steps:
    yield answer(asked, payload(asked.token, asked.size))
    yield Then.WHOLE


def _chunked(asked: Asked) -> Steps:
    body = payload(asked.token, asked.size)
    yield answer(asked, b"", "Transfer-Encoding: chunked", length=False)
    if asked.method != "HEAD":
        for start in range(0, len(body), 700):
            piece = body[start : start + 700]
            yield b"%x\r\n" % len(piece)
            yield Then.NEXT
            yield piece + b"\r\n"
        yield b"0\r\nX-Sum: 1\r\n\r\n"
    yield Then.WHOLE


def _gzip(asked: Asked) -> Steps:
    coder = zlib.compressobj(wbits=31, level=1)
    body = coder.compress(payload(asked.token, asked.size)) + coder.flush()
    yield answer(asked, body, "Content-Encoding: gzip")
    yield Then.WHOLE


def _stored(asked: Asked) -> Steps:
    """Send a body that is as large with its coding as without."""
    coder = zlib.compressobj(level=0, wbits=31)
    body = coder.compress(payload(asked.token, asked.size)) + coder.flush()
    yield answer(asked, body, "Content-Encoding: gzip")
    yield Then.WHOLE


def _drip(asked: Asked) -> Steps:
    whole = answer(asked, payload(asked.token, asked.size))
    for start in range(0, len(whole), 11):
        yield whole[start : start + 11]
        yield Then.NEXT
    yield Then.WHOLE


def _slow(asked: Asked) -> Steps:
    whole = answer(asked, payload(asked.token, asked.size))
    third = len(whole) // 3
    yield whole[:third]
    yield 0.001
    yield whole[third : 2 * third]
    yield 0.002
    yield whole[2 * third :]
    yield Then.WHOLE


def _interim(asked: Asked) -> Steps:
    yield b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    yield Then.NEXT
    yield from _plain(asked)


def _until_close(asked: Asked) -> Steps:
    yield answer(asked, payload(asked.token, asked.size), length=False)
    yield Then.NEXT
    yield Then.WHOLE
    yield Then.FIN


def _closing(asked: Asked) -> Steps:
    yield answer(asked, payload(asked.token, asked.size), "Connection: close")
    yield Then.WHOLE
    yield Then.FIN


def _delay(asked: Asked) -> Steps:
    """Pass no time, some steps of the loop, or some of the time in which the next request is on its way."""
    if asked.number % 3 == 1:
        yield from [Then.NEXT] * (asked.number % 5 + 1)
    elif asked.number % 3 == 2:
        yield asked.number % 7 * 0.0003


def _stale(asked: Asked) -> Steps:
    """End a connection that was kept alive a moment ago."""
    yield Then.SPOILED
    yield from _plain(asked)
    yield from _delay(asked)
    yield Then.END


def _stray(asked: Asked) -> Steps:
    """Send a whole answer a moment later, as if somebody had asked for it."""
    yield Then.SPOILED
    yield from _plain(asked)
    yield from _delay(asked)
    yield Said(POISON)


def _stray_first(asked: Asked) -> Steps:
    """Send a whole answer before the right one: whoever has asked takes it, for nobody can tell."""
    yield Then.SPOILED
    yield Said(POISON)
    yield from _delay(asked)
    yield from _plain(asked)


def _late(asked: Asked) -> Steps:
    """Give up on a connection, with an answer that says so, as some servers do."""
    yield Then.SPOILED
    yield from _plain(asked)
    yield from _delay(asked)
    yield Said(LATE)
    yield Then.END


def _redirect(asked: Asked) -> Steps:
    yield answer(asked, b"", f"Location: /plain/{asked.size}/{asked.token}", status="307 Temporary Redirect")
    yield Then.WHOLE


def _half(asked: Asked) -> Steps:
    whole = answer(asked, payload(asked.token, asked.size + 1))
    yield whole[: asked.number % len(whole)]
    yield Then.NEXT


def _half_fin(asked: Asked) -> Steps:
    yield from _half(asked)
    yield Then.FIN


def _half_reset(asked: Asked) -> Steps:
    yield from _half(asked)
    yield Then.RESET


def _nothing_fin(_: Asked) -> Steps:
    yield Then.FIN


def _nothing_reset(_: Asked) -> Steps:
    yield Then.RESET


def _silent(_: Asked) -> Steps:
    yield from ()


def _junk(asked: Asked) -> Steps:
    """Put a whole answer behind the answer, as if somebody had asked for it.

    What asks is small enough for both to arrive as one: no client can tell an answer that comes later from its own.
    """
    yield Then.SPOILED
    yield answer(asked, payload(asked.token, asked.size)) + POISON
    yield Then.WHOLE


def _late_junk(asked: Asked) -> Steps:
    """Say something that is no answer a moment later: where a request has gone out meanwhile, it hears that."""
    yield Then.SPOILED
    yield from _plain(asked)
    yield from _delay(asked)
    yield Said(b"\0junk\r\n\r\n")


def _garbled(asked: Asked) -> Steps:
    """Break the framing, in one write: behind a HEAD it is a late answer to whatever is asked next."""
    yield answer(asked, b"", "Transfer-Encoding: chunked", length=False) + b"zz\r\nnonsense\r\n"


def _missing(asked: Asked) -> Steps:
    yield answer(asked, payload(asked.token, asked.size), status="404 Not Found")
    yield Then.WHOLE


def _refused(asked: Asked) -> Steps:
    yield answer(asked, payload(asked.token, asked.size), status="503 Service Unavailable")
    yield Then.WHOLE


SOUND: dict[str, Callable[[Asked], Steps]] = {
    "plain": _plain,
    "chunked": _chunked,
    "gzip": _gzip,
    "slow": _slow,
    "interim": _interim,
    "until-close": _until_close,
    "closing": _closing,
    "stale": _stale,
    "redirect": _redirect,
    "junk": _junk,
    "late-junk": _late_junk,
    "stray": _stray,
    "stray-first": _stray_first,
    "late": _late,
    "early": _plain,
    "refused": _refused,
}
BROKEN: dict[str, Callable[[Asked], Steps]] = {
    "half-fin": _half_fin,
    "half-reset": _half_reset,
    "nothing-fin": _nothing_fin,
    "nothing-reset": _nothing_reset,
    "early-reset": _nothing_reset,
    "silent": _silent,
    "garbled": _garbled,
}
EARLY = {"early", "early-reset"}
"""Answered as soon as the head of a request is there."""
KINDS = SOUND | BROKEN | {"drip": _drip, "stored": _stored, "missing": _missing}
