"""What this process holds: memory, file descriptors, tasks, timers."""

import asyncio
import math
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

from headrace import AiohttpTransport, RateLimiter

_FILES = Path("/proc/self/fd") if sys.platform == "linux" else Path("/dev/fd")


class Resources(NamedTuple):
    """What a process holds at one moment."""

    memory: int
    """Resident bytes; 0 where the system does not tell."""
    open_files: int
    tasks: int
    timers: int
    """Of asyncio's own loop; uvloop does not tell."""


def resources() -> Resources:
    """Look."""
    loop: Any = asyncio.get_running_loop()
    scheduled = [handle for handle in getattr(loop, "_scheduled", ()) if not handle.cancelled()]
    return Resources(_memory(), sum(1 for _ in _FILES.iterdir()), len(asyncio.all_tasks()), len(scheduled))


def _memory() -> int:
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def held(wires: list[Any], limiters: list[RateLimiter]) -> list[str]:
    """Name slots and places that nobody holds and nobody can have.

    Args:
        wires: Transports, after their last request.
        limiters: Limiters, after it.
    """
    found = []
    for wire in wires:
        if isinstance(wire, AiohttpTransport):
            connector: Any = wire._session.connector
            if connector._acquired or any(connector._waiters.values()):
                found.append(f"slots: {len(connector._acquired)} of aiohttp's")
            continue
        pool = wire._pool
        idle = sum(len(lane.idle) for lane in pool._lanes.values())
        if pool._open != idle or any(lane.waiters for lane in pool._lanes.values()):
            found.append(f"slots: {wire!r}")
    return found + [f"places: {limiter!r}" for limiter in limiters if limiter.idle_in() == math.inf]
