"""What lies in a socket before a request is written is found out here, for it cannot be the request's answer.

An event loop reads a connection only between its steps. What has come since, bytes that nobody asked for or the peer's
end, is still in the socket when the next request is about to be written: read afterwards, it would be taken for its
answer. So a socket is looked at in the same breath in which it is written to, which costs one system call.

What comes in the moment after that cannot be told from an answer by anybody (RFC 9112, section 9.2).
"""

from __future__ import annotations

import os
import select
import socket
from typing import TYPE_CHECKING, Any, Final

from headrace.errors import ConnectionLost, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.errors import TransportError

#: Steps of the loop in which what lies in a socket below TLS is read. asyncio needs two; more of it may come meanwhile.
STEPS: Final = 8


def look_of(transport: Any) -> Callable[[int], list[Any]]:
    """Make what looks into the socket of a transport, of any that has one.

    Returns:
        Called with 0 milliseconds, it tells whether there is something to be read, or an end: an empty list is no.
    """
    sock = transport.get_extra_info("socket")
    if sock is None:
        return _nothing
    descriptor = sock.fileno()
    if not hasattr(select, "poll"):  # Windows
        return lambda _: select.select([descriptor], [], [], 0)[0]
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return poll.poll  # bound: it is called for every request


def _nothing(_: int) -> list[Any]:
    return []


def is_encrypted(transport: Any) -> bool:
    """Tell whether what lies in the socket need not be meant for us: TLS sends tickets and keys of its own accord."""
    return transport.get_extra_info("sslcontext") is not None


def has_ended(transport: Any) -> bool:
    """Tell whether the next that is to be read from a socket is its end; `None` is a transport that is lost."""
    try:
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as sock:
            return not sock.recv(1, socket.MSG_PEEK)  # it does not block: the original does not
    except (AttributeError, OSError):
        return True


def refusal(origin: str, *, ended: bool) -> TransportError:
    """Say what is wrong with a new connection that has something to be read before anything was asked."""
    if ended:
        return ConnectionLost(f"{origin} ended the connection as soon as it was made", maybe_sent=False)
    return ProtocolError(f"{origin} spoke before it was asked", maybe_sent=False)
