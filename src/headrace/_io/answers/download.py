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
from typing import TYPE_CHECKING, Any, Final

import attrs
from multidict import CIMultiDict

from headrace import _calling
from headrace._checks import is_number, wrong, wrong_number
from headrace._core import ranges, resuming
from headrace._io import threads
from headrace._io.answers.part_file import PartFile, exists
from headrace._io.frames import go_on
from headrace.errors import DownloadError, HTTPError, TransportError, ValidationError
from headrace.types import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from yarl import URL

    from headrace._core.messages import Request
    from headrace._core.resuming import Note
    from headrace._io.answers.streamed import StreamedResponse

    Open = Callable[[Mapping[str, str]], AbstractAsyncContextManager[StreamedResponse]]

#: Bytes of a batch: with 4 MiB, writing on the loop's own core held the loop up for 50 ms at a time.
CHUNK_SIZE: Final = 512 * 1024
_PATIENCE: Final = 0.1  # seconds after which less than a batch is written, so that slow servers show progress
#: Statuses that say who may ask, or when, and nothing of the range that was asked for.
_OF_NO_RANGE: Final = frozenset({401, 407, 408, 425, 429, 502, 503, 504})
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


async def download(open_: Open, request: Request, dest: Path, options: Options) -> Path:
    """Download to a file.

    Args:
        open_: Sends the request with more header fields, and streams the answer.
        request: What is asked for, as it is sent without these fields.
        dest: A file, or a folder for one.
        options: How.

    Returns:
        The file.
    """
    try:
        return await _download(open_, request.url, dest, options)
    except DownloadError as error:
        error.method, error.url = request.method, request.shown
        raise


async def _download(open_: Open, url: URL, dest: Path, options: Options) -> Path:
    into_folder = await threads.run(dest.is_dir)
    place = dest / ranges.url_name(url.raw_path) if into_folder else dest
    part = await threads.run(PartFile, place, options.checksum, undo=PartFile.close)
    try:
        resource = hashlib.sha256(str(url).encode()).hexdigest()
        one = _Download(open_, part, place, resource, options, into_folder=into_folder)
        place = await one.run()
        await threads.run(part.verify)
        await threads.run(lambda: part.finish(place, fsync=options.fsync, overwrite=not one.named_by_server))
    except BaseException as error:
        go_on(error)  # whoever else meets this error, meanwhile, clears the frames that it has come through
        await threads.run(part.close)
        raise
    await threads.run(part.close)
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
        self._progress = _calling.teller(options.progress)
        self._into_folder = into_folder
        self._whole_only = False
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
            await threads.run(part.go_on)
        while not await self._ask():
            pass
        return self._place

    async def _ask(self) -> bool:
        """Ask for what is missing, or for the whole; tell whether nothing is missing now."""
        part, before = self._part, self._part.size
        note = None if self._whole_only or not before else part.note
        fields = {"Accept-Encoding": "identity"}  # so that ranges and lengths are those of the file
        if note is not None:
            fields |= {"Range": f"bytes={before}-", "If-Range": note.validator}
        try:
            async with self._open(fields) as response:
                whole = await self._take(response, note)
        except HTTPError as error:
            if note is None or error.status_code in _OF_NO_RANGE:
                raise
            if error.status_code == 416 and resuming.is_whole(CIMultiDict(error.headers), note, before):
                return True
            go_on(error)
            self._whole_only = True  # whatever it is about the range that the server refuses; the part waits for that
            return False
        if not whole and not self._whole_only and part.size <= before:
            message = f"the server sent nothing of what is missing behind byte {before}"
            raise DownloadError(message)
        return whole

    async def _take(self, response: StreamedResponse, note: Note | None) -> bool:
        """Write what an answer holds.

        Args:
            response: The answer.
            note: What a range was asked for with; `None` where the whole was asked for.

        Returns:
            Whether the file is whole now.
        """
        part = self._part
        if response.status in (200, 203):
            await self._begin(response)
            end = self._total
        elif note is None:
            what = "a part of what was asked for as a whole" if response.status == 206 else "no file"
            message = f"the server answered {response.status}, and sent {what}"
            raise DownloadError(message)
        else:
            found = resuming.rest(response.headers, note, part.size) if response.status == 206 else None
            if found is None:  # not surely the rest of the same, and so the whole has to come anew
                self._whole_only, part.note = True, None
                return False
            known = resuming.learned(response.headers, note, found)
            if known != note:
                await threads.run(part.learn, known)
            end, self._total = found.last + 1, known.total
        await self._name(response)
        self._tell()
        await self._write(response)
        if end is not None and part.size != end:
            size, part.note = part.size, None
            message = f"the server said {end} bytes and sent {size}"
            raise DownloadError(message)
        return response.status != 206 or part.size == self._total

    async def _begin(self, response: StreamedResponse) -> None:
        """Begin with the whole."""
        headers = response.headers
        coded = ranges.is_coded(headers)
        self._total = None if coded else response.content_length
        unsized = not coded and self._total is None and "Transfer-Encoding" not in headers
        if unsized and response.url.scheme == "https" and self._options.checksum is None:
            # asyncio cannot tell a TLS connection that was cut from one that was ended (RFC 8446, section 6.1).
            message = "nobody can tell whether the file is whole: the server gives no length; give a checksum"
            raise DownloadError(message)
        ranged = headers.get("Accept-Ranges", "bytes").strip().lower() != "none"
        # What a proxy has changed (203) may have the tag of what it was made of (RFC 9110, section 15.3.4).
        resumable = self._options.resume and ranged and not coded and response.status == 200
        note = resuming.note_of(self._resource, headers, self._total) if resumable else None
        await threads.run(self._part.begin_anew, note)

    async def _name(self, response: StreamedResponse) -> None:
        """Take the name that the server offers, where there is only a folder."""
        offered = ranges.disposition_name(response.headers.get("Content-Disposition")) if self._into_folder else None
        if offered is None or offered == self._place.name:
            return
        self._place = self._place.with_name(offered)
        self.named_by_server = True
        if await threads.run(os.path.lexists, self._place):
            raise exists(self._place)

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._part.size, self._total)

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
            await threads.settled(writing)
            await threads.run(self._part.write, batch)  # what has come need not come again
            raise
        finally:
            await threads.settled(writing)
        if writing is not None:
            writing.result()
        await threads.run(self._part.write, batch)
        self._tell()


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
