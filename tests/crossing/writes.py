"""Where and when each request was written, and whether the server had said something unasked there before.

Server and client share one thread, so what was said before a request was written is known, not guessed: a server's
words go into the socket when it notes them, and nothing comes between the client's look into it and its writing.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any
from unittest import mock

from headrace._io.session.guard import Guard
from headrace._io.wire.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace._core.messages import Request
    from tests.crossing.ledger import Ledger


class Line:
    """One connection, as both ends know it."""

    __slots__ = ("accepted", "spoken")

    def __init__(self) -> None:
        self.accepted = False
        self.spoken = False
        """Whether the server has said something unasked on it, or ended it."""


class Lines:
    """All connections, named by the ports of both ends."""

    def __init__(self) -> None:
        self._lines: dict[tuple[int, int], Line] = {}

    def of_client(self, transport: Any) -> Line:
        """Find a connection that was made, whether the server has accepted it or not."""
        ours, theirs = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        if ours is None or theirs is None:  # it has ended already
            return Line()
        return self._lines.setdefault((ours[1], theirs[1]), Line())

    def accept(self, transport: Any) -> Line:
        """Begin a connection on the server's side."""
        theirs, ours = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if ours is None or theirs is None:
            return Line()
        key = theirs[1], ours[1]
        line = self._lines.get(key)
        if line is None or line.accepted:
            line = self._lines[key] = Line()
        line.accepted = True
        return line

    def end(self, line: Line) -> None:
        """Forget a connection."""
        for key in [key for key, found in self._lines.items() if found is line]:
            del self._lines[key]


def lies_there(transport: Any) -> bool:
    """Tell whether something is to be read from a socket, or its end."""
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as sock:
        try:
            sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
    return True


@contextlib.contextmanager
def noted(ledger: Ledger) -> Iterator[None]:
    """Note every request that is written in this block, over whichever transport.

    Args:
        ledger: Where; what was written on a connection where something lay is noted as `overlooked`.
    """
    begin, write_through = Connection.begin, Guard.open

    def wire(connection: Connection, request: Request, head: bytes, answer: Any = None) -> Any:
        transport = connection._transport
        before = _before(ledger, transport)
        begun = begin(connection, request, head, answer)
        target = head.partition(b" HTTP/1.1")[0].decode()  # plain requests of a method share what a connection knows
        _note(ledger, target, transport, before, written=begun is not None)
        return begun

    def over_aiohttp(guard: Guard, *, patient: bool) -> bool:
        transport, request = guard._transport, guard._watch.request  # type: ignore[union-attr] # it waits
        before, written = _before(ledger, transport), False
        try:
            written = write_through(guard, patient=patient)
        finally:
            _note(ledger, request.target, transport, before, written=written)
        return written

    with mock.patch.object(Connection, "begin", wire), mock.patch.object(Guard, "open", over_aiohttp):
        yield


def _before(ledger: Ledger, transport: Any) -> bool:
    return ledger.lines.of_client(transport).spoken and lies_there(transport)


def _note(ledger: Ledger, target: str, transport: Any, before: bool, *, written: bool) -> None:
    token = target.rpartition("/")[2]
    if not written:
        ledger.refused += 1
        return
    ledger.written[ledger.number(token)] = ledger.lines.of_client(transport)
    if before:
        ledger.overlooked.append(f"{token} was written where something lay before it")
