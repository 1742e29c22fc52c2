"""The servers: how each is started on a free port, and what it cannot do."""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real_servers.scenarios import CLOSING
from tests.servers.process import HOST, on_free_port

_ROOT = Path(__file__).resolve().parents[2]
_ASGI = "tests.real_servers.app:asgi"
_WSGI = "tests.real_servers.app:wsgi"
_TRAILERS = frozenset({"trailers"})
#: What WSGI has no words for.
_BEYOND_WSGI = frozenset({"trailers", "close by the application"})


@dataclass(frozen=True)
class Server:
    """A server that can be started.

    Attributes:
        command: Its arguments behind the program, for a port and, where it stands in front of another, that one's port.
        module: The Python module that has to be installed; empty for another program.
        program: What is run; empty for this Python.
        lacks: Names of scenarios that it cannot serve.
        ends: Names of scenarios behind which it ends the connection, and says so.
        behind: The server that it forwards to.
        in_ci: Whether every run of the tests starts it.
    """

    command: Callable[[int, int], list[str]]
    module: str = ""
    program: str = ""
    lacks: frozenset[str] = frozenset()
    ends: frozenset[str] = CLOSING
    behind: str = ""
    in_ci: bool = False

    @property
    def missing(self) -> str:
        """What has to be installed before it can run; empty where nothing has."""
        if self.module:
            return "" if importlib.util.find_spec(self.module) else self.module
        if not self._path():
            return self.program
        return SERVERS[self.behind].missing if self.behind else ""

    def _path(self) -> str | None:
        # Programs of wheels lie beside this Python.
        return shutil.which(self.program) or shutil.which(self.program, path=str(Path(sys.executable).parent))

    def arguments(self, port: int, behind: int) -> list[str]:
        """Return the whole command.

        Args:
            port: Where it shall listen.
            behind: The port of the server that it forwards to, or 0.
        """
        program = sys.executable if self.module else self._path() or self.program
        return [program, *self.command(port, behind)]


def _uvicorn(parser: str) -> Callable[[int, int], list[str]]:
    options = ["--lifespan", "off", "--loop", "asyncio", "--no-access-log", "--timeout-keep-alive", "120"]

    def command(port: int, _: int) -> list[str]:
        return ["-m", "uvicorn", _ASGI, "--host", HOST, "--port", str(port), "--http", parser, *options]

    return command


def _hypercorn(port: int, _: int) -> list[str]:
    options = ["--workers", "0", "--keep-alive", "120", "--log-level", "warning"]
    return ["-m", "hypercorn", "--bind", f"{HOST}:{port}", *options, _ASGI]


def _granian(port: int, _: int) -> list[str]:
    options = ["--interface", "asgi", "--http", "1", "--no-ws", "--workers", "1", "--log-level", "warning"]
    return ["-m", "granian", "--host", HOST, "--port", str(port), *options, _ASGI]


def _waitress(port: int, _: int) -> list[str]:
    return ["-m", "waitress", f"--listen={HOST}:{port}", "--channel-timeout=120", "--threads=8", _WSGI]


def _cheroot(port: int, _: int) -> list[str]:
    # It lets five connections wait to be accepted, and the machine resets what is more.
    return ["-m", "cheroot", "--bind", f"{HOST}:{port}", *["--threads", "20", "--request-queue-size", "128"], _WSGI]


def _gunicorn(port: int, _: int) -> list[str]:
    options = ["--worker-class", "gthread", "--threads", "20", "--keep-alive", "120", "--log-level", "warning"]
    return ["-m", "gunicorn", "--bind", f"{HOST}:{port}", *options, _WSGI]


def _aiohttp(port: int, _: int) -> list[str]:
    return ["-m", "tests.real_servers.aiohttp_app", str(port)]


def _node(port: int, _: int) -> list[str]:
    return ["tests/real_servers/app.mjs", HOST, str(port)]


def _caddy(port: int, behind: int) -> list[str]:
    return ["reverse-proxy", "--from", f"http://{HOST}:{port}", "--to", f"{HOST}:{behind}"]


SERVERS: dict[str, Server] = {
    "uvicorn, h11": Server(_uvicorn("h11"), "uvicorn", lacks=_TRAILERS, in_ci=True),
    "uvicorn, httptools": Server(_uvicorn("httptools"), "uvicorn", lacks=_TRAILERS, in_ci=True),
    "hypercorn": Server(_hypercorn, "hypercorn", lacks=_TRAILERS, in_ci=True),
    "granian": Server(_granian, "granian", lacks=_TRAILERS, in_ci=True),
    "waitress": Server(
        _waitress, "waitress", lacks=_BEYOND_WSGI, ends=CLOSING | {"204", "304", "chunked", "slow"}, in_ci=True
    ),
    "aiohttp.web": Server(_aiohttp, "aiohttp", lacks=_TRAILERS, in_ci=True),
    "cheroot": Server(_cheroot, "cheroot", lacks=_BEYOND_WSGI),
    "gunicorn": Server(_gunicorn, "gunicorn", lacks=_BEYOND_WSGI),
    "node": Server(_node, program="node", in_ci=True),
    # What the application says of its connection goes no further (RFC 9110, section 7.6.1). Now and then version 2.11.7
    # writes the 100 between the head and the body of the answer, where it counts as body (RFC 9112, section 6.3).
    "caddy before node": Server(
        _caddy,
        program="caddy",
        behind="node",
        lacks=frozenset({"100-continue"}),
        ends=CLOSING - {"close by the application"},
    ),
}


@contextmanager
def running(server: Server, directory: Path) -> Iterator[str]:
    """Run a server until the block ends, and the one behind it.

    Args:
        server: One of `SERVERS`.
        directory: An existing folder for logs.

    Yields:
        The base URL, without a slash at its end.
    """
    with ExitStack() as stack:
        behind = 0
        if server.behind:
            behind = int(stack.enter_context(running(SERVERS[server.behind], directory)).rpartition(":")[2])

        def command(port: int) -> list[str]:
            return server.arguments(port, behind)

        port = stack.enter_context(on_free_port(command, directory=directory, cwd=_ROOT))
        yield f"http://{HOST}:{port}"
