"""An answer is read while it arrives, once, at its reader's pace, and is never a shorter success."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeVar, overload

from multidict import CIMultiDict, CIMultiDictProxy

from headrace import _words
from headrace._checks import is_number, wrong_number
from headrace._core.http.content_coding_streaming import Decoding
from headrace._core.pieces import Pieces
from headrace._io.answers import items
from headrace.errors import AsyncClientError, ClientError, RequestTimeout, ResponseTooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence

    from typing_extensions import TypeForm
    from yarl import URL

    from headrace._core.messages import FileTarget, Request, Response
    from headrace._core.values.partial import Reject
    from headrace._core.values.sse import Event
    from headrace._io.answers.items import Format

T = TypeVar("T")
E = TypeVar("E", bound=Exception)
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
        self._sink = request.sink
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
        try:
            while piece := await self._read():
                yield piece
        except ClientError as error:
            self._named(error)
            raise

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
        return items.parsed(self.aiter_bytes(), items.line_parser(max_line_bytes), self._named)

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
        return items.parsed(self.aiter_bytes(), items.event_parser(max_event_bytes), self._named)

    @overload
    def aiter_items(
        self,
        response_format: TypeForm[T],
        *,
        format: Format | None = None,
        path: str | Sequence[str] | None = None,
        on_invalid: Literal["raise", "skip"] = "raise",
        max_item_bytes: int | None = None,
    ) -> AsyncGenerator[T, None]: ...

    @overload
    def aiter_items(
        self,
        response_format: TypeForm[T],
        *,
        format: Format | None = None,
        path: str | Sequence[str] | None = None,
        on_invalid: Literal["collect"],
        max_item_bytes: int | None = None,
    ) -> AsyncGenerator[T | Reject, None]: ...

    @overload
    def aiter_items(
        self,
        response_format: Any = None,
        *,
        format: Format | None = None,
        path: str | Sequence[str] | None = None,
        on_invalid: str = "raise",
        max_item_bytes: int | None = None,
    ) -> AsyncGenerator[Any, None]: ...

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
        kind, received = self.headers.get("Content-Type", ""), (self._request.shown, datetime.now(UTC))
        try:
            parser = items.item_parser(response_format, format, kind, path, on_invalid, max_item_bytes, received)
        except ClientError as error:
            self._named(error)
            raise
        return items.parsed(self.aiter_bytes(), parser, self._named)

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
                        message = f"the body has more than the {limit} bytes that max_response_bytes allows"
                        raise self._named(ResponseTooLarge(message))
            self._content = held.take()
        return self._content

    async def aclose(self) -> None:
        """Take no more of the body; a connection whose body has not ended is closed. May be called more than once."""
        self._closed = True
        if self._sink is not None:
            self._sink.close()

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        if self._content is not None:
            if self._content:
                yield self._content
            return
        self._take()
        try:
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
        except ClientError as error:
            self._named(error)
            raise

    def _take(self) -> None:
        self._check_open()
        if self._taken:
            message = "the body of a streamed response can be read once; what is needed twice has to be kept"
            raise self._named(AsyncClientError(message))
        self._taken = True

    def _check_open(self) -> None:
        if self._closed:
            message = "the streamed response is closed: it is read inside its `async with` block"
            raise self._named(AsyncClientError(message))

    async def _read(self) -> bytes:
        """Wait for the next piece, until the time of the call is over where it was given one."""
        self._check_open()
        source = None if self._sink is None else self._sink.source
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
        source = None if self._sink is None else self._sink.source
        pulling = getattr(source, "pull", None)  # a transport need not be able to
        if pulling is not None and not self._taken:
            try:
                await self._in_time(lambda: pulling(target, tell))
            except ClientError as error:
                self._named(error)
                raise

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
        message = f"did not end within {self._request.timeout.total:g} s: the body was still arriving (timeout=)"
        raise RequestTimeout(message)

    def _named(self, error: E) -> E:
        """Write down in an error which request it is of."""
        if isinstance(error, ClientError):
            error.method, error.url = self._request.method, self._request.shown
        return error

    if not TYPE_CHECKING:  # whose words are better still

        def __aiter__(self) -> NoReturn:
            message = "`async for` got a StreamedResponse; take its aiter_bytes(), aiter_lines(), aiter_items() …"
            raise TypeError(message)

    def __repr__(self) -> str:
        return f"<StreamedResponse {self.status} {self._request.shown}{' closed' if self._closed else ''}>"


class _Elsewhere:
    """Stands for an attribute that answers have in other libraries: there is none here, and the error says what is."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, response: object, _: type) -> NoReturn:
        raise AttributeError(_words.of_answer(self._name), name=self._name, obj=response)


# Not by a `__getattr__`, which would make every attribute of a class slower.
for _name in _words.OF_ANSWERS:
    setattr(StreamedResponse, _name, _Elsewhere(_name))


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
