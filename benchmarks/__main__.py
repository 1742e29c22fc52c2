"""The command lives here: `python -m benchmarks` measures, and writes the JSON, the Markdown table and the plot."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import environments, report
from benchmarks.clients import CLIENTS
from benchmarks.comparing import worse
from benchmarks.measure import Plan, measure
from benchmarks.processes import ROOT, ProgramError, program, run
from benchmarks.rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Row

_RESULTS = ROOT / "benchmarks" / "results"
_PUBLISHED = _RESULTS / "full.json"
_PARTS = "parts"
_PARTS_TITLE = "the parts, one by one (pytest-benchmark)"


def main() -> int:
    """Run the command line; returns its exit code."""
    options = _options()
    chosen = [row for row in ROWS if re.search(options.only, row.key)]
    with_parts = bool(re.search(options.only, _PARTS))
    if options.list:
        for row in ROWS:
            print(f"{row.key:<22}{row.title}")
        print(f"{_PARTS:<22}{_PARTS_TITLE}")
        return 0
    if not chosen and not with_parts:
        print(f"--only {options.only}: no such row; --list names them", file=sys.stderr)
        return 2
    if not _can_run():
        return 2
    # A run that is told to end goes the way of Ctrl-C, and so ends its server and its clients.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run(options, chosen, with_parts=with_parts)
    except KeyboardInterrupt:
        print("\nstopped; the server and the clients are ended, nothing is written", file=sys.stderr)
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a shortened run in under three minutes; rough figures")
    parser.add_argument("--only", metavar="PATTERN", default="", help="only the rows whose key matches this expression")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often the clients are run, in turns (default 10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the raw rounds go")
    parser.add_argument("--table", type=Path, metavar="FILE", help="where the Markdown table goes")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="where the plot (SVG) goes")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    options = parser.parse_args()
    # Only a whole run may take the place of the published results.
    whole = options.whole = not options.quick and not options.only
    folder = _RESULTS if whole else environments.CACHE / "results"
    name = "full" if whole else "quick" if options.quick else "partial"
    options.json = options.json or folder / f"{name}.json"
    options.table = options.table or folder / "table.md"
    options.plot = options.plot or folder / "concurrency.svg"
    options.rounds = options.rounds or (2 if options.quick else 10)
    return options


def _can_run() -> bool:
    """Tell whether this machine has what is needed, and say what is missing."""
    missing = [name for name in ("nginx", "wrk", "taskset") if program(name) is None]
    if missing:
        packages = " ".join("util-linux" if name == "taskset" else name for name in missing)
        print(f"missing: {', '.join(missing)}; install with: apt-get install -y {packages}", file=sys.stderr)
        return False
    if not hasattr(os, "sched_getaffinity") or not {0, 1} <= os.sched_getaffinity(0):
        print("needs Linux and the first two cores: one for the server, one for the client", file=sys.stderr)
        return False
    return True


def _run(options: argparse.Namespace, chosen: Sequence[Row], *, with_parts: bool) -> None:
    result: dict[str, Any] = {
        "command": " ".join(["python -m benchmarks", *_arguments()]),
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "quick": options.quick,
        "whole": options.whole,
        "rounds": options.rounds,
        "seconds": 0.25 if options.quick else 1.0,
        "machine": _machine(),
        "rows": [],
    }
    made = _environments(chosen, quick=options.quick)
    result["headrace"] = _checkout()
    result["environments"] = {name: {"reason": one.reason, "versions": one.versions} for name, one in made.items()}
    began = time.monotonic()
    published = json.loads(_PUBLISHED.read_text()) if _PUBLISHED.exists() else {"rows": []}
    if chosen:
        _measure_rows(options, chosen, made, result)
        _write(options.json, json.dumps(result, indent=1) + "\n")
        table = report.table(result)
        _write(options.table, table)
        print(table)
        print(worse(result, published))
    if any(row["key"] == "sweep" for row in result["rows"]):
        _plot(options, made["plot"])
    if with_parts:
        _parts(options)
    print(f"measured in {time.monotonic() - began:.0f} s", file=sys.stderr)


def _measure_rows(
    options: argparse.Namespace,
    chosen: Sequence[Row],
    made: dict[str, environments.Environment],
    result: dict[str, Any],
) -> None:
    from benchmarks.server import running  # needs the development tools, unlike --list

    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder, running(Path(folder)) as server:
        plan = Plan(options.rounds, result["seconds"], options.quick, made, server)
        result["rows"] += [measure(row, plan) for row in chosen]


def _arguments() -> list[str]:
    """Give back the arguments, paths without the folders of whoever runs this."""
    return [Path(argument).name if Path(argument).is_absolute() else argument for argument in sys.argv[1:]]


def _environments(chosen: Sequence[Row], *, quick: bool) -> dict[str, environments.Environment]:
    """Make every environment that the rows need; the first run takes some minutes for it."""
    entries = [entry for row in chosen for entry in row.entries if entry.quick or not quick]
    names = {CLIENTS[entry.client].environment for entry in entries} - {""}
    if any(row.key == "sweep" for row in chosen):
        names.add("plot")
    return {name: environments.make(name) for name in environments.REQUIREMENTS if name in names}


def _machine() -> dict[str, Any]:
    """Describe what the figures depend on."""
    cpu = "unknown processor"
    if (info := Path("/proc/cpuinfo")).exists() and (named := re.search(r"model name\s*: (.*)", info.read_text())):
        cpu = named[1]
    nginx = subprocess.run([str(program("nginx")), "-v"], capture_output=True, text=True, check=False).stderr
    found = program("wrk")
    wrk = "" if found is None else subprocess.run([found, "-v"], capture_output=True, text=True, check=False).stdout
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "kernel": re.match(r"[\d.]+", platform.release())[0],  # type: ignore[index] # begins with its number
        "python": platform.python_version(),
        "nginx": nginx.strip().removeprefix("nginx version: "),
        "wrk": (wrk.splitlines() or ["unknown"])[0].strip(),
    }


def _checkout() -> dict[str, str]:
    """Name what was measured: the version, the commit, and a digest that also tells what is not committed."""
    version = re.search(r'__version__ = "(.+)"', (ROOT / "src" / "headrace" / "_version.py").read_text())
    try:
        commit = run(["git", "rev-parse", "--short", "HEAD"], seconds=20).strip()
        changed = run(["git", "--no-optional-locks", "status", "--porcelain", "src", "pyproject.toml"], seconds=20)
        commit += " with changes" if changed.strip() else ""
    except (ProgramError, OSError):
        commit = "unknown"
    return {"version": version[1] if version else "?", "commit": commit, "source": environments.source_digest()}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _plot(options: argparse.Namespace, made: environments.Environment) -> None:
    if made.reason:
        print(f"no plot: {made.reason}", file=sys.stderr)
        return
    options.plot.parent.mkdir(parents=True, exist_ok=True)
    command = [str(made.python), "-m", "benchmarks.plot", str(options.json.resolve()), str(options.plot.resolve())]
    run(command, seconds=120)


def _parts(options: argparse.Namespace) -> None:
    """Time the parts with pytest-benchmark, in this very environment, and keep the figures without their raw rounds."""
    print(f"{_PARTS}: {_PARTS_TITLE} ...", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        raw = Path(folder) / "parts.json"
        command = [sys.executable, "-m", "pytest", "benchmarks/parts", "-q", f"--benchmark-json={raw}"]
        command += ["--benchmark-columns=min,median,iqr,rounds"]
        if options.quick:
            command += ["--benchmark-max-time=0.05", "--benchmark-min-rounds=3", "--benchmark-calibration-precision=5"]
        try:
            run(command, seconds=900, show=True)
        except ProgramError as error:
            print(f"{_PARTS}: not available: {error}, see above", file=sys.stderr)
            return
        timed = json.loads(raw.read_text())["benchmarks"]
    kept = ("min", "median", "iqr", "stddev", "rounds", "iterations")
    parts = [
        {"name": part["name"], "group": part["group"], **part["extra_info"]}
        | {f"{name} s" if name in kept[:4] else name: part["stats"][name] for name in kept}
        for part in timed
    ]
    _write(options.json.with_name("parts.json"), json.dumps(parts, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
