"""A small forward proxy: absolute-form http requests, CONNECT tunnels, and a password where asked for."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.servers.raw import RawServer, SeenRequest, raw_server, read_request, reply

# Fields between the client and the proxy only (RFC 9110, section 7.6.1); the body travels on with a Content-Length.
_HOP_BY_HOP = {
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_CHUNK = 1 << 16


@dataclass(frozen=True)
class ForwardProxy:
    """A running proxy; it serves one forwarded request, or one tunnel, a connection."""

    server: RawServer
    requests: list[SeenRequest]
    """What clients sent to the proxy itself; the inside of a tunnel is not seen."""
    credentials: tuple[str, str] | None

    @property
    def url(self) -> str:
        """The proxy's URL, without credentials."""
        return self.server.url

    @property
    def url_with_credentials(self) -> str:
        """The proxy's URL with the user and password that it asks for."""
        if self.credentials is None:
            return self.url
        return self.url.replace("://", "://{}:{}@".format(*self.credentials), 1)


@asynccontextmanager
async def forward_proxy(*, credentials: tuple[str, str] | None = None) -> AsyncIterator[ForwardProxy]:
    """Run a proxy until the block ends.

    Args:
        credentials: The user and password to ask for (Basic); a request without them gets a 407.
    """
    requests: list[SeenRequest] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        request = await read_request(reader)
        requests.append(request)
        if credentials and request.header("Proxy-Authorization") != _basic(*credentials):
            writer.write(
                reply(
                    b"",
                    'Proxy-Authenticate: Basic realm="headrace tests"',
                    "Connection: close",
                    status="407 Proxy Authentication Required",
                )
            )
            await writer.drain()
        elif request.line.startswith("CONNECT "):
            await _tunnel(request, reader, writer)
        else:
            await _forward(request, writer)

    async with raw_server(handle) as server:
        yield ForwardProxy(server, requests, credentials)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@asynccontextmanager
async def _origin(
    host: str, port: int, writer: asyncio.StreamWriter
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter] | None]:
    """Give out a connection to the origin, or answer 502 and give out `None`."""
    try:
        origin_reader, origin_writer = await asyncio.open_connection(host, port)
    except OSError:
        writer.write(reply(b"", "Connection: close", status="502 Bad Gateway"))
        await writer.drain()
        yield None
        return
    try:
        yield origin_reader, origin_writer
    finally:
        origin_writer.close()
        with contextlib.suppress(OSError):
            await origin_writer.wait_closed()


async def _forward(request: SeenRequest, writer: asyncio.StreamWriter) -> None:
    method, target, version = request.line.split(" ")
    url = urlsplit(target)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    headers = [f"{name}: {value}" for name, value in request.headers if name.lower() not in _HOP_BY_HOP]
    if request.body:
        headers.append(f"Content-Length: {len(request.body)}")
    head = "\r\n".join([f"{method} {path} {version}", *headers, "Via: 1.1 headrace-tests", "Connection: close", "", ""])
    async with _origin(url.hostname or "", url.port or 80, writer) as origin:
        if origin is None:
            return
        origin_reader, origin_writer = origin
        origin_writer.write(head.encode("latin-1") + request.body)
        await _pump(origin_reader, writer)


async def _tunnel(request: SeenRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    host, _, port = request.line.split(" ")[1].rpartition(":")
    async with _origin(host.strip("[]"), int(port), writer) as origin:
        if origin is None:
            return
        origin_reader, origin_writer = origin
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, origin_writer))
                group.create_task(_pump(origin_reader, writer))
        except* OSError:  # also ENOTCONN, which is no ConnectionError
            # Either end was reset: the tunnel is over, and both ends are closed on the way out.
            pass


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if not writer.transport.is_closing():
        writer.write_eof()
