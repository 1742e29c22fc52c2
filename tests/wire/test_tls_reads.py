"""Large answers over TLS come byte for byte, however many records one read of the loop takes."""

import asyncio
import hashlib
import random
from pathlib import Path

from headrace import AsyncClient
from tests.servers.raw import Do, scripted_server
from tests.servers.tls import TlsMaterial

BODY = random.Random(15).randbytes(3_000_000)  # noqa: S311 - no secret
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: "a"\r\n\r\n' % len(BODY) + BODY


async def test_whole_streamed_and_downloaded(tls: TlsMaterial, transport: str, tmp_path: Path) -> None:
    """Three megabytes of noise are the same as a whole, in pieces and as a file, on several connections at once."""
    script = [Do.READ, ANSWER] * 12
    async with scripted_server(script, ssl=tls.server_context()) as server:
        client = AsyncClient(server.url, transport=transport, tls=tls.trusting)

        async def one(number: int) -> None:
            assert await client.get("/whole", response_format=bytes) == BODY
            async with client.stream("GET", "/streamed") as response:
                assert b"".join([piece async for piece in response.aiter_bytes()]) == BODY
            file = await client.download("/file", tmp_path / str(number))
            assert hashlib.sha256(file.read_bytes()).digest() == hashlib.sha256(BODY).digest()

        async with client:
            await asyncio.gather(*map(one, range(4)))
