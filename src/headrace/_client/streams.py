"""Answers that are not held in memory live here: `stream` reads them as they arrive, `download` writes them to disk."""

from __future__ import annotations

import asyncio
import copy
import functools
import logging
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Unpack

import attrs

from headrace import config as settings
from headrace._core.messages import Sink
from headrace._core.request import encode
from headrace._core.values import answer
from headrace._io.answers.streamed import StreamedResponse
from headrace._io.flow.failure import failed, forget
from headrace.errors import AsyncClientError
from headrace.types import UNSET

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from yarl import URL

    from headrace._core.messages import Request, Response
    from headrace._core.request.live_mapping import LiveMapping
    from headrace._core.stats import Stats
    from headrace._io.answers.download import Options
    from headrace._io.deadline import Deadlines
    from headrace._io.flow.chain import Flow
    from headrace._io.flow.credential_cache import CredentialCache
    from headrace.config import ClientConfig, Timeout
    from headrace.types import Body, Data, ErrorResponses, Parameters, Progress, RequestOptions, TimeoutLike
    from headrace.types import Cookies as CookiesLike
    from headrace.types import Headers as HeadersLike

_REQUEST_OPTIONS = frozenset({"headers", "cookies", "parameters", "timeout", "error_responses"})

logger = logging.getLogger("headrace.AsyncClient")


class Streams:
    """The part of a client that does not hold answers in memory."""

    _auth: CredentialCache
    _bind: Callable[[], asyncio.Task[Any]]
    _closed: bool
    _config: ClientConfig
    _deadlines: Deadlines
    _error_responses: LiveMapping
    _flow: Flow
    _loop: asyncio.AbstractEventLoop | None
    _merged_error_responses: Callable[[Any], Mapping[int, Any]]
    _prepare: Callable[[Any, Any, Any, Any, Any, Any, Any, Timeout], Request]
    _stats: Stats
    _thread: int | None

    @asynccontextmanager
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
        opening = self._open_stream(method, path, body, data, headers, cookies, parameters, timeout, error_responses)
        path = body = data = headers = cookies = parameters = None  # logs may show the variables of a frame
        response = await opening
        try:
            yield response
        finally:
            await response.aclose()

    async def _open_stream(
        self,
        method: str,
        path: Any,
        body: Any,
        data: Any,
        headers: Any,
        cookies: Any,
        parameters: Any,
        timeout: Any,
        error_responses: Any,
    ) -> StreamedResponse:
        """Send a request and wait for the head of its answer; `AsyncClient._request` is its twin."""
        task = self._task()
        limits = _patient(self._config.timeout)
        self._stats.requests += 1
        deadline = request = None
        sink = Sink()
        try:
            limits = limits if timeout is UNSET else settings.as_timeout(timeout)
            models = self._error_responses if error_responses is None else self._merged_error_responses(error_responses)
            deadline = None if limits.total is None else self._deadlines.begin(limits.total, task)
            if self._auth.due is not None and self._auth.due <= self._auth.clock():
                await self._auth.get()
            request = self._prepare(method, path, body, data, headers, cookies, parameters, limits)
            request.sink = sink
            request, response = await self._answered(request, cookies, models)
        except BaseException as error:
            sink.close()
            where = path or self._config.uri
            late = failed(error, deadline, limits, self._stats, method, where, "was not answered", request)
            where = path = body = data = headers = cookies = parameters = None  # logs may show variables
            if late is not None:
                raise late from None
            raise
        finally:
            if deadline is not None:
                deadline.end()
        return StreamedResponse(request, response, None if deadline is None or timeout is UNSET else deadline.due)

    def _task(self) -> asyncio.Task[Any]:
        """Find the task that makes a request, on the loop of the first one."""
        self._check_open()
        task = asyncio.current_task(self._loop)
        return self._bind() if task is None or threading.get_ident() != self._thread else task

    def _check_open(self) -> None:
        if self._closed:
            message = f"{type(self).__name__} is closed; nothing was sent"
            raise AsyncClientError(message)

    async def _answered(self, request: Request, cookies: Any, models: Mapping[int, Any]) -> tuple[Request, Response]:
        """Send a request until a success answers it; returns both."""
        self._stats.attempts += 1
        response = await self._flow.send(request)
        if response.status >= 300 or response.has_cookies is not False:
            request, response = await self._flow.settle(request, response, cookies)
        if logger.isEnabledFor(logging.INFO):
            logger.info(answer.log_line(request, response.status))
        if response.status >= 300:
            response = copy.copy(response)  # whose body is given away
            raise answer.error(request, response, models, self._config.max_response_bytes, datetime.now(UTC))
        return request, response

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
        **request: Unpack[RequestOptions],
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
            forget(error)
            path = None  # logs may show the variables of a frame
            request = {}
            raise

    async def _download(
        self, files: Any, path: str | URL | None, place: Path, options: Options, request: dict[str, Any]
    ) -> Path:
        unknown = request.keys() - _REQUEST_OPTIONS
        if unknown:
            message = f"download() got an unexpected keyword argument {min(unknown)!r}"
            raise TypeError(message)
        given = request.pop("headers", None)
        headers = files.as_headers({} if given is None else encode.mapping(given, "headers"))
        self._check_open()
        # Made only to be looked at: wrong arguments shall show before a file is touched.
        cookies, parameters = request.get("cookies"), request.get("parameters")
        url = self._prepare("GET", path, None, None, headers, cookies, parameters, self._config.timeout).url

        def open_(fields: Mapping[str, str]) -> AbstractAsyncContextManager[StreamedResponse]:
            return self.stream("GET", path, headers={**headers, **fields}, **request)

        whole: Path = await files.download(open_, url, place, options)
        return whole


@functools.lru_cache(maxsize=64)
def _patient(limits: Timeout) -> Timeout:
    """Let the time for a whole answer bound each silence of a body that is read as it arrives."""
    return limits if limits.read is not None else attrs.evolve(limits, read=limits.total)
