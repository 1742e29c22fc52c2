"""The command lives here: `python -m benchmarks.bulk` measures bulks in turns, and prints the table.

The client runs on one core, nginx on the other. Every figure is CPU time of the client's process, and every ratio is
made within a round, against the raw floor of that round; medians of the rounds are shown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.__main__ import _checkout, _machine
from benchmarks.bulk import pages
from benchmarks.processes import ROOT, ProgramError, run
from benchmarks.server import running

_RESULTS = ROOT / "benchmarks" / "results" / "bulk.json"
_SECONDS = 900.0
#: Kind, title, and how many times the floor it may cost.
ROWS = (
    ("floor", "the raw floor", None),
    ("bare", "64 tasks with `client.get`", None),
    ("iterate", "`bulk`, iterated", 1.5),
    ("discard", "`run()` into `Discard()`", 1.4),
    ("ndjson", "into NDJSON", 1.7),
    ("ndjson-journal", "into NDJSON, with a journal", 1.9),
    ("parquet", "into Parquet, with a journal", 2.0),
    ("sqlite", "into SQLite, with a journal", 2.2),
    ("duckdb", "into DuckDB, with a journal", 2.3),
)
_MB = 1024 * 1024


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each is run, in turns (default 7)")
    parser.add_argument("--rows", type=int, default=30_000, help="calls of each (default 30,000)")
    parser.add_argument("--calls", type=int, default=1_000_000, help="calls of the largest runs (default 1,000,000)")
    parser.add_argument("--skip", action="append", default=[], choices=["rows", "waiting", "large", "pages"])
    parser.add_argument("--json", type=Path, default=_RESULTS, help="where the figures go")
    options = parser.parse_args()
    found: dict[str, Any] = json.loads(options.json.read_text()) if options.json.exists() else {}
    found |= {"made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "machine": _machine(), "headrace": _checkout()}
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as made, running(Path(made)) as server:
        (Path(made) / "pages").mkdir()
        pages.write(Path(made) / "pages")
        parts = {
            "rows": lambda: _rows(server.origin("http"), options.rounds, options.rows),
            "waiting": lambda: _waiting(server.origin("http"), max(1, options.rounds // 2)),
            "large": lambda: _large(server.origin("http"), options.calls),
            "pages": lambda: pages.measure(server, max(1, options.rounds // 2)),
        }
        for name, part in parts.items():
            if name not in options.skip:
                found[name] = part()
                options.json.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))


def measured(kind: str, count: int, origin: str) -> dict[str, Any]:
    """Measure one kind in a process of its own."""
    sys.stderr.write(f"{kind}: {count:,} ...\n")
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        command = [sys.executable, "-m", "benchmarks.bulk.work", kind, str(count), origin, folder]
        return dict(json.loads(run(command, seconds=_SECONDS).splitlines()[-1]))


def _rows(origin: str, rounds: int, count: int) -> dict[str, Any]:
    samples: dict[str, list[float]] = {kind: [] for kind, _, _ in ROWS}
    for _ in range(rounds):
        for kind, _, _ in ROWS:
            try:
                samples[kind].append(measured(kind, count, origin)["cpu"] / count * 1e6)
            except ProgramError as error:
                sys.stderr.write(f"{kind}: {error}\n")
    return {"calls": count, "cpu_us": samples}


def _waiting(origin: str, rounds: int) -> dict[str, Any]:
    kinds = ("waiting-1000", "waiting-100000")
    count = 200_000
    return {kind: [measured(kind, count, origin)["cpu"] / count * 1e6 for _ in range(rounds)] for kind in kinds}


def _large(origin: str, count: int) -> dict[str, Any]:
    journaled = measured("ndjson-journal", count, origin)
    return {
        "calls": count,
        "ndjson": journaled,
        "resume": measured("resume", count, origin),
        "letters": {str(some): measured("letters", some, origin) for some in (10_000, 100_000)},
        "limited": measured("limited", 200, origin),
    }


def table(found: dict[str, Any]) -> str:
    """Write the figures as Markdown.

    Args:
        found: What the parts have found; those that were never run are left out.
    """
    lines: list[str] = []
    if "rows" in found:
        samples = found["rows"]["cpu_us"]
        lines += ["| work | CPU µs a call | of the floor | target |", "|---|---:|---:|---:|"]
        for kind, title, target in ROWS:
            ratios = [one / floor for one, floor in zip(samples[kind], samples["floor"], strict=False)]
            if ratios:
                shown = "" if target is None else f"<= {target} x"
                middle = statistics.median(samples[kind])
                lines.append(f"| {title} | {middle:.1f} | {statistics.median(ratios):.2f} x | {shown} |")
        lines += ["", f"Medians of {len(samples['floor'])} rounds, in turns; each ratio is made within a round."]
    if "waiting" in found:
        few, many = (statistics.median(found["waiting"][f"waiting-{count}"]) for count in (1000, 100_000))
        told = f"{many:.1f} µs a call, 1,000: {few:.1f} ({many / few:.2f} x)"
        lines += ["", f"100,000 in flight on 100 connections: {told}"]
    if "large" in found:
        large = found["large"]
        calls, rows, resumed = large["calls"], large["ndjson"], large["resume"]
        few, many = (large["letters"][count]["above_idle"] / _MB for count in ("10000", "100000"))
        journal, again = rows["journal_bytes"] / calls, resumed["cpu"] / resumed["digesting"]
        above, later = rows["above_idle"] / _MB, resumed["above_idle"] / _MB
        lines += ["", f"{calls:,} calls: {above:.0f} MB above idle, journal {journal:.0f} bytes a call", ""]
        lines += [f"resume of them: {again:.2f} x iterating and digesting, {later:.0f} MB above idle", ""]
        lines += [f"dead letters: 10,000 take {few:.0f} MB above idle, 100,000 {many:.0f} MB", ""]
        lines += [f"64 in flight at 10/s, timeout=3, 200 calls: {large['limited']['timed_out']} timed out"]
    if "pages" in found:
        lines += ["", pages.table(found["pages"])]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
