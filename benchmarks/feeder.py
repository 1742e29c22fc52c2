"""The server of events lives here: `python -m benchmarks.feeder` sends the same ones to everybody who asks.

It runs on the server's core, prints its port, and ends with its standard input.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading

from benchmarks.processes import SERVER_CORE

COUNT = 100_000


def body() -> bytes:
    """Return the events: tokens of a text, as a language model sends them."""
    token = {"accepted": True, "model": "mill-1", "choices": [{"index": 0, "delta": {"content": "sluice "}}]}
    return b"".join(b"data: %b\n\n" % json.dumps({"id": number, **token}).encode() for number in range(COUNT))


def main() -> None:
    """Serve until the standard input ends."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {SERVER_CORE})
    text = body()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(text)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(head + text)

    threading.Thread(target=serve, daemon=True).start()
    print(listening.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
