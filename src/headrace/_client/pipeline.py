"""The way of every call, streamed or not, a user's or an `Auth`'s: from what was asked for to what is handed on."""

from __future__ import annotations

import asyncio
import copy
import functools
import logging
import math
import threading
from asyncio import current_task
from datetime import UTC, datetime
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any

import attrs
from yarl import URL

from headrace import _calling, _redact
from headrace._checks import as_url, wrong
from headrace._core.call import Undecoded
from headrace._core.messages import Delivery, HeaderBlock, Origin, Request, Response, Sink
from headrace._core.request import encode
from headrace._core.request.prepare import check_framing
from headrace._core.values import answer, formats
from headrace._core.values.formats import Whole
from headrace._io import threads
from headrace._io.answers.streamed import StreamedResponse
from headrace._io.bodies import data as bodies
from headrace._io.deadline import ENDLESS
from headrace._io.flow.failure import failed
from headrace._merging import merge_mapping
from headrace.errors import ValidationError
from headrace.policies import IDEMPOTENT_METHODS, as_timeout
from headrace.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from headrace._client.binding import Apart, Binding
    from headrace._core.call import Call
    from headrace._core.request.prepare import Defaults
    from headrace._core.stats import Stats
    from headrace._io.deadline import Deadline
    from headrace._io.flow.cookies import Cookies
    from headrace._io.flow.credential_cache import CredentialCache
    from headrace.config import ClientConfig
    from headrace.policies import Timeout

logger = logging.getLogger("headrace.AsyncClient")

_KNOWN_METHODS = {
    method: (method, method in IDEMPOTENT_METHODS)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
}
#: Kept here, because to look a member of an enum up costs as much as ten attributes do on Python 3.11.
_STREAMED = Undecoded.STREAMED
#: What the logger knows of its levels already. It is emptied, and `isEnabledFor` asked again, whenever one changes.
INFO = logging.INFO
LEVELS: Mapping[int, bool] = getattr(logger, "_cache", {})
#: Bytes; what is larger is decompressed in a thread, so that the loop goes on.
INLINE_DECOMPRESSION = 64 * 1024
#: Bytes that an answer to an `Auth` may have: a token has some thousands at most.
_MOST_TOKEN_BYTES = 1024 * 1024


class Pipeline:
    """Prepares, bounds, sends, counts and decodes each call, and clears its secrets where it fails.

    Args:
        config: What the client was made from.
        defaults: Its live settings.
        cookies: Its cookies.
        auth: Its credentials; `None` for the calls of its `Auth`, which go past the settings, the limiter and the
            retries of the client, and get the answer itself, whatever its status.
        stats: Where to count.
        binding: Where it belongs.
    """

    __slots__ = ("_auth", "_binding", "_cookies", "_defaults", "_limit", "_stats", "_timeout")

    def __init__(
        self,
        config: ClientConfig,
        defaults: Defaults,
        cookies: Cookies,
        auth: CredentialCache | None,
        stats: Stats,
        binding: Binding | Apart,
    ) -> None:
        self._timeout = config.timeout
        self._limit = config.max_response_bytes
        self._defaults = defaults
        self._cookies = cookies
        self._auth = auth
        self._stats = stats
        self._binding = binding

    async def run(self, call: Call) -> Any:
        """Send a call and hand on what comes of it.

        Args:
            call: What was asked for.

        Returns:
            The value of a success, or the answer itself where nothing of it is to be decoded.
        """
        binding = self._binding
        if binding.closed:
            return binding.refuse(call)
        # Asked in this way because `get_running_loop` makes a system call on Python 3.11.
        task = current_task(binding.loop)
        if task is None or get_ident() != binding.thread:
            task = await binding.bind()
        stats = self._stats
        stats.requests += 1
        deadline = ENDLESS
        request = None
        try:
            decoder = formats.find(call.response_format, call.on_invalid, call.items)
            began = monotonic() if type(decoder) is Whole else None
            if call.error_responses is not None:
                answer.check_models(call.error_responses)
            deadline = binding.begin(task) if call.timeout is UNSET else binding.begin_own(call.timeout, task)
            auth = self._auth
            if auth is None:
                request = self._prepared_plainly(call, as_timeout(call.timeout))
                return _whole(await binding.send_plainly(request))
            if auth.due is not None and auth.due <= auth.clock():
                await auth.get()
            if call.data is not None and bodies.borrows(call.data):
                await threads.load("aiohttp")
            request = self.prepared(call, self._timeout if call.timeout is UNSET else as_timeout(call.timeout))
            stats.attempts += 1
            response = await binding.send(request)
            if began is None and decoder is not _STREAMED and is_plain(response):
                return answer.value(response.body, decoder, request, response, _now)
            concluding = self._concluded(call, request, response, deadline, began)
            del response  # it holds the body, which is not to be held beside its content
            return await concluding
        except BaseException as error:
            failed(error, call, request, deadline, stats, None if self._auth is None else self._defaults)
            raise
        finally:
            deadline.end()

    async def resume(
        self,
        call: Call,
        request: Request,
        deadline: Deadline,
        sending: Awaitable[Response],
        began: float | None = None,
    ) -> Any:
        """Go on with a call whose request is under way.

        Args:
            call: What was asked for; a plain one.
            request: What is sent.
            deadline: Its time.
            sending: What ends as the sending does.
            began: When it was asked for, where its format says how long it took.

        Returns:
            What `run` would have returned.
        """
        try:
            return await self._concluded(call, request, await sending, deadline, began)
        except BaseException as error:
            failed(error, call, request, deadline, self._stats, self._defaults)
            raise
        finally:
            deadline.end()

    async def _concluded(
        self, call: Call, request: Request, response: Response, deadline: Deadline, began: float | None
    ) -> Any:
        """Do what an answer still asks for, and hand on what it becomes; where it is an error, raise that."""
        if response.status >= 300 or response.has_cookies is not False:
            response = await self._binding.settle(request, response)
            request = response.request or request
        if LEVELS.get(INFO, True) and logger.isEnabledFor(INFO):
            logger.info(answer.log_line(request, response.status))
        if response.status >= 300:
            raise await self._error(request, response, self._models(call))
        decoder = formats.find(call.response_format, call.on_invalid, call.items)
        if decoder is _STREAMED:
            return StreamedResponse(request, response, math.inf if call.timeout is UNSET else deadline.due)
        content = (
            response.body
            if response.coding == b""
            else await self._decompressed(response := copy.copy(response))  # whose body is given away
        )
        value = answer.value(content, decoder if began is None else decoder.inner, request, response, _now)
        return value if began is None else decoder.wrap(value, request, response, _now, monotonic() - began, content)

    def prepared(self, call: Call, timeout: Timeout) -> Request:
        """Make the request of a call.

        Args:
            call: What was asked for.
            timeout: How long its parts may take.

        Returns:
            The request, with the client's settings under what the call names.

        Raises:
            headrace.errors.ValidationError: Something is wrong with the call.
        """
        defaults = self._defaults
        try:
            method, idempotent = _KNOWN_METHODS[call.method]
        except (KeyError, TypeError):
            method = encode.method(call.method)
            idempotent = method in IDEMPOTENT_METHODS
        try:
            origin, target, trusted, basic = defaults.locate(call.path, call.parameters)
            if call.body is None and call.data is None:
                content = content_type = None
            else:
                content, content_type = _content(call)
            settled = (
                call.headers is None
                and call.cookies is None
                and trusted
                and basic is None
                and self._cookies.jar is None
            )
            block = defaults.settled.get(content_type) if settled else None
            if block is None:
                url = None if self._cookies.jar is None else URL(origin.text + target, encoded=True)
                cookie = self._cookies.text(defaults.cookies, call.cookies, url, trusted=trusted)
                block = defaults.block(call.headers, cookie, content_type, basic, trusted=trusted, settled=settled)
        except UnicodeEncodeError as error:
            message = f"an argument has text that cannot be encoded: {error.reason}"
            raise ValidationError(message) from _redact.emptied(error)
        if block.framed:
            block = check_framing(block, content)
        idempotent = idempotent or "idempotency-key" in block.names
        way = None if call.cookies is None else Delivery(call.cookies)
        if call.response_format is _STREAMED:
            way = Delivery(call.cookies, Sink())
            timeout = timeout if call.timeout is not UNSET else patient(timeout)
        return Request(method, origin, target, block, content, timeout, self._limit, idempotent, way)

    def _prepared_plainly(self, call: Call, timeout: Timeout) -> Request:
        """Make a request of an `Auth`: an absolute URL, and no setting of the client's."""
        address, method = as_url(call.path, "url"), encode.method(call.method)
        content, content_type = _content(call)
        if not (content is None or isinstance(content, bytes)):
            raise wrong("data", call.data, "bytes, text or a mapping")
        given = encode.mapping(call.headers, "headers")
        fields = merge_mapping({**self._defaults.automatic, "Content-Type": content_type}, given, fold_case=True)
        block = HeaderBlock([encode.header(name, value) for name, value in fields.items() if value is not None])
        block = check_framing(block, content)
        target = address.raw_path_qs or "/"
        idempotent = method in IDEMPOTENT_METHODS
        return Request(method, Origin(address), target, block, content, timeout, _MOST_TOKEN_BYTES, idempotent)

    def _models(self, call: Call) -> Mapping[int, Any]:
        """Lay the error models of a call over the client's."""
        if call.error_responses is None:
            return self._defaults.error_responses
        return merge_mapping(self._defaults.error_responses, answer.check_models(call.error_responses))

    async def _error(self, request: Request, response: Response, models: Mapping[int, Any]) -> Exception:
        """Make the error that an answer is; a function among the models is called where its owner waits."""
        model = models.get(response.status)
        if _calling.current.get() is not None and model is not None and answer.is_function(model):
            given: list[Any] = []
            answer.error(request, copy.copy(response), {response.status: given.append}, self._limit, _now())
            if given:
                made = await _calling.call(model, given[0])
                models = {response.status: lambda _: made}
        return answer.error(request, copy.copy(response), models, self._limit, _now())

    async def _decompressed(self, response: Response) -> bytes:
        """Undo the codings of an answer, whose body is given away: it has to be a copy."""
        if len(response.body) <= INLINE_DECOMPRESSION:
            return answer.content(response, self._limit)
        stop = threading.Event()
        try:
            return await asyncio.to_thread(answer.content, response, self._limit, stop.is_set)
        finally:
            stop.set()  # where the time was over, or the caller is gone: the thread ends within a step


def is_plain(response: Response) -> bool:
    """Tell whether an answer is a success that asks for nothing, has its content as its body, and is not logged."""
    return (
        response.status < 300
        and response.has_cookies is False
        and response.coding == b""
        and not (LEVELS.get(INFO, True) and logger.isEnabledFor(INFO))
    )


def is_logged() -> bool:
    """Tell whether requests are logged; asked where `LEVELS` does not say that they are not."""
    return logger.isEnabledFor(INFO)


def _whole(response: Response) -> Response:
    """Undo the codings of an answer to an `Auth`."""
    return Response(response.status, response.headers, answer.content(copy.copy(response), _MOST_TOKEN_BYTES), b"")


def _content(call: Call) -> tuple[Any, str | None]:
    """Encode the body of a call; returns it with its content type, or `None` twice."""
    if call.body is not None:
        if call.data is not None:
            message = "body and data: give one of them"
            raise ValidationError(message)
        return encode.body(call.body), "application/json"
    return (None, None) if call.data is None else bodies.of_data(call.data)


@functools.lru_cache(maxsize=64)
def patient(timeout: Timeout) -> Timeout:
    """Let the time for a whole answer bound each silence of a body that is read as it arrives."""
    return timeout if timeout.read is not None else attrs.evolve(timeout, read=timeout.total)


def _now() -> datetime:
    return datetime.now(UTC)
