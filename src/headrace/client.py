"""The client lives here: the one pipeline that every request takes, and its life from the first request to `close`."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import threading
import warnings
import weakref
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from yarl import URL

from headrace import _redact
from headrace import config as settings
from headrace._client.settings import Configured
from headrace._client.streams import Streams
from headrace._client.uploads import Uploads
from headrace._client.verbs import Verbs
from headrace._core.messages import Request
from headrace._core.request import encode
from headrace._core.request.prepare import check_framing
from headrace._core.values import answer, decode, partial
from headrace._io.bodies import data as bodies
from headrace._io.deadline import Deadlines
from headrace._io.flow.chain import Flow
from headrace._io.flow.failure import failed
from headrace._io.session.transport import AiohttpTransport
from headrace._io.wire.transport import WireTransport
from headrace.config import IDEMPOTENT_METHODS
from headrace.errors import AsyncClientError, ValidationError
from headrace.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace._core.messages import Response
    from headrace.config import Timeout
    from headrace.types import Transport

logger = logging.getLogger("headrace.AsyncClient")

_KNOWN_METHODS = {
    method: (method, method in IDEMPOTENT_METHODS)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
}
_INLINE_DECOMPRESSION = 64 * 1024  # bytes; what is larger is decompressed in a thread, so that the loop goes on
_TRANSPORTS = {"wire": WireTransport, "aiohttp": AiohttpTransport}


class AsyncClient(Configured, Verbs, Uploads, Streams):
    """A typed client of one HTTP API.

    Every keyword below is also a subclass parameter: ``class Github(AsyncClient, uri="https://api.github.com")``. A
    subclass inherits its parents' parameters; mappings merge key by key (`None` removes a key), everything else
    replaces. The constructor merges over the class in the same way. Arguments that are not listed go to
    `__post_init__`.

    Args:
        uri: Base of every request, an absolute http(s) URL (`str` or `yarl.URL`).
        headers: Header fields sent with every request (a mapping or model).
        cookies: Cookies sent with every request (a mapping or model).
        parameters: Query parameters sent with every request (a mapping or model).
        error_responses: Status to the model, or the function of the JSON, that an error body of that status becomes.
        bearer_token: A `str`, a pydantic `SecretStr`, or a sync or async function that returns one and is asked again
            after a 401.
        auth: An `Auth` of `headrace.auth`, or one of your own, instead of `bearer_token`.
        rate_limit: Requests that may start in any `rate_limit_interval`.
        rate_limit_interval: Seconds; 1 by default.
        timeout: Seconds for a whole request, a `Timeout`, or `None`; 300 s by default.
        retry: A `Retry`; `None`, the default, repeats only what met a dead kept-alive connection.
        circuit_breaker: A `CircuitBreaker` for each origin; `None`, the default, lets every request through.
        limiter: A `Limiter` instead of `rate_limit`, possibly shared between clients.
        pool: `PoolLimits`.
        proxy: URL of an HTTP proxy.
        tls: An `ssl.SSLContext`, or whether to verify servers.
        transport: ``"wire"``, ``"aiohttp"`` or a `Transport`.
        max_response_bytes: Bytes that a body may have after decompression, or `None`; 256 MiB by default.
        trusted_origins: Other origins that may get the client's credentials.

    Raises:
        headrace.errors.AsyncClientError: There is no `uri`, neither in the class nor in the call.
        headrace.errors.ValidationError: A value is wrong.
        TypeError: A keyword is neither a setting nor taken by `__post_init__`.
    """

    _loop: asyncio.AbstractEventLoop | None = None
    _pid: int | None = None
    _thread: int | None = None
    _transport: Transport | None = None

    async def _request(
        self,
        method: str,
        path: str | URL | None = None,
        response_format: Any = None,
        body: Any = None,
        data: Any = None,
        headers: Any = None,
        cookies: Any = None,
        parameters: Any = None,
        timeout: Any = UNSET,
        error_responses: Any = None,
        on_invalid: Any = "raise",
    ) -> Any:
        """Send a request and decode what is answered: the way of every request, top to bottom."""
        if self._closed:
            logger.warning("%s is closed; nothing was sent", type(self).__name__)
            return None
        # Asked in this way because `get_running_loop` makes a system call on Python 3.11.
        task = asyncio.current_task(self._loop)
        if task is None or threading.get_ident() != self._thread:
            task = self._bind()
        limits = self._config.timeout
        stats = self._stats
        stats.requests += 1
        deadline = request = None
        try:
            strict = on_invalid == "raise"
            decoder = (
                decode.decoder_for(response_format) if strict else partial.decoder_for(response_format, on_invalid)
            )
            limits = limits if timeout is UNSET else settings.as_timeout(timeout)
            models = self._error_responses if error_responses is None else self._merged_error_responses(error_responses)
            deadline = None if limits.total is None else self._deadlines.begin(limits.total, task)
            auth = self._auth
            if auth.due is not None and auth.due <= auth.clock():
                await auth.get()
            request = self._prepare(method, path, body, data, headers, cookies, parameters, limits)
            stats.attempts += 1
            response = await self._flow.send(request)
            if response.status >= 300 or response.has_cookies is not False:
                request, response = await self._flow.settle(request, response, cookies)
            if logger.isEnabledFor(logging.INFO):
                logger.info(answer.log_line(request, response.status))
            response = response if response.coding == b"" else copy.copy(response)  # whose body is given away
            if response.status >= 300:
                raise answer.error(  # noqa: TRY301 - counted below, with all others
                    request, response, models, self._config.max_response_bytes, _now()
                )
            content = response.body if response.coding == b"" else await self._decompress(response)
            return answer.value(content, decoder, request, response, _now)
        except BaseException as error:
            late = failed(error, deadline, limits, stats, method, path or self.uri, "did not end", request)
            path = body = data = headers = cookies = parameters = None  # logs may show the variables of a frame
            if late is not None:
                raise late from None
            raise
        finally:
            if deadline is not None:
                deadline.end()

    def _prepare(
        self, method: Any, path: Any, body: Any, data: Any, headers: Any, cookies: Any, parameters: Any, limits: Timeout
    ) -> Request:
        """Make the request of a call; raises `ValidationError` for whatever is wrong with it."""
        defaults = self._defaults
        try:
            method, idempotent = _KNOWN_METHODS[method]
        except (KeyError, TypeError):
            method = encode.method(method)
            idempotent = method in IDEMPOTENT_METHODS
        try:
            origin, target, trusted, basic = defaults.locate(path, parameters)
            content: Any = None
            content_type = None
            if body is not None:
                if data is not None:
                    message = "body and data: give one of them"
                    raise ValidationError(message)
                content, content_type = encode.body(body), "application/json"
            elif data is not None:
                content, content_type = bodies.of_data(data)
            jar = self._cookies.jar
            settled = headers is None and cookies is None and jar is None and trusted and basic is None
            block = defaults.settled.get(content_type) if settled else None
            if block is None:
                url = URL(origin.text + target, encoded=True) if jar is not None else None
                cookie = self._cookies.text(defaults.cookies, cookies, url, trusted=trusted)
                block = defaults.block(headers, cookie, content_type, basic, trusted=trusted, settled=settled)
        except UnicodeEncodeError as error:
            message = f"an argument has text that cannot be encoded: {error.reason}"
            raise ValidationError(message) from _redact.emptied(error)
        if block.framed:
            block = check_framing(block, content)
        idempotent = idempotent or "idempotency-key" in block.names
        return Request(method, origin, target, block, content, limits, self._config.max_response_bytes, idempotent)

    async def _decompress(self, response: Response) -> bytes:
        limit = self._config.max_response_bytes
        if len(response.body) <= _INLINE_DECOMPRESSION:
            return answer.content(response, limit)
        stop = threading.Event()
        try:
            return await asyncio.to_thread(answer.content, response, limit, stop.is_set)
        finally:
            stop.set()  # where the time was over, or the caller is gone: the thread ends within a step

    def _merged_error_responses(self, call: Any) -> Mapping[int, Any]:
        return settings.merge_mapping(self._error_responses, answer.check_models(call))

    def _bind(self) -> asyncio.Task[Any]:
        """Belong to the loop of the first request; return the task that makes it."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            message = "a request has to be awaited inside a task"
            raise AsyncClientError(message)
        if self._pid is not None and self._pid != os.getpid():
            message = (
                f"{type(self).__name__} was used before a fork, and its connections are those of the other process;"
                " make a client in each process"
            )
            raise AsyncClientError(message)
        if self._loop is loop:  # which runs in another thread now
            self._thread = threading.get_ident()
            return task
        if self._loop is not None:
            raise AsyncClientError(_another_loop(self))
        config = self._config
        transport = config.transport
        if isinstance(transport, str):
            kind = _TRANSPORTS[transport]
            transport = kind(pool=config.pool, proxy=config.proxy, tls=config.tls, stats=self._stats)
        self._loop = loop
        self._pid = os.getpid()
        self._thread = threading.get_ident()
        self._transport = transport
        _bound.add(self)
        self._deadlines = Deadlines(loop)
        self._flow = Flow(
            transport,
            self._limiter,
            config.retry,
            self._defaults,
            self._cookies,
            self._auth,
            self._stats,
            config.circuit_breaker,
        )
        return task

    async def close(self) -> None:
        """Close the client and its connections; requests under way fail at once. May be called more than once.

        After a fork the connections are left to the process that has made them.

        Raises:
            headrace.errors.AsyncClientError: Its event loop runs, and is not this one.
        """
        loop = self._loop
        if (
            self._pid == os.getpid()
            and loop is not asyncio.get_running_loop()
            and loop is not None
            and loop.is_running()
        ):
            raise AsyncClientError(_another_loop(self))
        self._closed = True
        transport, self._transport = self._transport, None
        if transport is not None and self._pid != os.getpid():
            _theirs.append(transport)  # collected, it would reach into what the parent's event loop listens to
        elif transport is not None:
            self._flow.close()
            try:
                await transport.close()
            finally:
                self._deadlines.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __del__(self, warn: Any = warnings.warn) -> None:
        """Warn of a client that was used and never closed."""
        if getattr(self, "_transport", None) is not None:
            warn(f"unclosed {self!r}", ResourceWarning, source=self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {_redact.url(self.uri)}{' closed' if self._closed else ''}>"


# Those that have connections. A fork copies them, with all that tells them that they are where they belong.
_bound: weakref.WeakSet[AsyncClient] = weakref.WeakSet()
_theirs: list[Transport] = []


def _look_again() -> None:
    """Let every client ask once more whose it is, in a process that was forked."""
    for client in _bound:
        client._thread = None  # noqa: SLF001 - our own class


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_look_again)


def _another_loop(client: AsyncClient) -> str:
    return (
        f"{type(client).__name__} belongs to another event loop, the one of its first request;"
        " make a client for each loop"
    )


def _now() -> datetime:
    return datetime.now(UTC)
