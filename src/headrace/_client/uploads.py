"""The uploads of a client, as callers and type checkers see them: calls with a file as their body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from headrace._client.signatures import takes
from headrace._client.verbs import as_call
from headrace._core.call import Call
from headrace._io.bodies import sources
from headrace.types import RowOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from typing_extensions import TypeForm
    from yarl import URL

    from headrace._client.verbs import TypeAdapterLike
    from headrace._io.bodies.multipart import Files
    from headrace.types import FileSource, Parameters, Progress, UploadOptions, UploadRowOptions

T = TypeVar("T")


class Uploads:
    """The part of a client that sends files."""

    _dispatch: Callable[[Call], Coroutine[Any, Any, Any]]

    @overload
    async def upload_file(
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
    ) -> T: ...

    @overload
    async def upload_file(
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
    async def upload_file(
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

    @takes(RowOptions)
    async def upload_file(
        self,
        file: Files,
        path: str | URL | None = None,
        *,
        field: str = "file",
        filename: str | None = None,
        fields: Parameters | None = None,
        content_type: str | None = None,
        method: str = "POST",
        chunk_size: int | None = None,
        progress: Progress | None = None,
        expect: bool = False,
        response_format: Any = None,
        **options: Any,
    ) -> Any:
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
        async with sources.form(file, field, filename, fields, content_type, chunk_size, progress) as data:
            if expect:
                options["headers"] = sources.expecting(options.get("headers"))
            options["data"] = data
            sending = self._dispatch(as_call("upload_file", Call(path, method, response_format), options))
            path = fields = None  # logs may show the variables of a frame
            return await sending

    @overload
    async def stream_file(
        self,
        file: FileSource,
        path: str | URL | None = None,
        *,
        response_format: TypeAdapterLike[T],
        **options: Unpack[UploadOptions],
    ) -> T: ...

    @overload
    async def stream_file(
        self,
        file: FileSource,
        path: str | URL | None = None,
        *,
        response_format: TypeForm[T],
        **options: Unpack[UploadOptions],
    ) -> T: ...

    @overload
    async def stream_file(
        self,
        file: FileSource,
        path: str | URL | None = None,
        *,
        response_format: Any = None,
        **options: Unpack[UploadRowOptions],
    ) -> Any: ...

    @takes(RowOptions)
    async def stream_file(
        self,
        file: FileSource,
        path: str | URL | None = None,
        *,
        method: str = "POST",
        chunk_size: int | None = None,
        progress: Progress | None = None,
        expect: bool = False,
        response_format: Any = None,
        **options: Any,
    ) -> Any:
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
        async with sources.single(file, chunk_size, progress) as data:
            if expect and data.size != 0:
                options["headers"] = sources.expecting(options.get("headers"))
            options["data"] = data
            sending = self._dispatch(as_call("stream_file", Call(path, method, response_format), options))
            path = None  # logs may show the variables of a frame
            return await sending
