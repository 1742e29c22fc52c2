"""The server of the transfers: what it does, it does in the kernel, so that it is never what is waited for.

`python -m benchmarks.sink FILE` prints its port and serves one connection after the other until it is ended. A body is
read and thrown away: no server that does anything with what it reads is faster than curl sends, so that none could tell
two fast clients apart. A GET is answered with the file, or its first `?bytes=`.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path

from benchmarks.processes import SERVER_CORE

_PIECE = 1024 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")
_BYTES = re.compile(rb"[?&]bytes=(\d+)")
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def main() -> None:
    """Serve for ever."""
    os.sched_setaffinity(0, {SERVER_CORE})
    server = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{server.getsockname()[1]}\n")
    sys.stdout.flush()
    buffer = bytearray(_PIECE)
    while True:
        connection, _ = server.accept()
        with connection:
            try:
                while _serve(connection, buffer, sys.argv[1]):
                    pass
            except ConnectionError:
                continue


def _serve(connection: socket.socket, buffer: bytearray, file: str) -> bool:
    """Read one request and answer; tell whether there was one."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        piece = connection.recv(65536)
        if not piece:
            return False
        seen += piece
    head, _, rest = seen.partition(b"\r\n\r\n")
    head = head.lower() + b"\r\n"
    if head.startswith(b"get "):
        _send(connection, head, file)
        return True
    if b"\r\nexpect:" in head:
        connection.sendall(_CONTINUE)
    length = _LENGTH.search(head)
    whole = _counted(connection, buffer, int(length[1]) - len(rest)) if length else _chunked(connection, buffer, rest)
    if whole:
        connection.sendall(_ANSWER)
    return whole


def _send(connection: socket.socket, head: bytes, file: str) -> None:
    """Send the file, straight from the page cache."""
    wanted = _BYTES.search(head)
    with Path(file).open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size if wanted is None else int(wanted[1])
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        at = 0
        while at < size:
            at += os.sendfile(connection.fileno(), opened.fileno(), at, min(size - at, _PIECE))


def _counted(connection: socket.socket, buffer: bytearray, left: int) -> bool:
    """Throw so many bytes away: Linux does not even copy what is read from TCP with `MSG_TRUNC`."""
    while left > 0:
        count = connection.recv_into(buffer, min(left, _PIECE), socket.MSG_TRUNC)
        if not count:
            return False
        left -= count
    return True


def _chunked(connection: socket.socket, buffer: bytearray, rest: bytes) -> bool:
    """Read up to the last chunk; what looks like it inside of the file is not, because the file is zeros."""
    tail = rest[-7:]
    while not tail.endswith(b"\r\n0\r\n\r\n"):
        count = connection.recv_into(buffer)
        if not count:
            return False
        tail = (tail + bytes(buffer[max(0, count - 7) : count]))[-7:]
    return True


if __name__ == "__main__":
    main()
