"""The command lives here: `python -m benchmarks.instructions` counts, and compares with the baseline."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.instructions import callgrind
from benchmarks.instructions.rows import ROWS
from benchmarks.processes import ROOT, ProgramError, program, run
from tests.servers.tls import TlsMaterial

BASELINE = ROOT / "benchmarks" / "results" / "instructions.json"
#: A row that costs more than so many times its baseline fails.
LIMIT = 1.02
_MOST_FUNCTIONS = 25
_NO_VALGRIND = "valgrind is missing, which counts the instructions; on Debian: apt-get install valgrind"


def main() -> int:
    """Count the rows that are asked for.

    Returns:
        0; 1 where a row costs more than the baseline allows; 2 where nothing could be counted.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--row", action="append", choices=ROWS, help="this row only; may be given again")
    parser.add_argument("--write", action="store_true", help="make what is counted the baseline")
    parser.add_argument("--profile", action="store_true", help="also list the functions of C that cost most")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="rows that are counted at once")
    options = parser.parse_args()
    if program("valgrind") is None:
        print(_NO_VALGRIND, file=sys.stderr)
        return 2
    names = options.row or list(ROWS)
    try:
        counts = _counted(names, options.jobs)
        versions = {"valgrind": run(["valgrind", "--version"], seconds=60).strip(), **counts[names[0]].versions}
    except ProgramError as error:
        print(f"nothing could be counted: {error}", file=sys.stderr)
        return 2
    now: dict[str, Any] = {"versions": versions, "rows": {name: counts[name].instructions for name in names}}
    baseline: dict[str, Any] = {"versions": {}, "rows": {}}
    if BASELINE.exists():
        baseline = json.loads(BASELINE.read_text())
    if callgrind.source() != ROOT / "src":
        print(f"headrace is imported from {callgrind.source()}")
    print(table(now["rows"], baseline["rows"]))
    if options.profile:
        for name in names:
            print(profile(name, counts[name]))
    return _write(now, baseline) if options.write else judged(now, baseline)


def _counted(names: list[str], jobs: int) -> dict[str, callgrind.Count]:
    """Count rows, some at once: a count does not depend on how busy the machine is."""
    with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor(jobs) as pool:
        folder = Path(made)
        TlsMaterial().write(folder)
        return dict(zip(names, pool.map(lambda name: callgrind.count(name, folder, folder), names), strict=True))


def table(now: dict[str, int], baseline: dict[str, int]) -> str:
    """Write the counts as Markdown.

    Args:
        now: Row to instructions a request.
        baseline: The same, as it was.
    """
    lines = ["| row | | baseline | now | ratio |", "|---|---|---:|---:|---:|"]
    for name, count in now.items():
        before = baseline.get(name)
        compared = ["", f"{count:,}", ""] if before is None else [f"{before:,}", f"{count:,}", f"{count / before:.4f}"]
        lines.append(f"| {name} | {ROWS[name].title} | {' | '.join(compared)} |")
    return "\n".join(lines)


def profile(name: str, count: callgrind.Count) -> str:
    """List the functions of C that cost most of a row, without what they call.

    Args:
        name: The row.
        count: What it cost.
    """
    lines = ["", f"{name}: {count.instructions:,} instructions a request, of these", ""]
    for function, own in list(count.functions.items())[:_MOST_FUNCTIONS]:
        lines.append(f"{own:>10,} {own / count.instructions:>6.1%}  {function}")
    return "\n".join(lines)


def judged(now: dict[str, Any], baseline: dict[str, Any]) -> int:
    """Say which rows cost more than the baseline allows; with other versions nothing can be said.

    Args:
        now: The versions, and what the rows cost.
        baseline: The same, as it was.

    Returns:
        1 where a row costs too much, else 0.
    """
    if not baseline["rows"]:
        print("\nthere is no baseline; --write makes one")
        return 0
    others = differing(now["versions"], baseline["versions"])
    if others:
        print("\nThe baseline was counted with something else, so nothing is judged:")
        print("\n".join(f"- {line}" for line in others))
        return 0
    dear = [name for name, count in now["rows"].items() if count > LIMIT * baseline["rows"].get(name, count)]
    if dear:
        print(f"\nmore than {LIMIT - 1:.0%} above the baseline: {', '.join(dear)}", file=sys.stderr)
    return int(bool(dear))


def differing(now: dict[str, str], before: dict[str, str]) -> list[str]:
    """Name what differs between two sets of versions."""
    return [
        f"{name}: {now.get(name, 'missing')}, in the baseline {before.get(name, 'missing')}"
        for name in sorted(now.keys() | before.keys())
        if now.get(name) != before.get(name)
    ]


def _write(now: dict[str, Any], baseline: dict[str, Any]) -> int:
    """Make the counts the baseline; rows that were not counted stay where they were counted with the same versions."""
    kept = {} if differing(now["versions"], baseline["versions"]) else baseline["rows"]
    rows = {**kept, **now["rows"]}
    ordered = {name: rows[name] for name in ROWS if name in rows}
    BASELINE.write_text(json.dumps({"versions": now["versions"], "rows": ordered}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
