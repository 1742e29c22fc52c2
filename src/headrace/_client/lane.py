"""The short way of a plain call, which an idle connection takes at once.

It does what the pipeline would do, in one coroutine and without the values that the rooms of the pipeline hand to each
other. Wherever it is in doubt it hands over to the pipeline: before anything is sent, or with the request under way.
"""

from __future__ import annotations

from asyncio import current_task
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from headrace._client.pipeline import is_plain
from headrace._core.call import Call
from headrace._core.messages import Delivery, Request
from headrace._core.request import encode
from headrace._core.request.proof import EMPTY_BODY
from headrace._core.values import decode, formats
from headrace._io.flow.admission import Admission
from headrace._io.flow.retrying import Retrying
from headrace._io.limits.leased import LeasedLimiter
from headrace._io.limits.rate import RateLimiter
from headrace._io.wire.transport import WireTransport
from headrace.errors import FrameworkException, ResponseParseError
from headrace.policies import IDEMPOTENT_METHODS
from headrace.types import ChoosingLimiter

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable

    from headrace._client.binding import Binding
    from headrace._client.pipeline import Pipeline
    from headrace._core.messages import HeaderBlock, Response
    from headrace._core.request.prepare import Defaults
    from headrace._core.stats import Stats
    from headrace._io.flow.cookies import Cookies
    from headrace._io.flow.credential_cache import CredentialCache
    from headrace._io.wire.connection import Connection
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
    def of(cls, binding: Binding, config: ClientConfig) -> Ahead | None:
        """Find what lies ahead; `None` where a setting lets no request go past the chain."""
        transport, layers = binding.transport, binding.layers
        admission, retry = layers.get(Admission), config.retry
        limiter = None if admission is None else admission.limiter
        if (
            type(transport) is not WireTransport
            or config.transport != "wire"
            or config.proxy is not None
            or config.circuit_breaker is not None
            or not (limiter is None or _may_be_asked(limiter))
            or not (retry is None or (retry.attempt_timeout is None and retry.deadline is None))
        ):
            return None
        return cls(transport, limiter, admission, layers.get(Retrying))


def _may_be_asked(limiter: Any) -> bool:
    """Tell whether a limiter is one of ours, the same for all requests, that need not hear of every answer."""
    ours = type(limiter) is RateLimiter or isinstance(limiter, LeasedLimiter)
    return ours and not limiter.follow and not isinstance(limiter, ChoosingLimiter)


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
        "_ahead", "_auth", "_binding", "_config", "_cookies", "_defaults", "_loop", "_pipeline", "_requests", "_stats",
    )  # fmt: skip

    def __init__(
        self,
        pipeline: Pipeline,
        config: ClientConfig,
        defaults: Defaults,
        cookies: Cookies,
        auth: CredentialCache,
        stats: Stats,
        binding: Binding,
    ) -> None:
        self._pipeline = pipeline
        self._config = config
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
        binding, defaults, ahead, loop = self._binding, self._defaults, self._ahead, self._loop
        task = current_task(loop)
        block = defaults.settled.get(None if body is None else _JSON)
        target = defaults.plain_target(path)
        decoder = _decoder(response_format)
        if (
            ahead is None
            or task is None
            or block is None
            or target is None
            or decoder is None
            or binding.loop is not loop
            or binding.thread != get_ident()
            or self._auth.due is not None
            or self._cookies.jar is not None
            or (ahead.retrying is not None and method not in IDEMPOTENT_METHODS)
            or (begun := self._begin(ahead, block, target, method, body)) is None
        ):
            if binding.loop is not loop or loop is None:
                self._enter(binding)
            sending = self._pipeline.run(Call(path, method, response_format, body))
            path = body = target = None  # logs may show the variables of a frame
            return await sending
        deadline = binding.begin(task)
        connection, answer, began = begun
        try:
            response = await answer
        except GeneratorExit:  # whoever waited is gone, and nothing can be waited for any more
            connection.abandon(answer)
            deadline.end()
            raise
        except BaseException as error:  # noqa: BLE001 - it is judged where its request is known
            outcome: Response | BaseException = error
        else:
            if is_plain(response):
                try:
                    value = decode.decode(response.body, decoder) if response.body else None
                except ResponseParseError:
                    pass  # it is raised anew where its request is known
                else:
                    deadline.end()
                    return value
            outcome = response
            del response  # it holds the body, which is not to be held beside its content
        call = Call(path, method, response_format, body)
        request = self._request(method, target, block, body)
        path = body = target = None  # logs may show the variables of a frame
        exchange = _Exchange(ahead, request, connection, answer, outcome)
        del outcome
        return await self._pipeline.resume(call, request, deadline, exchange.go_on(began))

    def _enter(self, binding: Binding) -> None:
        """Find what lies ahead on the loop that the client belongs to now."""
        self._requests.clear()
        self._loop = binding.loop
        self._ahead = None if binding.loop is None else Ahead.of(binding, self._config)

    def _begin(
        self, ahead: Ahead, block: HeaderBlock, target: str, method: str, body: Any
    ) -> tuple[Connection, asyncio.Future[Response], float] | None:
        """Write a request to an idle connection; `None` where that cannot be, and nothing has happened then."""
        origin = self._defaults.origin
        known, fields = block.written
        if known is not origin or block.framed:
            return None
        # `proof.target`, spelled out as in the transport: nothing is written that is not proven then and there.
        if not (target.isascii() and target.isprintable() and " " not in target and target[:1] == "/"):
            return None
        connection = ahead.transport.take(origin.text)
        if connection is None:
            return None
        if body is None:
            head = f"{method} {target}{fields}{EMPTY_BODY[method]}\r\n".encode("latin-1")
        else:
            content = _encoded(body)
            if content is None:
                ahead.transport.put_back(connection)
                return None
            head = f"{method} {target}{fields}Content-Length: {len(content)}\r\n\r\n".encode("latin-1") + content
            del content
        limiter = ahead.limiter
        if limiter is not None and not limiter.try_acquire(1, origin.text):
            ahead.transport.put_back(connection)
            return None
        shared = self._requests.get(method)
        if shared is None or shared.headers is not block:
            shared = self._requests[method] = self._request(method, "/", block, b"" if body is not None else None)
        try:
            answer = connection.begin(shared, head)
        finally:
            del target, head, fields, body  # logs may show the variables of a frame
        if answer is None:  # something lies in its socket
            if limiter is not None:
                limiter.hold()
                limiter.drop()
            ahead.transport.put_back(connection)
            return None
        stats = self._stats
        stats.requests += 1
        stats.attempts += 1
        return connection, answer, 0.0 if ahead.retrying is None else ahead.retrying.begin()

    def _request(self, method: str, target: str, block: HeaderBlock, body: Any) -> Request:
        """Make a request as the pipeline would have; that of a connection is one of many, and nobody writes to it."""
        config = self._config
        content = body if body is None or body == b"" else _encoded(body)
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
        answer: asyncio.Future[Response],
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


def _decoder(response_format: Any) -> decode.BodyDecoder | None:
    """Find how an answer is decoded; `None` where that is no matter of its body alone, or an error."""
    try:
        decoder = formats.find(response_format)
    except FrameworkException:
        return None
    return decoder if type(decoder) is decode.BodyDecoder and decoder.stamp is None else None


def _encoded(body: Any) -> bytes | None:
    """Write a body as JSON; `None` where it is too large to go with its head, or an error."""
    try:
        content = encode.body(body)
    except FrameworkException:
        return None
    return content if len(content) <= _MOST_BODY else None
