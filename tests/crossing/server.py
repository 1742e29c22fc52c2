"""A server that answers with what only the right request can expect, or badly, as the path asks: `/kind/size/token`."""

import asyncio
import contextlib
import os
import socket
import struct
from ssl import SSLContext
from typing import Any

from tests.crossing.answers import EARLY, KINDS, Asked, Said, Steps, Then
from tests.crossing.ledger import Ledger, payload
from tests.crossing.writes import Line, Lines
from tests.servers.process import HOST

MOST_ORDERED = 20_000


class Peer(asyncio.Protocol):
    """One accepted connection."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.transport: Any = None
        self._buffer = bytearray()
        self._asked: Asked | None = None
        self._begun = False
        self._answered = -1
        self._spoiled = False
        self._line = Line()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = transport
        self.server.peers.add(self)
        self.server.most_peers = max(self.server.most_peers, len(self.server.peers))
        self._line = self.server.ledger.lines.accept(transport)

    def connection_lost(self, _: Exception | None) -> None:
        """End."""
        self.server.peers.discard(self)
        self.server.ledger.lines.end(self._line)

    def data_received(self, data: bytes) -> None:
        """Read requests; one comes after the other, for nobody pipelines."""
        ledger = self.server.ledger
        self._buffer += data
        try:
            self._read(ledger)
        except (ValueError, KeyError) as error:
            if not self._line.spoken:  # else it goes on to the next request when it has heard what is not its answer
                ledger.mixed.append(f"{type(error).__name__}: {error}")
            self.transport.abort()

    def _read(self, ledger: Ledger) -> None:
        while self._asked is not None or b"\r\n\r\n" in self._buffer:
            asked = self._asked or self._read_head(ledger)
            if not asked.sent_whole:
                self._read_body(asked)
            if not asked.sent_whole:
                return
            if not self._begun:
                if self._buffer:
                    message = f"bytes behind the request of {asked.token}: {bytes(self._buffer[:80])!r}"
                    raise ValueError(message)
                self._begin(asked)
                return
            if asked.kind not in EARLY:
                message = f"{bytes(self._buffer[:80])!r} came before {asked.token} was answered"
                raise ValueError(message)
            self._asked = None

    def _read_head(self, ledger: Ledger) -> Asked:
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        self._asked = asked = Asked(bytes(head), ledger)
        self._buffer = rest
        if asked.kind != "redirect":
            ledger.seen[asked.number] = min(255, ledger.seen[asked.number] + 1)
            if len(ledger.order) < MOST_ORDERED:
                ledger.order.append(asked.number)
        self._answered = -1
        self._begun = False
        if self._spoiled:
            ledger.excused[asked.number] = 1
        if asked.kind in EARLY:
            self._begin(asked)
        elif asked.expects:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return asked

    def _read_body(self, asked: Asked) -> None:
        buffer = self._buffer
        if not asked.chunked:
            taken = min(asked.left, len(buffer))
            asked.received += buffer[:taken]
            del buffer[:taken]
            asked.left -= taken
            asked.sent_whole = not asked.left
        while asked.chunked and not asked.sent_whole:
            line, found, _ = buffer.partition(b"\r\n")
            if not found or len(buffer) < len(line) + 4 + int(line, 16):
                break
            size = int(line, 16)
            asked.received += buffer[len(line) + 2 : len(line) + 2 + size]
            del buffer[: len(line) + 4 + size]
            asked.sent_whole = not size
        if asked.sent_whole and asked.received != payload(asked.token, len(asked.received)):
            message = f"the body of {asked.token} has other bytes"
            raise ValueError(message)

    def _begin(self, asked: Asked) -> None:
        self._begun = True
        self._go_on(asked, KINDS[asked.kind](asked))

    def _go_on(self, asked: Asked, steps: Steps) -> None:
        """Answer until there is something to wait for."""
        loop = self.server.loop
        if self.transport.is_closing():
            return
        for step in steps:
            if isinstance(step, Said) or step is Then.END:
                if self.transport.get_write_buffer_size():  # it would not be in the socket when it is noted
                    return
                self._say(step)
            elif isinstance(step, bytes):
                self.transport.write(step)
            elif isinstance(step, float):
                loop.call_later(step, self._go_on, asked, steps)
                return
            elif step is Then.NEXT:
                loop.call_soon(self._go_on, asked, steps)
                return
            elif step is Then.WHOLE:
                self._note_whole(asked)
            elif step is Then.SPOILED:
                self._spoiled = True
            else:
                self.cut(hard=step is Then.RESET)

    def _say(self, what: Said | Then) -> None:
        """Say something unasked, at once: into the socket itself."""
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._descriptor)) as sock:
            self._line.spoken = True
            if isinstance(what, Said):
                sock.send(what)
            else:
                sock.shutdown(socket.SHUT_WR)
        self.server.ledger.said[what.split(b"\r\n")[0].decode() if isinstance(what, Said) else "FIN"] += 1
        if what is Then.END:
            self.transport.close()

    @property
    def _descriptor(self) -> int:
        descriptor: int = self.transport.get_extra_info("socket").fileno()
        return descriptor

    def _note_whole(self, asked: Asked) -> None:
        """Be ready for the next request: it may come before the rest of this answer's mischief."""
        if asked.kind != "redirect":
            self.server.ledger.answered[asked.number] = 1
            self._answered = asked.number
        if asked.sent_whole:
            self._asked = None

    def cut(self, *, hard: bool) -> None:
        """End the connection; an RST may take the last answer along, if nobody has read it yet."""
        if not hard:
            if not (self.transport.is_closing() or self.transport.get_write_buffer_size()):
                self._say(Then.END)
            self.transport.close()
            return
        if self._answered >= 0:
            self.server.ledger.answered[self._answered] = 0
        sock = self.transport.get_extra_info("socket")
        if sock is not None and not self.transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class Server:
    """Listens on several ports, each an origin, and can be restarted.

    It accepts by itself: what asyncio's own server has accepted in the step in which it is closed is lost to both ends.
    """

    def __init__(self, ledger: Ledger, origins: int = 1, context: SSLContext | None = None) -> None:
        self._context = context
        self.loop = asyncio.get_running_loop()
        self.ledger = ledger
        ledger.lines = Lines()
        self.peers: set[Peer] = set()
        self.most_peers = 0
        """How many connections were open at once, at most."""
        self._ports = [0] * origins
        self._listening: list[socket.socket] = []
        self._accepting: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Listen, after a restart on the same ports."""
        for index, port in enumerate(self._ports):
            sock = socket.create_server((HOST, port), backlog=1024)
            sock.setblocking(False)
            self.loop.add_reader(sock, self._accept, sock)
            self._listening.append(sock)
            self._ports[index] = sock.getsockname()[1]

    def _accept(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it has gone again
            accepted, _ = sock.accept()
            accepted.setblocking(False)
            task = self.loop.create_task(
                self.loop.connect_accepted_socket(lambda: Peer(self), accepted, ssl=self._context)
            )
            self._accepting.add(task)
            task.add_done_callback(self._accepted)

    def _accepted(self, task: asyncio.Task[Any]) -> None:
        self._accepting.discard(task)
        if not task.cancelled():
            task.exception()  # of a handshake that the client has left

    @property
    def urls(self) -> list[str]:
        """The base URL of each origin."""
        return [f"{'https' if self._context else 'http'}://{HOST}:{port}" for port in self._ports]

    async def restart(self, *, hard: bool, pause: float) -> None:
        """Cut every connection, be away, and come back.

        Args:
            hard: With RSTs.
            pause: Seconds without a server.
        """
        self.ledger.restarts += 1
        await self.stop(hard=hard)
        await asyncio.sleep(pause)
        self.start()
        self.ledger.restarts += 1

    async def stop(self, *, hard: bool = True) -> None:
        """Stop listening and cut every connection."""
        listening, self._listening = self._listening, []
        for sock in listening:
            self.loop.remove_reader(sock)
            sock.close()
        if self._accepting:
            await asyncio.wait(self._accepting, timeout=1)
        for peer in list(self.peers):
            peer.cut(hard=hard)
