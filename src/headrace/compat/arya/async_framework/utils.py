"""The older framework's reader of files in pieces."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator

__all__ = ["chunk_file_reader"]

_PIECE = 64 * 1024


async def chunk_file_reader(file: str | os.PathLike[str]) -> AsyncIterator[bytes]:
    """Read a file in pieces of 64 KiB, in a thread; `stream_file(path)` sends one whole, quicker.

    Args:
        file: The path of the file.
    """
    opened = await asyncio.to_thread(Path(file).open, "rb")
    try:
        while piece := await asyncio.to_thread(opened.read, _PIECE):
            yield piece
    finally:
        opened.close()
