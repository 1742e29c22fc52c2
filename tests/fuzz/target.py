"""What has to hold for any bytes at all that come as an answer lives here; it knows of no fuzzer.

An input is four bytes that say how it is read, and the bytes of the answer.
"""

from __future__ import annotations

import random
import time
from itertools import pairwise
from typing import Any

import h11

from headrace._core.http import content_coding
from headrace._core.http.content_coding_streaming import Decoding
from headrace._core.http.glance import read_whole
from headrace._core.http.parser import ResponseParser
from headrace._core.http.parser_judge import Judge
from headrace.errors import ProtocolError, ResponseTooLarge

LIMIT = 1 << 16
MOST_SECONDS = 0.05
_SEEDS = 3
_METHODS = ("GET", "GET", "GET", "HEAD")

Verdict = tuple[Any, ...]


class Found(AssertionError):
    """Something that must not be."""


def check(data: bytes) -> None:
    """Read an answer in every way there is and hold the findings together.

    Raises:
        Found: They differ, it took too long, or too much was kept. Any other exception is a finding too.
    """
    if len(data) < 5:
        return
    method, closes = _METHODS[data[0] % 4], bool(data[1] & 1)
    wire = data[4:]
    seconds = _seconds(wire, method, closes=closes)
    if seconds > MOST_SECONDS and min(_seconds(wire, method, closes=closes) for _ in range(4)) > MOST_SECONDS:
        raise Found(f"took {seconds:.3f} s")
    whole = _read([wire], method, closes=closes)
    chance = random.Random(data[:4])  # noqa: S311 - an input says itself how it is cut
    for _ in range(_SEEDS):
        pieces = _cut(wire, chance)
        other = _read(pieces, method, closes=closes)
        if other != whole:
            raise Found(f"{whole} at once, {other} in pieces")
        judged = _judge(pieces, method, closes=closes)
        if judged != whole[:3]:
            raise Found(f"{whole} read, {judged} judged")
    _same_at_a_glance(wire, method, _read([wire], method, closes=False))
    _same_by_h11(wire, method, whole, closes=closes)
    _decode(whole, chance)


def _seconds(wire: bytes, method: str, *, closes: bool) -> float:
    begun = time.process_time()
    _read([wire], method, closes=closes)
    return time.process_time() - begun


def _cut(wire: bytes, chance: random.Random) -> list[bytes]:
    if chance.random() < 0.2:
        return [wire[i : i + 1] for i in range(min(len(wire), 300))] + ([wire[300:]] if len(wire) > 300 else [])
    marks = sorted({0, len(wire), *(chance.randrange(len(wire)) for _ in range(chance.randrange(1, 6)))})
    return [wire[a:b] for a, b in pairwise(marks)]


def _read(pieces: list[bytes], method: str, *, closes: bool) -> Verdict:
    parser = ResponseParser(method, LIMIT)
    try:
        for piece in pieces:
            parser.feed(piece)
        if closes:
            parser.eof()
    except (ProtocolError, ResponseTooLarge) as error:
        if len(str(error)) > 1000:
            raise Found("an error as long as what it is about") from error
        return "refused", type(error).__name__, 0
    response = parser.response()
    if len(response.body) > LIMIT or len(response.trailers) > 64:
        raise Found("more was kept than is allowed")
    if not parser.complete:
        return "incomplete", "", 0
    headers, trailers = tuple(response.headers.items()), tuple(response.trailers)
    return "complete", parser.reusable, parser.status, response.body, headers, trailers, response.coding


def _judge(pieces: list[bytes], method: str, *, closes: bool) -> Verdict:
    judge = Judge(method, LIMIT)
    try:
        for piece in pieces:
            judge.feed(piece)
        if closes:
            judge.eof()
    except (ProtocolError, ResponseTooLarge) as error:
        return "refused", type(error).__name__, 0
    return ("complete", judge.reusable, judge.status) if judge.complete else ("incomplete", "", 0)


def _same_at_a_glance(wire: bytes, method: str, whole: Verdict) -> None:
    if method == "HEAD":
        return
    for _ in range(3):  # what was found in a head that comes twice running is kept
        glanced = read_whole(wire, LIMIT)
        if glanced is None:
            continue
        seen = ("complete", True, glanced.status, glanced.body, tuple(glanced.headers.items()), (), glanced.coding)
        if seen != whole:
            raise Found(f"{seen} at a glance, {whole} by the parser")


def _same_by_h11(wire: bytes, method: str, whole: Verdict, *, closes: bool) -> None:
    if whole[0] != "complete":
        return
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 17)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    status, body = 0, b""
    try:
        connection.receive_data(wire)
        if closes:
            connection.receive_data(b"")
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                return
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
    except h11.RemoteProtocolError:
        return
    if (status, body) != (whole[2], whole[3]):
        raise Found(f"{whole[2:4]} here, {(status, body)} by h11")


def _decode(whole: Verdict, chance: random.Random) -> None:
    if whole[0] != "complete" or not whole[6] or not whole[3]:
        return
    body, name = whole[3], whole[6].decode("latin-1")
    begun = time.process_time()
    try:
        at_once: bytes | None = content_coding.decode(body, name, LIMIT)
    except ResponseTooLarge:
        return  # in pieces there is no limit
    except ProtocolError:
        at_once = None
    if time.process_time() - begun > 10 * MOST_SECONDS:
        raise Found("decoding took too long")
    stepped = _stepped(_cut(body, chance), name)
    if stepped != at_once:
        raise Found(f"{at_once!r} at once, {stepped!r} in pieces")


def _stepped(pieces: list[bytes], name: str) -> bytes | None:
    """Decode piece by piece; `None` is a refusal, also of what is endless."""
    found = b""
    try:
        decoding = Decoding(name)
        for piece in pieces:
            for step in decoding.feed(piece):
                found += step
                if len(step) > 256 * 1024:
                    raise Found("a step of more than 256 KiB")
                if len(found) > 64 * LIMIT:
                    return None
        decoding.end()
    except ProtocolError:
        return None
    return found
