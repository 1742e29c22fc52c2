"""Whole processes side by side: `headrace fetch` and what else one would type, from exec to the last byte on disk.

``python -m benchmarks.commands`` measures, and writes `commands.json` and `commands.md` in `benchmarks/results`. Each
command has a core, nginx has the other one; they take turns. A figure is the best and the median of its rounds. What
is fetched goes into memory where there is such a folder: many small files on a disk measure the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import pty
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import environments
from benchmarks.processes import CLIENT_CORE, ROOT, SERVER_CORE, program
from benchmarks.server import running

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_RESULTS = ROOT / "benchmarks" / "results"
_SECONDS = 900.0
_PATH = "/documents/"
#: A folder in memory, on Linux.
_MEMORY = Path("/dev/shm")  # noqa: S108 - it is made there by `mkdtemp`


@dataclass
class Peer:
    """A command that fetches documents.

    Attributes:
        name: As it is shown.
        command: Made of the origin, the folder and how many documents there are.
        rows: Which sets it is measured in.
        slow: Whether one round is enough to see that it is.
        terminal: Whether it writes its standard error to a terminal.
    """

    name: str
    command: Callable[[str, Path, int], Sequence[str]]
    rows: tuple[str, ...]
    slow: bool = False
    terminal: bool = False


_HTTPX = """
import asyncio, pathlib, sys, httpx
origin, folder, count = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
async def main():
    numbers = iter(range(1, count + 1))
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=64)) as client:
        async def work():
            for number in numbers:
                answer = await client.get(f"{origin}{number}")
                (folder / f"{number}.json").write_bytes(answer.content)
        await asyncio.gather(*(work() for _ in range(64)))
asyncio.run(main())
"""
_PYCURL = """
import pathlib, sys, pycurl
origin, folder, count, ca = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
multi = pycurl.CurlMulti()
numbers, free, busy = iter(range(1, count + 1)), [], {}
for _ in range(64):
    handle = pycurl.Curl()
    if ca:
        handle.setopt(pycurl.CAINFO, ca[0])
    free.append(handle)
left = count
while left:
    while free and (number := next(numbers, None)) is not None:
        handle = free.pop()
        file = open(f"{folder}/{number}.json", "wb")
        handle.setopt(pycurl.URL, f"{origin}{number}")
        handle.setopt(pycurl.WRITEDATA, file)
        busy[handle] = file
        multi.add_handle(handle)
    multi.perform()
    while True:
        more, done, failed = multi.info_read()
        assert not failed
        for handle in done:
            multi.remove_handle(handle)
            busy.pop(handle).close()
            free.append(handle)
            left -= 1
        if not more:
            break
    if left:
        multi.select(1.0)
"""
_UNSAMPLED = """
import sys
from headrace.bulk import bulk
bulk.Sampler = lambda *_: None
from headrace.cli import main
sys.exit(main(sys.argv[1:]))
"""


def _fetch(python: Path, *before: str) -> Callable[[str, Path, int], list[str]]:
    def command(origin: str, folder: Path, count: int) -> list[str]:
        ca = ["--cacert", os.environ["HEADRACE_BENCH_CA"]] if origin.startswith("https") else []
        source = f"{origin}{_PATH}{{1..{count}}}"
        return [
            str(python),
            *(before or ("-m", "headrace.cli")),
            "fetch",
            source,
            "--out",
            str(folder / "rows.ndjson"),
            *ca,
        ]

    return command


def _quiet(command: Callable[[str, Path, int], list[str]]) -> Callable[[str, Path, int], list[str]]:
    return lambda origin, folder, count: [*command(origin, folder, count), "-q"]


def _curl(origin: str, folder: Path, count: int) -> list[str]:
    ca = ["--cacert", os.environ["HEADRACE_BENCH_CA"]] if origin.startswith("https") else []
    return ["curl", "-sS", "-Z", "--no-progress-meter", "--parallel-max", "64", *ca,
            f"{origin}{_PATH}[1-{count}]", "-o", f"{folder}/#1.json"]  # fmt: skip


def _xargs(origin: str, folder: Path, count: int) -> list[str]:
    line = f"seq {count} | xargs -P64 -n1 sh -c 'curl -sS -o {folder}/$0.json {origin}{_PATH}$0'"
    return ["sh", "-c", line]


def _script(python: Path, text: str) -> Callable[[str, Path, int], list[str]]:
    def command(origin: str, folder: Path, count: int) -> list[str]:
        ca = [os.environ["HEADRACE_BENCH_CA"]] if origin.startswith("https") else []
        return [str(python), "-c", text, origin + _PATH, str(folder), str(count), *ca]

    return command


def _peers() -> list[Peer]:
    ours, httpx, pycurl = (environments.make(name) for name in ("headrace-cli", "httpx", "pycurl"))
    for each in (ours, httpx, pycurl):
        if each.reason:
            print(f"{each.name}: {each.reason}", file=sys.stderr)
    command = _fetch(ours.python)
    everywhere = ("10,000", "100,000", "10,000 TLS", "100,000 TLS")
    peers = [
        Peer("headrace fetch", _quiet(command), everywhere),
        Peer("curl -Z --parallel-max 64", _curl, everywhere),
        Peer("headrace fetch, live view", command, ("100,000",), terminal=True),
        Peer("headrace fetch, nothing for a report", _quiet(_fetch(ours.python, "-c", _UNSAMPLED)), ("100,000",)),
        Peer("xargs -P64 -n1 curl", _xargs, ("10,000",), slow=True),
    ]
    if not pycurl.reason:
        peers.append(Peer("pycurl multi", _script(pycurl.python, _PYCURL), ("10,000", "100,000", "100,000 TLS")))
    if not httpx.reason:
        peers.append(Peer("httpx", _script(httpx.python, _HTTPX), ("10,000",), slow=True))
    python = [str(ours.python)]
    for name, words in (
        ("python -c 'import aiohttp'", ["-c", "import aiohttp"]),
        ("python -c 'import headrace'", ["-c", "import headrace"]),
        ("python -c 'from headrace import AsyncClient'", ["-c", "from headrace import AsyncClient"]),
        ("headrace --help", ["-m", "headrace.cli", "--help"]),
        ("headrace --version", ["-m", "headrace.cli", "--version"]),
    ):
        peers.append(Peer(name, lambda *_, words=words: [*python, *words], ("start-up",)))  # type: ignore[misc]
    return peers


def _once(peer: Peer, origin: str, count: int) -> dict[str, float]:
    """Run a command once; raises where it fails, or leaves documents out."""
    folder = Path(tempfile.mkdtemp(prefix="headrace-bench-", dir=os.environ.get("HEADRACE_BENCH_FOLDER")))
    ours = theirs = -1
    try:
        if peer.terminal:
            ours, theirs = pty.openpty()
            threading.Thread(target=_drain, args=(ours,), daemon=True).start()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        done = subprocess.run(
            [program("taskset") or "taskset", "-c", str(CLIENT_CORE), *peer.command(origin, folder, count)],
            stdout=subprocess.DEVNULL,
            stderr=theirs if peer.terminal else subprocess.PIPE,
            env={**os.environ, "TERM": "xterm"},
            check=False,
            timeout=_SECONDS,
        )
        wall = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(f"{peer.name} ended with {done.returncode}: {(done.stderr or b'')[-300:]!r}")
        rows = folder / "rows.ndjson"
        found = rows.read_bytes().count(b"\n") if rows.exists() else sum(1 for _ in folder.iterdir())
        if count and found != count:
            raise SystemExit(f"{peer.name} left {found:,} documents of {count:,}")
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {"wall": round(wall, 4), "cpu": round(cpu, 4)}
    finally:
        for descriptor in (ours, theirs):
            if descriptor >= 0:
                os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 65536):
            pass
    except OSError:
        return


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    peers = _peers()
    run: dict[str, Any] = {"time": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "machine": platform.platform()}
    run["load"], run["folder"] = os.getloadavg(), str(options.folder)
    rows: dict[str, dict[str, list[dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as server:
        os.environ["HEADRACE_BENCH_CA"] = str(server.ca)
        for pid in server.processes:
            os.sched_setaffinity(pid, {SERVER_CORE})
        for row in options.rows:
            origin = server.origins["https" if "TLS" in row else "http"]
            count = 0 if row == "start-up" else int(row.split()[0].replace(",", ""))
            chosen = [peer for peer in peers if row in peer.rows]
            found = rows[row] = {peer.name: [] for peer in chosen}
            for number in range(options.rounds):
                for peer in chosen:
                    if peer.slow and number >= max(1, options.slow_rounds):
                        continue
                    found[peer.name].append(_once(peer, origin, count))
                    print(f"{row} {number + 1}: {peer.name} {found[peer.name][-1]}", file=sys.stderr, flush=True)
    return {**run, "rows": rows}


def table(run: dict[str, Any]) -> str:
    """Write the figures as Markdown."""
    lines = [f"{run['machine']}; {run['time']}; load {run['load'][0]:.1f} when it began; files in {run['folder']}.", ""]
    for row, peers in run["rows"].items():
        lines += [f"| {row} | best, s | median, s | CPU, s | of the first, median |", "|---|---|---|---|---|"]
        first = next(iter(peers.values()))
        base = statistics.median(each["wall"] for each in first)
        for name, rounds in peers.items():
            walls = [each["wall"] for each in rounds]
            cpu = statistics.median(each["cpu"] for each in rounds)
            ratio = statistics.median(walls) / base
            lines.append(f"| {name} | {min(walls):.2f} | {statistics.median(walls):.2f} | {cpu:.2f} | {ratio:.2f} x |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Measure, and write what was measured."""
    every = ["start-up", "10,000", "100,000", "10,000 TLS", "100,000 TLS"]
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--slow-rounds", type=int, default=5, help="of xargs and httpx")
    options.add_argument("--rows", nargs="*", choices=every, default=every)
    options.add_argument("--folder", type=Path, default=_MEMORY if _MEMORY.is_dir() else None, help="where files go")
    options.add_argument("--out", type=Path, default=_RESULTS / "commands.json")
    given = options.parse_args()
    if given.folder is not None:
        os.environ["HEADRACE_BENCH_FOLDER"] = str(given.folder)
    run = _measure(given)
    given.out.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    given.out.with_suffix(".md").write_text(table(run), encoding="utf-8")
    print(table(run))


if __name__ == "__main__":
    main()
