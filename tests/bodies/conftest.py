"""A server that keeps what uploads send to it, and a client of it."""

from collections.abc import AsyncIterator

import pytest

from headrace import AsyncClient
from tests.conftest import ServeScript
from tests.servers.raw import Do, RawServer, reply


@pytest.fixture
async def server(serve_script: ServeScript) -> RawServer:
    """A server that takes three requests a connection."""
    return await serve_script([Do.READ, reply(b'"one"')] * 3 + [Do.HOLD])


@pytest.fixture
async def client(server: RawServer, transport: str) -> AsyncIterator[AsyncClient]:
    """A client of that server."""
    async with AsyncClient(server.url, transport=transport) as made:
        yield made
