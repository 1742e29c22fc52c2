"""Server processes: free ports, starting, waiting until they answer, ending exactly what was started."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from tests.kit.skips import REMEDY

HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
_ATTEMPTS = 3


class ServerStartError(RuntimeError):
    """A server process ended, or did not listen in time; the message ends with its log."""


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def unavailable(what: str, remedy: str) -> NoReturn:
    """Skip what needs a server that is not there; `tests.kit.skips` counts it, and makes a failure of it in CI.

    Args:
        what: The missing thing, as a clause.
        remedy: How to get it.
    """
    pytest.skip(what + REMEDY + remedy)


def not_installed(program: str) -> NoReturn:
    """Skip what needs a program that this machine does not have.

    Args:
        program: Its name.
    """
    unavailable(f"{program} is not installed", "`make servers` as root on Debian, elsewhere the system's own packages")


@contextmanager
def server_process(
    command: Sequence[str],
    *,
    ports: Sequence[int],
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server, give it out once every port accepts connections, and end it by its own pid.

    Args:
        command: The program and its arguments.
        ports: The loopback ports that it will listen on.
        log: The file that gets its output.
        cwd: Its working directory.
        env: Variables added to this process's own.

    Raises:
        ServerStartError: If it ended, or did not listen within `START_SECONDS`.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C goes to the tests, which then end their servers in order.
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        for port in ports:
            _wait_until_listening(process, port, deadline, log)
        yield process
    finally:
        _end(process)


@contextmanager
def on_free_port(command: Callable[[int], Sequence[str]], *, directory: Path, cwd: Path | None = None) -> Iterator[int]:
    """Run a server on a free port until the block ends, and give out the port.

    Args:
        command: Makes the program and its arguments for a port.
        directory: An existing folder for its log.
        cwd: Its working directory.

    Raises:
        ServerStartError: If it ended, or did not listen within `START_SECONDS`.
    """
    attempt = 1
    with ExitStack() as stack:
        while True:
            port = free_port()
            running = server_process(command(port), ports=[port], log=directory / f"{port}.log", cwd=cwd)
            try:
                stack.enter_context(running)
            except ServerStartError:
                # Another process can take a free port before the server binds it.
                if attempt == _ATTEMPTS:
                    raise
                attempt += 1
            else:
                break
        yield port


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, deadline: float, log: Path) -> None:
    while True:
        if process.poll() is not None:
            raise ServerStartError(_story(process, f"ended with {process.returncode} before it listened", log))
        try:
            socket.create_connection((HOST, port), timeout=1.0).close()
        except OSError:
            if time.monotonic() > deadline:
                message = f"did not listen on port {port} within {START_SECONDS:.0f} s"
                raise ServerStartError(_story(process, message, log)) from None
            time.sleep(0.02)
        else:
            return


def _story(process: subprocess.Popen[bytes], what: str, log: Path) -> str:
    tail = log.read_text(errors="replace")[-2000:].strip() if log.exists() else ""
    return f"{process.args!r} {what}\n{tail or '(it wrote nothing)'}"


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
