"""What tests of downloads share: a body, the answers that have parts of it, and a look into a folder."""

import asyncio
import contextlib
import hashlib
import os
from pathlib import Path

import pytest

from headrace import AsyncClient
from headrace.errors import ConnectionLost
from tests.kit.waiting import until
from tests.servers.raw import reply

BODY = os.urandom(300_000)
DIGEST = hashlib.sha256(BODY).hexdigest()
ETAG = 'ETag: "v1"'


def names(folder: Path) -> list[str]:
    """Name what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def partial(first: int, *headers: str, body: bytes = BODY, last: int | None = None) -> bytes:
    """Write a 206."""
    end = len(body) if last is None else last + 1
    field = f"Content-Range: bytes {first}-{end - 1}/{len(body)}"
    return reply(body[first:end], field, *(headers or (ETAG,)), status="206 Partial Content")


async def interrupted(client: AsyncClient, place: Path, size: int, cut: asyncio.Event) -> None:
    """Download until there are so many bytes, then let the server end the connection.

    Args:
        client: The client; aiohttp drops what its reader has not taken when the connection ends.
        place: Where to.
        size: Bytes that the server sends.
        cut: What the server waits for.
    """
    part = place.with_name(f".{place.name}.part")
    task = asyncio.create_task(client.download("/big.bin", place, chunk_size=1))
    await until(lambda: _has(part, size))
    cut.set()
    with pytest.raises(ConnectionLost):
        await task
    assert _has(part, size)


def _has(path: Path, size: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size == size
    return False
