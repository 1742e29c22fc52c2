"""What this process holds: memory, file descriptors, tasks, timers."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

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
