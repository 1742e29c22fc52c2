"""Made-up legal answers over real sockets: both transports find the same, and h11, a third opinion, agrees."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import os
import zlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from headrace import AiohttpTransport, WireTransport
from headrace._core.messages import HeaderBlock, Origin, Request
from headrace._core.values import answer
from tests.conftest import pytest_asyncio_loop_factories
from tests.kit.http1_drawn import CUTS, EXTENSIONS, FIELDS, PIECES, Fields, answer_by_h11, as_sent, cut, lines
from tests.servers.raw import RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace._core.messages import Response
    from headrace.types import Transport

_LONG = bool(os.environ.get("HEADRACE_LONG"))
_EXAMPLES = 5000 if _LONG else 220  # on each loop; each is twelve answers, on both transports
_LIMIT = 1 << 20

COUNTED, CHUNKED, TO_END = "counted", "chunked", "to the end"
CODINGS = {
    "identity": lambda body: body,
    "gzip": lambda body: gzip.compress(body, mtime=0),
    "deflate": zlib.compress,
    "gzip, deflate": lambda body: zlib.compress(gzip.compress(body, mtime=0)),
}


class Made(NamedTuple):
    """What a made-up server answers, and how it arrives."""

    method: str
    status: int
    interim: tuple[tuple[int, Fields], ...]
    fields: Fields
    pieces: list[bytes]
    coding: str
    framing: str
    extension: bytes
    trailers: Fields
    old: bool
    keeps: bool
    cuts: list[int]
    waits: int

    def variants(self) -> Iterator[Made]:
        """Yield the same in every framing and coding; drawing costs more than asking."""
        for number, (framing, coding) in enumerate(itertools.product((COUNTED, CHUNKED, TO_END), CODINGS)):
            yield self._replace(framing=framing, coding=coding, keeps=self.keeps == bool(number % 4))

    @property
    def content(self) -> bytes:
        """What the caller shall get."""
        return b"".join(self.pieces) if self.has_body else b""

    @property
    def has_body(self) -> bool:
        """Whether there can be a body (RFC 9112, section 6.3)."""
        return self.method != "HEAD" and self.status not in {204, 304}

    @property
    def chunked(self) -> bool:
        """Whether it is chunked, which HTTP/1.0 does not know, nor 204."""
        return self.framing == CHUNKED and not self.old and self.status != 204

    @property
    def ends(self) -> bool:
        """Whether the end of the connection is that of the body."""
        return self.has_body and self.framing != COUNTED and not self.chunked

    @property
    def reusable(self) -> bool:
        """Whether the connection may serve again."""
        return self.keeps and not self.ends

    def head(self, size: int) -> Fields:
        """List the fields of the final head."""
        fields = list(self.fields)
        if self.coding != "identity":
            fields.append((b"Content-Encoding", self.coding.encode()))
        if self.chunked:
            fields.append((b"Transfer-Encoding", b"chunked"))
        elif self.framing == COUNTED and self.status != 204:
            fields.append((b"Content-Length", b"%d" % size))
        if self.keeps == self.old:
            fields.append((b"Connection", b"keep-alive" if self.keeps else b"close"))
        return fields

    def wire(self) -> tuple[bytes, Fields]:
        """Write it; returns the fields of its head too."""
        coded = CODINGS[self.coding](b"".join(self.pieces))
        fields = self.head(len(coded))
        wire = b"".join(b"HTTP/1.1 %d \r\n%b\r\n" % (status, lines(found)) for status, found in self.interim)
        wire += b"HTTP/1.%d %d \r\n%b\r\n" % (not self.old, self.status, lines(fields))
        if not self.has_body:
            return wire, fields
        if not self.chunked:
            return wire + coded, fields
        size = max(1, len(coded) // 3)
        for start in range(0, len(coded), size):
            part = coded[start : start + size]
            wire += b"%x%b\r\n%b\r\n" % (len(part), self.extension, part)
        return wire + b"0" + self.extension + b"\r\n" + lines(self.trailers) + b"\r\n", fields


ANSWERS = st.builds(
    Made,
    st.sampled_from(["GET", "GET", "GET", "HEAD", "POST"]),
    st.one_of(st.just(200), st.integers(200, 599)),
    st.lists(st.tuples(st.sampled_from([100, 102, 103, 150]), FIELDS), max_size=2).map(tuple),
    FIELDS,
    PIECES,
    st.just(""),
    st.just(""),
    EXTENSIONS,
    FIELDS,
    st.sampled_from([False, False, False, True]),
    st.sampled_from([True, True, False]),
    CUTS,
    st.integers(0, 2),
)


class Seen(NamedTuple):
    """What a reader finds."""

    status: int
    content: bytes
    fields: Fields
    trailers: Fields


def seen(response: Response) -> Seen:
    """Take what a transport has found, its content decoded."""
    content = answer.content(response, _LIMIT)
    return Seen(response.status, content, as_sent(response.headers.items()), as_sent(response.trailers))


class Line:
    """One transport, and the connection that its last answer came over."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.last: int | None = None
        """The connection that has to serve next; `None` where it has to be another one than ever."""


class Desk:
    """A server that gives every asker what was made up last, and the transports that ask."""

    def __init__(self) -> None:
        self.made: tuple[Made, list[bytes]] | None = None
        self.number = -1
        self.origin = Origin(URL("http://x"))
        self.asked: set[int] = set()
        self.lines: list[Line] = []

    async def open(self, stack: AsyncExitStack) -> None:
        """Start the server and the transports."""
        server = await stack.enter_async_context(RawServer(self._serve, None).listening())
        self.origin = Origin(URL(server.url))
        self.lines = [Line(WireTransport()), Line(AiohttpTransport())]
        for line in self.lines:
            stack.push_async_callback(line.transport.close)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            self.number = number
            assert self.made is not None
            made, pieces = self.made
            for piece in pieces:
                writer.write(piece)
                for _ in range(made.waits):
                    await asyncio.sleep(0)
            if made.ends:
                return

    async def ask(self, made: Made, wire: bytes) -> list[tuple[Seen, bool]]:
        """Get an answer on every transport; tells with each whether the connection was the one that it had to be."""
        self.made = made, cut(wire, made.cuts)
        found = []
        for line in self.lines:
            request = Request(made.method, self.origin, "/", HeaderBlock([("Accept", "*/*")]))
            before, line.last = line.last, None
            async with asyncio.timeout(20):
                response = await line.transport.send(request)
            right = self.number == before if before is not None else self.number not in self.asked
            self.asked.add(self.number)
            line.last = self.number if made.reusable else None
            found.append((seen(response), right))
        return found


@pytest.mark.hazard(15, 16, 18, 20, 21, 22, 31)
@pytest.mark.timeout(7200 if _LONG else 300)
@pytest.mark.parametrize("loop", pytest_asyncio_loop_factories().items(), ids=lambda item: item[0])
def test_both_transports_find_the_same(loop: tuple[str, Any]) -> None:
    """Status, fields, content, trailers and reuse of any legal answer, in any pieces, are the same on both."""
    counts: dict[str, int] = dict.fromkeys((COUNTED, CHUNKED, TO_END, "HEAD", "interim", "reused"), 0)
    with asyncio.Runner(loop_factory=loop[1]) as runner:
        stack, desk = AsyncExitStack(), Desk()
        runner.run(desk.open(stack))

        @settings(max_examples=_EXAMPLES, suppress_health_check=list(HealthCheck))
        @given(made=ANSWERS)
        def check(made: Made) -> None:
            for variant in made.variants():
                compare(variant)

        def compare(made: Made) -> None:
            wire, fields = made.wire()
            trailers = made.trailers if made.chunked and made.has_body else []
            expected = Seen(made.status, made.content, fields, trailers)
            for line, (found, right) in zip(desk.lines, runner.run(desk.ask(made, wire)), strict=True):
                assert found == expected, line.transport
                assert right, f"{line.transport}: another connection than the answer before allowed"
            coded = CODINGS[made.coding](b"".join(made.pieces)) if made.has_body else b""
            read = answer_by_h11(wire, made.method, ended=made.ends)
            assert Seen(*read[1:]) == expected._replace(content=coded)
            for kind, counted in ((made.framing, True), ("HEAD", made.method == "HEAD"), ("reused", made.reusable)):
                counts[kind] += counted
            counts["interim"] += bool(made.interim)

        try:
            check()
        finally:
            runner.run(stack.aclose())
    answers = counts[COUNTED] + counts[CHUNKED] + counts[TO_END]
    assert answers >= 2500  # on each of two loops, so 5,000 in all, each of them on both transports
    assert min(counts.values()) > answers / 20
