"""What tests of downloads share: a body, the answers that have parts of it, and a look into a folder."""

import hashlib
import os
from pathlib import Path

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
