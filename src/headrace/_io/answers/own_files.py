"""Files beside a destination are opened here: never through a link, and only what is a plain file, and our own.

Whoever may write to the folder can put anything under a name that can be guessed. Every function blocks.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Final

from headrace.errors import DownloadError

if TYPE_CHECKING:
    from pathlib import Path

#: Without `O_NONBLOCK`, opening a pipe would wait for its other end.
_SAFE: Final = sum(
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT")
)
_OURS_ALONE: Final = 0o600


def make(path: Path, mode: int = _OURS_ALONE) -> int:
    """Make a file where nothing is, not even a link.

    Args:
        path: Its path.
        mode: Its permissions, less the process's umask.

    Returns:
        Its descriptor, for reading and writing.

    Raises:
        FileExistsError: Something is there.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFE, mode)


def open_existing(path: Path, *, writable: bool) -> int:
    """Open what is there; raises `OSError` where nothing is, a link or a folder."""
    return os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | _SAFE)


def check_place(place: Path) -> None:
    """Refuse to replace what is no file: a rename would take away a device, a pipe or a socket that others use.

    Raises:
        headrace.errors.DownloadError: There is such a thing.
        OSError: It cannot be looked at.
    """
    try:
        mode = place.stat(follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
        message = f"{str(place)!r} is a device, a pipe or a socket, takes the path of a file"
        raise DownloadError(message)


def is_plain(file: int) -> bool:
    """Tell whether a descriptor is that of a plain file, and of no pipe or device."""
    return stat.S_ISREG(os.fstat(file).st_mode)


def is_ours(file: int) -> bool:
    """Tell whether a plain file belongs to this user and has no second name, under which it would be another thing."""
    found = os.fstat(file)
    return found.st_nlink == 1 and (not hasattr(os, "geteuid") or found.st_uid == os.geteuid())


def is_at(file: int, path: Path) -> bool:
    """Tell whether a path still leads to the file of a descriptor."""
    try:
        there = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    ours = os.fstat(file)
    return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)


def read(path: Path, most: int) -> bytes | None:
    """Read at most so many bytes of a file of ours; `None` where there is none."""
    try:
        file = open_existing(path, writable=False)
    except OSError:
        return None
    try:
        return os.read(file, most) if is_plain(file) and is_ours(file) else None
    except OSError:
        return None
    finally:
        os.close(file)


def replace(path: Path, content: bytes) -> None:
    """Write a small file anew; what was there under its name is left alone, and loses only the name."""
    path.unlink(missing_ok=True)
    file = make(path)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(file, view) :]
    finally:
        os.close(file)


def set_mode(file: int, mode: int) -> None:
    """Give a file its permissions, where the file system has such."""
    if hasattr(os, "fchmod"):
        with contextlib.suppress(OSError):
            os.fchmod(file, mode)


def mode_for(place: Path, probe: Path) -> int:
    """Find the permissions that a file gets which takes a place: those of the file that is there, or of any new one.

    Args:
        place: The place.
        probe: A path in the same folder, where an empty file may be made: nothing else tells what a folder and the
            umask make of a new file without setting the umask of every thread.
    """
    with contextlib.suppress(OSError):
        there = place.stat(follow_symlinks=False).st_mode
        if stat.S_ISREG(there):
            return stat.S_IMODE(there) & 0o777 | _OURS_ALONE  # a run that fails here has to be able to go on
    with contextlib.suppress(OSError):
        probe.unlink(missing_ok=True)
        file = make(probe, 0o666)
        try:
            return stat.S_IMODE(os.fstat(file).st_mode)
        finally:
            os.close(file)
            probe.unlink()
    return _OURS_ALONE


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names of a folder, where a folder can be opened."""
    if os.name == "nt":
        return
    file = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(file)
    finally:
        os.close(file)
