"""The short way of a plain call, which an idle connection takes at once.

It does what the pipeline would do, without the values that the rooms of the pipeline hand to each other: in one
coroutine for a verb, in none for a bulk, which is called back. Wherever it is in doubt it hands over to the pipeline:
before anything is sent, or with the request under way.
"""

from __future__ import annotations

import copy
from asyncio import current_task
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from headrace._client.pipeline import INLINE_DECOMPRESSION, is_logged
from headrace._core.call import Call
from headrace._core.messages import Delivery, HeaderBlock, Request
from headrace._core.request import encode
from headrace._core.request.proof import EMPTY_BODY
from headrace._core.values import answer as answer_of
from headrace._core.values import decode, formats
from headrace._io.flow.admission import Admission
from headrace._io.flow.retrying import Retrying
from headrace._io.limits.leased import is_simple
from headrace._io.wire.connection import Answer, Connection
from headrace._io.wire.transport import WireTransport
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
    from headrace._io.limits.leased import LeasedLimiter
    from headrace._io.limits.rate import RateLimiter
    from headrace.config import ClientConfig

_JSON: Final = "application/json"
#: Bytes of a body that goes out in one write with its head, whatever the transport thinks of it.
_MOST_BODY: Final = 64 * 1024


class Ahead(NamedTuple):
    """What lies ahead of a plain request on a loop: the parts of the chain that it goes past.

    Attributes:
        transport: Sends it.
        limiter: Lets it start, or `None`.
        admission: Hears of its answer, where there is a limiter.
        retrying: Sends it again, or `None`.
    """

    transport: WireTransport
    limiter: RateLimiter | LeasedLimiter | None
    admission: Admission | None
    retrying: Retrying | None

    @classmethod
    def of(cls, binding: Binding | Apart, config: ClientConfig) -> Ahead | None:
        """Find what lies ahead; `None` where a setting lets no request go past the chain."""
        transport, layers = binding.transport, binding.layers
        admission, retry = layers.get(Admission), binding.retry
        limiter = None if admission is None else admission.limiter
        if (
            type(transport) is not WireTransport
            or config.transport != "wire"
            or config.proxy is not None
            or config.circuit_breaker is not None
            or not (limiter is None or is_simple(limiter))
            or not (retry is None or (retry.attempt_timeout is None and retry.deadline is None))
        ):
            return None
        return cls(transport, limiter, admission, layers.get(Retrying))


class Begun(msgspec.Struct, eq=False):
    """A request that is under way.

    Attributes:
        connection: Where it was written.
        answer: Its exchange.
        block: The header fields that it has.
        target: Where it goes.
        content: The body that was written: what it was made of may be another by now.
        began: When a `Retrying` was told of it.
    """

    connection: Connection
    answer: Answer
    block: HeaderBlock
    target: str
    content: bytes | None
    began: float

    def __repr__(self) -> str:
        return f"<Begun on {self.connection!r}>"


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
        "_ahead", "_auth", "_binding", "_config", "_cookies", "_defaults", "_limit", "_loop", "_pipeline", "_requests",
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
        self._requests: dict[str, Request] = {}  # what connections know of a request, the same for all of a method

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
        self._requests.clear()
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
        ahead, defaults = self._ahead, self._defaults
        block = defaults.settled.get(None if body is None else _JSON)
        target = defaults.plain_target(path)
        origin = defaults.origin
        if (
            ahead is None
            or block is None
            or target is None
            or self._binding.loop is not self._loop
            or self._auth.due is not None
            or self._cookies.jar is not None
            or (ahead.retrying is not None and method not in IDEMPOTENT_METHODS)
            or block.framed
            or block.written[0] is not origin
            # `proof.target`, spelled out as in the transport: nothing is written that is not proven then and there.
            or not (target.isascii() and target.isprintable() and " " not in target and target[:1] == "/")
        ):
            return None
        fields = block.written[1]
        connection = ahead.transport.take(origin.text)
        if connection is None:
            return None
        limiter, content = ahead.limiter, None
        if body is None:
            head = f"{method} {target}{fields}{EMPTY_BODY[method]}\r\n".encode("latin-1")
        else:
            content = _content(body, ahead.transport, connection)
            if content is None:
                return None
            head = f"{method} {target}{fields}Content-Length: {len(content)}\r\n\r\n".encode("latin-1") + content
        if limiter is not None and not limiter.try_acquire(1, origin.text):
            ahead.transport.put_back(connection)
            return None
        shared = self._requests.get(method)
        if shared is None or shared.headers is not block:
            shared = self._requests[method] = self._request(method, "/", block, None if body is None else b"")
        try:
            answer = connection.begin(shared, head, answer)
            if answer is None:  # something lies in its socket
                _give_back(ahead, connection)
                return None
            begun = Begun(connection, answer, block, target, content, 0.0)
        finally:
            del head, fields, path, body, content  # logs may show the variables of a frame
        self._stats.requests += 1
        self._stats.attempts += 1
        if ahead.retrying is not None:
            begun.began = ahead.retrying.begin()
        return begun

    def read(self, response: Response, decoder: decode.BodyDecoder) -> Any:
        """Read the value of an answer; `decode.UNREAD` where it is no plain success, which `go_on` sees to."""
        if response.status >= 300 or response.has_cookies is not False or is_logged():
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


def _give_back(ahead: Ahead, connection: Connection) -> None:
    """Give back what was taken for a request that was not written."""
    if ahead.limiter is not None:
        ahead.limiter.hold()
        ahead.limiter.drop()
    ahead.transport.put_back(connection)


def _content(body: Any, transport: WireTransport, connection: Connection) -> bytes | None:
    """Write a body as JSON; `None` where it is too large to go with its head, or an error: the connection is put back.

    The body may have code of its own, which can raise anything.
    """
    content = None
    try:
        content = encode.body(body)
        if len(content) > _MOST_BODY:
            content = None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - it is raised anew where its request is known
        content = None
    finally:
        if content is None:
            transport.put_back(connection)
    return content
