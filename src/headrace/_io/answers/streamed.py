"""An answer is read while it arrives, once, at its reader's pace, and is never a shorter success."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from multidict import CIMultiDict, CIMultiDictProxy

from headrace._checks import is_number, wrong_number
from headrace._core.http.content_coding_streaming import Decoding
from headrace._core.pieces import Pieces
from headrace._io.answers import items
from headrace.errors import AsyncClientError, RequestTimeout, ResponseTooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence

    from yarl import URL

    from headrace._core.messages import FileTarget, Request, Response
    from headrace._core.values.sse import Event
    from headrace._io.answers.items import Format

T = TypeVar("T")
_MOST_DIGITS: Final = 18  # of a length; more bytes than anybody has


class StreamedResponse:
    """A success whose body is read while it arrives; made by `AsyncClient.stream`.

    The body can be read once, by one reader at a time, and inside its block only. A slow one makes the server wait.

    Attributes:
        status: The status code, from 200 to 299.
        url: The URL that answered; it may hold secrets.
    """

    def __init__(self, request: Request, response: Response, due: float) -> None:
        self._request = request
        self._response = response
        self._due = due
        self._whole: bytes | None = response.body  # what a transport that cannot stream answers with
        self._content: bytes | None = None
        self._taken = False
        self._closed = False
        self.status: int = response.status
        self.url: URL = request.url

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The header fields, case-insensitive, repeated ones kept apart."""
        return self._response.headers

    @property
    def trailers(self) -> CIMultiDictProxy[str]:
        """The fields behind a chunked body (RFC 9110, section 6.5); none before the body was read to its end."""
        return CIMultiDictProxy(CIMultiDict(self._response.trailers))

    @property
    def content_length(self) -> int | None:
        """Bytes of the body as it comes over the wire, before decompression; `None` where the server did not say."""
        value = self.headers.get("Content-Length", "")
        return int(value) if value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS else None

    @property
    def closed(self) -> bool:
        """Whether the block has ended."""
        return self._closed

    async def aiter_raw(self) -> AsyncGenerator[bytes, None]:
        """Read the body as it comes over the wire, without its transfer coding.

        Yields:
            Pieces of at least one byte, as they arrive.

        Raises:
            headrace.errors.TransportError: It did not come whole; see `aiter_bytes`.
        """
        self._take()
        while piece := await self._read():
            yield piece

    def aiter_bytes(self, chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        """Read the content of the body, decompressed while it arrives, at most 256 KiB at a time.

        Args:
            chunk_size: Bytes of each piece but the last; `None` takes them as they come.

        Yields:
            Pieces of at least one byte.

        Raises:
            headrace.errors.ConnectionLost: The connection ended before the body did.
            headrace.errors.ProtocolError: The body, or its compression, is not valid or was cut short.
            headrace.errors.RequestTimeout: The server was silent for too long, or the time given to the call is over.
            headrace.errors.ValidationError: `chunk_size` is wrong.
            headrace.errors.AsyncClientError: The body was read before, or the block has ended.
        """
        if chunk_size is None:
            return self._pieces()
        if not is_number(chunk_size, integer=True):
            raise wrong_number("chunk_size", chunk_size, "bytes, a whole number above 0, or None")
        return _in_chunks(self._pieces(), chunk_size)

    def aiter_lines(self, *, max_line_bytes: int | None = None) -> AsyncGenerator[str, None]:
        """Read the content line by line; see `headrace.streams.lines`.

        Args:
            max_line_bytes: Bytes that a line may have; 64 MiB by default.

        Yields:
            Lines without their ends (LF, CRLF or CR), decoded as UTF-8 with replacements.

        Raises:
            headrace.errors.ResponseTooLarge: A line is longer.
            headrace.errors.TransportError: The body did not come whole; see `aiter_bytes`.
        """
        return items.lines(self.aiter_bytes(), max_line_bytes=max_line_bytes)

    def aiter_events(self, *, max_event_bytes: int | None = None) -> AsyncGenerator[Event, None]:
        """Read server-sent events; see `headrace.streams.events`, and `headrace.streams.reconnect` against losses.

        Args:
            max_event_bytes: Bytes that an event may have; 64 MiB by default.

        Yields:
            Events.

        Raises:
            headrace.errors.ResponseTooLarge: An event is longer.
            headrace.errors.TransportError: The body did not come whole; see `aiter_bytes`.
        """
        return items.events(self.aiter_bytes(), max_event_bytes=max_event_bytes)

    def aiter_items(
        self,
        response_format: Any = None,
        *,
        format: Format | None = None,  # noqa: A002 - as `headrace.streams.items` calls it
        path: str | Sequence[str] | None = None,
        on_invalid: str = "raise",
        max_item_bytes: int | None = None,
    ) -> AsyncGenerator[Any, None]:
        """Decode the items of the content while they arrive; see `headrace.streams.items`.

        Args:
            response_format: What each item becomes: a model, any type that msgspec knows, or `None` for plain JSON.
            format: ``"ndjson"``, ``"json-seq"``, ``"sse"`` or ``"array"``; by default what the `Content-Type` says.
            path: Where in a JSON document the array is, such as ``"data.items"``.
            on_invalid: Whether an item that does not fit raises, is skipped (``"skip"``), or comes as a
                `headrace.Reject` in its place (``"collect"``).
            max_item_bytes: Bytes that an item may have; 64 MiB by default.

        Yields:
            Items.

        Raises:
            headrace.errors.ResponseParseError: The content is not of that format, or an item does not fit.
            headrace.errors.ResponseTooLarge: An item is longer.
            headrace.errors.TransportError: The body did not come whole; see `aiter_bytes`.
        """
        return items.items(
            self.aiter_bytes(),
            response_format,
            format=format,
            content_type=self.headers.get("Content-Type", ""),
            path=path,
            on_invalid=on_invalid,
            max_item_bytes=max_item_bytes,
            received=(self._request.shown, datetime.now(UTC)),
        )

    async def aread(self) -> bytes:
        """Read all the content that is left into memory.

        Returns:
            The content, decompressed; the same again when called again.

        Raises:
            headrace.errors.ResponseTooLarge: It has more than `max_response_bytes`.
            headrace.errors.TransportError: It did not come whole; see `aiter_bytes`.
        """
        if self._content is None:
            limit, held = self._request.max_response_bytes, Pieces(b"")
            async with aclosing(self._pieces()) as pieces:
                async for piece in pieces:
                    held.add(piece)
                    if limit is not None and held.size > limit:
                        await self.aclose()
                        message = f"the body has more than the {limit} bytes that are allowed"
                        raise ResponseTooLarge(message)
            self._content = held.take()
        return self._content

    async def aclose(self) -> None:
        """Take no more of the body; a connection whose body has not ended is closed. May be called more than once."""
        self._closed = True
        if self._request.sink is not None:
            self._request.sink.close()

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        if self._content is not None:
            if self._content:
                yield self._content
            return
        self._take()
        decoding = Decoding(", ".join(self.headers.getall("Content-Encoding", ())))
        while piece := await self._read():
            first = True
            for step in decoding.feed(piece):
                if not first:
                    await asyncio.sleep(0)  # a small piece can hold a lot: others get their turn between the steps
                first = False
                if step:
                    yield step
        decoding.end()

    def _take(self) -> None:
        self._check_open()
        if self._taken:
            message = "the body of a streamed response can be read once; what is needed twice has to be kept"
            raise AsyncClientError(message)
        self._taken = True

    def _check_open(self) -> None:
        if self._closed:
            message = "the streamed response is closed: it is read inside its `async with` block"
            raise AsyncClientError(message)

    async def _read(self) -> bytes:
        """Wait for the next piece, until the time of the call is over where it was given one."""
        self._check_open()
        source = None if self._request.sink is None else self._request.sink.source
        if source is None:
            whole, self._whole = self._whole, None
            return whole or b""
        return await (source.read() if self._due == math.inf else self._in_time(source.read))

    async def pull(self, target: FileTarget, tell: Callable[[], object]) -> None:
        """Let a thread write as much of the body as can be had without the loop; what is left is to be read.

        Args:
            target: Where the body is written, in a thread, as it comes over the wire.
            tell: Called in the loop, now and then, when something was written.
        """
        self._check_open()
        source = None if self._request.sink is None else self._request.sink.source
        pulling = getattr(source, "pull", None)  # a transport need not be able to
        if pulling is not None and not self._taken:
            await self._in_time(lambda: pulling(target, tell))

    async def _in_time(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something before the time of the call is over."""
        clock = asyncio.timeout_at(None if self._due == math.inf else self._due)
        try:
            if asyncio.get_running_loop().time() < self._due:
                async with clock:
                    return await work()
        except TimeoutError:
            if not clock.expired():
                raise
        await self.aclose()
        message = f"{self._request.method} {self._request.shown} did not end within {self._request.timeout.total:g} s"
        raise RequestTimeout(message)

    def __repr__(self) -> str:
        return f"<StreamedResponse {self.status} {self._request.shown}{' closed' if self._closed else ''}>"


async def _in_chunks(pieces: AsyncIterable[bytes], size: int) -> AsyncGenerator[bytes, None]:
    """Cut pieces anew: all of one size but the last."""
    held = Pieces(b"")
    async for piece in pieces:
        held.add(piece)
        have = held.size
        if have < size:
            continue
        joined = held.take()
        whole = have - have % size
        held.add(joined[whole:])
        for start in range(0, whole, size):
            yield joined[start : start + size]
        del joined  # not to be held beside what comes next
    if held.size:
        yield held.take()
