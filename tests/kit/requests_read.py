"""Requests made up of anything, and the two parsers that others wrote which have to read them: h11 and llhttp."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import h11
from httptools import HttpParserUpgrade, HttpRequestParser
from hypothesis import strategies as st

from tests.servers.process import HOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_TOKENS = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,10}", fullmatch=True)
_TEXTS = st.text(max_size=10) | st.text("\r\n\t\0 :;,=&?#/%\\\"'aZ9.é\u20ac\ud800", max_size=10)
_PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters=";"), max_size=10)
_NAMES = _TOKENS | st.sampled_from(
    ["Host", "Connection", "Content-Length", "Transfer-Encoding", "Expect", "TE", "Trailer", "Upgrade", "Cookie"]
)
_VALUES = (
    _PLAIN
    | _TEXTS
    | st.sampled_from(["close", "keep-alive", "upgrade", "chunked", "100-continue", "0", "3", "h2c", "x"])
    | st.integers()
)
_FIELDS = st.dictionaries(_NAMES, _VALUES, max_size=4)
_METHODS = (
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"])
    | _TOKENS
    | _TEXTS
)
_PATHS = st.none() | _TEXTS | st.lists(_TEXTS | _PLAIN, max_size=4).map("/".join) | st.just("*")
_PARAMETERS = st.dictionaries(
    _TEXTS, _TEXTS | st.integers() | st.booleans() | st.none() | st.lists(_TEXTS, max_size=3), max_size=3
)
_COOKIES = st.dictionaries(_TOKENS | _TEXTS, _PLAIN | _TEXTS, max_size=3)
_JSON = st.recursive(st.none() | st.integers() | _TEXTS, lambda inner: st.lists(inner, max_size=3), max_leaves=5)


class Pieces(NamedTuple):
    """A body that is given piece by piece, without a length."""

    pieces: list[bytes]

    async def __call__(self) -> AsyncIterator[bytes]:
        """Give them."""
        for piece in self.pieces:
            yield piece


class Call(NamedTuple):
    """A call of `AsyncClient.request`, and the defaults of its client.

    Attributes:
        method: The method.
        path: Below the client's own.
        options: `headers`, `cookies`, `parameters`, `data` and `body`, where it has them.
        defaults: The same of the client, but for the body.
    """

    method: str
    path: str | None
    options: dict[str, Any]
    defaults: dict[str, Any]


_BODIES = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"data": st.binary(max_size=60)}),
    st.fixed_dictionaries({"data": st.builds(Pieces, st.lists(st.binary(max_size=20), max_size=4))}),
    st.fixed_dictionaries({"data": st.dictionaries(_TEXTS, _TEXTS, max_size=2)}),
    st.fixed_dictionaries({"body": st.dictionaries(_TEXTS, _JSON, max_size=2) | st.lists(_JSON, max_size=2)}),
)
_SETTINGS = {"headers": _FIELDS, "cookies": _COOKIES, "parameters": _PARAMETERS}


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """Make up a call; most are harmless in all but one of their parts, or every second one would be refused."""
    usual = {"method": st.sampled_from(["GET", "POST", "PUT"]), "path": _PLAIN.map("/{}".format)}
    wild = draw(st.sampled_from(["method", "path", "headers", "cookies", "parameters", "all"]))
    method = draw(_METHODS if wild in ("method", "all") else usual["method"])
    path = draw(_PATHS if wild in ("path", "all") else usual["path"])
    tame = {
        "headers": st.dictionaries(_TOKENS.map("X-{}".format), _PLAIN, max_size=3),
        "cookies": st.dictionaries(_TOKENS, _PLAIN, max_size=2),
        "parameters": st.dictionaries(_PLAIN, _PLAIN, max_size=2),
    }
    chosen = {name: draw(_SETTINGS[name] if wild in (name, "all") else tame[name]) for name in tame}
    own = draw(st.sets(st.sampled_from(sorted(chosen))))
    options = {name: value for name, value in chosen.items() if name not in own}
    return Call(method, path, {**options, **draw(_BODIES)}, {name: chosen[name] for name in own})


class Read(NamedTuple):
    """A request as a parser has read it; names of fields in lower case, values as they stood."""

    method: bytes
    target: bytes
    fields: list[tuple[bytes, bytes]]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """List the values of a field.

        Args:
            name: In lower case.
        """
        return [value for key, value in self.fields if key == name]


def by_h11(wire: bytes) -> Read:
    """Read one request, and nothing behind it.

    Args:
        wire: All that came over a connection.
    """
    server = h11.Connection(h11.SERVER)
    server.receive_data(wire)
    request = server.next_event()
    assert isinstance(request, h11.Request), request
    body = b""
    while not isinstance(event := server.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data), event
        body += bytes(event.data)
    assert server.trailing_data == (b"", False)
    return Read(request.method, request.target, list(request.headers), body)


class _Events:
    """What llhttp tells of one connection."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.target = b""
        self.body = b""
        self.fields: list[tuple[bytes, bytes]] = []

    def on_message_begin(self) -> None:
        self.told.append("begin")

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # Space around a value is none of it (RFC 9110, section 5.5), and llhttp leaves that behind it.
        self.fields.append((name.lower(), value.rstrip(b" \t")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.told.append("complete")


def by_llhttp(wire: bytes) -> Read:
    """Read one request, and nothing behind it.

    Args:
        wire: All that came over a connection.

    Raises:
        httptools.HttpParserError: llhttp refuses it; it knows a fixed set of methods.
    """
    events = _Events()
    parser = HttpRequestParser(events)
    left = b""
    try:
        parser.feed_data(wire)
    except HttpParserUpgrade as upgrade:  # the request is whole, and asks for another protocol behind it
        left = wire[upgrade.args[0] :]
    assert left == b""
    assert events.told == ["begin", "complete"]
    return Read(parser.get_method(), events.target, events.fields, events.body)


class Ledger:
    """A server that answers each request that h11 finds, and keeps all bytes of each connection."""

    def __init__(self) -> None:
        self.wires: list[bytearray] = []
        self.port = 0
        self._ends: list[asyncio.Event] = []
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more."""
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def taken(self) -> list[bytes]:
        """Wait until the clients have ended their connections, and take what came over each."""
        await asyncio.gather(*(end.wait() for end in self._ends))
        wires = [bytes(wire) for wire in self.wires]
        self.wires.clear()
        self._ends.clear()
        return wires

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire, end = bytearray(), asyncio.Event()
        self.wires.append(wire)
        self._ends.append(end)
        parser = h11.Connection(h11.SERVER)
        try:
            while data := await reader.read(1 << 16):
                wire += data
                self._answer(parser, data, writer)
        except ConnectionError:
            pass  # the client was refused, and left
        finally:
            end.set()
            writer.close()

    def _answer(self, parser: h11.Connection, data: bytes, writer: asyncio.StreamWriter) -> None:
        """Answer when the request is whole, or at once when it is none."""
        try:
            parser.receive_data(data)
            while (event := parser.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.EndOfMessage):
                    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                if event is h11.PAUSED or isinstance(event, h11.EndOfMessage):
                    return
            if parser.they_are_waiting_for_100_continue:
                parser.send(h11.InformationalResponse(status_code=100, headers=[]))
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        except h11.RemoteProtocolError:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
