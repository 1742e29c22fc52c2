"""The same requests through an `aiohttp.ClientSession`, for tracing, middlewares and comparison."""

from __future__ import annotations

import asyncio
import contextlib
import io
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.helpers import set_result
from aiohttp.http_parser import RawResponseMessage
from multidict import CIMultiDict

from headrace._core.messages import CONTINUE_SECONDS, Connections, Response, Wait
from headrace._core.pieces import Pieces
from headrace._core.request import encode, proof
from headrace._core.stats import Stats
from headrace._io import borrowed, reasons
from headrace._io.bodies import payloads as bodies
from headrace._io.closing import CLOSED, Closing
from headrace._io.session.body import SessionBody
from headrace._io.session.connector import Connector
from headrace._io.session.guard import Watch
from headrace.config import PoolLimits
from headrace.errors import (
    ConnectError,
    ConnectionLost,
    ResponseTooLarge,
    TransportError,
    ValidationError,
)

if TYPE_CHECKING:
    import ssl

    from yarl import URL

    from headrace._core.messages import Request, StreamedBody, Turn

_MOST_PLAIN = 1 << 20  # bytes; of a larger body aiohttp warns, unless it is in a file
_BUFFER = 128 * 1024  # bytes; aiohttp lets a server wait at twice as many that nobody has read, in whatever pieces
_Data = bytes | io.BytesIO | bodies.Exact | None


class AiohttpTransport:
    """Sends requests through an `aiohttp.ClientSession`.

    Args:
        session: A session of the caller's own, which stays open; without one, a session is made and closed here.
        pool: How many connections there may be, and how long idle ones are kept; not for a caller's session.
        proxy: An HTTP proxy.
        tls: An `ssl.SSLContext`, or whether to verify servers.
        stats: Where to count; a client gives its own.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession | None = None,
        pool: PoolLimits | None = None,
        proxy: URL | None = None,
        tls: ssl.SSLContext | bool = True,  # noqa: FBT001, FBT002
        stats: Stats | None = None,
    ) -> None:
        self._stats = stats or Stats()
        self._proxy, self._proxy_fields = encode.proxy_and_fields(proxy)
        self._tls = tls
        self._own = session is None
        self._session = session or _session(pool or PoolLimits(), self._stats)
        theirs = getattr(session, "_middlewares", None) or ()  # what is given to a request stands instead of them
        self._middlewares = (_once, *theirs)
        self._closing = Closing()
        self._bodies: set[SessionBody] = set()  # those that are read as they arrive
        #: Whether it keeps to `Delivery.turn`.
        self.counts_starts = self._own
        #: Whether it writes `Delivery.sent`.
        self.marks_sent = self._own

    async def send(self, request: Request, /) -> Response:
        """Send one request and receive its response; see `headrace.types.Transport`."""
        if self._closing.closed:
            raise ConnectError(CLOSED, maybe_sent=False)
        proof.request(request)
        delivery = request.delivery
        turn = delivery.turn if self._own else None
        repeated = False
        spare = not self._own  # of a foreign session nobody can tell whether a connection had been lying idle
        # Each repeat uses up a connection that had been lying idle; aiohttp cannot be asked for a new one.
        while True:
            try:
                return await self._send_once(request, turn)
            except _Dropped as drop:
                # Nobody can tell whether the connection of a foreign session had been lying idle: once is enough.
                may_repeat = (
                    request.idempotent
                    and isinstance(request.body, bytes | None)
                    and (self._own or not delivery.repeated)
                )
                if not (may_repeat and drop.stale) or self._closing.closed:
                    raise borrowed.translated(drop.error, request) from drop.error
                repeated = delivery.repeated = True
            except _Unwritten as refusal:
                if not (refusal.reused or spare) or self._closing.closed:
                    refusal.error.maybe_sent = repeated
                    raise refusal.error from refusal.__cause__
                spare = spare and refusal.reused
            except TransportError as error:
                error.maybe_sent = error.maybe_sent or repeated
                raise
            turn = None

    async def _send_once(self, request: Request, turn: Turn | None) -> Response:
        """Send a request once; raises `_Dropped` where the connection ended before an answer began.

        It raises `_Unwritten` where nothing was sent, because something lay in the socket.
        """
        data = _data(request.body)
        sent = request.delivery.sent
        phase = _Phase(request, turn)
        task = self._closing.begin()
        try:
            async with phase.clock:
                return await self._exchange(request, data, phase)
        except _Dropped as drop:
            if isinstance(data, bodies.Exact) and data.failure is not None:
                raise data.failure from None
            # In a foreign session nobody is told; in our own, a connection that was never made is not stale.
            drop.stale = drop.stale and (phase.reused is True or not self._own)
            raise
        except _Unwritten as refusal:
            request.delivery.sent = sent
            refusal.reused = refusal.reused or phase.reused is True
            self._stats.connections_reused -= phase.reused is True
            raise
        except asyncio.CancelledError:
            if self._closing.is_mine(task):
                raise ConnectionLost(CLOSED) from None
            raise
        except (TransportError, ValidationError):
            raise
        except (aiohttp.ClientError, ValueError, OSError) as error:
            if isinstance(data, bodies.Exact) and data.failure is not None:
                raise data.failure from None
            if phase.clock.expired():
                raise phase.error() from borrowed.scrubbed(error, request)
            phase.start()  # a server that is down is not dialed more often either
            raise borrowed.translated(error, request) from error
        finally:
            phase.end()
            self._closing.end(task)

    async def _exchange(self, request: Request, data: _Data, phase: _Phase) -> Response:
        watch = Watch(request)
        try:
            return await self._watched(request, data, phase, watch)
        except (TransportError, ValidationError):
            raise
        except (aiohttp.ClientError, ValueError, OSError) as error:
            if watch.refused is not None:
                raise _Unwritten(watch.refused, watch) from error
            if isinstance(error, _Dropped):
                error.stale = error.stale and not watch.heard
            if watch.error is None or (isinstance(data, bodies.Exact) and data.failure is not None):
                raise
            raise watch.error from borrowed.scrubbed(error, request)

    async def _watched(self, request: Request, data: _Data, phase: _Phase, watch: Watch) -> Response:
        theirs = request.origin.scheme == "http" and "proxy-authorization" in request.headers.names
        answer = await self._session.request(
            request.method,
            request.url,
            headers=CIMultiDict([(name, _as_text(value)) for name, value in request.headers.pairs]),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            data=data,
            allow_redirects=False,
            auto_decompress=False,
            proxy=self._proxy,
            proxy_headers={} if theirs else dict(self._proxy_fields),  # aiohttp writes into it
            ssl=self._tls,
            timeout=aiohttp.ClientTimeout(total=None, sock_read=request.timeout.read),
            trace_request_ctx=phase,
            middlewares=(watch, *self._middlewares),
        )
        self._stats.bytes_out += len(request.body) if isinstance(request.body, bytes) else 0
        if request.sink is not None and answer.status < 300:
            response = Response(answer.status, answer.headers)

            def translate(error: Exception) -> TransportError:
                translated = borrowed.translated(error, request)
                return watch.error or translated

            def end() -> None:
                watch.check()
                response.trailers = watch.judge.trailers

            request.sink.attach(SessionBody(answer, self._bodies, self._stats, translate, end))
            return response
        async with answer:
            content = await _read(answer, request.max_response_bytes)
        watch.check()
        self._stats.bytes_in += len(content)
        return Response(answer.status, answer.headers, content, trailers=watch.judge.trailers)

    @property
    def connections(self) -> Connections:
        """How many connections the session has now, and how many requests wait for one."""
        connector: Any = self._session.connector
        if connector is None:  # the session was closed
            return Connections(0, 0, 0)
        idle = sum(map(len, connector._conns.values()))  # noqa: SLF001 - aiohttp tells it to nobody
        waiting = sum(map(len, connector._waiters.values()))  # noqa: SLF001 - the same
        return Connections(len(connector._acquired) + idle, idle, waiting)  # noqa: SLF001 - the same

    async def close(self) -> None:
        """Fail what is under way, and close the session if it was made here."""
        self._closing.close()
        loop = getattr(self._session, "_loop", None)  # which it was made on
        if loop is not None and loop.is_closed():  # nobody waits there any more, nor can be told
            self._bodies.clear()
            with contextlib.suppress(RuntimeError):  # aiohttp would tell them
                await (self._session.close() if self._own else asyncio.sleep(0))
            return
        for body in list(self._bodies):
            body.fail(TransportError(CLOSED))
        if self._own:
            await self._session.close()

    def __repr__(self) -> str:
        return f"<AiohttpTransport{' closed' if self._closing.closed else ''}>"


def _as_text(value: str) -> str:
    """Give the value of a field, one character a byte, the form in which aiohttp sends these bytes: it writes UTF-8."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value  # which in UTF-8 are other bytes, but nothing else can be sent


def _data(body: bytes | StreamedBody | None) -> _Data:
    """Give a body the form in which aiohttp takes it."""
    if body is None:
        return None
    if not isinstance(body, bytes):
        return bodies.Exact(body)
    return body if len(body) <= _MOST_PLAIN else io.BytesIO(body)


class _Dropped(aiohttp.ClientConnectionError):
    """A connection ended before an answer was complete enough to be one."""

    def __init__(self, error: aiohttp.ClientError) -> None:
        super().__init__(type(error).__name__)  # its text may be the head of an answer
        self.error = error
        # Without a part of a head, as far as aiohttp tells.
        self.stale = not isinstance(getattr(error, "message", None), RawResponseMessage)


class _Unwritten(Exception):
    """Nothing of a request was written, because something lay in the socket of its connection.

    Args:
        error: What that is on a new connection; on one that has served before it is no error.
        watch: What has found it.
    """

    def __init__(self, error: TransportError, watch: Watch) -> None:
        super().__init__(str(error))
        self.error = error
        self.reused = watch.reused


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending idempotent requests twice on its own account, on whatever connection.

    It also keeps it from waiting for a 100 for ever, which a server may never send (RFC 9110, section 10.1.1).
    """
    continued = getattr(request, "_continue", None)
    if continued is not None:
        patience = asyncio.get_running_loop().call_later(CONTINUE_SECONDS, set_result, continued, True)
        continued.add_done_callback(lambda _: patience.cancel())
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Dropped(error) from error


class _Phase:
    """What a request waits for before it is sent, and for how long it may.

    A start that a limiter has allowed is made when there is a connection, also where a pause has come between: aiohttp
    loses a connection that is not used.
    """

    def __init__(self, request: Request, turn: Turn | None) -> None:
        self._request = request
        self._turn = turn
        self._time = asyncio.get_running_loop().time
        if turn is not None:
            turn.hold()
        self.clock = asyncio.timeout(None)
        self.limits = request.timeout
        self.queued = False
        self._began: float | None = None
        self.reused: bool | None = None  # whether the connection had served before; unknown in a foreign session

    def begin(self, seconds: float | None, *, queued: bool) -> None:
        """Wait for a free connection (`queued`) or for a new one, so many seconds long."""
        self._spend()
        self.queued = queued
        self._began = self._time()
        self.clock.reschedule(None if seconds is None else self._began + seconds)

    def connected(self, *, reused: bool) -> None:
        """Have a connection, which the request is now sent on."""
        self.reused = reused
        self._request.delivery.sent = True
        self._spend()
        self.clock.reschedule(None)
        self.start()

    def _spend(self) -> None:
        """Note what time it has waited for."""
        began, self._began = self._began, None
        if began is not None:
            seconds = self._time() - began
            self._request.delivery.spend(Wait.CONNECTION if self.queued else Wait.CONNECTING, seconds)

    def start(self) -> None:
        """Make the start, unless it is made."""
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.resume(at_any_rate=True)

    def end(self) -> None:
        """Give up a start that was not made."""
        self._spend()
        if self._turn is not None:
            self._turn.drop()

    def error(self) -> TransportError:
        """Say what took too long."""
        where = self._request.origin.text
        if self.queued:
            return reasons.crowded(where, self.limits.pool)
        return reasons.slow(where, self.limits.connect)


def _session(pool: PoolLimits, stats: Stats) -> aiohttp.ClientSession:
    """Make a session that counts connections and tells requests which phase they are in."""

    async def queued(_: object, context: Any, __: object) -> None:
        phase: _Phase = context.trace_request_ctx
        phase.begin(phase.limits.pool, queued=True)

    async def dialing(_: object, context: Any, __: object) -> None:
        phase: _Phase = context.trace_request_ctx
        phase.begin(phase.limits.connect, queued=False)

    async def opened(_: object, context: Any, __: object) -> None:
        stats.connections_opened += 1
        context.trace_request_ctx.connected(reused=False)

    async def reused(_: object, context: Any, __: object) -> None:
        stats.connections_reused += 1
        context.trace_request_ctx.connected(reused=True)

    trace = aiohttp.TraceConfig()
    trace.on_connection_queued_start.append(queued)
    trace.on_connection_create_start.append(dialing)
    trace.on_connection_create_end.append(opened)
    trace.on_connection_reuseconn.append(reused)
    connector = Connector(
        limit=pool.max_connections, limit_per_host=pool.max_per_origin or 0, keepalive_timeout=pool.keepalive
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[trace],
        read_bufsize=_BUFFER,
        max_line_size=65536,
        max_field_size=65536,
        max_headers=256,
    )


async def _read(answer: aiohttp.ClientResponse, limit: int | None) -> bytes:
    """Read a body whole, but never more of it than is allowed."""
    pieces = Pieces(b"")
    async for piece in answer.content.iter_any():
        pieces.add(piece)
        if limit is not None and pieces.size > limit:
            answer.close()
            message = f"the body has more than the {limit} bytes that are allowed"
            raise ResponseTooLarge(message)
    return pieces.take()
