"""A body goes to disk here: resumed where that is safe, written in threads while more of it arrives, checked, renamed.

Where a thread can take the bytes from the socket, it does. Otherwise they are gathered until a batch of them is worth a
thread's while; one batch is written while the next is gathered, and no more is read than these two.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from headrace._checks import is_number, wrong_number
from headrace._core import ranges
from headrace._io.partfile import Note, PartFile, exists
from headrace.config import wrong
from headrace.errors import DownloadError, HTTPRequestedRangeNotSatisfiable, TransportError, ValidationError
from headrace.types import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from yarl import URL

    from headrace._io.streamed import StreamedResponse

    Open = Callable[[Mapping[str, str]], AbstractAsyncContextManager[StreamedResponse]]

T = TypeVar("T")

#: Bytes of a batch: with 4 MiB, writing on the loop's own core held the loop up for 50 ms at a time.
CHUNK_SIZE: Final = 512 * 1024
_PATIENCE: Final = 0.1  # seconds after which less than a batch is written, so that slow servers show progress
#: Fields that a download writes itself.
OWN_FIELDS: Final = frozenset({"range", "if-range", "accept-encoding"})


@attrs.frozen
class Options:
    """How a download is done; see `AsyncClient.download`."""

    resume: bool
    checksum: tuple[str, str] | None
    progress: Progress | None
    chunk_size: int
    fsync: bool


def as_path(dest: Any) -> Path:
    """Read a `dest` argument.

    Raises:
        headrace.errors.ValidationError: It is no path.
    """
    if not isinstance(dest, (str, os.PathLike)) or (isinstance(dest, str) and ("\0" in dest or not dest)):
        raise wrong("dest", dest, "a path")
    path = os.fspath(dest)
    if isinstance(path, bytes):
        raise wrong("dest", dest, "a path in text")
    return Path(path)


async def download(open_: Open, url: URL, dest: Path, options: Options) -> Path:
    """Download to a file.

    Args:
        open_: Sends the request with more header fields, and streams the answer.
        url: What is asked for.
        dest: A file, or a folder for one.
        options: How.

    Returns:
        The file.
    """
    into_folder = await _in_thread(dest.is_dir)
    place = dest / ranges.url_name(url.raw_path) if into_folder else dest
    part = await _in_thread(PartFile, place, options.checksum, undo=PartFile.close)
    try:
        resource = hashlib.sha256(str(url).encode()).hexdigest()
        one = _Download(open_, part, place, resource, options, into_folder=into_folder)
        place = await one.run()
        await _in_thread(part.verify)
        await _in_thread(lambda: part.finish(place, fsync=options.fsync, overwrite=not one.named_by_server))
    finally:
        await _in_thread(part.close)
    return place


class _Download:
    """One download, from what is there to the whole."""

    def __init__(
        self, open_: Open, part: PartFile, place: Path, resource: str, options: Options, *, into_folder: bool
    ) -> None:
        self._open = open_
        self._part = part
        self._place = place
        self._resource = resource
        self._options = options
        self._into_folder = into_folder
        self._restarted = False
        self._total: int | None = None
        self.named_by_server = False

    async def run(self) -> Path:
        """Ask for what is missing until nothing is.

        Returns:
            Where the file goes.
        """
        part = self._part
        note = part.note
        if not self._options.resume or note is None or note.resource != self._resource:
            part.note = None
        else:
            await _in_thread(part.go_on)
        while True:
            before = part.size
            note = part.note
            fields = {"Accept-Encoding": "identity"}  # so that ranges and lengths are those of the file
            if note is not None and part.size:
                fields |= {"Range": f"bytes={part.size}-", "If-Range": note.validator}
            try:
                async with self._open(fields) as response:
                    whole = await self._take(response, note if "Range" in fields else None)
            except HTTPRequestedRangeNotSatisfiable as error:
                if "Range" not in fields or note is None:
                    raise
                total = ranges.unsatisfied(error.headers.get("Content-Range"))
                if total == part.size and note.total in (None, total):
                    return self._place
                whole = await self._restart("the server has less than is there")
            if whole:
                return self._place
            if part.size <= before and part.size:
                message = f"the server sent nothing of what is missing behind byte {part.size}"
                raise DownloadError(message)

    async def _restart(self, reason: str) -> bool:
        """Throw away what is there and ask for the whole; only once, or a server could make it go on for ever."""
        if self._restarted:
            message = f"the download cannot be resumed: {reason}"
            raise DownloadError(message)
        self._restarted = True
        await _in_thread(self._part.begin_anew, None)
        return False

    async def _take(self, response: StreamedResponse, note: Note | None) -> bool:
        """Write what an answer holds.

        Args:
            response: The answer.
            note: What a range was asked for with; `None` where the whole was asked for.

        Returns:
            Whether the file is whole now.
        """
        part = self._part
        if response.status == 206:
            reason = None if note is None else self._mismatch(response, note)
            if note is None:
                message = "the server sent a part of what was asked for as a whole"
                raise DownloadError(message)
            if reason is not None:
                return await self._restart(reason)
            found = ranges.content_range(response.headers.get("Content-Range"))
            end = None if found is None else found.last + 1
            self._total = None if found is None else found.total
        elif response.status in (200, 203):
            await self._begin(response)
            end = self._total
        else:
            message = f"the server answered {response.status}, which has no file in it"
            raise DownloadError(message)
        await self._name(response)
        self._tell()
        await self._write(response)
        if end is not None and part.size != end:
            size, part.note = part.size, None
            message = f"the server said {end} bytes and sent {size}"
            raise DownloadError(message)
        return self._total is None or part.size == self._total

    def _mismatch(self, response: StreamedResponse, note: Note) -> str | None:
        """Say why a 206 is not the rest of what is there; `None` where it is (RFC 9110, section 15.3.7)."""
        found = ranges.content_range(response.headers.get("Content-Range"))
        if found is None or found.first != self._part.size:
            return "the server sent another range than the one that was asked for"
        if note.total is not None and found.total not in (None, note.total):
            return "its length has changed"
        tag = response.headers.get("ETag")
        if tag is not None and note.validator.startswith('"') and tag.strip() != note.validator:
            return "it has changed"
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            return "the server compressed a part of it"
        return None

    async def _begin(self, response: StreamedResponse) -> None:
        """Begin with the whole."""
        headers = response.headers
        coded = headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity")
        self._total = None if coded else response.content_length
        unsized = not coded and self._total is None and "Transfer-Encoding" not in headers
        if unsized and response.url.scheme == "https" and self._options.checksum is None:
            # asyncio cannot tell a TLS connection that was cut from one that was ended (RFC 8446, section 6.1).
            message = "nobody can tell whether the file is whole: the server gives no length; give a checksum"
            raise DownloadError(message)
        validator = None
        if self._options.resume and not coded and headers.get("Accept-Ranges", "bytes").strip().lower() != "none":
            validator = ranges.strong_validator(headers)
        note = None if validator is None else Note(self._resource, validator, self._total)
        await _in_thread(self._part.begin_anew, note)

    async def _name(self, response: StreamedResponse) -> None:
        """Take the name that the server offers, where there is only a folder."""
        offered = ranges.disposition_name(response.headers.get("Content-Disposition")) if self._into_folder else None
        if offered is None or offered == self._place.name:
            return
        self._place = self._place.with_name(offered)
        self.named_by_server = True
        if await _in_thread(os.path.lexists, self._place):
            raise exists(self._place)

    def _tell(self) -> None:
        if self._options.progress is not None:
            self._options.progress(self._part.size, self._total)

    async def _write(self, response: StreamedResponse) -> None:
        """Write a body as it arrives."""
        loop = asyncio.get_running_loop()
        coded = "Content-Encoding" in response.headers
        if not coded:
            await response.pull(self._part, self._tell)
        batch: list[bytes] = []
        size, begun = 0, loop.time()
        writing: asyncio.Future[None] | None = None
        try:
            async with aclosing(response.aiter_bytes() if coded else response.aiter_raw()) as pieces:
                async for piece in pieces:
                    batch.append(piece)
                    size += len(piece)
                    if size >= self._options.chunk_size or loop.time() - begun > _PATIENCE:
                        if writing is not None:
                            await asyncio.shield(writing)
                            self._tell()
                        writing = loop.run_in_executor(None, self._part.write, batch)
                        batch, size, begun = [], 0, loop.time()
        except TransportError:
            await _settled(writing)
            await _in_thread(self._part.write, batch)  # what has come need not come again
            raise
        finally:
            await _settled(writing)
        if writing is not None:
            writing.result()
        await _in_thread(self._part.write, batch)
        self._tell()


async def _in_thread(function: Callable[..., T], *args: Any, undo: Callable[[T], object] | None = None) -> T:
    """Call what blocks in a thread; a cancellation goes on when it has ended, and not beside it.

    Args:
        function: What is called.
        args: Its arguments.
        undo: What is done about the result where nobody is there to take it.
    """
    call = asyncio.get_running_loop().run_in_executor(None, function, *args)
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await _settled(call)
        if undo is not None and call.exception() is None:
            undo(call.result())
        raise


async def _settled(call: asyncio.Future[Any] | None) -> None:
    """Wait until a thread has ended what it has begun, however often the waiting is cancelled meanwhile."""
    interrupted: asyncio.CancelledError | None = None
    while call is not None and not call.done():
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted


def as_options(resume: bool, checksum: Any, progress: Any, chunk_size: Any, fsync: bool) -> Options:  # noqa: FBT001 - as given
    """Read the options of a download.

    Raises:
        headrace.errors.ValidationError: One is wrong.
    """
    if progress is not None and not callable(progress):
        raise wrong("progress", progress, "a function of the bytes that are done and the bytes in all, or None")
    if chunk_size is None:
        chunk_size = CHUNK_SIZE
    if not is_number(chunk_size, integer=True):
        raise wrong_number("chunk_size", chunk_size, "bytes, a whole number above 0")
    return Options(resume, ranges.checksum(checksum), progress, chunk_size, fsync)


def as_headers(headers: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Check that a call leaves the fields alone that a download writes itself.

    Raises:
        headrace.errors.ValidationError: It does not.
    """
    for name in headers:
        if str(name).lower() in OWN_FIELDS:
            message = f"headers[{str(name)!r}]: is written by the download; leave it out"
            raise ValidationError(message)
    return headers
