"""JSONPlaceholder itself (the npm package), so that tests meet a server that nobody here wrote."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.process import HOST, not_installed, on_free_port, unavailable

PACKAGE = "jsonplaceholder@0.3.3"
_INSTALL_SECONDS = 300.0
_ROOT = Path(__file__).resolve().parents[2]
# The package's own index.js listens on every interface; this listens on loopback.
_SCRIPT = """\
process.env.NODE_ENV = "production"
require("./node_modules/jsonplaceholder/src/app").listen(Number(process.argv[2]), process.argv[1])
"""


@dataclass(frozen=True)
class JsonPlaceholder:
    """A running JSONPlaceholder."""

    url: str
    """The base URL, without a slash at its end."""


@contextmanager
def jsonplaceholder_server(directory: Path) -> Iterator[JsonPlaceholder]:
    """Run JSONPlaceholder until the block ends, installing it first where that never happened.

    Args:
        directory: An existing folder for its log.
    """
    node = _program("node")
    home = _installed()

    def command(port: int) -> list[str]:
        return [node, "-e", _SCRIPT, HOST, str(port)]

    with on_free_port(command, directory=directory, cwd=home) as port:
        yield JsonPlaceholder(f"http://{HOST}:{port}")


def _program(name: str) -> str:
    return shutil.which(name) or not_installed(name)


def _installed() -> Path:
    """Return the folder that holds the package's node_modules."""
    cache = Path(os.environ.get("HEADRACE_TEST_CACHE") or _ROOT / ".cache")
    home = cache / PACKAGE
    if home.is_dir():
        return home
    npm = _program("npm")
    cache.mkdir(parents=True, exist_ok=True)
    # Installed aside and renamed, so that a run which was cut off, or one beside this, leaves no half.
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", scratch, PACKAGE]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            unavailable(f"npm did not install {PACKAGE} within {_INSTALL_SECONDS:.0f} s", f"npm install {PACKAGE}")
        if done.returncode:
            unavailable(f"npm could not install {PACKAGE}: {done.stderr.strip()[-1000:]}", f"npm install {PACKAGE}")
        try:
            Path(scratch).rename(home)
        except OSError:
            if not home.is_dir():
                raise
        else:
            # TemporaryDirectory expects to find what it made.
            Path(scratch).mkdir()
    return home
