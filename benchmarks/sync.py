"""What a call costs that a thread waits for: `python -m benchmarks.sync` prints microseconds a call, one after another.

`requests` and `httpx` are measured where they are installed.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from typing import TYPE_CHECKING, Any

from headrace import AsyncClient, SyncClient
from tests.servers.child import child_server

if TYPE_CHECKING:
    from collections.abc import Callable

_WARM_UP = 200
_CALLS = 3000
#: The module of a peer, and what of it has connections that it keeps.
_PEERS = {"requests": "Session", "httpx": "Client"}


def measure(name: str, call: Callable[[], Any]) -> None:
    """Make calls one after the other, and print what one takes."""
    for _ in range(_WARM_UP):
        call()
    began, worked = time.perf_counter(), time.process_time()
    for _ in range(_CALLS):
        call()
    wall, work = time.perf_counter() - began, time.process_time() - worked
    print(f"{name:24} {wall / _CALLS * 1e6:6.0f} µs, {work / _CALLS * 1e6:6.0f} µs of them at work in this process")


def main() -> None:
    """Measure all that there are."""
    with child_server("benchmarks.answering") as server:
        with SyncClient(server.url) as client:
            measure("headrace.SyncClient", lambda: client.get("/users/1"))
        with asyncio.Runner() as runner:
            other = AsyncClient(server.url)
            wait = runner.get_loop().run_until_complete
            measure("headrace.AsyncClient", lambda: wait(other.get("/users/1")))
            wait(other.close())
        for name, kind in _PEERS.items():
            try:
                made = getattr(importlib.import_module(name), kind)
            except ImportError:
                print(f"{name} is not installed")
                continue
            with made() as peer:
                measure(f"{name}.{kind}", lambda peer=peer: peer.get(f"{server.url}/users/1").json())  # type: ignore[misc]


if __name__ == "__main__":
    main()
