"""A loop whose connections are answered from memory lives here: everything above the socket runs as it is released.

The seam is the loop's own `create_connection`, which every way of dialing ends in. Behind it lies a real socket that is
connected to a listener which never reads, so that whoever looks at the socket of an idle connection pays for the look.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections import deque
from typing import TYPE_CHECKING, Any

import uvloop
from uvloop.loop import SSLProtocol  # type: ignore[attr-defined]  # it has no type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HOST = "127.0.0.1"
#: Where clients believe the server is: a text that is the same in every run.
PORT = 8080
_BACKLOG = 1024


class MemoryTransport:
    """What a protocol writes to: each write is one request, and is answered from the loop's next step on.

    Args:
        loop: The loop.
        sock: The socket that is shown to whoever asks for it.
        pieces: The answer; a piece comes a step after the one before.
    """

    def __init__(self, loop: MemoryLoop, sock: socket.socket, pieces: Sequence[bytes]) -> None:
        self._call_soon = loop.call_soon
        self._sock = sock
        self._pieces = tuple(pieces)
        self._protocol: Any = None
        self._closing = False

    def write(self, _: bytes) -> None:
        """Answer."""
        first, *rest = self._pieces
        if rest:
            self._call_soon(self._arrive, first, rest)
        else:
            self._call_soon(self._protocol.data_received, first)

    def _arrive(self, piece: bytes, rest: list[bytes]) -> None:
        self._protocol.data_received(piece)
        if rest:
            self._call_soon(self._arrive, rest[0], rest[1:])

    def writelines(self, pieces: Sequence[bytes]) -> None:
        """Answer, once."""
        self.write(b"".join(pieces))

    def set_protocol(self, protocol: Any) -> None:
        """Answer to this protocol from now on."""
        self._protocol = protocol

    def get_protocol(self) -> Any:
        """Return who is answered."""
        return self._protocol

    def is_closing(self) -> bool:
        """Tell whether it was closed."""
        return self._closing

    def close(self) -> None:
        """Close as sockets do: the protocol hears of it a step later."""
        if not self._closing:
            self._closing = True
            self._call_soon(self._protocol.connection_lost, None)
            self._sock.close()

    abort = close

    def _force_close(self, _: Exception | None) -> None:
        """Close, as uvloop's TLS asks for it."""
        self.close()

    def get_write_buffer_size(self) -> int:
        """Have sent everything."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Have no limits: nothing is ever held."""

    def pause_reading(self) -> None:
        """Go on: no answer here is so large that a reader asks for a pause."""

    resume_reading = pause_reading

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Know the socket."""
        return self._sock if name == "socket" else default


class MemoryTlsTransport(MemoryTransport):
    """The same below TLS: a server that shakes hands, and then sends answers that were encrypted before.

    Args:
        loop: The loop.
        sock: The socket that is shown to whoever asks for it.
        pieces: The answer, one piece.
        context: The server's.
        requests: How many answers to encrypt as soon as hands are shaken, so that it is not counted later.
    """

    def __init__(
        self, loop: MemoryLoop, sock: socket.socket, pieces: Sequence[bytes], context: ssl.SSLContext, requests: int
    ) -> None:
        super().__init__(loop, sock, pieces)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._server = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._requests = requests
        self._shaken = False
        self._records: deque[bytes] = deque()

    def write(self, data: bytes) -> None:
        """Go on with the handshake; from then on answer."""
        if self._records:
            self._call_soon(self._decrypt, self._records.popleft())
            return
        if self._shaken:  # what comes behind the last request is the client's goodbye
            self.close()
            return
        self._incoming.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            self._server.do_handshake()
            self._shaken = True
        if flight := self._outgoing.read():
            self._call_soon(self._decrypt, flight)
        if self._shaken:
            for _ in range(self._requests):
                self._server.write(b"".join(self._pieces))
                self._records.append(self._outgoing.read())
            with contextlib.suppress(ssl.SSLWantReadError):  # the first request may come with the end of the handshake
                self._server.read()
                self._call_soon(self._decrypt, self._records.popleft())

    def _decrypt(self, data: bytes) -> None:
        """Hand encrypted bytes over as a socket does, in the buffer that the protocol gives."""
        self._protocol.get_buffer(len(data))[: len(data)] = data
        self._protocol.buffer_updated(len(data))


class MemoryLoop(uvloop.Loop):
    """uvloop, with connections that end in this process."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: Sequence[bytes] = ()
        self._context: ssl.SSLContext | None = None
        self._requests = 0
        self._listener = socket.create_server((HOST, 0), backlog=_BACKLOG)

    def answer_with(self, pieces: Sequence[bytes], context: ssl.SSLContext | None, requests: int) -> None:
        """Say what is behind connections from now on.

        Args:
            pieces: What answers each request; a piece comes a step after the one before.
            context: A server's, where clients use TLS.
            requests: How many requests a connection over TLS will see.
        """
        self._pieces, self._context, self._requests = pieces, context, requests

    async def sock_connect(self, sock: socket.socket, _: Any) -> None:
        """Connect to the listener, whatever the address."""
        await super().sock_connect(sock, self._listener.getsockname())

    async def create_connection(
        self,
        protocol_factory: Callable[[], Any],
        *_: Any,
        sock: socket.socket | None = None,
        ssl: Any = None,
        server_hostname: str | None = None,
        **__: Any,
    ) -> tuple[Any, Any]:
        """Make a connection that is answered from memory."""
        if sock is None:
            sock = socket.create_connection(self._listener.getsockname())
            sock.setblocking(False)
        protocol = protocol_factory()
        if not ssl:
            transport = MemoryTransport(self, sock, self._pieces)
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            return transport, protocol
        assert self._context is not None
        below = MemoryTlsTransport(self, sock, self._pieces, self._context, self._requests)
        shaken = self.create_future()
        tls = SSLProtocol(self, protocol, ssl, shaken, server_hostname=server_hostname or HOST)
        below.set_protocol(tls)
        tls.connection_made(below)
        await shaken
        return tls._get_app_transport(), protocol  # noqa: SLF001 - as uvloop itself does

    def close(self) -> None:
        """Close the listener, too."""
        self._listener.close()
        super().close()
