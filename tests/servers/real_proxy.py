"""proxy.py, a forward proxy that others wrote: absolute-form requests, CONNECT tunnels, and Basic credentials."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import HOST, on_free_port

USER = "me"
PASSWORD = "canary-9c2e"


@dataclass(frozen=True)
class RealProxy:
    """A running proxy, which serves nobody without `USER` and `PASSWORD`."""

    port: int

    def url(self, password: str = PASSWORD) -> str:
        """Return its URL with credentials.

        Args:
            password: Any.
        """
        return f"http://{USER}:{password}@{HOST}:{self.port}"


@contextmanager
def real_proxy(directory: Path) -> Iterator[RealProxy]:
    """Run the proxy until the block ends.

    Args:
        directory: An existing folder for its files.
    """
    options = f"--num-workers 1 --num-acceptors 1 --log-level WARNING --basic-auth {USER}:{PASSWORD}".split()

    def command(port: int) -> list[str]:
        where = ["--hostname", HOST, "--port", str(port), "--data-dir", str(directory)]
        return [sys.executable, "-m", "proxy", *where, *options]

    with on_free_port(command, directory=directory) as port:
        yield RealProxy(port)
