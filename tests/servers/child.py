"""Servers written in Python, in processes of their own: client and server really work at the same time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.process import STOP_SECONDS, ServerStartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Child:
    """A running server."""

    url: str
    """The base URL, without a slash at its end."""
    told: str = ""
    """What the server had to say when it was over."""


@contextmanager
def child_server(module: str) -> Iterator[Child]:
    """Run a module that calls `serve`, until the block ends.

    Args:
        module: Its full name.

    Raises:
        ServerStartError: It did not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C goes to the tests, which then end their servers in order.
        start_new_session=True,
    )
    assert process.stdout is not None
    child = Child(process.stdout.readline().strip())
    try:
        if not child.url:
            message = f"{module} ended before it listened"
            raise ServerStartError(message)
        yield child
    finally:
        try:
            child.told, _ = process.communicate(timeout=STOP_SECONDS)  # closes its standard input, which ends it
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


def serve(start: Callable[[], str], tell: Callable[[], str]) -> None:
    """Be a child: serve until standard input ends, which it also does when the parent dies.

    Args:
        start: Begins to listen, in a loop, and returns the base URL.
        tell: Returns what the parent gets to hear at the end.
    """

    async def run() -> None:
        sys.stdout.write(start() + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
        sys.stdout.write(tell())

    asyncio.run(run())
