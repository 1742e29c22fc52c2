"""A server in a thread, which speaks while the client's loop is held up: what it says lies in the client's socket."""

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from ssl import SSLContext
from typing import BinaryIO

from tests.servers.process import HOST
from tests.servers.raw import WAIT_SECONDS, reply

Say = Callable[[socket.socket], None]
"""What a server does on a connection without having been asked."""


def answer(sock: socket.socket) -> None:
    """Send a whole answer."""
    sock.sendall(reply(b"poison"))


def junk(sock: socket.socket) -> None:
    """Send a byte."""
    sock.sendall(b"\0")


def late(sock: socket.socket) -> None:
    """Say that the next request has not come, and close, as servers do that give up on a connection."""
    sock.sendall(reply(b"", "Connection: close", status="408 Request Timeout"))
    sock.shutdown(socket.SHUT_RDWR)


def fin(sock: socket.socket) -> None:
    """Close."""
    sock.shutdown(socket.SHUT_RDWR)


def rst(sock: socket.socket) -> None:
    """Reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Peer:
    """Answers requests with the number of their connection, counted from 0.

    Args:
        context: Serve TLS.
        first: What it does on each connection before it is asked.
    """

    def __init__(self, context: SSLContext | None, first: Say | None) -> None:
        self.requests: list[tuple[int, str]] = []
        """The connection and the first line of each request."""
        self.has_spoken = threading.Event()
        """Set when `first` is done on a connection."""
        self._context = context
        self._first = first
        self._listening = socket.create_server((HOST, 0))
        self._orders: list[tuple[socket.socket, SimpleQueue[tuple[Say, threading.Event]]]] = []
        self._came = threading.Condition()
        self._threads = [threading.Thread(target=self._accept)]
        self.url = f"{'https' if context else 'http'}://{HOST}:{self._listening.getsockname()[1]}"

    def say(self, number: int, what: Say) -> None:
        """Do something on a connection that waits for a request; when this returns, the client's socket has it.

        The client may have its end of the connection before this server has accepted it.
        """
        done = threading.Event()
        with self._came:
            assert self._came.wait_for(lambda: number < len(self._orders), WAIT_SECONDS)
        pen, orders = self._orders[number]
        orders.put((what, done))
        pen.send(b".")
        assert done.wait(WAIT_SECONDS)

    @contextmanager
    def serving(self) -> Iterator["Peer"]:
        """Serve until the block ends."""
        self._threads[0].start()
        try:
            yield self
        finally:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._threads[0].join(WAIT_SECONDS)
            self._listening.close()
            for pen, _ in self._orders:
                pen.close()
            for thread in self._threads[1:]:
                thread.join(WAIT_SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is said is sent at once
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, accepted: socket.socket) -> None:
        woken, pen = socket.socketpair()
        orders: SimpleQueue[tuple[Say, threading.Event]] = SimpleQueue()
        with woken, pen, contextlib.suppress(OSError), self._secured(accepted) as sock:
            with self._came:
                number = len(self._orders)
                self._orders.append((pen, orders))
                self._came.notify_all()
            if self._first is not None:
                self._first(sock)
                self.has_spoken.set()
            while sock.fileno() >= 0:
                # One thread does it all: TLS of one connection is for one thread at a time.
                if woken in select.select([woken, sock], [], [])[0]:
                    if not woken.recv(1):
                        return
                    what, done = orders.get()
                    what(sock)
                    done.set()
                elif not self._answer(sock, number):
                    return

    def _answer(self, sock: socket.socket, number: int) -> bool:
        """Answer a request; tell whether there was one."""
        with sock.makefile("rb") as reader:
            line = reader.readline()
            if line:
                _read_rest(reader)
        if line:
            self.requests.append((number, line.decode().strip()))
            sock.sendall(reply(b"%d" % number))
        return bool(line)

    def _secured(self, sock: socket.socket) -> socket.socket:
        return sock if self._context is None else self._context.wrap_socket(sock, server_side=True)


def _read_rest(reader: BinaryIO) -> None:
    """Read a request behind its first line, with a body of known or unknown length."""
    length, chunked = 0, False
    while (line := reader.readline().lower()) not in {b"\r\n", b""}:
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
        chunked = chunked or line.startswith(b"transfer-encoding:")
    reader.read(length)
    while chunked and (size := int(reader.readline() or b"0", 16)):
        reader.read(size + 2)
    if chunked:
        reader.readline()
