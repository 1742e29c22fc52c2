"""The answers of `tests/cases` cut in two at every position: the pieces that bytes come in never decide anything."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

from headrace._core.http.parser_streaming import StreamingParser
from headrace._core.messages import HeaderBlock, Request
from headrace._io.session.guard import Guard, Watch
from headrace.errors import ProtocolError, ResponseTooLarge, TransportError
from tests.kit.cases import Case, cases
from tests.kit.http1_answers import Verdict, read

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALL = 1200  # bytes; longer answers are cut all over their first part and at places that tell, such as line ends
_SOME = 60


def positions(wire: bytes) -> Iterator[int]:
    """Say where to cut an answer."""
    if len(wire) <= _ALL:
        yield from range(1, len(wire))
        return
    ends = [place for place in range(len(wire)) if wire[place : place + 2] == b"\r\n"][:: max(1, len(wire) // 20_000)]
    told = {place + near for place in ends[-_SOME:] for near in (0, 1, 2)}
    yield from sorted({*range(1, 200), *told, *range(1, len(wire), len(wire) // (_SOME // 2))} - {0, len(wire)})


class Collecting:
    """What takes the body of a streamed answer."""

    paused = False

    def __init__(self) -> None:
        self.body = b""
        self.whole = False

    def feed(self, piece: bytes) -> None:
        """Keep it."""
        self.body += piece

    def end(self) -> None:
        """Note it."""
        self.whole = True

    def fail(self, error: TransportError) -> None:
        """Nothing calls it here."""


def read_streamed(pieces: list[bytes], method: str, *, closes: bool, limit: int) -> tuple[bool, bool, int, bytes] | str:
    """Read an answer as a stream does."""
    taker = Collecting()
    parser = StreamingParser(method, limit, lambda _: taker)
    try:
        for piece in pieces:
            parser.feed(piece)
        if closes:
            parser.eof()
    except (ProtocolError, ResponseTooLarge) as error:
        return type(error).__name__
    assert taker.whole <= parser.complete
    return parser.complete, parser.reusable, parser.status, taker.body + bytes(parser.body)


@pytest.mark.hazard(13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26)
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_the_place_of_a_cut_decides_nothing(case: Case) -> None:
    """Whole or in two pieces, kept or streamed, an answer has one verdict."""
    wire, closes = case.wire()
    if not wire:
        return
    whole = read([wire], case.method, closes=closes, limit=case.limit)
    streamed = read_streamed([wire], case.method, closes=closes, limit=case.limit)
    if isinstance(whole, Verdict) and whole.complete:
        assert streamed == tuple(whole[:4])
    for place in positions(wire):
        pieces = [wire[:place], wire[place:]]
        assert read(pieces, case.method, closes=closes, limit=case.limit) == whole, place
        assert read_streamed(pieces, case.method, closes=closes, limit=case.limit) == streamed, place


class Socket(asyncio.Transport):
    """A transport without a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def abort(self) -> None:
        """Note it."""
        self.closed = True

    close = abort

    def is_closing(self) -> bool:
        """Tell."""
        return self.closed

    def get_extra_info(self, _: str) -> None:
        """Have nothing below it."""

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """The same."""


class Heard(NamedTuple):
    """What aiohttp has made of an answer."""

    status: int
    body: bytes | None
    reusable: bool


def by_aiohttp(pieces: list[bytes], case: Case, loop: asyncio.AbstractEventLoop, *, closes: bool) -> Heard | str:
    """Read an answer as the aiohttp transport does."""
    handler, socket = ResponseHandler(loop), Socket()
    handler.transport = socket
    handler.set_response_params(
        skip_payload=case.method == "HEAD", read_until_eof=True, auto_decompress=False, read_bufsize=1 << 22,
        max_line_size=65536, max_field_size=65536, max_headers=256,
    )  # fmt: skip
    origin: Any = None
    watch = Watch(Request(case.method, origin, "/", HeaderBlock(()), max_response_bytes=case.limit))
    guard = Guard(handler, socket)
    guard.begin(watch)
    guard.open(patient=False)
    for piece in pieces:
        if not socket.closed:
            guard.data_received(piece)
    idle = not handler.should_close and not socket.closed
    if closes and not socket.closed:
        guard.eof_received()
        guard.connection_lost(None)
    if watch.error is not None:
        return type(watch.error).__name__
    if isinstance(handler.exception(), HttpProcessingError):  # aiohttp has refused it first, as too many fields
        return "ProtocolError"
    if not watch.judge.complete:
        return "incomplete"
    message, payload = next(item for item, _ in handler._buffer if item[0].code >= 200)
    return Heard(message.code, payload.read_nowait(-1) if payload.is_eof() else None, idle)


@pytest.mark.hazard(13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 24, 25, 26)
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_the_guard_of_aiohttp_has_the_same_verdicts() -> None:
    """What aiohttp is given to read is what the wire transport accepts, whole and in pieces, and no more is reused."""
    loop = asyncio.get_running_loop()
    for case in cases():
        wire, closes = case.wire()
        if not wire:
            continue
        own = read([wire], case.method, closes=closes, limit=case.limit)
        places = [len(wire), *positions(wire)]
        for place in places[:: max(1, len(places) // 60)]:
            heard = by_aiohttp([piece for piece in (wire[:place], wire[place:]) if piece], case, loop, closes=closes)
            if isinstance(own, str):
                assert heard == own, (case.id, place)
            elif not own.complete:
                assert heard in {"incomplete", "ConnectionLost"}, (case.id, place)
            else:
                assert isinstance(heard, Heard), (case.id, place, heard)
                assert (heard.status, heard.body or b"") == (own.status, own.body), (case.id, place)
                assert heard.reusable == own.reusable or not heard.reusable, (case.id, place)
