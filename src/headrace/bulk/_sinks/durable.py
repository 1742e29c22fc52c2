"""What is on disk stays there: syncs, whole writes, files of ours, and a mark of which one half is always right."""

from __future__ import annotations

import errno
import os
import sys
import zlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from headrace._io.answers import own_files
from headrace.errors import SinkError

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


def make_own(path: Path, mode: int = 0o600) -> int:
    """Make a file beside a target anew; what was there under its name, if anything, loses only the name.

    Returns:
        Its descriptor, for reading and writing.
    """
    path.unlink(missing_ok=True)
    return own_files.make(path, mode)


def open_own(path: Path, *, writable: bool = True) -> int:
    """Open a file beside a target, as it was left.

    Whoever may write to the folder can put anything under its name: a link would lead what is written elsewhere, and a
    pipe would be waited for.

    Returns:
        Its descriptor.

    Raises:
        FileNotFoundError: There is none.
        OSError: It is a link, or no plain file, or has a second name.
    """
    try:
        descriptor = own_files.open_existing(path, writable=writable)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    else:
        found = os.fstat(descriptor)
        if own_files.is_plain(descriptor) and found.st_nlink == 1:
            return descriptor
        os.close(descriptor)
    raise OSError(errno.EPERM, "is a link or no plain file; remove it", str(path))


def hold(descriptor: int, what: str) -> None:
    """Let nobody else write a target while a descriptor of it is open, where the system has such locks.

    Raises:
        headrace.errors.SinkError: Another run writes it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SinkError(f"{what} is being written by another run; wait for it, or give another") from None
    except OSError:  # a file system without locks
        return


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
            descriptor = open_own(self.path, writable=False)
        except FileNotFoundError:
            return None
        try:
            data = os.read(descriptor, 2 * _HALF)
        finally:
            os.close(descriptor)
        halves = [half for at in (0, _HALF) if (half := _half(data[at : at + _HALF])) is not None]
        return max(halves, key=lambda half: half["turn"], default=None)

    def write(self, **facts: Any) -> None:
        """Write the next half, and wait until the disk has it."""
        if self._descriptor is None:
            self._turn = (self.read() or {}).get("turn") or 0
            try:
                self._descriptor = open_own(self.path)
            except FileNotFoundError:
                self._descriptor = make_own(self.path)
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
