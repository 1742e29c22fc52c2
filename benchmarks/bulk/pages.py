"""200 pages of 100 users by headrace and by its peers live here: what the whole process takes."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks import data, environments
from benchmarks.bulk import peers
from benchmarks.processes import CLIENT_CORE, ROOT, ProgramError, program

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.server import Server

PAGES = 200
ROWS = 100
_SECONDS = 300.0


def write(folder: Path) -> None:
    """Write the pages that the servers serve.

    Args:
        folder: An existing folder.
    """
    for page in range(1, PAGES + 1):
        users = [data.user(number) for number in range((page - 1) * ROWS + 1, page * ROWS + 1)]
        (folder / f"{page}.json").write_bytes(data.as_json({"page": page, "total_pages": PAGES, "data": users}))


def measure(server: Server, rounds: int) -> dict[str, Any]:
    """Run every peer in turns, at a fast server and at one that takes 50 ms for a page.

    Args:
        server: The fast one.
        rounds: How often.
    """
    made = {name: environments.make(name) for name in peers.ENVIRONMENTS}
    pythons = {name: str(one.python) for name, one in made.items() if not one.reason}
    pythons["headrace"] = sys.executable
    found: dict[str, Any] = {"missing": {name: one.reason for name, one in made.items() if one.reason}}
    folder = server.directory / "pages"
    command = [sys.executable, "-m", "benchmarks.bulk.slow", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as slow:
        assert slow.stdout is not None
        port = int(slow.stdout.readline())
        for key, origin, wide in (("fast", server.http, 1), ("slow", f"http://127.0.0.1:{port}", 32)):
            samples: dict[str, list[dict[str, float]]] = {name: [] for name in peers.PEERS}
            for _ in range(rounds):
                for name in peers.PEERS:
                    if name not in pythons or (key == "slow" and name not in ("headrace", "dlt")):
                        continue
                    sys.stderr.write(f"{key} pages: {name} ...\n")
                    try:
                        samples[name].append(_whole(pythons[name], name, origin, wide))
                    except ProgramError as error:
                        found["missing"][name] = str(error)
            found[key] = samples
        slow.terminate()
    return found


def _whole(python: str, name: str, origin: str, wide: int) -> dict[str, float]:
    """Run a peer from the start of its process to its end."""
    command = [str(program("taskset")), "-c", str(CLIENT_CORE), python, "-m", f"benchmarks.bulk.peers.{name}"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*command, origin, str(wide)], capture_output=True, text=True, cwd=ROOT, timeout=_SECONDS, check=False
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise ProgramError((done.stderr.strip().splitlines() or ["failed"])[-1][:200])
    rows = json.loads(done.stdout.strip().splitlines()[-1])["rows"]
    if rows != PAGES * ROWS:
        raise ProgramError(f"{rows} rows instead of {PAGES * ROWS}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu}


def table(found: dict[str, Any]) -> str:
    """Write the figures as Markdown.

    Args:
        found: What `measure` has returned.
    """
    lines = ["| 200 pages of 100 rows | whole process, s | CPU s | of headrace |", "|---|---:|---:|---:|"]
    for key, title in (("fast", ""), ("slow", ", 50 ms a page")):
        ours = found[key]["headrace"]
        for name, samples in found[key].items():
            if samples:
                ratio = statistics.median(one["wall"] / own["wall"] for one, own in zip(samples, ours, strict=False))
                wall, cpu = (statistics.median(each[what] for each in samples) for what in ("wall", "cpu"))
                lines.append(f"| {name}{title} | {wall:.2f} | {cpu:.2f} | {ratio:.1f} x |")
    lines += [f"- {name}: not available: {reason}" for name, reason in found["missing"].items()]
    return "\n".join(lines)
