"""What is on disk stays there: syncs, whole writes, and a mark of two halves of which one is always right."""

from __future__ import annotations

import os
import sys
import zlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

#: Bytes of one half of a mark: a sector, which a disk writes as a whole.
_HALF: Final = 512


def sync(descriptor: int) -> None:
    """Wait until the disk has a file."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # fsync leaves the bytes in the drive there
    elif hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder, where a folder can be synced."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Write all bytes at a place."""
    os.lseek(descriptor, offset, os.SEEK_SET)
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


class Mark:
    """A small file that says which batch a target holds, and where that ends.

    Batches are written into its two halves in turn, each with a checksum: whatever a crash leaves of one, the other is
    whole.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def read(self) -> dict[str, Any] | None:
        """Read the newest half that is whole; `None` where there is none."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        halves = [half for at in (0, _HALF) if (half := _half(data[at : at + _HALF])) is not None]
        return max(halves, key=lambda half: half["turn"], default=None)

    def write(self, **facts: Any) -> None:
        """Write the next half, and wait until the disk has it."""
        if self._descriptor is None:
            there = self.path.exists()
            self._turn = ((self.read() or {}).get("turn") or 0) if there else 0
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
            if not there:
                sync_folder(self.path.parent)
        self._turn += 1
        text = msgspec.json.encode({"turn": self._turn, **facts})
        half = b"%08x " % zlib.crc32(text) + text
        if len(half) > _HALF:
            raise ValueError("a mark is too long")
        write_at(self._descriptor, half.ljust(_HALF), self._turn % 2 * _HALF)
        sync(self._descriptor)

    def close(self) -> None:
        """Close it; may be called more than once."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def remove(self) -> None:
        """Close and delete it."""
        self.close()
        self.path.unlink(missing_ok=True)


def _half(data: bytes) -> dict[str, Any] | None:
    checksum, _, text = data.rstrip(b" ").partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(text):
            return None
        facts: dict[str, Any] = msgspec.json.decode(text)
    except ValueError:
        return None
    return facts
