"""Debian's redis-server on a free port, which may be stopped, killed, started again, or follow another one."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers.process import HOST, free_port, not_installed, server_process


class RedisServer:
    """A redis-server that writes down all that it is told (`appendonly`), so that a killed one comes back with it.

    Args:
        directory: An existing empty folder for its files and log.
        password: What it asks for; none where it is empty.
    """

    def __init__(self, directory: Path, password: str = "") -> None:
        self.directory = directory
        self.port = free_port()
        self.password = password
        self._running = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, without the password."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def socket(self) -> Path:
        """Its unix socket."""
        return self.directory / "socket"

    def start(self, *options: str) -> None:
        """Start it, and wait until it listens.

        Args:
            options: Of its command line.
        """
        program = shutil.which("redis-server") or not_installed("redis-server")
        command = [
            program, "--port", str(self.port), "--bind", HOST, "--dir", str(self.directory), "--save", "",
            "--appendonly", "yes", "--appendfsync", "everysec", "--unixsocket", str(self.socket),
            "--repl-diskless-sync-delay", "0",
        ]  # fmt: skip
        if self.password:
            command += ["--requirepass", self.password]
        running = server_process([*command, *options], ports=[self.port], log=self.directory / "redis.log")
        self._process = self._running.enter_context(running)

    def signal(self, number: int) -> None:
        """Send it a signal, such as `SIGSTOP`."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it as `kill -9` does, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.end()

    def end(self) -> None:
        """End it."""
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGCONT)
        self._running.close()

    def command(self, *words: str) -> str:
        """Run `redis-cli`, and return what it prints."""
        program = shutil.which("redis-cli") or not_installed("redis-cli")
        command = [program, "-p", str(self.port), *words]
        env = os.environ | {"REDISCLI_AUTH": self.password}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout.strip()


@contextmanager
def redis_server(directory: Path, *options: str, password: str = "") -> Iterator[RedisServer]:
    """Run one until the block ends.

    Args:
        directory: An existing empty folder.
        options: Of its command line.
        password: What it asks for.
    """
    server = RedisServer(directory, password)
    server.start(*options)
    try:
        yield server
    finally:
        server.end()
