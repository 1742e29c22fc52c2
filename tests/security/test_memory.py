"""What an answer weighs follows from its bytes, however they are cut: at most twice the limit, and 8 MiB."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from headrace import AsyncClient, Event, streams
from headrace._core.http.parser import ResponseParser
from headrace._core.http.parser_judge import Judge
from headrace._core.http.parser_streaming import StreamingParser
from headrace._core.pieces import Pieces
from headrace._core.values.array import ArrayParser
from headrace._core.values.lines import LineParser
from headrace._core.values.partial import Rows
from headrace._core.values.records import LinesOfJSON, TextSequence
from headrace._core.values.sse import EventParser
from headrace._io.bodies.multipart import BytesPart, MultipartBody
from headrace._io.wire.body import Arriving
from headrace.errors import ProtocolError, ResponseTooLarge
from headrace.testing import MockTransport, stream_response
from tests.kit.memory import MIB, bounded
from tests.servers.raw import Do

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headrace._core.messages import Response
    from tests.conftest import ServeScript

HALF = MIB // 2
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = 16 * 1024
TINY = b"2\r\nxy\r\n" * CHUNKS


async def cut(text: bytes, times: int = 1, size: int = 2) -> AsyncIterator[bytes]:
    """Stream a text again and again, in pieces of so many bytes."""
    for _ in range(times):
        for start in range(0, len(text), size):
            yield text[start : start + size]


@pytest.mark.hazard(61)
async def test_tiny_chunks(serve_script: ServeScript, transport: str) -> None:
    """A body in chunks of two bytes weighs what it weighs in one."""
    answer = [b"HTTP/1.1 200 OK\r\n" + CHUNKED, *[TINY] * (HALF // 2 // CHUNKS), b"0\r\n\r\n"]
    server = await serve_script([Do.READ, *answer, Do.HOLD])
    async with AsyncClient(server.url, transport=transport, max_response_bytes=HALF) as client:
        with bounded(HALF):
            body = await client.get("/", response_format=bytes)
        assert body == b"xy" * (HALF // 2)


@pytest.mark.hazard(61)
@pytest.mark.parametrize("status", ["200 OK", "302 Found", "404 Not Found"])
async def test_tiny_chunks_beyond_the_limit(status: str, serve_script: ServeScript, transport: str) -> None:
    """What is too large, or is the body of a redirect, costs no more on the way to its error."""
    head = f"HTTP/1.1 {status}\r\nLocation: /\r\n".encode() + CHUNKED
    server = await serve_script([Do.READ, head, *[TINY] * 20, Do.HOLD])
    async with AsyncClient(server.url, transport=transport, max_response_bytes=HALF) as client:
        with bounded(HALF), pytest.raises(ResponseTooLarge):
            await client.get("/")


@pytest.mark.hazard(61)
@pytest.mark.parametrize("framing", [b"Content-Length: %d" % HALF, b"Transfer-Encoding: chunked", b"Connection: close"])
def test_tiny_segments(framing: bytes) -> None:
    """A body that arrives two bytes at a time weighs what it weighs at once, whatever its framing."""
    body = b"xy" * (HALF // 2)
    rest = b"%x\r\n%b\r\n0\r\n\r\n" % (HALF, body) if b"chunked" in framing else body
    with bounded(HALF):
        parser = ResponseParser("GET", HALF)
        parser.feed(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        for start in range(0, len(rest), 2):
            parser.feed(rest[start : start + 2])
        assert parser.complete or parser.eof()
        assert parser.body == body


@pytest.mark.hazard(61)
async def test_the_body_of_a_stream_that_is_read_whole() -> None:
    """`aread` takes no more for a body in pieces of two bytes, and neither do chunks of a size of one's own."""
    transport = MockTransport(lambda _: stream_response(cut(b"xy" * (HALF // 2))))
    async with AsyncClient("http://a.example", transport=transport, max_response_bytes=HALF) as client:
        with bounded(HALF):
            async with client.stream("GET") as response:
                assert len(await response.aread()) == HALF
        with bounded(HALF):
            async with client.stream("GET") as response:
                assert [len(piece) async for piece in response.aiter_bytes(HALF)] == [HALF]


@pytest.mark.hazard(61)
async def test_a_reader_that_is_slow_finds_small_pieces_joined() -> None:
    """What arrives before somebody reads is one piece for the reader, not one for every segment."""

    class Connection:
        """Hears when enough has come."""

        paused = False

        def pause_reading(self) -> None:
            self.paused = True

        def resume_reading(self) -> None:
            self.paused = False

    connection: Any = Connection()
    loop = asyncio.get_running_loop()
    arriving = Arriving(connection, loop.create_future(), loop)
    count = 0
    while not connection.paused:
        arriving.feed(b"xy")
        count += 1
    arriving.end()
    pieces = []
    while piece := await arriving.read():
        pieces.append(piece)
    assert b"".join(pieces) == b"xy" * count
    assert len(pieces) <= 20


@pytest.mark.hazard(61)
@pytest.mark.parametrize("kind", [ResponseParser, Judge], ids=["wire", "aiohttp"])
@pytest.mark.parametrize("name", [b"X: ", b"X"])
def test_a_trailer_without_an_end(name: bytes, kind: type[ResponseParser]) -> None:
    """Many chunks give no right to a large trailer: one field that never ends is refused at once."""
    parser = kind("GET")
    parser.feed(b"HTTP/1.1 200 OK\r\n" + CHUNKED)
    parser.feed(TINY)
    parser.feed(b"0\r\n" + name)
    for _ in range(32):
        parser.feed(b"x" * 1024)
    with pytest.raises(ProtocolError, match="more than 32768 bytes of trailer fields"):
        parser.feed(b"x" * 1024)


@pytest.mark.hazard(61)
@pytest.mark.parametrize("cutting", [1, 7, 1000, 10**6])
def test_trailers_within_the_limit_come_in_any_pieces(cutting: int) -> None:
    """Sixty fields of 16 KiB in all are read, however they are cut, and chunks without content before them too."""
    fields = b"".join(b"X-%d: %b\r\n" % (number, b"v" * 250) for number in range(60))
    rest = b"1\r\nx\r\n" * 1000 + b"0\r\n" + fields + b"\r\n"
    parser = ResponseParser("GET")
    parser.feed(b"HTTP/1.1 200 OK\r\n" + CHUNKED)
    for start in range(0, len(rest), cutting):
        parser.feed(rest[start : start + cutting])
    assert parser.complete
    assert len(parser.trailers) == 60


class Counting:
    """Takes a body and counts its pieces."""

    paused = False

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def feed(self, piece: bytes) -> None:
        """Keep it."""
        self.pieces.append(piece)

    def end(self) -> None:
        """Nothing."""

    def fail(self, error: Exception) -> None:
        """Nothing."""


@pytest.mark.hazard(61)
def test_chunks_that_come_together_are_handed_on_together() -> None:
    """A stream gets one piece for every piece of the wire, however many chunks it has."""
    counting = Counting()

    def begin(_: Response) -> Counting:
        return counting

    parser = StreamingParser("GET", MIB, begin)
    parser.feed(b"HTTP/1.1 200 OK\r\n" + CHUNKED)
    with bounded(0):
        for _ in range(8):
            parser.feed(TINY)
    assert [len(piece) for piece in counting.pieces] == [2 * 16 * 1024] * 8


LARGE = MIB
EVENTS = {
    "data": b"data: 1234567\n" * (LARGE // 14),
    "empty data": b"data:\n" * (LARGE // 6),
    "names alone": b"data\n" * (LARGE // 5),
    "comments": b":\n" * (LARGE // 2 - 5) + b"data: x\n",
    "ids": b"id: 12345\n" * (LARGE // 10 - 1) + b"data: x\n",
    "one line": b"data: " + b"x" * (LARGE - 7) + b"\n",
    "one line behind others": b"data: y\ndata: " + b"x" * (LARGE - 15) + b"\n",
    "retry": b"retry: 9\n" * (LARGE // 9 - 1) + b"data: x\n",
}


@pytest.mark.hazard(61)
@pytest.mark.parametrize("text", EVENTS.values(), ids=EVENTS)
async def test_one_event_of_many_lines(text: bytes) -> None:
    """An event weighs what its data does, however many lines it has, and whatever else is in it."""
    with bounded(LARGE):
        found = [
            event async for event in streams.events(cut(text + b"\ndata: 2\n\n", size=5000), max_event_bytes=LARGE)
        ]
    assert found == [*EventParser().feed(text + b"\n"), Event(data="2", id=found[0].id)]
    with pytest.raises(ResponseTooLarge):
        async for _ in streams.events(cut(text, size=5000), max_event_bytes=len(text) - 2):
            pass


def assert_one_text(kind: str, limit: int, piece: bytes) -> None:
    """Read one text of nearly so many bytes, which comes in such pieces, in bounded memory."""
    rows = Rows(str, "raise")
    parser: Any = {
        "lines": LineParser(limit),
        "sse": EventParser(limit),
        "ndjson": LinesOfJSON(rows, limit),
        "json-seq": TextSequence(rows, limit),
        "array": ArrayParser(rows, (), limit),
    }[kind]
    before, behind = {
        "lines": (b"", b"\n"),
        "sse": (b"event: x\ndata: ", b"\n\n"),
        "ndjson": (b'"', b'"\n'),
        "json-seq": (b'\x1e"', b'"\n'),
        "array": (b'["', b'"]'),
    }[kind]
    times = limit // len(piece) - 10
    with bounded(limit):
        found = parser.feed(before)
        for _ in range(times):
            found += parser.feed(piece)
        found += parser.feed(behind) + parser.finish()
    assert parser.failure is None
    assert [len(getattr(item, "data", item)) for item in found] == [times * len(piece)]


@pytest.mark.hazard(61)
@pytest.mark.parametrize("kind", ["lines", "sse", "ndjson", "json-seq", "array"])
def test_a_line_or_an_item_in_tiny_pieces(kind: str) -> None:
    """A line, an event or an item that comes two bytes at a time weighs what it weighs in one piece."""
    assert_one_text(kind, HALF, b"xy")


@pytest.mark.hazard(61)
@pytest.mark.parametrize("kind", ["lines", "sse", "ndjson", "json-seq", "array"])
def test_a_large_line_or_item_is_copied_once(kind: str) -> None:
    """A line, an event or an item as large as its limit is never there three times."""
    assert_one_text(kind, 16 * MIB, b"x" * 65_536)


@pytest.mark.hazard(61)
@pytest.mark.parametrize("text", [b"ab\n", b"{}\n", b"data:x\nid:1\n\n"])
async def test_many_lines_in_one_piece(text: bytes) -> None:
    """Of a large piece no more is taken apart at once than small objects have room for."""
    piece = text * (LARGE // 2 // len(text))
    found = streams.items(cut(piece, size=LARGE), format="ndjson") if b"{" in text else None
    found = found or (streams.events if b":" in text else streams.lines)(cut(piece, size=LARGE))
    with bounded(0):
        async for _ in found:
            pass


def test_pieces_are_taken_as_they_came() -> None:
    """Pieces of all sizes come out in their order: all at once, one after the other, and with others in between."""
    sizes = [0, 1, 16_383, 16_384, 70_000, 5, 5, 0, 20_000, 1, 20_000, 9_000, 9_000, 3]
    given = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    pieces = Pieces(b"")
    for piece in given:
        pieces.add(piece)
    assert pieces.size == sum(sizes)
    assert pieces.first() == given[1] + given[2]
    assert pieces.first() is given[3]
    pieces.add(b"end")
    rest = b"".join(given[4:]) + b"end"
    assert pieces.size == len(rest)
    taken = []
    while piece := pieces.first():
        taken.append(piece)
    assert b"".join(taken) == rest
    assert pieces.size == 0
    pieces.extend(given)
    assert b"".join(pieces.all()) == b"".join(given)
    assert pieces.take() == b""
    pieces.add(given[4])
    assert pieces.take() is given[4]


@pytest.mark.hazard(61)
async def test_a_form_of_many_small_fields_is_written_in_few_pieces() -> None:
    """The fields of a form go out together, but never all of them at once."""
    written: list[bytes] = []

    class Writer:
        """Notes what it is given."""

        async def write(self, piece: bytes) -> None:
            written.append(piece)

    fields = [(f"name-{number}", b"value") for number in range(20_000)]
    body = MultipartBody(fields, [("file", BytesPart(b"content", "x.txt", None))])
    await body.write(Writer())
    assert len(b"".join(written)) == body.size
    assert body.size is not None
    assert len(written) == pytest.approx(body.size / 65536, abs=4)
    assert max(map(len, written)) < 70_000
