"""Answers that are not held in memory: `stream` reads them as they arrive, `download` writes them to disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import msgspec

from headrace._client.verbs import check_options
from headrace._core.call import Call, Undecoded
from headrace._core.request import encode
from headrace._io.answers.opening import opening
from headrace._io.answers.streamed import StreamedResponse
from headrace._io.frames import clear_frames
from headrace.errors import AsyncClientError
from headrace.policies import Timeout
from headrace.types import UNSET

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from yarl import URL

    from headrace._client.binding import Binding
    from headrace._client.pipeline import Pipeline
    from headrace._io.answers.download import Options
    from headrace.types import Body, CallOptions, Data, ErrorResponses, Parameters, Progress, TimeoutLike
    from headrace.types import Cookies as CookiesLike
    from headrace.types import Headers as HeadersLike

_REQUEST_OPTIONS = frozenset({"headers", "cookies", "parameters", "timeout", "error_responses"})


class Streams:
    """The part of a client that does not hold answers in memory."""

    _binding: Binding
    _pipeline: Pipeline
    _dispatch: Callable[[Call], Coroutine[Any, Any, Any]]

    @opening
    async def stream(
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
    ) -> AsyncIterator[StreamedResponse]:
        """Send a request and read the body of a success while it arrives: ``async with client.stream("GET", path)``.

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
            headrace.errors.AsyncClientError: The client is closed.
            headrace.errors.HTTPError: The status is no success; its body is read, up to `max_response_bytes`.
            headrace.errors.ValidationError: An argument is wrong; nothing was sent.
            headrace.errors.TransportError: No answer arrived.
        """
        call = Call(
            path, method, Undecoded.STREAMED, body, data, headers, cookies, parameters, timeout, error_responses
        )  # fmt: skip
        path = body = data = headers = cookies = parameters = None  # logs may show the variables of a frame
        response = await self._dispatch(call)
        if not isinstance(response, StreamedResponse):
            message = (
                f"{type(self).__name__}.request() returned {type(response).__name__} for a stream;"
                " it has to return what super().request() returns"
            )
            raise AsyncClientError(message)
        try:
            yield response
        finally:
            await response.aclose()

    async def download(
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
    ) -> Path:
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
            headrace.errors.AsyncClientError: The client is closed.
            headrace.errors.HTTPError: The status is no success.
            headrace.errors.ValidationError: An argument is wrong; nothing was sent.
            headrace.errors.TransportError: No answer arrived, or not all of it.
            OSError: The disk is full, or the file cannot be written.
        """
        from headrace._io.answers import download as files  # few need it, and everybody would wait for its import

        place = files.as_path(dest)
        options = files.as_options(resume, checksum, progress, chunk_size, fsync)
        try:
            return await self._download(files, path, place, options, dict(request))
        except BaseException as error:
            clear_frames(error)
            path = None  # logs may show the variables of a frame
            request = {}
            raise

    async def _download(
        self, files: Any, path: str | URL | None, place: Path, options: Options, request: dict[str, Any]
    ) -> Path:
        check_options("download", request, _REQUEST_OPTIONS)
        given = request.pop("headers", None)
        headers = files.as_headers({} if given is None else encode.mapping(given, "headers"))
        looked_at = Call(path, headers=headers, cookies=request.get("cookies"), parameters=request.get("parameters"))
        if self._binding.closed:
            self._binding.refuse(msgspec.structs.replace(looked_at, response_format=Undecoded.STREAMED))
        # Made only to be looked at: wrong arguments shall show before a file is touched.
        asked = self._pipeline.prepared(looked_at, Timeout())

        def open_(fields: Mapping[str, str]) -> AbstractAsyncContextManager[StreamedResponse]:
            return self.stream("GET", path, headers={**headers, **fields}, **request)

        whole: Path = await files.download(open_, asked, place, options)
        return whole
