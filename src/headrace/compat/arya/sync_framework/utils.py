"""The older framework's reader of files in pieces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["chunk_file_reader"]

_PIECE = 64 * 1024


def chunk_file_reader(file: str | os.PathLike[str]) -> Iterator[bytes]:
    """Read a file in pieces of 64 KiB; `stream_file(path)` sends one whole, quicker.

    Args:
        file: The path of the file.
    """
    with Path(file).open("rb") as opened:
        while piece := opened.read(_PIECE):
            yield piece
