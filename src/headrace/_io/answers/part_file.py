"""A file that is not whole yet lies beside its place, under a name that a later run finds.

`.NAME.part` has the bytes, `.NAME.part.json` says what they are of; nobody else may read or write either. Every
function blocks: they are called in threads.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from typing import TYPE_CHECKING, Any, Final

import msgspec

from headrace._core import resuming
from headrace._io.answers import own_files
from headrace.errors import ChecksumError, DownloadError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from headrace._core.resuming import Note
    from headrace.types import Bytes

_READ: Final = 1024 * 1024
_MOST_PIECES: Final = 512  # of one system call; POSIX allows 1024 on every system in use
_TRIES: Final = 100  # to open a part that others rename, remove or make at the same time


class PartFile:
    """The part of one download, locked as long as it is open.

    Args:
        place: Where the whole file will be; its folder has to be there.
        checksum: An algorithm and its hexadecimal digits, or `None`.

    Attributes:
        size: Bytes that are there.
        note: What they are of; `None` where they are of no use.

    Raises:
        headrace.errors.DownloadError: Another download to the same place is under way, or what is there is no file.
        OSError: The file cannot be opened.
    """

    _busy: Final[set[str]] = set()
    _lock: Final = threading.Lock()

    def __init__(self, place: Path, checksum: tuple[str, str] | None) -> None:
        self._place = place
        self.path = place.with_name(f".{place.name}.part")
        self._note_path = place.with_name(f".{place.name}.part.json")
        self._probe_path = place.with_name(f".{place.name}.part.mode")
        self._checksum = checksum
        self._key = os.path.realpath(self.path)
        own_files.check_place(place)
        with self._lock:
            if self._key in self._busy:
                raise self._refused()
            self._busy.add(self._key)
        self._file = -1
        self._hash: Any = None
        self._done = False
        try:
            self._file = self._open()
            own_files.set_mode(self._file, 0o600)
            self.size = os.fstat(self._file).st_size
            text = own_files.read(self._note_path, resuming.MOST_NOTE) if self.size else None
            self.note = None if text is None else resuming.read(text, self.size)
        except BaseException:
            self._leave()
            raise

    def _refused(self) -> DownloadError:
        return DownloadError(f"another download to {str(self._place)!r} is under way")

    def _leave(self) -> None:
        """Give up the descriptor, the lock with it, and the place."""
        file, self._file = self._file, -1
        try:
            if file >= 0:
                os.close(file)
        finally:
            with self._lock:
                self._busy.discard(self._key)

    def _open(self) -> int:
        """Open the part and lock it against other processes."""
        for _ in range(_TRIES):
            made = True
            try:
                file = own_files.make(self.path)
            except FileExistsError:
                made = False
                try:
                    file = own_files.open_existing(self.path, writable=True)
                except FileNotFoundError:
                    continue
            try:
                if self._lock_it(file, made=made):
                    return file
            except BaseException:
                os.close(file)
                raise
            os.close(file)
        raise self._refused()

    def _lock_it(self, file: int, *, made: bool) -> bool:
        """Lock what was opened; tell whether it is the part. One that was renamed meanwhile is not it any more.

        A file of another user, or one with a second name, is not written to either: its name here is taken away. What
        was made here is ours, whatever a network's file system calls its owner.
        """
        if not own_files.is_plain(file):
            message = f"{str(self.path)!r} is in the way of the download: it is no plain file; remove it"
            raise DownloadError(message)
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise self._refused() from None
        if not own_files.is_at(file, self.path):
            return False
        if not made and not own_files.is_ours(file):
            self.path.unlink()
            return False
        return True

    def begin_anew(self, note: Note | None) -> None:
        """Throw away what is there, and note what will be; `None` is what cannot be resumed."""
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self.size = 0
        self.note = note
        self._hash = None if self._checksum is None else hashlib.new(self._checksum[0])
        if note is None:
            self._note_path.unlink(missing_ok=True)
        else:
            self.learn(note)

    def learn(self, note: Note) -> None:
        """Note more of what is there."""
        self.note = note
        own_files.replace(self._note_path, msgspec.json.encode(note))

    def go_on(self) -> None:
        """Stand behind what is there, having read it where there is a checksum to compute."""
        os.lseek(self._file, 0, os.SEEK_SET)
        if self._checksum is not None:
            self._hash = hashlib.new(self._checksum[0])
            while piece := os.read(self._file, _READ):
                self._hash.update(piece)
        os.lseek(self._file, self.size, os.SEEK_SET)

    def write(self, pieces: Sequence[Bytes]) -> None:
        """Append pieces; raises `OSError`, such as a full disk, with as much written as there was room for."""
        if self._hash is not None:
            for piece in pieces:
                self._hash.update(piece)
        for start in range(0, len(pieces), _MOST_PIECES):
            self._write_all([memoryview(piece) for piece in pieces[start : start + _MOST_PIECES]])

    @property
    def takes_pipes(self) -> bool:
        """Whether `take` may be used: a checksum has to see the bytes."""
        return self._hash is None

    def take(self, pipe: int, count: int) -> None:
        """Append so many bytes that a pipe holds; raises `OSError` as `write` does."""
        while count:
            try:
                written = os.splice(pipe, self._file, count)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                piece = os.read(pipe, count)  # a file system that knows no `splice`
                self.write([piece])
                written = len(piece)
            else:
                self.size += written
            count -= written

    def _write_all(self, views: list[memoryview]) -> None:
        while views:
            written = os.writev(self._file, views) if hasattr(os, "writev") else os.write(self._file, views[0])
            self.size += written
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if written:
                views[0] = views[0][written:]

    def verify(self) -> None:
        """Compare the checksum, where there is one; what does not have it is thrown away.

        Raises:
            headrace.errors.ChecksumError: It is another one.
        """
        if self._checksum is None:
            return
        name, expected = self._checksum
        actual = self._hash.hexdigest()
        if actual != expected:
            self.discard()
            message = f"the {name} of the download is {actual}, not {expected}; it was thrown away"
            raise ChecksumError(message, algorithm=name, expected=expected, actual=actual)

    def finish(self, place: Path, *, fsync: bool, overwrite: bool) -> None:
        """Put the whole file in its place, in one step.

        Raises:
            headrace.errors.DownloadError: There is a file that must not be overwritten, or another one in the place of
                the part.
        """
        if not own_files.is_at(self._file, self.path):
            message = f"somebody has taken {str(self.path)!r} away while it was written"
            raise DownloadError(message)
        own_files.check_place(place)
        own_files.set_mode(self._file, own_files.mode_for(place, self._probe_path))
        if fsync:
            os.fsync(self._file)
        if os.name == "nt":
            self._leave()  # an open file cannot be renamed there
        if overwrite:
            self.path.replace(place)
        else:
            self._claim(place)
        self._done = True
        with contextlib.suppress(OSError):  # the file is there
            self._note_path.unlink(missing_ok=True)
        if fsync:
            own_files.sync_folder(place.parent)

    def _claim(self, place: Path) -> None:
        """Take a place where nothing is."""
        try:
            os.close(own_files.make(place))
        except FileExistsError as error:
            raise exists(place) from error
        try:
            self.path.replace(place)
        except BaseException:
            place.unlink()
            raise

    def discard(self) -> None:
        """Remove the part, and what says what it is of."""
        with contextlib.suppress(OSError):
            if own_files.is_at(self._file, self.path):
                self.path.unlink()
            self._note_path.unlink(missing_ok=True)
        self.note = None

    def close(self) -> None:
        """Close the part, which stays there for another run if that can resume it. May be called more than once."""
        if self._file < 0:
            return
        try:
            if not self._done and (self.note is None or not self.size):
                self.discard()
        finally:
            self._leave()


def exists(place: Path) -> DownloadError:
    """Make the error for a file that is there already, under a name that the server has chosen."""
    return DownloadError(f"{str(place)!r} is there already, and a name that a server chooses overwrites nothing")
