"""A server that takes whatever comes and keeps it, so that a test can look at the bytes."""

from typing import Any

from tests.conftest import Serve
from tests.servers.raw import RawServer, SeenRequest, read_request, reply


async def serve_all(serve: Serve) -> RawServer:
    """Start a server that answers every request with nothing, and keeps what it has read."""

    async def answer(reader: Any, writer: Any, _: int) -> None:
        while True:
            request: SeenRequest = await read_request(reader)
            server.requests.append(request)
            writer.write(reply(b"ok"))

    server = await serve(answer)
    return server
