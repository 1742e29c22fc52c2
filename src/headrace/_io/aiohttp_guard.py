"""What stands between a socket and aiohttp's own handler lives here: no byte reaches it that our law refuses.

aiohttp reads some answers with llhttp's leniency on, and what arrives while a connection lies idle it gives to the
next request. So every answer is judged by `headrace._core.http1` before aiohttp reads it, a doubtful one closes the
connection, and so does a byte that nobody asked for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from headrace._core.http1_judge import Judge
from headrace.errors import ConnectionLost, ProtocolError, TransportError

if TYPE_CHECKING:
    import aiohttp

    from headrace._core.messages import Request


class Watch:
    """The judgement on the answer to one request; a middleware that sees every sending of it.

    Args:
        request: The request.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.judge = self._new_judge()
        #: Whether any byte of the answer has come.
        self.heard = False
        #: What is wrong with the answer, as the wire transport would say it.
        self.error: TransportError | None = None

    def _new_judge(self) -> Judge:
        request = self.request
        return Judge(request.method, request.max_response_bytes, streamed=request.sink is not None)

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Guard the connection that a request gets, from before its first byte is written."""
        send = type(request).send

        async def guarded(conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
            self.judge = self._new_judge()
            self.heard = False
            self.error = None
            _guard_of(conn).begin(self)
            return await send(request, conn)

        request.send = guarded  # type: ignore[method-assign] # the only moment between connecting and writing
        return await handler(request)

    def check(self) -> None:
        """Insist that the answer, which aiohttp has read to its end, has ended.

        Raises:
            headrace.errors.TransportError: It has not, or not in good order.
        """
        if self.error is not None:
            raise self.error
        if not self.judge.complete:
            message = f"the answer ended {self.judge.describe_missing()}"
            raise ProtocolError(message)


class Guard(asyncio.Protocol):
    """Stands in front of aiohttp's handler for the life of a connection and hands on what is legal.

    A connection of a foreign session may serve requests that were not sent from here; those pass unseen.

    Args:
        handler: An `aiohttp.client_proto.ResponseHandler`.
    """

    def __init__(self, handler: Any) -> None:
        self._handler = handler
        self._watch: Watch | None = None
        self._parser: Any = None  # aiohttp makes a new one for every request, which tells ours from others'

    def begin(self, watch: Watch) -> None:
        """Judge the bytes from now on as the answer to a request."""
        self._watch = watch
        self._parser = getattr(self._handler, "_parser", None)

    @property
    def _ours(self) -> bool:
        return self._parser is not None and getattr(self._handler, "_parser", None) is self._parser

    def data_received(self, data: bytes) -> None:
        """Judge bytes, and hand them on where they are legal."""
        handler = self._handler
        if not self._ours:
            handler.data_received(data)
            return
        watch = self._watch
        if watch is None:  # bytes on an idle connection
            self._abort()
            return
        watch.heard = True
        try:
            complete = watch.judge.feed(data)
        except TransportError as error:
            self._refuse(error)
            return
        if not complete:
            handler.data_received(data)
            return
        self._watch = None
        reusable = watch.judge.reusable
        if not reusable:
            handler.force_close()
        behind = watch.judge.behind
        handler.data_received(data[:-behind] if behind else data)
        if reusable and watch.request.method == "HEAD" and handler.exception() is None:
            # aiohttp believes that a HEAD without a length runs to the end of the connection.
            handler._should_close = False  # noqa: SLF001 - it has no other switch

    def _refuse(self, error: TransportError) -> None:
        """Let whoever waits for the answer, or reads it, meet the error."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.error = error
        self._handler.set_exception(error)
        self._abort()

    def _abort(self) -> None:
        if self._handler.transport is not None:
            self._handler.transport.abort()

    def eof_received(self) -> bool | None:
        """Let the peer's end complete an answer without a length; an idle connection is over."""
        watch = self._watch
        if self._ours and watch is not None and watch.judge.eof():
            self._watch = None
        ended: bool | None = self._handler.eof_received()
        return ended

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that an answer was cut short, which aiohttp does not always tell, and hand it on."""
        watch, self._watch = self._watch, None
        # Without a transport it is aiohttp that has hung up, for a reason that it tells better.
        if self._ours and watch is not None and watch.judge.head and self._handler.transport is not None:
            watch.error = ConnectionLost(f"the server ended the connection {watch.judge.describe_missing()}")
            watch.error.__cause__ = exc
        self._handler.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand it on."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on."""
        self._handler.resume_writing()


def _guard_of(connection: Any) -> Guard:
    """Find the guard of a connection, or put one there.

    Raises:
        headrace.errors.ProtocolError: Bytes have come that aiohttp keeps: whose answer would they be?
    """
    handler = connection.protocol
    transport = handler.transport
    if handler.should_close:
        message = "the server spoke before it was asked"
        raise ProtocolError(message, maybe_sent=False)
    found = None if transport is None else transport.get_protocol()
    if isinstance(found, Guard):
        return found
    guard = Guard(handler)
    if transport is not None:  # else aiohttp says best what has become of it
        transport.set_protocol(guard)
    return guard
