"""One socket, one exchange at a time; it serves again only after an exchange that ended cleanly."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from headrace._core.http.glance import read_whole
from headrace._core.http.parser import ResponseParser
from headrace._core.http.parser_streaming import StreamingParser
from headrace._io import idle, reasons
from headrace._io.wire.body import Arriving
from headrace._io.wire.sendfile import pusher_of
from headrace._io.wire.splice import puller_of
from headrace.errors import ConnectionLost, RequestTimeout, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace._core.messages import Request, Response, StreamedBody
    from headrace._core.stats import Stats
    from headrace._io.wire.answer import Answer
    from headrace._io.wire.sendfile import Pusher
    from headrace._io.wire.splice import Puller

#: A body up to this many bytes goes out in one write with its head; a copy is cheaper than a second system call.
_ONE_WRITE = 64 * 1024
_ENDED = "the server ended the connection while the body was sent"
_LOOKS = 8  # while a large body waits for the socket, that often in each silence that is allowed


class Connection(asyncio.BaseProtocol):
    """A connection that the pool lends to one exchange after the other.

    It is used again only after an exchange that was complete, kept alive and had no byte behind it. Any byte that
    arrives while no exchange is under way retires it, also one that the loop has not come to read.

    Args:
        loop: The loop it lives on.
        on_free: Called when the exchange has ended and the connection may serve again.
        on_gone: Called once, when it will never serve again.
        on_lost: Called once, when its socket is closed.
        stats: Where bytes are counted.
    """

    __slots__ = (
        "_heard_at", "_look", "_loop", "_on_free", "_on_gone", "_on_lost", "_parser", "_request", "_resumed",
        "_silence", "_silence_timer", "_stats", "_streaming", "_transport", "_unsent", "_waiter", "answered",
        "continued", "gone", "idle_until", "is_encrypted", "is_kept", "is_new", "key",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        key: str,
        on_free: Callable[[Connection], None],
        on_gone: Callable[[Connection], None],
        on_lost: Callable[[Connection], None],
        stats: Stats,
    ) -> None:
        self._loop = loop
        self.key = key
        self._on_free = on_free
        self._on_gone = on_gone
        self._on_lost = on_lost
        self._stats = stats
        self._transport: Any = None
        self._look: Callable[[int], list[Any]]
        self._request: Request | None = None  # the one under way
        self._parser: ResponseParser | None = None  # made where an answer does not come in one piece
        self._waiter: Answer | None = None
        self.is_kept = False  # whether it stays with its waiter behind the answer
        self._resumed: asyncio.Future[None] | None = None
        self._streaming = False
        self._silence = 0.0
        self._heard_at = 0.0
        self._unsent = 0  # bytes of a large body that waited for the socket when it was looked at last
        self._silence_timer: asyncio.TimerHandle | None = None
        self.continued: asyncio.Future[None] | None = None  # done by a 100, where somebody waits for one
        self.is_new = True  # until it has been in the pool, where it may have lain idle
        self.idle_until = 0.0
        self.answered = False  # whether any byte came in the exchange that failed, or before it
        self.gone = False
        self.is_encrypted = False

    # What the transport below calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over a connected transport."""
        self._transport = transport
        self._look = idle.look_of(transport)
        self.is_encrypted = idle.is_encrypted(transport)

    def data_received(self, data: bytes) -> None:
        """Read bytes of the answer; without a request under way they retire the connection."""
        self._stats.bytes_in += len(data)
        request = self._request
        if request is None:
            self.answered = True
            self.abort()
            return
        if self._silence:
            self._heard_at = self._loop.time()
        parser = self._parser
        if parser is None:
            response = None if request.method == "HEAD" else read_whole(data, request.max_response_bytes)
            if response is not None:
                self._finish(request, response, reusable=True)
                return
            self._parser = parser = self._parser_for(request)
        try:
            complete = parser.feed(data)
        except TransportError as error:
            self._fail(error)
            return
        if complete:
            self._finish(request, parser.response(), reusable=parser.reusable)
        elif parser.continued and self.continued is not None and not self.continued.done():
            self.continued.set_result(None)

    def eof_received(self) -> bool:
        """Let the peer's end complete an answer without a length; the connection is over either way."""
        request, parser = self._request, self._parser
        if request is None:
            self.abort()
        elif parser is not None and parser.eof():
            self._finish(request, parser.response(), reusable=False)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the exchange that is under way, if any."""
        self._transport = None  # asyncio of Python 3.11.2 trips over aborting a TLS connection that is already lost
        if self._request is not None:
            nothing = reasons.before_an_answer(self.key if self.is_new else "")
            missing = nothing if self._parser is None else self._parser.describe_missing()
            error = ConnectionLost(f"the server ended the connection {missing}")
            error.__cause__ = exc
            self._fail(error)
        self._retire()
        self._on_lost(self)

    def pause_writing(self) -> None:
        """Make a streamed body wait: the socket takes no more, and from now on the server can be too slow."""
        if self._silence:
            self._heard_at = self._loop.time()
        if self._resumed is None:
            self._resumed = self._loop.create_future()

    def resume_writing(self) -> None:
        """Let a streamed body go on."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None and not resumed.done():
            resumed.set_result(None)

    # What the transport above calls.

    def begin(self, request: Request, head: bytes, answer: Any = None) -> Any:
        """Write a request's head, and its body where that is bytes, unless something lies in the socket before.

        Args:
            request: The request.
            head: Its head.
            answer: What is given its answer, and keeps the connection until `release`; `None` makes a future.

        Returns:
            That; a future is done once the connection is back in the pool, or gone. `None` is for nothing written.
        """
        body = request.body
        if body is not None and isinstance(body, bytes) and len(body) <= _ONE_WRITE:
            head += body
            body = None
        if self._look(0):  # nothing may come between this and the writing
            return None
        self._transport.write(head)
        self.is_kept = answer is not None
        self._waiter = waiter = self._loop.create_future() if answer is None else answer
        self._request = request
        self._stats.bytes_out += len(head)
        if body is not None:
            self._begin_body(body)
        if request.timeout.read is not None:
            self._watch_silence(request.timeout.read)
        return waiter

    def _begin_body(self, body: bytes | StreamedBody) -> None:
        """Write a body that is too large for one write with its head, or note that it is to be streamed."""
        if isinstance(body, bytes):
            self._stats.bytes_out += len(body)
            self._transport.write(body)
        else:
            self._streaming = body.size != 0

    @property
    def is_spoken_on(self) -> bool:
        """Whether something lies in the socket, or its end."""
        return bool(self._look(0))

    @property
    def has_ended(self) -> bool:
        """Whether it has ended without a word since its last exchange; the loop may not have heard of it."""
        return not self.answered and idle.has_ended(self._transport)

    async def write(self, *pieces: bytes | bytearray | memoryview) -> None:
        """Write a piece of a streamed body, in as many parts as it has, and wait until the socket takes more.

        Raises:
            headrace.errors.ConnectionLost: The connection is gone.
        """
        if self.gone or self._transport.is_closing():
            raise ConnectionLost(_ENDED)
        self._transport.writelines(pieces)  # in one system call, where the loop can
        if self._resumed is not None:
            await self._resumed
        self.sent(sum(map(len, pieces)))

    def sent(self, count: int) -> None:
        """Note that the socket has taken so many bytes of a streamed body: the server is not silent, it reads."""
        self._stats.bytes_out += count
        if self._silence:
            self._heard_at = self._loop.time()

    async def drained(self) -> None:
        """Wait until the transport holds no byte any more, which its buffer's limits have to allow.

        Raises:
            headrace.errors.ConnectionLost: The connection is gone.
        """
        while not self.gone and not self._transport.is_closing():
            if self._resumed is not None:
                await self._resumed
            elif self._transport.get_write_buffer_size():
                await asyncio.sleep(0)
            else:
                return
        raise ConnectionLost(_ENDED)

    async def paused(self) -> None:
        """Wait for `resume_writing`, which whoever asks has to arrange; the end of the connection calls it too."""
        self.pause_writing()
        if self._resumed is not None and not self.gone:
            await self._resumed

    def pusher(self) -> Pusher | None:
        """Make what sends files past the transport; `None` where that cannot be."""
        return pusher_of(self, self._transport)

    @property
    def body_ended(self) -> bool:
        """Whether the last of a streamed body was written."""
        return not self._streaming

    def end_of_body(self) -> None:
        """Note that what follows is the last of a streamed body."""
        self._streaming = False

    def abandon(self, waiter: Answer | None) -> None:
        """End the exchange of a caller that gave up, unless it had ended: the connection may be another's by now."""
        if self._waiter is waiter:
            self._request = self._parser = self._waiter = None
            self.abort()
        elif waiter is not None and waiter.done() and not waiter.cancelled():
            waiter.exception()  # it failed in the same step: heard here, or asyncio says that nobody has heard it

    def release(self) -> None:
        """Go back to the pool, kept by nobody any more; may be called where it is gone, or has gone back."""
        if self.is_kept and not self.gone:
            self._on_free(self)
        self.is_kept = False

    def abort(self) -> None:
        """Close the connection at once."""
        self._retire()
        if self._transport is not None and not self._loop.is_closed():
            self._transport.abort()

    def close(self, error: TransportError) -> None:
        """Close the connection; an exchange that is under way fails with the given error."""
        if self._waiter is not None:
            self._fail(error)
        elif not self.gone:
            self._hang_up()

    def pause_reading(self) -> None:
        """Let the server wait: the reader of a streamed answer has enough."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._heard_at = self._loop.time()
            self._transport.resume_reading()

    def puller(self) -> Puller | None:
        """Make what reads the body of a streamed answer past the transport; `None` where that cannot be."""
        return puller_of(self._transport)

    @property
    def skippable(self) -> int:
        """How many bytes of a streamed answer may be read past the transport; never the last, which ends it here."""
        return self._parser.skippable if isinstance(self._parser, StreamingParser) else 0

    def skip(self, count: int) -> None:
        """Note that so many bytes of a streamed answer were read past the transport."""
        self._stats.bytes_in += count
        if isinstance(self._parser, StreamingParser):  # else the exchange has failed meanwhile
            self._parser.skip(count)
            self._heard_at = self._loop.time()

    def _parser_for(self, request: Request) -> ResponseParser:
        """Make the parser of an answer that `read_whole` does not know at a glance."""
        sink, waiter = request.sink, self._waiter
        if sink is None or waiter is None:
            return ResponseParser(request.method, request.max_response_bytes)

        def begin(response: Response) -> Arriving:
            arriving = Arriving(self, waiter, self._loop)  # type: ignore[arg-type] # who streams waits for a future
            if not waiter.done():  # else nobody waits for it any more, and the connection is about to be closed
                sink.attach(arriving)
                waiter.set_result(response)
            return arriving

        return StreamingParser(request.method, request.max_response_bytes, begin)

    def _finish(self, request: Request, response: Response, *, reusable: bool) -> None:
        """Hand out a complete answer, the connection having gone back to the pool first."""
        waiter = self._waiter
        self._request = self._parser = self._waiter = None
        if self._silence_timer is not None:
            self._stop_silence()
        # A server that answers before it has read the whole body may never read it (RFC 9112, section 9.3).
        if request.body is not None and (self._streaming or self._transport.get_write_buffer_size()):
            reusable = False
        if reusable and not request.headers.closes and not self._transport.is_closing():
            if not self.is_kept:
                self._on_free(self)
        else:
            self._hang_up()
        if waiter is not None and not waiter.done():
            waiter.set_result(response)

    def _fail(self, error: TransportError) -> None:
        waiter, parser = self._waiter, self._parser
        self.answered = parser is not None
        self._request = self._parser = self._waiter = None
        if parser is not None:
            parser.fail(error)
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self.abort()

    def _hang_up(self) -> None:
        """Close the connection in good order, a step later: asyncio's TLS breaks when it is closed while it reads."""
        self._retire()
        self._loop.call_soon(self._transport.close)

    def _retire(self) -> None:
        """Leave the pool for good; a writer that still waits for the socket learns of it."""
        if self.gone:
            return
        self.gone = True
        self._stop_silence()
        self.resume_writing()
        self._on_gone(self)

    def _watch_silence(self, seconds: float) -> None:
        self._silence = seconds
        self._heard_at = self._loop.time()
        self._unsent = 0
        self._check_silence()

    def _check_silence(self) -> None:
        """Fail a silent exchange; one timer follows the last byte instead of being set anew at every byte."""
        now = self._loop.time()
        before, unsent = self._unsent, self._transport.get_write_buffer_size()
        self._unsent = unsent = unsent if unsent > _ONE_WRITE else 0  # uvloop writes what is small a step later
        # It is not silent while our own body has not come, while it takes what has, or while its reader makes it wait.
        if (
            (self._streaming and self._resumed is None)
            or unsent < before
            or (self._parser is not None and self._parser.paused)
        ):
            self._heard_at = now
        due = self._heard_at + self._silence
        if now >= due:
            self._fail(RequestTimeout(f"the server sent nothing for {self._silence:g} s (Timeout.read)"))
            return
        if unsent or self._streaming:
            due = min(due, now + self._silence / _LOOKS)
        self._silence_timer = self._loop.call_at(due, self._check_silence)

    def _stop_silence(self) -> None:
        self._silence = 0.0
        if self._silence_timer is not None:
            self._silence_timer.cancel()
            self._silence_timer = None

    def __repr__(self) -> str:
        state = "gone" if self.gone else "busy" if self._waiter is not None else "idle"
        return f"<Connection {self.key} {state}{', new' if self.is_new else ''}>"
