"""No byte reaches aiohttp's own handlers that our law refuses.

aiohttp reads some answers with llhttp's leniency on, and what arrives while a connection lies idle it gives to the
next request. So every answer is judged by `headrace._core.http.parser` before aiohttp reads it, a doubtful one closes
the connection, and so does a byte that nobody asked for: also one that lies in the socket when a request is about to be
written, see `headrace._io.idle`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp

from headrace._core.http.parser_judge import Judge
from headrace._core.request import proof
from headrace._io import idle
from headrace.errors import ConnectionLost, ProtocolError, TransportError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        #: Why nothing was written; on a connection that has served before it is no error.
        self.refused: TransportError | None = None
        #: Whether the connection has served a request from here before.
        self.reused = False

    def _new_judge(self) -> Judge:
        request = self.request
        return Judge(request.method, request.max_response_bytes, streamed=request.sink is not None)

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Guard the connection that a request gets, from before its first byte is written."""
        send, write_bytes = type(request).send, request.write_bytes
        guard: Guard

        async def guarded(conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
            nonlocal guard
            self.judge = self._new_judge()
            self.heard = False
            self.error = self.refused = None
            try:
                proof.written(request.method, str(request.url), request.headers.items())
            except ValidationError:
                conn.release()
                raise
            guard = self._guard_of(conn)
            guard.begin(self)
            return await send(request, conn)

        async def opened(writer: Any, conn: aiohttp.connector.Connection, length: int | None = None) -> None:
            try:
                if not isinstance(self.request.body, bytes):  # what is streamed is not begun before it can be sent
                    writer.send_headers()
                    if not await guard.may_write():
                        return
                await write_bytes(writer, _Open(conn), length)  # type: ignore[arg-type] # all that is used of it
            except aiohttp.ClientConnectionError as error:
                guard.tell(error)  # aiohttp leaves it to nobody where it is the end of a body that cannot be written
            except BaseException:
                conn.close()
                raise

        request.send = guarded  # type: ignore[method-assign] # the only moment between connecting and writing
        request.write_bytes = opened  # type: ignore[method-assign,assignment] # the same
        return await handler(request)

    def _guard_of(self, connection: Any) -> Guard:
        """Find the guard of a connection, or put one there.

        Raises:
            Unwritten: It has ended, or aiohttp would not use it again: bytes have come that it keeps, or a timer has
                ended that an earlier request has left there.
        """
        handler = connection.protocol
        transport = handler.transport
        found = None if transport is None else transport.get_protocol()
        self.reused = isinstance(found, Guard) and found.served
        if handler.should_close or transport is None:
            self.refused = idle.refusal(self.request.origin.text, ended=transport is None)
            raise Unwritten
        if isinstance(found, Guard):
            return found
        guard = Guard(handler, transport)
        transport.set_protocol(guard)
        return guard

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


class Unwritten(aiohttp.ClientConnectionError):
    """Nothing of a request was written, because something lay in the socket before it."""


class _Open:
    """A connection that is not closed where the end of a body cannot be written: aiohttp would forget its answer."""

    def __init__(self, conn: aiohttp.connector.Connection) -> None:
        self.protocol = conn.protocol

    def close(self) -> None:
        """Leave it to whoever hears of the error, or of the end."""


class _Gate:
    """Stands before a transport until the first byte of a request is written, to look into the socket before that.

    Args:
        transport: The transport.
        guard: What looks.
    """

    def __init__(self, transport: Any, guard: Guard) -> None:
        self._transport = transport
        self._guard = guard
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Write the first bytes, or hold them until the loop has read what TLS may have said of its own accord."""
        self.writelines((data,))

    def writelines(self, pieces: Iterable[bytes]) -> None:
        """Write the first bytes, in pieces."""
        if not self._held and self._guard.open(patient=True):
            self._transport.writelines(pieces)
            return
        if not self._held:
            asyncio.get_running_loop().call_soon(self._look_again, idle.STEPS)
        self._held += pieces

    def _look_again(self, steps: int) -> None:
        if not self._guard.is_waiting:
            return
        try:
            if self._guard.open(patient=steps > 0):
                self._transport.writelines(self._held)
            else:
                asyncio.get_running_loop().call_soon(self._look_again, steps - 1)
        except Unwritten:
            pass  # the connection ends, of which the request hears

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Guard(asyncio.Protocol):
    """Stands in front of aiohttp's handler for the life of a connection and hands on what is legal.

    A connection of a foreign session may serve requests that were not sent from here; those pass unseen.

    Args:
        handler: An `aiohttp.client_proto.ResponseHandler`.
        transport: Its transport; `None` where it is lost.
    """

    def __init__(self, handler: Any, transport: Any) -> None:
        self._handler = handler
        #: Whether an answer to a request from here has come whole.
        self.served = False
        self._transport = transport
        self._look = idle.look_of(transport)
        self._is_encrypted = idle.is_encrypted(transport)
        self._watch: Watch | None = None
        self._gate: _Gate | None = None  # while nothing of the request is written
        self._parser: Any = None  # aiohttp makes a new one for every request, which tells ours from others'

    def begin(self, watch: Watch) -> None:
        """Judge the bytes from now on as the answer to a request, as soon as it is written."""
        self._watch = watch
        self._handler._drop_timeout()  # noqa: SLF001 - aiohttp starts it behind the body, though all was answered before
        self._parser = getattr(self._handler, "_parser", None)
        self._gate = self._handler.transport = _Gate(self._transport, self)

    def tell(self, error: Exception) -> None:
        """Let whoever waits for the answer meet an error, unless there is a better one."""
        if self._handler.exception() is None:
            self._handler.set_exception(error)

    @property
    def is_waiting(self) -> bool:
        """Whether nothing of a request is written, and it still may be."""
        return self._gate is not None and self._watch is not None

    async def may_write(self) -> bool:
        """Wait until it is clear whether the rest of a request may follow its head; that takes a few steps at most."""
        for _ in range(idle.STEPS + 1):
            if not self.is_waiting:
                break
            await asyncio.sleep(0)
        return self._gate is None

    def open(self, *, patient: bool) -> bool:
        """Let a request be written, unless something lies in the socket.

        Args:
            patient: Whether to wait where that may be TLS alone, such as tickets: then nothing is decided.

        Returns:
            Whether it may be written now.

        Raises:
            Unwritten: It may not, on this connection.
        """
        if self._look(0):
            if patient and self._is_encrypted:
                return False
            self._refuse_writing(ended=idle.has_ended(self._transport))
            self._abort()
            raise Unwritten
        self._gate = None
        self._handler.transport = self._transport
        return True

    def _refuse_writing(self, *, ended: bool) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.refused = idle.refusal(watch.request.origin.text, ended=ended)

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
        if watch is None or self._gate is not None:  # bytes on an idle connection
            self._refuse_writing(ended=False)
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
        self.served = True
        reusable = watch.judge.reusable and not watch.request.headers.closes
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
        if self._gate is not None:
            self._refuse_writing(ended=True)
        watch = self._watch
        if self._ours and watch is not None and watch.judge.eof():
            self._watch = None
        ended: bool | None = self._handler.eof_received()
        return ended

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that an answer was cut short, which aiohttp does not always tell, and hand it on."""
        if self._gate is not None:
            self._refuse_writing(ended=True)
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
