"""A connected socket, and the protocol it speaks: the host's addresses, one of them that answers, TLS over it.

Plain and encrypted connections go the same way. aiohttp is not loaded for it, only for what lies behind a proxy.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, Final, Protocol

import aiohappyeyeballs

from headrace._io import idle, reasons, threads
from headrace.errors import ConnectError

if TYPE_CHECKING:
    import asyncio

    from headrace._core.messages import Origin, Request
    from headrace._io.wire.connection import Connection

#: Seconds between two tries of a host that has several addresses (RFC 8305, section 5).
_NEXT_TRY_SECONDS: Final = 0.25
#: Seconds that the addresses of a host are remembered.
_NAMES_SECONDS: Final = 10.0
#: Hosts whose addresses are remembered.
_MOST_NAMES: Final = 1000


class Dialer(Protocol):
    """What makes connections."""

    async def dial(self, request: Request, connection: Connection, /) -> None:
        """Give a connection its transport; see `DirectDialer.dial`."""
        ...

    async def close(self) -> None:
        """Let go of what is open."""
        ...


class DirectDialer:
    """Dials servers themselves.

    Args:
        loop: The loop that the connections live on.
        tls: An `ssl.SSLContext`, or whether to verify.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, tls: ssl.SSLContext | bool) -> None:  # noqa: FBT001
        self._loop = loop
        self._tls = tls
        self._names = _Names(loop)

    async def dial(self, request: Request, connection: Connection) -> None:
        """Connect to the server of a request, and give the connection its transport.

        Args:
            request: The first of the requests that it is for.
            connection: What the transport tells of bytes and ends.

        Raises:
            headrace.errors.ConnectError: There is no connection.
            headrace.errors.ConnectionLost: It has ended at once.
            headrace.errors.ProtocolError: The server spoke at once.
        """
        origin = request.origin
        try:
            addresses = await self._names.addresses(origin.host, origin.port or 0)
        except (OSError, ValueError) as error:  # ValueError: a host that IDNA cannot write
            raise _no_connection(origin, error, named=not isinstance(error, OSError)) from error
        context = None
        if origin.scheme == "https":
            context = self._tls if isinstance(self._tls, ssl.SSLContext) else await _context(verified=self._tls)
        while True:
            try:
                await self._connect(origin, addresses, context, connection)
                break
            except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: uvloop's, of a socket
                # What has connected may still not be a server: where there is another address, that one is asked.
                aiohappyeyeballs.pop_addr_infos_interleave(addresses, 1)
                if not addresses or connection.gone:
                    raise _no_connection(origin, error) from error
        if connection.gone:
            raise idle.refusal(origin.text, ended=connection.has_ended)

    async def _connect(
        self, origin: Origin, addresses: list[Any], context: ssl.SSLContext | None, connection: Connection
    ) -> None:
        sock = await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=_NEXT_TRY_SECONDS, interleave=1, loop=self._loop
        )
        try:
            await self._loop.create_connection(
                lambda: connection,
                sock=sock,
                ssl=context,
                # A certificate names the host without the dot that ends a full name.
                server_hostname=None if context is None else origin.host.rstrip("."),
            )
        except BaseException:
            sock.close()
            raise

    async def close(self) -> None:
        """Nothing is left open: connections belong to the pool."""


def _no_connection(origin: Origin, error: Exception, *, named: bool = True) -> ConnectError:
    return ConnectError(f"no connection to {origin.text}: {reasons.of(error, named=named)}", maybe_sent=False)


class _Names:
    """The addresses of hosts, looked up in a thread as the system does it, once for all who ask at the same time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._known: dict[tuple[str, int], tuple[float, list[Any]]] = {}
        self._asked: dict[tuple[str, int], asyncio.Future[list[Any]]] = {}

    async def addresses(self, host: str, port: int) -> list[Any]:
        """Find the addresses of a host, another one first each time, so that its servers share the load."""
        if _is_number(host):
            ipaddress.ip_address(
                host.partition("%")[0]
            )  # 127.1 is an address to some and a name to others: to nobody here
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        key = (host, port)
        until, found = self._known.get(key, (0.0, []))
        if self._loop.time() >= until:
            asked = self._asked.get(key)
            if asked is None:
                asked = self._asked[key] = threads.begin(_look_up, host, port)
                asked.add_done_callback(lambda done: self._note(key, done))
            found = await threads.result(asked)
        addresses = list(found)
        found.append(found.pop(0))
        return addresses

    def _note(self, key: tuple[str, int], asked: asyncio.Future[list[Any]]) -> None:
        del self._asked[key]
        if not asked.cancelled() and asked.exception() is None:
            self._known.pop(key, None)
            self._known[key] = (self._loop.time() + _NAMES_SECONDS, asked.result())
            if len(self._known) > _MOST_NAMES:
                del self._known[next(iter(self._known))]


def _is_number(host: str) -> bool:
    """Tell whether a host can only be an address: it ends in a number (WHATWG URL, "ends in a number")."""
    last = host.rstrip(".").rpartition(".")[2]
    return ":" in host or last.isdigit() or last[:2].lower() == "0x"


def _look_up(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


_contexts: dict[bool, ssl.SSLContext] = {}
_making = threading.Lock()


async def _context(*, verified: bool) -> ssl.SSLContext:
    """Give the process's TLS context; it is made when it is first needed, in a thread, for that reads all roots."""
    context = _contexts.get(verified)
    return await threads.run(_make_context, verified) if context is None else context


def _make_context(verified: bool) -> ssl.SSLContext:  # noqa: FBT001 - called by a thread
    with _making:
        context = _contexts.get(verified)
        if context is None:
            context = ssl.create_default_context()
            if not verified:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            context.set_alpn_protocols(["http/1.1"])
            _contexts[verified] = context
        return context
