"""The servers of the transfers live here: one that does all in the kernel, and one that reads into its memory.

`python -m benchmarks.sink FILE throw|read` prints its port and serves one connection after the other until it is ended.
`throw` throws a body away unread: no server that does anything with it is faster than curl sends, so that none could
tell two fast clients apart; it shows a limit. `read` reads it, as servers do. A GET is answered with the file.
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
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def main() -> None:
    """Serve for ever."""
    os.sched_setaffinity(0, {SERVER_CORE})
    server = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"{server.getsockname()[1]}\n")
    sys.stdout.flush()
    buffer, flags = bytearray(_PIECE), socket.MSG_TRUNC if sys.argv[2] == "throw" else 0
    while True:
        connection, _ = server.accept()
        with connection:
            try:
                while _serve(connection, buffer, flags, sys.argv[1]):
                    pass
            except ConnectionError:
                continue


def _serve(connection: socket.socket, buffer: bytearray, flags: int, file: str) -> bool:
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
        _send(connection, 10_000 if head.startswith(b"get /small") else Path(file).stat().st_size, file)
        return True
    if b"\r\nexpect:" in head:
        connection.sendall(_CONTINUE)
    length = _LENGTH.search(head)
    if length:
        whole = _counted(connection, buffer, flags, int(length[1]) - len(rest))
    else:
        whole = _chunked(connection, buffer, rest)
    if whole:
        connection.sendall(_ANSWER)
    return whole


def _send(connection: socket.socket, size: int, file: str) -> None:
    """Send the file, or its beginning, straight from the page cache."""
    with Path(file).open("rb") as opened:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        at = 0
        while at < size:
            at += os.sendfile(connection.fileno(), opened.fileno(), at, min(size - at, _PIECE))


def _counted(connection: socket.socket, buffer: bytearray, flags: int, left: int) -> bool:
    """Read so many bytes: Linux does not even copy what is read from TCP with `MSG_TRUNC`."""
    while left > 0:
        count = connection.recv_into(buffer, min(left, _PIECE), flags)
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
