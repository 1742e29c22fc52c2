"""Many processes start by one shared limit, and their starts are judged by the law of windows, exactly."""

from __future__ import annotations

import asyncio
import bisect
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace import SharedLimiter
from headrace.errors import LimiterError
from tests.kit import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: Tasks of a process that start as often as they may, for each limit.
_TASKS = 40


class Start(NamedTuple):
    """One start."""

    limit: str
    moment: int
    """Nanoseconds of `CLOCK_MONOTONIC`, which all processes of a machine share."""
    process: int


def fullest(moments: Sequence[int], nanoseconds: int) -> int:
    """Count the starts of the fullest window, which includes its beginning and not its end.

    Args:
        moments: Of the starts, in nanoseconds.
        nanoseconds: How long the window is.
    """
    ordered = sorted(moments)
    return max((bisect.bisect_left(ordered, start + nanoseconds) - i for i, start in enumerate(ordered)), default=0)


def read(folder: Path) -> list[Start]:
    """Read the starts of all processes, in their order."""
    starts = []
    for path in folder.glob("*.starts"):
        # What was killed may have left half a line.
        for line in path.read_text().split("\n")[:-1]:
            limit, moment = line.split()
            starts.append(Start(limit, int(moment), int(path.stem)))
    return sorted(starts, key=lambda start: start.moment)


class Crowd:
    """Processes that start as often as they may.

    Args:
        folder: Gets their logs.
        processes: The processes.
    """

    def __init__(self, folder: Path, processes: list[subprocess.Popen[bytes]]) -> None:
        self.folder = folder
        self.processes = processes

    def starts(self, limit: str | None = None) -> list[Start]:
        """Read the starts so far, of one limit or of all."""
        return [start for start in read(self.folder) if limit in {None, start.limit}]

    def wait_for(self, count: int, limit: str, seconds: float = 60.0) -> None:
        """Wait for so many more starts of a limit."""
        wanted, deadline = len(self.starts(limit)) + count, time.monotonic() + seconds
        while len(self.starts(limit)) < wanted:
            assert time.monotonic() < deadline, f"{limit}: {len(self.starts(limit))} starts, not {wanted}"
            time.sleep(0.05)

    def stall(self, number: int, seconds: float) -> None:
        """Stop a process for a while."""
        self.processes[number].send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.processes[number].send_signal(signal.SIGCONT)


@contextmanager
def crowd(
    folder: Path, url: str | Sequence[str], limits: dict[str, tuple[int, float]], *, processes: int = 3, **options: Any
) -> Iterator[Crowd]:
    """Run processes that share limits, until the block ends.

    Args:
        folder: Gets their logs.
        url: The server; several are tried in turn where one does not answer.
        limits: Starts in how many seconds, by name.
        processes: How many.
        options: Of the limiters.
    """
    running = []
    try:
        for number in range(processes):
            task = {
                "urls": [url] if isinstance(url, str) else url, "limits": limits, "options": options,
                "log": str(folder / f"{number}.starts"), "clock_off_by": (number - 1) * 0.5,
            }  # fmt: skip
            command = [sys.executable, "-m", "tests.kit.grants", json.dumps(task)]
            running.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True))
        yield Crowd(folder, running)
    finally:
        for process in running:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.communicate()


def judge(starts: Sequence[Start], limits: dict[str, tuple[int, float]]) -> dict[str, int]:
    """Count the fullest window of each limit."""
    return {
        name: fullest([start.moment for start in starts if start.limit == name], round(interval * 1e9))
        for name, (_, interval) in limits.items()
    }


class Clock:
    """Remembers its last reading: the moment at which a limiter has found a start to be allowed."""

    last = 0

    def __call__(self) -> float:
        """Tell the time, in seconds."""
        self.last = time.monotonic_ns()
        return self.last / 1e9


async def _start_for_ever(log: int, name: str, limiters: Sequence[SharedLimiter], clocks: Sequence[Clock]) -> None:
    which = itertools.cycle(zip(limiters, clocks, strict=True))
    limiter, clock = next(which)
    while True:
        try:
            await limiter.acquire()
        except LimiterError:
            limiter, clock = next(which)
        else:
            os.write(log, f"{name} {clock.last}\n".encode())


async def _run(task: dict[str, Any]) -> None:
    log = os.open(task["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    async with asyncio.TaskGroup() as group:
        for name, (rate, interval) in task["limits"].items():
            clocks = [Clock() for _ in task["urls"]]
            limiters = [
                SharedLimiter(url, rate, interval, name=name, clock=clock, **task["options"])
                for url, clock in zip(task["urls"], clocks, strict=True)
            ]
            for _ in range(_TASKS):
                group.create_task(_start_for_ever(log, name, limiters, clocks))


def _main() -> None:
    task = json.loads(sys.argv[1])
    off, real, real_ns = task["clock_off_by"], time.time, time.time_ns
    time.time = lambda: real() + off
    time.time_ns = lambda: real_ns() + round(off * 1e9)
    asyncio.run(_run(task))


if __name__ == "__main__":
    _main()
