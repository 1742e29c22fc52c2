"""A TCP server in the test's own loop that does exactly what the test says, byte by byte."""

import asyncio
import contextlib
import enum
import socket
import ssl as ssl_module
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import SupportsIndex

from tests.servers.process import HOST

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]
WAIT_SECONDS = 10.0
_LIMIT = 1 << 20


class Do(enum.Enum):
    """What a script can do besides writing bytes and waiting for an event."""

    READ = "read one request, head and body"
    CLOSE = "close with a FIN"
    RESET = "close with an RST"
    END = "end our half (FIN) and keep reading"
    HOLD = "keep the connection open until the client ends it"


Step = bytes | asyncio.Event | Do


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request as it stood on the wire."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or `None`.

        Args:
            name: In any case.
        """
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class RecordingReader(asyncio.StreamReader):
    """A reader that keeps all that it was ever fed, and says when the client ended."""

    def __init__(self) -> None:
        super().__init__(limit=_LIMIT, loop=asyncio.get_running_loop())
        self.received = bytearray()
        self.ended = asyncio.Event()

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Keep and pass on.

        Args:
            data: What arrived.
        """
        self.received.extend(data)
        super().feed_data(data)

    def feed_eof(self) -> None:
        """Note the client's FIN."""
        self.ended.set()
        super().feed_eof()

    def set_exception(self, exc: Exception) -> None:
        """Note the client's reset.

        Args:
            exc: Why the connection was lost.
        """
        self.ended.set()
        super().set_exception(exc)


@dataclass(eq=False)
class Connection:
    """One accepted connection."""

    number: int
    """Counted from 0."""
    reader: RecordingReader
    writer: asyncio.StreamWriter
    task: asyncio.Task[None] = field(init=False)

    @property
    def received(self) -> bytes:
        """Every byte the client sent, read by the handler or not."""
        return bytes(self.reader.received)

    @property
    def ended(self) -> asyncio.Event:
        """Set once the client's end or reset arrived."""
        return self.reader.ended


class RawServer:
    """A listening server; made by `raw_server` and `scripted_server`."""

    def __init__(self, handler: Handler, context: ssl_module.SSLContext | None) -> None:
        self.connections: list[Connection] = []
        self.requests: list[SeenRequest] = []
        """What `Do.READ` read, in order; a handler may append its own."""
        self.failures: list[Exception] = []
        self.port = 0
        self._handler = handler
        self._context = context
        self._accepted = asyncio.Event()

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"{'https' if self._context else 'http'}://{HOST}:{self.port}"

    @property
    def open_connections(self) -> int:
        """How many connections neither side has ended."""
        return sum(not (c.ended.is_set() or c.writer.transport.is_closing()) for c in self.connections)

    async def accepted(self, count: int) -> Connection:
        """Wait until that many connections were accepted in all, and return the last of them.

        Args:
            count: From 1.
        """
        async with asyncio.timeout(WAIT_SECONDS):
            while len(self.connections) < count:
                self._accepted.clear()
                await self._accepted.wait()
        return self.connections[count - 1]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["RawServer"]:
        """Listen until the block ends, then cut every connection and raise what handlers raised."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._protocol, HOST, 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for connection in self.connections:
                connection.task.cancel()
            await asyncio.gather(*(c.task for c in self.connections), return_exceptions=True)
            for connection in self.connections:
                # asyncio of Python 3.11.2 (Debian 12) trips over aborting a TLS connection that is already lost.
                with contextlib.suppress(AttributeError):
                    connection.writer.transport.abort()
            await server.wait_closed()
        if self.failures:
            raise ExceptionGroup("a server's handler failed", self.failures)

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        reader = RecordingReader()
        return asyncio.StreamReaderProtocol(
            reader, lambda _, writer: self._connected(reader, writer), loop=asyncio.get_running_loop()
        )

    def _connected(self, reader: RecordingReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(len(self.connections), reader, writer)
        connection.task = asyncio.create_task(self._serve(connection))
        self.connections.append(connection)
        self._accepted.set()

    async def _serve(self, connection: Connection) -> None:
        try:
            await self._handler(connection.reader, connection.writer, connection.number)
        except (ConnectionError, asyncio.IncompleteReadError):
            # The client left: that is the client's business, and what tests assert on.
            pass
        except Exception as error:  # noqa: BLE001 - whatever it was, the test gets to see it
            self.failures.append(error)
        finally:
            connection.writer.close()


@asynccontextmanager
async def raw_server(handler: Handler, *, ssl: ssl_module.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Serve every connection with a coroutine; the connection closes when the coroutine returns.

    Args:
        handler: Called with the reader, the writer and the number of the connection, counted from 0.
        ssl: Serve TLS.
    """
    async with RawServer(handler, ssl).listening() as server:
        yield server


@asynccontextmanager
async def scripted_server(
    *scripts: Sequence[Step], ssl: ssl_module.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Serve each connection by its script: bytes are written, events waited for, `Do` done.

    The last script serves all further connections; a connection closes (FIN) at the end of its script.

    Args:
        scripts: One for each connection, in the order of their arrival.
        ssl: Serve TLS.
    """

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        for step in scripts[min(number, len(scripts) - 1)]:
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, Do):
                await _do(step, reader, writer, server.requests)
            else:
                writer.write(step)
                await writer.drain()

    async with RawServer(play, ssl).listening() as server:
        yield server


def reply(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """Return the bytes of a whole response with a Content-Length.

    Args:
        body: Of any length.
        headers: More header lines, such as `"Content-Type: application/json"`.
        status: Code and phrase.
    """
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def reset(writer: asyncio.StreamWriter) -> None:
    """Drop a connection with an RST instead of a FIN.

    Args:
        writer: Of a plain or a TLS connection.
    """
    on, seconds = 1, 0
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", on, seconds))
    writer.transport.abort()


async def read_request(reader: asyncio.StreamReader) -> SeenRequest:
    """Read one request, with a body by Content-Length or chunked; chunks are joined.

    Args:
        reader: Standing at the start of a request.

    Raises:
        asyncio.IncompleteReadError: If the client ends before the request does.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.removesuffix("\r\n\r\n").split("\r\n")
    headers = tuple((name, value.strip()) for name, _, value in (item.partition(":") for item in fields))
    request = SeenRequest(line, headers, b"")
    if (request.header("Transfer-Encoding") or "").lower() == "chunked":
        body = await _read_chunks(reader)
    else:
        body = await reader.readexactly(int(request.header("Content-Length") or 0))
    return SeenRequest(line, headers, body)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return bytes(body)


async def _do(
    step: Do, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: list[SeenRequest]
) -> None:
    if step is Do.READ:
        requests.append(await read_request(reader))
    elif step is Do.RESET:
        reset(writer)
    elif step is Do.CLOSE:
        writer.close()
        # A peer that is gone already is as closed as can be.
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    elif step is Do.END:
        writer.write_eof()
    elif step is Do.HOLD:
        while await reader.read(_LIMIT):
            pass
