"""The short way of a plain call, which an idle connection takes at once.

It does what the pipeline would do, without the values that the rooms of the pipeline hand to each other: in one
coroutine for a verb, in none for a bulk, which is called back. Wherever it is in doubt it hands over to the pipeline:
before anything is sent, or with the request under way.
"""

from __future__ import annotations

import copy
from asyncio import current_task
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from headrace._client.forms import Ahead, Begun, Form
from headrace._client.pipeline import INFO, INLINE_DECOMPRESSION, LEVELS, is_logged
from headrace._core.call import Call
from headrace._core.messages import Delivery, HeaderBlock, Request
from headrace._core.values import answer as answer_of
from headrace._core.values import decode, formats
from headrace.policies import IDEMPOTENT_METHODS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Coroutine

    from headrace._client.binding import Apart, Binding
    from headrace._client.pipeline import Pipeline
    from headrace._core.messages import Response
    from headrace._core.request.prepare import Defaults
    from headrace._core.stats import Stats
    from headrace._io.deadline import Deadline
    from headrace._io.flow.cookies import Cookies
    from headrace._io.flow.credential_cache import CredentialCache
    from headrace._io.wire.answer import Answer
    from headrace._io.wire.connection import Connection
    from headrace.config import ClientConfig

_JSON: Final = "application/json"


class Lane:
    """Sends calls that name nothing but a path, a format and perhaps a body.

    Args:
        pipeline: What it hands over to.
        config: What the client was made from.
        defaults: Its live settings.
        cookies: Its cookies.
        auth: Its credentials.
        stats: Where to count.
        binding: Where it belongs.
    """

    __slots__ = (
        "_ahead", "_auth", "_binding", "_config", "_cookies", "_defaults", "_forms", "_limit", "_loop", "_pipeline",
        "_stats",
    )  # fmt: skip

    def __init__(
        self,
        pipeline: Pipeline,
        config: ClientConfig,
        defaults: Defaults,
        cookies: Cookies,
        auth: CredentialCache,
        stats: Stats,
        binding: Binding | Apart,
    ) -> None:
        self._pipeline = pipeline
        self._config = config
        self._limit = config.max_response_bytes
        self._defaults = defaults
        self._cookies = cookies
        self._auth = auth
        self._stats = stats
        self._binding = binding
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ahead: Ahead | None = None
        self._forms: dict[str, Form] = {}

    async def run(self, method: str, path: Any, body: Any, response_format: Any) -> Any:
        """Send a call and hand on what comes of it; see `Pipeline.run`."""
        binding, loop = self._binding, self._loop
        task = current_task(loop)
        decoder = decoder_of(response_format)
        if (
            task is None
            or decoder is None
            or binding.thread != get_ident()
            or (begun := self.begin(method, path, body, None)) is None
        ):
            if binding.loop is not loop or loop is None:
                self.enter()
            sending = self._pipeline.run(Call(path, method, response_format, body))
            path = body = None  # logs may show the variables of a frame
            return await sending
        deadline = binding.begin(task)
        try:
            response = await begun.answer  # type: ignore[misc] # a future: nobody else was named
        except GeneratorExit:  # whoever waited is gone, and nothing can be waited for any more
            begun.connection.abandon(begun.answer)
            deadline.end()
            raise
        except BaseException as error:  # noqa: BLE001 - it is judged where its request is known
            outcome: Response | BaseException = error
        else:
            value = self.read(response, decoder)
            if value is not decode.UNREAD:
                deadline.end()
                return value
            outcome = response
            del response  # it holds the body, which is not to be held beside its content
        going_on = self.go_on(Call(path, method, response_format, body), begun, outcome, deadline)
        path = body = begun = None  # logs may show the variables of a frame
        del outcome
        return await going_on

    def enter(self) -> None:
        """Find what lies ahead on the loop that the client belongs to now."""
        self._forms.clear()
        self._loop = loop = self._binding.loop
        self._ahead = None if loop is None else Ahead.of(self._binding, self._config)

    @property
    def seconds(self) -> float | None:
        """How long a call may take that names no timeout of its own; `None` is without end."""
        return self._config.timeout.total

    @property
    def is_open(self) -> bool:
        """Whether requests go past the chain at all, as things stand."""
        return self._ahead is not None

    def begin(self, method: str, path: Any, body: Any, answer: Answer | None) -> Begun | None:
        """Write a request to an idle connection.

        Args:
            method: The method, one that is known.
            path: The path of the call.
            body: What is sent as JSON, or `None`.
            answer: What its answer, or the error there is instead, is given to; `None` makes a future.

        Returns:
            The request under way; `None` where that cannot be, and nothing has happened then.
        """
        form = self.form(method, body)
        if form is None:
            return None
        begun = form.begin(path, body, answer, monotonic())
        if begun is not None:
            self.count(1, begun.began)
        return begun

    def form(self, method: str, body: Any) -> Form | None:
        """Find what writes requests of a method that begin now; `None` where they do not go past the chain.

        Args:
            method: The method, one that is known.
            body: What is sent as JSON, or `None`.
        """
        if self._binding.loop is not self._loop or self._auth.due is not None or self._cookies.jar is not None:
            return None
        block = self._defaults.settled.get(None if body is None else _JSON)
        form = self._forms.get(method)
        if form is not None and form.block is block:
            return form
        ahead = self._ahead
        if (
            ahead is None
            or block is None
            or block.framed
            or block.written[0] is not self._defaults.origin
            or (ahead.retrying is not None and method not in IDEMPOTENT_METHODS)
        ):
            return None
        request = self._request(method, "/", block, None if body is None else b"")
        form = self._forms[method] = Form(ahead, self._defaults, block, request, self._stats)
        return form

    def count(self, requests: int, now: float) -> None:
        """Count requests that were begun.

        Args:
            requests: How many.
            now: When, in seconds of `time.monotonic`.
        """
        stats, ahead = self._stats, self._ahead
        stats.requests += requests
        stats.attempts += requests
        if ahead is not None and ahead.retrying is not None and ahead.retrying.deposit is not None:
            ahead.retrying.deposit(now, requests)

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for a connection, so that none is to be kept."""
        return self._ahead is None or self._ahead.transport.is_waited_for()

    def read(self, response: Response, decoder: decode.BodyDecoder) -> Any:
        """Read the value of an answer; `decode.UNREAD` where it is no plain success, which `go_on` sees to."""
        if response.status >= 300 or response.has_cookies is not False:
            return decode.UNREAD
        if LEVELS.get(INFO, True) and is_logged():
            return decode.UNREAD
        body = response.body
        try:
            if response.coding != b"":
                if response.coding is None or len(body) > INLINE_DECOMPRESSION:
                    return decode.UNREAD
                response.body = body = answer_of.content(copy.copy(response), self._limit)  # a copy's is given away
                response.coding = b""
            return decode.decode(body, decoder) if body else None
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - ours, or of the model's own code: raised anew where its request is known
            return decode.UNREAD

    def go_on(
        self,
        call: Call,
        begun: Begun,
        outcome: Response | BaseException,
        deadline: Deadline,
        asked: float | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Hand a call over whose first exchange has ended.

        Args:
            call: What was asked for.
            begun: Its request.
            outcome: The answer, or what there is instead.
            deadline: Its time, which the task has that awaits this.
            asked: When it was asked for, where its format says so.

        Returns:
            What ends as `Pipeline.run` would have.
        """
        ahead = self._ahead
        assert ahead is not None  # noqa: S101 - it was begun
        request = self._request(call.method, begun.target, begun.block, begun.content)
        exchange = _Exchange(ahead, request, begun.connection, begun.answer, outcome)
        return self._pipeline.resume(call, request, deadline, exchange.go_on(begun.began), asked)

    def room(self) -> float | None:
        """Tell for how many connections there is room where a request finds none idle; `None` where one is."""
        return None if self._ahead is None else self._ahead.transport.room(self._defaults.origin.text)

    def _request(self, method: str, target: str, block: HeaderBlock, content: bytes | None) -> Request:
        """Make a request as the pipeline would have; that of a connection is one of many, and nobody writes to it."""
        config = self._config
        idempotent = method in IDEMPOTENT_METHODS or "idempotency-key" in block.names
        return Request(
            method, self._defaults.origin, target, block, content, config.timeout, config.max_response_bytes,
            idempotent, Delivery(),
        )  # fmt: skip


class _Exchange:
    """A request that is under way, and how its first exchange has ended; the chain's part is done as in the chain.

    Args:
        ahead: The parts of the chain.
        request: The request.
        connection: Where it was written.
        answer: Its exchange.
        outcome: The answer, or what there is instead.
    """

    def __init__(
        self,
        ahead: Ahead,
        request: Request,
        connection: Connection,
        answer: Answer,
        outcome: Response | BaseException,
    ) -> None:
        self._ahead = ahead
        self._request = request
        self._connection = connection
        self._answer = answer
        self._outcome: Response | BaseException | None = outcome

    def go_on(self, began: float) -> Awaitable[Response]:
        """Do what the chain would do now; `began` is when a `Retrying` was told of it."""
        retrying = self._ahead.retrying
        return (
            self._first(self._request) if retrying is None else retrying.go_on_with(self._request, self._first, began)
        )

    async def _first(self, request: Request) -> Response:
        """End as the first sending does; a request whose connection was dead goes out once more (RFC 9110, 9.2.2)."""
        outcome, self._outcome = self._outcome, None
        if isinstance(outcome, BaseException):
            if not self._ahead.transport.may_send_anew(request, self._connection, self._answer, outcome):
                raise outcome
            outcome = await self._ahead.transport.send_anew(request)
        response: Response = outcome  # type: ignore[assignment] # it is one of both
        if self._ahead.admission is not None:
            self._ahead.admission.heard(request, response)
        return response


def decoder_of(response_format: Any) -> decode.BodyDecoder | None:
    """Find how an answer is decoded; `None` where that is no matter of its body alone, or an error."""
    try:
        decoder = formats.find(response_format)
    except Exception:  # noqa: BLE001 - it is raised anew where its request is known
        return None
    return decoder if type(decoder) is decode.BodyDecoder and decoder.stamp is None else None
