"""What the plain requests of a client have in common, and how one of them is written to an idle connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from headrace._core.messages import HeaderBlock
from headrace._core.request import encode
from headrace._core.request.proof import EMPTY_BODY
from headrace._io.flow.admission import Admission
from headrace._io.flow.retrying import Retrying
from headrace._io.limits.leased import is_simple
from headrace._io.wire.answer import Answer
from headrace._io.wire.connection import Connection
from headrace._io.wire.transport import WireTransport

if TYPE_CHECKING:
    from headrace._client.binding import Apart, Binding
    from headrace._core.messages import Request
    from headrace._core.request.prepare import Defaults
    from headrace._core.stats import Stats
    from headrace._io.limits.leased import LeasedLimiter
    from headrace._io.limits.rate import RateLimiter
    from headrace.config import ClientConfig

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
        began: When it was sent, in seconds of `time.monotonic`.
    """

    connection: Connection
    answer: Answer
    block: HeaderBlock
    target: str
    content: bytes | None
    began: float

    def __repr__(self) -> str:
        return f"<Begun on {self.connection!r}>"


class Form:
    """Writes plain requests of one method, as long as no setting of the client changes.

    Args:
        ahead: What lies ahead of them.
        defaults: The client's live settings.
        block: Their header fields.
        request: What connections know of them; nobody writes to it.
        stats: Where to count.
    """

    __slots__ = (
        "_ahead", "_before", "_behind", "_defaults", "_fields", "_limiter", "_origin", "_request", "_stats", "_take",
        "block",
    )  # fmt: skip

    def __init__(self, ahead: Ahead, defaults: Defaults, block: HeaderBlock, request: Request, stats: Stats) -> None:
        self._ahead = ahead
        self._limiter = ahead.limiter
        self._take = ahead.transport.take
        self._defaults = defaults
        self._stats = stats
        self.block = block
        self._request = request
        self._origin = defaults.origin.text
        self._before = f"{request.method} "
        self._fields = fields = block.written[1]
        self._behind = f"{fields}{EMPTY_BODY[request.method]}\r\n"

    def begin(
        self, path: Any, body: Any, answer: Answer | None, now: float, kept: Connection | None = None
    ) -> Begun | None:
        """Write a request to an idle connection; see `Lane.begin`.

        Args:
            path: The path of the call.
            body: What is sent as JSON, or `None`.
            answer: What its answer, or the error there is instead, is given to; `None` makes a future.
            now: Seconds of `time.monotonic`.
            kept: A connection that was not put back behind the answer before, because this may come.
        """
        target = self._defaults.plain_target(path)
        # `proof.target`, spelled out as in the transport: nothing is written that is not proven then and there.
        if target is None or not (
            target.isascii() and target.isprintable() and " " not in target and target[:1] == "/"
        ):
            if kept is not None:
                kept.release()
            return None
        if kept is None or kept.gone:
            connection = self._take(self._origin)
            if connection is None:
                return None
        else:
            connection = kept
            kept.is_new = False
            self._stats.connections_reused += 1
        limiter, content = self._limiter, None
        if body is None:
            head = f"{self._before}{target}{self._behind}".encode("latin-1")
        else:
            content = _content(body, self._ahead.transport, connection)
            if content is None:
                return None
            fields = f"{self._fields}Content-Length: {len(content)}\r\n\r\n"
            head = f"{self._before}{target}{fields}".encode("latin-1") + content
        if limiter is not None and not limiter.try_acquire(1, self._origin):
            self._ahead.transport.put_back(connection)
            return None
        try:
            answer = connection.begin(self._request, head, answer)
            if answer is None:  # something lies in its socket
                _give_back(self._ahead, connection)
                return None
            return Begun(connection, answer, self.block, target, content, now)
        finally:
            del head, path, body, content  # logs may show the variables of a frame

    def __repr__(self) -> str:
        return f"<Form of {self._request.method}>"


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
