"""Files are measured, opened and read off the event loop, one chunk ahead.

A plain file is read by its descriptor and offset, so that nothing depends on where it stands meanwhile; where the
connection allows, its bytes go past our memory (`headrace._io.wire.sendfile`). All else is read as a file object.
"""

from __future__ import annotations

import asyncio
import io
import os
import stat
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from headrace._checks import wrong
from headrace._io import threads
from headrace._io.bodies.refusal import check_refusal
from headrace.errors import UploadError, ValidationError

if TYPE_CHECKING:
    from aiohttp.payload import Payload

    from headrace.types import FileLike, Progress

#: Bytes of one read. Measured: 4 MiB are hardly faster, and cost 24 MB where the loop keeps a copy of what it writes.
CHUNK_SIZE = 2 * 1024 * 1024
#: Bytes at the end of a file that are read, and so are seen to be the last before they are sent.
_TAIL = 64 * 1024
_OCTETS = "application/octet-stream"
#: Types of what `mimetypes` calls an encoding: a file is sent as it is, so the outer type counts.
_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
#: File objects whose bytes are those of their descriptor; a `GzipFile` has a descriptor, too, but not such a one.
_PLAIN = (io.FileIO, io.BufferedReader, io.BufferedRandom)


class FileBody:
    """A file as a request body, or as a part of one, from where it stands to its end.

    Args:
        file: A file open for binary reading.
        owned: Whether it was opened here and has to be closed here.
        name: The file's name; `None` is that which it has itself.
        content_type: Its media type; `None` is a guess from the name.
        chunk_size: Bytes of one read.
        progress: Told how much of it is sent, where it is the whole body.
    """

    def __init__(
        self,
        file: IO[bytes],
        *,
        owned: bool,
        name: str | None = None,
        content_type: str | None = None,
        chunk_size: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._file = file
        self._owned = owned
        self._chunk = chunk_size or CHUNK_SIZE
        self.progress = progress
        self._begun = False
        self._reading: asyncio.Future[Any] | None = None
        seekable = getattr(file, "seekable", None)  # an object that can only be read is a file, too
        self._start = file.tell() if seekable is not None and seekable() else None
        self.name = name or _name_of(file)
        self.content_type = content_type or guess_type(self.name)
        self._descriptor = None if self._start is None else _descriptor_of(file)
        self.size: int | None = self._measure()

    def _measure(self) -> int | None:
        if self._start is None:
            return None
        if self._descriptor is not None:
            size = _size_of(self._descriptor)
            return None if size is None else max(0, size - self._start)
        try:
            end = self._file.seek(0, io.SEEK_END)
        except (OSError, ValueError):  # such as a compressed file, whose end nobody knows before it is read
            return None
        finally:
            self._file.seek(self._start)
        return max(0, end - self._start)

    @property
    def refusal(self) -> str | None:
        """Why it cannot be begun any more; see `headrace._core.messages.StreamedBody`."""
        if getattr(self._file, "closed", False):
            return f"the file {self.name!r} is closed"
        if self._begun and self._start is None:
            return f"the file {self.name!r} was sent once and cannot be wound back"
        if self.size == 0 and self._descriptor is not None and (size := self._measure()):
            # Nothing would be sent at all, so this is the only time to notice.
            return f"the file {self.name!r} has grown to {size} bytes since it was measured"
        return None

    def payload(self) -> Payload:
        """Begin the file where it stood when it was given, wherever it stands now.

        Raises:
            headrace.errors.UploadError: It is closed, or was sent before and cannot be wound back.
        """
        from headrace._io.bodies.payloads import Begun

        return Begun(self)

    async def write(self, writer: Any) -> None:
        """Write the whole of it.

        Raises:
            headrace.errors.UploadError: It cannot be begun any more, or has another size than it had.
            OSError: It cannot be read.
        """
        check_refusal(self)
        self._begun = True
        if self._descriptor is None or self.size is None or self._start is None:
            await self._write_as_object(writer)
            return
        end = self._start + self.size
        at = await self._push(writer, self._descriptor, self._start, end - _TAIL)
        await self._write_from(writer, self._descriptor, at, end)
        if not self._owned and not self._file.closed:
            self._file.seek(end)  # it was read, as far as its owner can tell

    async def _push(self, writer: Any, descriptor: int, at: int, end: int) -> int:
        """Send what can be sent past our memory; return where the rest begins."""
        push = getattr(writer, "send_file", None)
        while push is not None and at < end:
            sent = await push(descriptor, at, min(self._chunk, end - at))
            if not sent:
                break
            at += sent
        return at

    async def _write_from(self, writer: Any, descriptor: int, at: int, end: int) -> None:
        """Read a chunk in a thread while the one before it is being written; nothing is written of a changed file."""
        ahead: asyncio.Future[tuple[bytes, int]] | None = None
        try:
            while at < end:
                ahead = ahead or self._begin(_read_at, descriptor, at, min(self._chunk, end - at))
                chunk, size = await threads.result(ahead)
                if not chunk or size != end:
                    raise self._changed(size - (end - (self.size or 0)))
                at += len(chunk)
                ahead = self._begin(_read_at, descriptor, at, min(self._chunk, end - at)) if at < end else None
                await writer.write(chunk)
        finally:
            if ahead is not None:
                await threads.settled(ahead)

    async def _write_as_object(self, writer: Any) -> None:
        """The same with the `read` of a file object; the last chunk waits until the end has been seen behind it."""
        done = 0
        ahead = self._begin(self._first)
        try:
            while chunk := _checked(await threads.result(ahead)):
                done += len(chunk)
                ahead = self._begin(self._read)
                if self.size is not None and (done > self.size or (done == self.size and await threads.result(ahead))):
                    raise self._changed(None)
                await writer.write(chunk)
        finally:
            if self._start is not None or ahead.done():
                await threads.settled(ahead)
            else:
                ahead.add_done_callback(_seen)
        if self.size is not None and done < self.size:
            raise self._changed(done)

    def _first(self) -> bytes:
        if self._start is not None:
            self._file.seek(self._start)
        return self._read()

    def _read(self) -> bytes:
        # A pipe gives what there is: waiting for a full chunk would hold back what somebody has written.
        if self._start is None and isinstance(self._file, io.BufferedReader):
            return self._file.read1(self._chunk)
        return self._file.read(self._chunk)

    def _begin(self, work: Any, *arguments: Any) -> asyncio.Future[Any]:
        self._reading = reading = threads.begin(work, *arguments)
        return reading

    def _changed(self, size: int | None) -> UploadError:
        """Say that the file is not what was measured; `None` is longer than that."""
        what = "has more by now" if size is None or size > (self.size or 0) else f"has {max(0, size)} by now"
        return UploadError(f"the file {self.name!r} has changed: {self.size} bytes were announced, and it {what}")

    async def finish(self) -> None:
        """Nothing is left to put away: the file stays open for another time."""

    async def close(self) -> None:
        """Give the file back, closed if it was opened here, as soon as no thread reads it any more."""
        reading = self._reading
        if self._start is None and reading is not None and not reading.done():
            # Nobody can tell when the other end of a pipe will write.
            if self._owned:
                reading.add_done_callback(lambda _: self._file.close())
            return
        try:
            await threads.settled(reading)
        finally:
            if self._owned:
                self._file.close()


def _read_at(descriptor: int, at: int, count: int) -> tuple[bytes, int]:
    """Read a piece of a plain file; return it with the size that the file has behind it."""
    chunk = os.pread(descriptor, count, at)
    return chunk, os.fstat(descriptor).st_size


def _size_of(descriptor: int) -> int | None:
    """Measure a plain file; `None` where its content is made as it is read, as in `/proc`, whatever its size is called.

    Such a file takes no room on a disk. Neither does one that is empty, or that is all hole: those are looked at.
    """
    found = os.fstat(descriptor)
    size = found.st_size
    if not size or not getattr(found, "st_blocks", 1):
        try:
            last = os.pread(descriptor, 2, max(0, size - 1))
        except OSError:  # whoever reads it meets the error again
            return None
        if len(last) != min(size, 1):
            return None
    return size


def _seen(reading: asyncio.Future[Any]) -> None:
    """Look at how a read has ended that nobody waits for any more."""
    if not reading.cancelled():
        reading.exception()


def _checked(chunk: Any) -> Any:
    if not isinstance(chunk, (bytes, bytearray, memoryview)):
        raise wrong("file", chunk, "a file whose read() gives bytes")
    return chunk


def _name_of(file: Any) -> str:
    name = getattr(file, "name", None)
    return (Path(name).name if isinstance(name, (str, os.PathLike)) else "") or "file"


def guess_type(name: str) -> str:
    """Guess a media type from a file's name; `application/octet-stream` where there is none."""
    import mimetypes  # few need it, and everybody would wait for its import

    kind, packed = mimetypes.guess_type(f"/{name}")  # what has no slash could be taken for a URL
    return _PACKED.get(packed, _OCTETS) if packed else kind or _OCTETS


def _descriptor_of(file: Any) -> int | None:
    """Find the descriptor of a plain file whose bytes are just those that `read` would give."""
    if type(file) not in _PLAIN:
        import tempfile  # few need it, and everybody would wait for its import

        if isinstance(file, tempfile._TemporaryFileWrapper):  # noqa: SLF001 - has no public name
            file = file.file
    if type(file) not in _PLAIN or not hasattr(os, "pread"):
        return None
    if type(file) is not io.FileIO and type(file.raw) is not io.FileIO:
        return None
    if isinstance(file, io.BufferedRandom):
        file.flush()  # what was written to it belongs to it
    descriptor: int = file.fileno()
    return descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


async def open_body(file: FileLike, argument: str = "file", **options: Any) -> FileBody:
    """Open a path, or take an open file from where it stands.

    Args:
        file: A path, or a file open for binary reading.
        argument: The name that an error shall give it.
        **options: Those of `FileBody`.

    Returns:
        The body; the caller closes it.

    Raises:
        headrace.errors.ValidationError: It is neither, or the path is that of a pipe, a socket or a device.
        OSError: The path cannot be opened.
    """
    if not isinstance(file, (str, os.PathLike)):
        check_binary(file, argument)
        return await threads.run(lambda: FileBody(file, owned=False, **options))
    opening = threads.begin(_open, file, argument, options)
    try:
        return await threads.result(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unwanted)  # nobody can tell when, of a disk that is far away for example
        raise


def _open(path: str | os.PathLike[str], argument: str, options: Any) -> FileBody:
    def opener(path: str, flags: int) -> int:
        """Open it without waiting for who writes to it; what is no file is refused before and after it is opened."""
        _check_kind(os.stat(path), path, argument)  # noqa: PTH116 - as given
        descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
        try:
            _check_kind(os.fstat(descriptor), path, argument)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    file = open(path, "rb", opener=opener)  # noqa: SIM115 - closed by `FileBody.close`
    try:
        return FileBody(file, owned=True, **options)
    except BaseException:
        file.close()
        raise


def _check_kind(found: os.stat_result, path: str, argument: str) -> None:
    """Refuse what opening or reading may have to wait for, for nobody knows how long; `open` itself refuses folders."""
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        message = (
            f"{argument}: {path!r} is a pipe, a socket or a device, takes the path of a file; "
            "open it yourself and give the open file, or give an iterable of its bytes"
        )
        raise ValidationError(message)


def _close_unwanted(opening: asyncio.Future[FileBody]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result()._file.close()  # noqa: SLF001 - our own class


def check_binary(file: Any, argument: str) -> None:
    """Raise a `ValidationError` unless the value is a file that reads bytes."""
    if isinstance(file, io.TextIOBase) or not callable(getattr(file, "read", None)):
        raise wrong(argument, file, "a path, or a file open for binary reading ('rb')")
    if getattr(file, "closed", False) is True:
        raise ValidationError(f"{argument}: the file is closed, takes an open one")
