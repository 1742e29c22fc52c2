"""Servers that hold their answers back: a mill until the test lets it go on, and one for good."""

import asyncio
from collections import defaultdict

from tests.conftest import Serve
from tests.kit.waiting import until
from tests.servers.raw import RawServer, read_request, reply


class Mill:
    """A server that answers a request with its path, once the test lets it."""

    def __init__(self) -> None:
        self.served: list[tuple[str, int]] = []
        """Path and number of the connection of each request, in the order of their arrival."""
        self.most_open = 0
        self.server: RawServer
        self._gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    @classmethod
    async def start(cls, serve: Serve) -> "Mill":
        """Start a mill with the `serve` fixture."""
        mill = cls()
        mill.server = await serve(mill._handle)
        return mill

    @property
    def url(self) -> str:
        """The base URL."""
        return self.server.url

    @property
    def paths(self) -> list[str]:
        """The path of each request."""
        return [path for path, _ in self.served]

    def release(self, *paths: str) -> None:
        """Answer these paths from now on."""
        for path in paths:
            self._gates[path].set()

    async def arrived(self, *paths: str) -> None:
        """Wait until these requests are here."""
        await until(lambda: set(paths) <= set(self.paths))

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while True:
            path = (await read_request(reader)).line.split()[1]
            self.served.append((path, number))
            self.most_open = max(self.most_open, self.server.open_connections)
            await self._gates[path].wait()
            writer.write(reply(path.encode()))


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: int) -> None:
    """Accept and never say anything."""
    await reader.read()
