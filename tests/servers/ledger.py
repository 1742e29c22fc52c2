"""A server that keeps every request, and answers as that says: with a redirect, or with an empty object."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ssl import SSLContext
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.servers.process import HOST
from tests.servers.raw import SeenRequest, read_request, reply


@dataclass(frozen=True)
class Entry:
    """A request that came.

    Attributes:
        scheme: What it came over.
        request: The request.
    """

    scheme: str
    request: SeenRequest

    @property
    def path(self) -> str:
        """The path, without its query."""
        return urlsplit(self.request.line.split(" ")[1]).path

    @property
    def url(self) -> str:
        """The scheme, what the `Host` field names, and the path."""
        return f"{self.scheme}://{self.request.header('Host')}{self.path}"

    @property
    def fields(self) -> str:
        """All that came with it, but for the parameters that say what to answer."""
        target = urlsplit(self.request.line.split(" ")[1])
        rest = {name: values for name, values in parse_qs(target.query).items() if name not in {"status", "to"}}
        return f"{target.path} {rest} {self.request.headers} {self.request.body!r}"


def leading(url: str, status: int, to: str) -> str:
    """Write the URL of a request that is answered with a redirect.

    Args:
        url: Of a ledger's server, without a query.
        status: The status of the redirect.
        to: Where it leads.
    """
    return f"{url}?{urlencode({'status': status, 'to': to})}"


@asynccontextmanager
async def ledger_server(entries: list[Entry], host: str = HOST, ssl: SSLContext | None = None) -> AsyncIterator[int]:
    """Serve until the block ends, and give out the port.

    Args:
        entries: Gets what comes; several servers may share it.
        host: The address to listen on.
        ssl: Serve TLS.

    Raises:
        OSError: There is no such address here.
    """
    scheme = "https" if ssl else "http"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):  # the client has left
            while True:
                entry = Entry(scheme, await read_request(reader))
                entries.append(entry)
                asked = parse_qs(urlsplit(entry.request.line.split(" ")[1]).query)
                if "to" in asked:
                    writer.write(reply(b"", f"Location: {asked['to'][0]}", status=f"{asked['status'][0]} Elsewhere"))
                else:
                    writer.write(reply(b"{}"))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=ssl)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
