"""A connection from the pool, one exchange, and the one safe reconnect."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from headrace._core.messages import HeldBack
from headrace._core.request import encode, proof
from headrace._core.request.proof import EMPTY_BODY
from headrace._core.stats import Stats
from headrace._io import idle
from headrace._io.wire import uploading
from headrace._io.wire.pool import Pool
from headrace.config import PoolLimits
from headrace.errors import ConnectError, ConnectionLost, TransportError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Coroutine

    from yarl import URL

    from headrace._core.messages import Connections, HeaderBlock, Origin, Request, Response, Turn
    from headrace._io.wire.answer import Answer
    from headrace._io.wire.connection import Connection


class WireTransport:
    """Sends requests over connections of our own: aiohttp dials, httptools parses, nothing lies between.

    Args:
        pool: How many connections there may be, and how long idle ones are kept.
        proxy: An HTTP proxy: requests to http go to it, https goes through a tunnel (`CONNECT`).
        tls: An `ssl.SSLContext`, or whether to verify servers.
        stats: Where to count; a client gives its own.
    """

    #: Whether it keeps to `Delivery.turn`.
    counts_starts = True
    #: Whether it writes `Delivery.sent`.
    marks_sent = True

    def __init__(
        self,
        pool: PoolLimits | None = None,
        proxy: URL | None = None,
        tls: ssl.SSLContext | bool = True,  # noqa: FBT001, FBT002
        stats: Stats | None = None,
    ) -> None:
        self._pool = Pool(asyncio.get_running_loop(), pool or PoolLimits(), proxy, tls, stats or Stats())
        #: Takes an idle connection of an origin, to begin a request on it at once; `None` where there is none.
        self.take = self._pool.take
        #: Tells whether somebody waits for a connection.
        self.is_waited_for = self._pool.is_waited_for
        self._proxy_line = ""
        self._proxied = proxy is not None
        self._site = ""  # the origin that was proven last, which is never empty
        credentials = None if proxy is None else encode.basic(proxy)
        if credentials is not None:
            self._proxy_line = f"Proxy-Authorization: {credentials}\r\n"

    async def send(self, request: Request, /) -> Response:
        """Send one request and receive its response; see `headrace.types.Transport`."""
        head = self._head(request)
        connection = self._pool.take(request.origin.text) or await (
            self._pool.acquire(request)
            if request.delivery.turn is None
            else self._in_turn(self._pool.acquire(request), request, request.delivery.turn)
        )
        answer: asyncio.Future[Response] | None = connection.begin(request, head)
        if answer is None:
            connection, answer = await self._begin_elsewhere(connection, request, head, request.delivery.turn)
        try:
            if request.body is not None and not isinstance(request.body, bytes):
                await uploading.upload(connection, request, answer)
            return await answer
        except BaseException as error:
            if not self.may_send_anew(request, connection, answer, error):
                raise
        return await self.send_anew(request)

    def put_back(self, connection: Connection) -> None:
        """Leave a connection that was taken in this very step as it was: nothing was written to it."""
        self._pool.put_back(connection)

    def room(self, origin: str) -> float | None:
        """Tell for how many connections to an origin there is room; `None` where one lies idle."""
        return self._pool.room(origin)

    def may_send_anew(self, request: Request, connection: Connection, answer: Answer, error: BaseException) -> bool:
        """End an exchange that has failed, and tell whether its request may go out once more, at once.

        It may where the server closed an idle connection while the request was on its way (RFC 9110, section 9.2.2).
        """
        if not isinstance(error, ConnectionLost):
            request.delivery.sent = True
        elif not (
            connection.is_new or connection.answered or not request.idempotent or not _is_replayable(request.body)
        ):
            return True
        connection.abandon(answer)  # an upload may hear of the end before its answer does
        return False

    async def _in_turn(self, acquiring: Coroutine[Any, Any, Connection], request: Request, turn: Turn) -> Connection:
        """Wait for a connection with a start that a limiter has allowed, and that is made when there is one.

        Raises:
            headrace._core.messages.HeldBack: There is a pause by now.
        """
        turn.hold()
        try:
            connection = await self._pool.settle(await acquiring, request)
        except ConnectError:
            turn.resume(at_any_rate=True)  # a server that is down is not dialed more often either
            raise
        except BaseException:
            turn.drop()
            raise
        if not turn.resume(origin=request.origin.text):
            self._pool.give(connection, connection.key)
            raise HeldBack
        return connection

    async def _begin_elsewhere(
        self, refused: Connection, request: Request, head: bytes, turn: Turn | None
    ) -> tuple[Connection, asyncio.Future[Response]]:
        """Write a request that was not written, because something lay in the socket of its connection.

        It ends: each round uses up a connection that had been lying idle, and a new one is an error.
        """
        while True:
            acquiring = judge(self._pool, refused, request)
            connection = await (acquiring if turn is None else self._in_turn(acquiring, request, turn))
            answer = connection.begin(request, head)
            if answer is not None:
                return connection, answer
            refused = connection

    async def send_anew(self, request: Request) -> Response:
        """Send a request again, on a connection that has not been lying idle."""
        request.delivery.sent = True
        head = self._head(request)
        try:
            connection = await self._pool.acquire(request)
            answer: asyncio.Future[Response] | None = connection.begin(request, head)
            if answer is None:
                connection, answer = await self._begin_elsewhere(connection, request, head, None)
        except TransportError as error:
            error.maybe_sent = True  # before: the server may have read it, and then ended the connection
            raise
        try:
            return await answer
        except BaseException:
            connection.abandon(answer)
            raise

    def _head(self, request: Request) -> bytes:
        """Write the head of a request, and prove it (RFC 9112, sections 2 and 3).

        Raises:
            headrace.errors.ValidationError: It cannot be proven.
        """
        origin, body, target = request.origin, request.body, request.target
        known, fields = request.headers.written
        if known is not origin:
            fields = self._fields(request.headers, origin)
        framing = EMPTY_BODY.get(request.method)
        if framing is None:
            framing = proof.method(request.method)
        if body is not None:
            framing = f"Content-Length: {len(body)}\r\n" if isinstance(body, bytes) else uploading.framing(body)
        # `proof.target`, spelled out: this is the one call that every request would make.
        if not (target.isascii() and target.isprintable() and " " not in target and target[:1] == "/"):
            raise proof.refused_target()
        if self._proxied and origin.scheme == "http":
            target = origin.text + target
            framing += "" if "proxy-authorization" in request.headers.names else self._proxy_line
        return f"{request.method} {target}{fields}{framing}\r\n".encode("latin-1")

    @property
    def connections(self) -> Connections:
        """How many connections there are now, and how many requests wait for one."""
        return self._pool.connections

    def _fields(self, block: HeaderBlock, origin: Origin) -> str:
        """Write what stands between target and framing, and keep it for the next request to the same origin."""
        if origin.text != self._site:
            proof.origin(origin)
            self._site = origin.text
        fields = f" HTTP/1.1\r\n{proof.fields(block, origin)}"
        block.written = (origin, fields)
        return fields

    async def close(self) -> None:
        """Close every connection; requests under way fail at once."""
        await self._pool.close()

    def __repr__(self) -> str:
        return f"<WireTransport {self._pool!r}>"


async def judge(pool: Pool, connection: Connection, request: Request) -> Connection:
    """Judge a connection on which a request could not be begun, because something lay in its socket.

    Args:
        pool: Whose connection it is.
        connection: Nothing was written to it.
        request: The request.

    Returns:
        A connection to try: the same one where TLS had sent something of its own and the loop has read that, or another
        in its place.

    Raises:
        headrace.errors.ProtocolError: It is new, and the server has spoken before it was asked.
        headrace.errors.ConnectionLost: It is new, and has ended.
    """
    for _ in range(idle.STEPS if connection.is_encrypted else 0):
        settled = await pool.settle(connection, request)
        if settled is not connection:
            pool.note_unused(connection)
            return settled
        if not settled.is_spoken_on:
            return settled
    if not connection.is_new:
        return await pool.replace(connection, request)
    error = idle.refusal(connection.key, ended=connection.has_ended)
    connection.abort()
    raise error


def _is_replayable(body: Any) -> bool:
    return body is None or isinstance(body, bytes)
