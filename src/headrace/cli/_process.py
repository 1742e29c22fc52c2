"""The server's process, from outside: start one, learn its port, and end exactly that one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import orjson

from headrace.cli import _server

if TYPE_CHECKING:
    from collections.abc import Generator

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 5.0


class StartError(Exception):
    """The server did not start."""


class PortError(StartError):
    """The server cannot have the port that was asked for."""


@attrs.frozen
class Server:
    """A running server.

    Args:
        url: The base of its API.
        pid: Its process.
    """

    url: str
    pid: int


@contextmanager
def serving(port: int, *, quick: bool) -> Generator[Server, None, None]:
    """Run the server until the block ends, however it does.

    Args:
        port: The loopback port; 0 is one that the system chooses.
        quick: Whether to serve only a small part of the data set.

    Raises:
        PortError: The port is taken, or not allowed.
        StartError: The server ended, or did not listen in time; the message ends with what it said.
    """
    command = [sys.executable, "-P", "-m", "headrace.cli._server", str(port), *(["quick"] if quick else [])]
    # The child finds what this process found, however that was set up.
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": path},
            # Ctrl-C reaches this process alone, which then ends the server in order.
            start_new_session=True,
        )
        try:
            line = _first_line(process)
            if not line:
                log.seek(0)
                said = log.read().decode(errors="replace").strip().splitlines()
                message = f"the server did not start: {said[-1] if said else 'it said nothing'}"
                raise StartError(message)
            answer = orjson.loads(line)
            if "error" in answer:
                message = f"cannot listen on port {port}: {answer['error']}; choose another, or none to get a free one"
                raise PortError(message)
            yield Server(f"http://{_server.HOST}:{answer['port']}{_server.ROOT}", process.pid)
        finally:
            _end(process)


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    """Read what the server says first; nothing where it ends, or takes too long."""
    timer = threading.Timer(_START_SECONDS, process.kill)
    timer.start()
    try:
        return process.stdout.readline() if process.stdout else b""
    finally:
        timer.cancel()


def _end(process: subprocess.Popen[bytes]) -> None:
    # Its stdin ends first: should this be cut short, the server still ends by itself.
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
