"""The types of `headrace.sync`. Written by `make stubs` from the source of `AsyncClient`: edit that."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path as PathlibPath
from typing import Any, Generic, Literal, Self, TypeVar, Unpack, overload

from multidict import CIMultiDictProxy
from typing_extensions import TypeForm
from yarl import URL

from headrace._client.iterating import SyncIterator as SyncIterator
from headrace._client.pages import How
from headrace._client.settings import Settings
from headrace._client.verbs import Path, TypeAdapterLike
from headrace._core.pages.page import Page
from headrace._core.values.partial import Reject
from headrace._core.values.sse import Event
from headrace._io.answers.items import Format
from headrace._io.bodies.multipart import Files
from headrace.bulk.options import BulkOptions, Calls
from headrace.bulk.outcomes import Outcome
from headrace.bulk.report import Report
from headrace.types import (
    UNSET,
    Body,
    BodyOptions,
    BodyRowOptions,
    CallOptions,
    Data,
    ErrorResponses,
    FileSource,
    PageOptions,
    Parameters,
    Place,
    Progress,
    RequestOptions,
    RowOptions,
    TimeoutLike,
    UploadOptions,
    UploadRowOptions,
)
from headrace.types import Cookies as CookiesLike
from headrace.types import Headers as HeadersLike

__all__ = ["SyncBulk", "SyncClient", "SyncIterator", "SyncPages", "SyncStreamedResponse"]
T = TypeVar("T")

class SyncStreamedResponse:
    """A success whose body is read while it arrives; made by `SyncClient.stream`.

    The body can be read once, by one reader at a time, and inside its block only. A slow one makes the server wait.

    Attributes:
        status: The status code, from 200 to 299.
        url: The URL that answered; it may hold secrets.
    """

    status: int
    url: URL

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The header fields, case-insensitive, repeated ones kept apart."""

    @property
    def trailers(self) -> CIMultiDictProxy[str]:
        """The fields behind a chunked body (RFC 9110, section 6.5); none before the body was read to its end."""

    @property
    def content_length(self) -> int | None:
        """Bytes of the body as it comes over the wire, before decompression; `None` where the server did not say."""

    @property
    def closed(self) -> bool:
        """Whether the block has ended."""

    def iter_raw(self) -> SyncIterator[bytes]:
        """Read the body as it comes over the wire, without its transfer coding.

        Yields:
            Pieces of at least one byte, as they arrive.

        Raises:
            headrace.errors.TransportError: It did not come whole; see `iter_bytes`.
        """

    def iter_bytes(self, chunk_size: int | None = None) -> SyncIterator[bytes]:
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
            headrace.errors.SyncClientError: The body was read before, or the block has ended.
        """

    def iter_lines(self, *, max_line_bytes: int | None = None) -> SyncIterator[str]:
        """Read the content line by line; see `headrace.streams.lines`.

        Args:
            max_line_bytes: Bytes that a line may have; 64 MiB by default.

        Yields:
            Lines without their ends (LF, CRLF or CR), decoded as UTF-8 with replacements.

        Raises:
            headrace.errors.ResponseTooLarge: A line is longer.
            headrace.errors.TransportError: The body did not come whole; see `iter_bytes`.
        """

    def iter_events(self, *, max_event_bytes: int | None = None) -> SyncIterator[Event]:
        """Read server-sent events; see `headrace.streams.events`, and `headrace.streams.reconnect` against losses.

        Args:
            max_event_bytes: Bytes that an event may have; 64 MiB by default.

        Yields:
            Events.

        Raises:
            headrace.errors.ResponseTooLarge: An event is longer.
            headrace.errors.TransportError: The body did not come whole; see `iter_bytes`.
        """

    @overload
    def iter_items(
        self,
        response_format: TypeForm[T],
        *,
        format: Format | None = None,
        path: str | Sequence[str] | None = None,
        on_invalid: Literal["raise", "skip"] = "raise",
        max_item_bytes: int | None = None,
    ) -> SyncIterator[T]:
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
            headrace.errors.TransportError: The body did not come whole; see `iter_bytes`.
        """

    @overload
    def iter_items(
        self,
        response_format: TypeForm[T],
        *,
        format: Format | None = None,
        path: str | Sequence[str] | None = None,
        on_invalid: Literal["collect"],
        max_item_bytes: int | None = None,
    ) -> SyncIterator[T | Reject]: ...
    @overload
    def iter_items(
        self,
        response_format: Any = None,
        *,
        format: Format | None = None,
        path: str | Sequence[str] | None = None,
        on_invalid: str = "raise",
        max_item_bytes: int | None = None,
    ) -> SyncIterator[Any]: ...
    def read(self) -> bytes:
        """Read all the content that is left into memory.

        Returns:
            The content, decompressed; the same again when called again.

        Raises:
            headrace.errors.ResponseTooLarge: It has more than `max_response_bytes`.
            headrace.errors.TransportError: It did not come whole; see `iter_bytes`.
        """

    def close(self) -> None:
        """Take no more of the body; a connection whose body has not ended is closed. May be called more than once."""

class SyncPages(Generic[T]):
    """The items of a series of pages, one after the other, once: what `client.paginate` gives.

    `with` ends the requests that are under way when it is left early. Without it they end when the object is
    collected, with a `ResourceWarning`. An error ends the series, and so does a cancellation; it can be resumed from
    its `state`.
    """

    @property
    def state(self) -> dict[str, Any]:
        """How far the series is, as JSON knows it; `paginate(…, resume=state)` goes on behind what was handed out.

        That is behind the last page of which all items were handed out: one that was left half-way comes whole again.
        It may hold a URL or a token of the server's.
        """

    @property
    def total(self) -> int | None:
        """How many there are in all, as the latest page said: items, or pages with `total_pages`; `None`: unknown."""

    @property
    def rejects(self) -> int:
        """How many rows did not fit so far."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> T: ...
    def pages(self) -> SyncIterator[Page[T]]:
        """Iterate over whole pages instead of items.

        Raises:
            headrace.errors.SyncClientError: A page is half handed out.
        """

    def collect(self) -> list[T]:
        """Read all items that are left, and end the series.

        Returns:
            The items; all of them are in memory.
        """

    def close(self) -> None:
        """End the requests that are under way; may be called more than once."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

class SyncBulk(Generic[T]):
    """Many calls at once; made by `SyncClient.bulk`, and used once.

    Iterated, it gives an `Ok` or `Err` for each call; `run()` writes the rows into the sink instead. Nothing is pulled
    and nothing sent before either begins. Leave it early inside ``with``, or call `close()`.
    """

    @property
    def report(self) -> Report:
        """What was done so far."""

    def stop(self) -> None:
        """Pull no more calls; what is in flight ends, and is handed out or written."""

    def run(self) -> Report:
        """Run all calls, and write their rows into the sink.

        Returns:
            What was done. A call that failed raises nothing here: see `Report.ok` and `Report.raise_for_failures`.

        Raises:
            headrace.errors.ValidationError: There is no sink, or one of the calls is none.
            headrace.errors.JournalError: The journal cannot be used.
            headrace.errors.SinkError: The sink cannot be written; what was committed before stays.
            headrace.errors.SyncClientError: The client is closed, or this was used before.
        """

    def __iter__(self) -> Self: ...
    def __next__(self) -> Outcome[T]: ...
    def close(self) -> None:
        """End what is in flight, and keep what was handed out; may be called more than once."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    @property
    def job(self) -> dict[str, str]:
        """What a journal is of."""

class SyncClient(Settings):
    """An `AsyncClient` for code that is not async: the same settings, verbs, errors and limits.

    Its requests run on an event loop in a thread of its own, which begins with the first of them. Any number of threads
    may use one client at once; they share its connections, its limiter and its cookies. A thread that has a running
    event loop may use it too, and blocks that loop meanwhile. The functions and iterables that are given to a call
    (`data`, `progress`, `bearer_token`, `error_responses`) run in the thread that makes it, and so do the calls, the
    functions and the sink of a bulk.

    The arguments and subclass parameters are those of `AsyncClient`: ``class Github(SyncClient, uri=…)``.

    Raises:
        headrace.errors.SyncClientError: There is no `uri`, neither in the class nor in the call.
        headrace.errors.ValidationError: A value is wrong.
        TypeError: A keyword is neither a setting nor taken by `__post_init__`.
    """

    @overload
    def request(
        self, method: str, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[BodyOptions]
    ) -> T:
        """Send a request with any method, a token (RFC 9110, section 9.1)."""

    @overload
    def request(
        self, method: str, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[BodyOptions]
    ) -> T: ...
    @overload
    def request(
        self, method: str, path: Path = None, *, response_format: Any = None, **options: Unpack[BodyRowOptions]
    ) -> Any: ...
    @overload
    def get(self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[RequestOptions]) -> T:
        """Send a GET request (RFC 9110, section 9.3.1)."""

    @overload
    def get(
        self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[RequestOptions]
    ) -> T: ...
    @overload
    def get(self, path: Path = None, *, response_format: Any = None, **options: Unpack[RowOptions]) -> Any: ...
    @overload
    def head(self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[RequestOptions]) -> T:
        """Send a HEAD request (RFC 9110, section 9.3.2); a success gives `None`."""

    @overload
    def head(
        self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[RequestOptions]
    ) -> T: ...
    @overload
    def head(self, path: Path = None, *, response_format: Any = None, **options: Unpack[RowOptions]) -> Any: ...
    @overload
    def options(self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[RequestOptions]) -> T:
        """Send an OPTIONS request (RFC 9110, section 9.3.7)."""

    @overload
    def options(
        self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[RequestOptions]
    ) -> T: ...
    @overload
    def options(self, path: Path = None, *, response_format: Any = None, **options: Unpack[RowOptions]) -> Any: ...
    @overload
    def delete(self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[BodyOptions]) -> T:
        """Send a DELETE request (RFC 9110, section 9.3.5)."""

    @overload
    def delete(
        self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[BodyOptions]
    ) -> T: ...
    @overload
    def delete(self, path: Path = None, *, response_format: Any = None, **options: Unpack[BodyRowOptions]) -> Any: ...
    @overload
    def post(self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[BodyOptions]) -> T:
        """Send a POST request (RFC 9110, section 9.3.3)."""

    @overload
    def post(self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[BodyOptions]) -> T: ...
    @overload
    def post(self, path: Path = None, *, response_format: Any = None, **options: Unpack[BodyRowOptions]) -> Any: ...
    @overload
    def put(self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[BodyOptions]) -> T:
        """Send a PUT request (RFC 9110, section 9.3.4)."""

    @overload
    def put(self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[BodyOptions]) -> T: ...
    @overload
    def put(self, path: Path = None, *, response_format: Any = None, **options: Unpack[BodyRowOptions]) -> Any: ...
    @overload
    def patch(self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[BodyOptions]) -> T:
        """Send a PATCH request (RFC 5789)."""

    @overload
    def patch(self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[BodyOptions]) -> T: ...
    @overload
    def patch(self, path: Path = None, *, response_format: Any = None, **options: Unpack[BodyRowOptions]) -> Any: ...
    @overload
    def upload_file(
        self,
        file: Files,
        path: str | URL | None = None,
        *,
        field: str = "file",
        filename: str | None = None,
        fields: Parameters | None = None,
        content_type: str | None = None,
        response_format: TypeAdapterLike[T],
        **options: Unpack[UploadOptions],
    ) -> T:
        """Send files as `multipart/form-data` (RFC 7578), in memory that does not grow with them.

        Args:
            file: A path, a file open for binary reading, sent from where it stands, an (async) iterable of bytes, or a
                `headrace.FilePart`; or a list of them; or a mapping of form fields to them.
            path: As for every request; so are the results and errors.
            field: Name of the form field of files that are not in a mapping.
            filename: What the server is told as the name of the only file; by default its own.
            fields: The other fields of the form, a mapping or model; they are sent before the files.
            content_type: Media type of the only file; by default guessed from its name.
            method: The method.
            chunk_size: Bytes of one read; 2 MiB by default.
            progress: Called with the bytes of the body that are sent, and with all of them, or `None` where that is
                unknown. What it raises fails the request.
            expect: Whether to ask first if the server wants the body (RFC 9110, section 10.1.1).
            response_format: As for every request.
            **options: As for every request.

        Raises:
            OSError: A file cannot be opened or read.
            headrace.errors.UploadError: A file shrinks or grows while it is sent, or cannot be sent a second time.
        """

    @overload
    def upload_file(
        self,
        file: Files,
        path: str | URL | None = None,
        *,
        field: str = "file",
        filename: str | None = None,
        fields: Parameters | None = None,
        content_type: str | None = None,
        response_format: TypeForm[T],
        **options: Unpack[UploadOptions],
    ) -> T: ...
    @overload
    def upload_file(
        self,
        file: Files,
        path: str | URL | None = None,
        *,
        field: str = "file",
        filename: str | None = None,
        fields: Parameters | None = None,
        content_type: str | None = None,
        response_format: Any = None,
        **options: Unpack[UploadRowOptions],
    ) -> Any: ...
    @overload
    def stream_file(
        self,
        file: FileSource,
        path: str | URL | None = None,
        *,
        response_format: TypeAdapterLike[T],
        **options: Unpack[UploadOptions],
    ) -> T:
        """Send the bytes of a file as the body of a request, in memory that does not grow with it.

        `Content-Length` is the file's; only what has no known length goes chunked.

        Args:
            file: A path, a file open for binary reading, sent from where it stands, or an (async) iterable of bytes.
            path: As for every request; so are the results and errors.
            method: The method.
            chunk_size: Bytes of one read; 2 MiB by default.
            progress: Called with the bytes of the body that are sent, and with all of them, or `None` where that is
                unknown. What it raises fails the request.
            expect: Whether to ask first if the server wants the body (RFC 9110, section 10.1.1).
            response_format: As for every request.
            **options: As for every request.

        Raises:
            OSError: The file cannot be opened or read.
            headrace.errors.UploadError: The file shrinks or grows while it is sent, or cannot be sent a second time.
        """

    @overload
    def stream_file(
        self,
        file: FileSource,
        path: str | URL | None = None,
        *,
        response_format: TypeForm[T],
        **options: Unpack[UploadOptions],
    ) -> T: ...
    @overload
    def stream_file(
        self,
        file: FileSource,
        path: str | URL | None = None,
        *,
        response_format: Any = None,
        **options: Unpack[UploadRowOptions],
    ) -> Any: ...
    def stream(
        self,
        method: str,
        path: str | URL | None = None,
        *,
        body: Body = None,
        data: Data | None = None,
        headers: HeadersLike | None = None,
        cookies: CookiesLike | None = None,
        parameters: Parameters | None = None,
        timeout: TimeoutLike = UNSET,
        error_responses: ErrorResponses | None = None,
    ) -> AbstractContextManager[SyncStreamedResponse]:
        """Send a request and read the body of a success while it arrives: ``with client.stream("GET", path)``.

        Until the head of the answer has come, everything is as for any other request: redirects, credentials,
        cookies, limits, retries. From then on a body that is cut short is an error and is not asked for again.
        `max_response_bytes` does not bound it. Leaving the block early closes its connection.

        Args:
            method: The method.
            path: As for every request; so are the other arguments.
            body: What is sent as JSON.
            data: What is sent as it is.
            headers: Header fields over the client's.
            cookies: Cookies over the client's.
            parameters: Query parameters over the client's.
            timeout: Where it is given here, its `total` bounds everything, the reading of the body included. The
                client's own bounds everything until the head of the answer has come, and then each silence of the
                server, unless `Timeout.read` does.
            error_responses: Status to model or function, over the client's.

        Yields:
            The answer.

        Raises:
            headrace.errors.SyncClientError: The client is closed.
            headrace.errors.HTTPError: The status is no success; its body is read, up to `max_response_bytes`.
            headrace.errors.ValidationError: An argument is wrong; nothing was sent.
            headrace.errors.TransportError: No answer arrived.
        """

    def download(
        self,
        path: str | URL | None,
        dest: str | os.PathLike[str],
        *,
        resume: bool = True,
        checksum: str | tuple[str, str] | None = None,
        progress: Progress | None = None,
        chunk_size: int | None = None,
        fsync: bool = False,
        **request: Unpack[CallOptions],
    ) -> PathlibPath:
        """Write the answer to a GET request to a file, which is there whole or not at all.

        The bytes go to `.NAME.part` beside `dest`, which takes its place when it is whole. Where the server gives a
        strong validator, a part that was left by an earlier call is resumed (RFC 9110, section 14.2).

        Args:
            path: As for every request.
            dest: A file, whose folder has to be there; or a folder, in which the file is named by the server
                (`Content-Disposition`) or else by the URL. A name of the server's never leads out of the folder, and
                overwrites nothing.
            resume: Whether a part is resumed, and left for resuming.
            checksum: ``"sha256:…"`` or ``("sha256", "…")``; any algorithm of `hashlib` with a fixed length.
            progress: Called with the bytes that are done and the bytes in all (`None`: unknown), about once for each
                `chunk_size`; what it raises ends the download.
            chunk_size: Bytes that are written at once where the event loop reads them, half a MiB by default; two of
                these are held in memory.
            fsync: Whether to wait until the disk has the file before it takes its place.
            **request: `headers`, `cookies`, `parameters`, `timeout` and `error_responses`, as for `stream`.

        Returns:
            The path of the file.

        Raises:
            headrace.errors.ChecksumError: The file has another checksum; it was thrown away.
            headrace.errors.DownloadError: The file is not what the server announced, or a download to `dest` is under
                way.
            headrace.errors.SyncClientError: The client is closed.
            headrace.errors.HTTPError: The status is no success.
            headrace.errors.ValidationError: An argument is wrong; nothing was sent.
            headrace.errors.TransportError: No answer arrived, or not all of it.
            OSError: The disk is full, or the file cannot be written.
        """

    @overload
    def paginate(
        self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[PageOptions]
    ) -> SyncPages[T]:
        """Read the items of a series of pages: ``for user in client.paginate("/users", …)``.

        Nothing is sent before the first item is asked for. Each page is a request like any other.

        Args:
            path: Of the first page, as for every request.
            method: The method of every request.
            response_format: The type of **one item**; `None` is plain JSON. Or a `PaginatedResponse`, without `pages`:
                each item is a page then, and says what the next one is.
            items: The place of the array of items in the document: ``"data.items"``, or a list of names and indexes.
                ``""`` is the document itself, `None` the document or the one array at its top.
            pages: How there is a next page: a strategy of `headrace.pages`, or a function that is given a `Page` and
                returns the options of the request that change, or `None` behind the last one.
            prefetch: Pages that are asked for ahead, while you work on one; 0 for none.
            parallel: Requests at a time, where pages can be counted: `PageNumber` and `Offset` with a total.
            max_pages: Pages to ask for at most.
            max_items: Items to give at most.
            resume: The `Pages.state` of an earlier series like this one, to go on from.
            incremental: An `Incremental`: rows that are new since the series whose `Pages.state` is given back as
                `resume`, each once.
            on_invalid: What becomes of rows that do not fit: ``"raise"`` the error, ``"skip"`` leaves them out,
                ``"collect"`` too, and has them in `Page.rejects`. `Pages.rejects` counts them.
            **request: `body`, `data` (bytes, text or a mapping), `headers`, `cookies`, `parameters`, `timeout` and
                `error_responses` of every request. The `total` of a timeout begins when the limiter lets a page start.

        Returns:
            The items, an iterator that is read once.

        Raises:
            headrace.errors.ValidationError: An argument is wrong.
            TypeError: A keyword is unknown.
        """

    @overload
    def paginate(
        self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[PageOptions]
    ) -> SyncPages[T]: ...
    @overload
    def paginate(
        self, path: Path = None, *, response_format: None = None, **options: Unpack[PageOptions]
    ) -> SyncPages[Any]: ...
    @overload
    def bulk(
        self,
        calls: Calls,
        *,
        response_format: TypeForm[T],
        items: Place,
        pages: How | None = None,
        **options: Unpack[BulkOptions],
    ) -> SyncBulk[list[T]]:
        """Make many calls, as outcomes that are iterated, or as rows that `run()` writes to a sink.

        Nothing is sent before one of the two begins. A request's time begins when the limiter lets it start.

        Args:
            calls: One path or `Call`, or an (async) iterable of paths, mappings of the arguments of a `Call`, and
                `Call`s; it is pulled when there is room, and may be endless.
            response_format: As for every request; with `items`, what a row becomes.
            items: The place of the rows in each document; ``""`` is the document.
            pages: How there is a next page, as for `paginate`: each call is a series of pages then, and each page an
                answer. A page is asked for when the one before it has come; `in_flight` bounds them all.
            incremental: An `Incremental`: rows that are new since the last run that has ended, each once; the journal
                keeps a mark for each call.
            in_flight: How many calls may be under way at once; ``"auto"``, or `(least, most)`, finds it out.
            ordered: Whether outcomes come in the order of their calls.
            retry: A `Retry`, or `None`; unset, the client's own, or else `Retry()`.
            expected: Statuses that are no failure, such as ``{404, 410}``.
            on_invalid: What becomes of rows that do not fit, with `items`: ``"collect"`` them, ``"skip"`` them, or
                ``"raise"``, which fails the call.
            transform: Makes of a row a row, several (a list, tuple or iterator), or none, before the sink.
            sink: Where `run()` writes: a sink of `headrace.sinks`, or of your own.
            journal: A path or a `Journal`, by which a bulk that is started again goes on; `True` lies beside the sink.
            retry_failed: Whether calls that failed before are asked again.
            commit_every: Seconds after which a batch of rows is committed; 10,000 rows are sooner.
            max_failures: Stop when more calls than this have failed; a float below 1 is a share, from 100 calls on.
            progress: A function that is given the report, at most ten times a second; `True` is a bar in the terminal.

        Returns:
            The bulk: an iterator, or for `client.bulk(…).run()`.

        Raises:
            headrace.errors.ValidationError: An argument is wrong.
        """

    @overload
    def bulk(
        self,
        calls: Calls,
        *,
        response_format: TypeForm[T],
        items: None = None,
        pages: How,
        **options: Unpack[BulkOptions],
    ) -> SyncBulk[list[T]]: ...
    @overload
    def bulk(
        self,
        calls: Calls,
        *,
        response_format: TypeForm[T],
        items: None = None,
        pages: None = None,
        **options: Unpack[BulkOptions],
    ) -> SyncBulk[T]: ...
    @overload
    def bulk(
        self,
        calls: Calls,
        *,
        response_format: TypeAdapterLike[T],
        items: Place,
        pages: How | None = None,
        **options: Unpack[BulkOptions],
    ) -> SyncBulk[list[T]]: ...
    @overload
    def bulk(
        self,
        calls: Calls,
        *,
        response_format: TypeAdapterLike[T],
        items: None = None,
        pages: How,
        **options: Unpack[BulkOptions],
    ) -> SyncBulk[list[T]]: ...
    @overload
    def bulk(
        self,
        calls: Calls,
        *,
        response_format: TypeAdapterLike[T],
        items: None = None,
        pages: None = None,
        **options: Unpack[BulkOptions],
    ) -> SyncBulk[T]: ...
    @overload
    def bulk(
        self,
        calls: Calls,
        *,
        response_format: None = None,
        items: Place,
        pages: How | None = None,
        **options: Unpack[BulkOptions],
    ) -> SyncBulk[list[Any]]: ...
    @overload
    def bulk(
        self,
        calls: Calls,
        *,
        response_format: None = None,
        items: None = None,
        pages: How,
        **options: Unpack[BulkOptions],
    ) -> SyncBulk[list[Any]]: ...
    @overload
    def bulk(
        self,
        calls: Calls,
        *,
        response_format: None = None,
        items: None = None,
        pages: None = None,
        **options: Unpack[BulkOptions],
    ) -> SyncBulk[Any]: ...
    def close(self) -> None:
        """Close the client, its connections and its thread; requests under way fail at once. May be called repeatedly.

        Raises:
            headrace.errors.SyncClientError: It is called by what the client's own loop runs.
        """

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
