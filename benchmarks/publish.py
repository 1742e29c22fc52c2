"""What runs measured is put into the documentation here: `python -m benchmarks.publish`, from `benchmarks/results`.

Every table of the page of benchmarks, and the one in the README, stands between two comments that name it.
"""

from __future__ import annotations

import json
import re
import statistics
from typing import TYPE_CHECKING, Any

from benchmarks import commands, report
from benchmarks.bulk.__main__ import table as bulk_table
from benchmarks.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_RESULTS = ROOT / "benchmarks" / "results"
_RUN = _RESULTS / "full.json"
_PAGE = ROOT / "docs" / "benchmarks.md"
_README = ROOT / "README.md"
#: The clients that the README shows, by the names of the row `get`.
_SHOWN = (
    "headrace", "ry", "pyreqwest", "wreq", "aiohttp", "httpx", "arya", "floor", "headrace-pydantic", "aiohttp-pydantic",
)  # fmt: skip


def main() -> None:
    """Write the tables."""
    run = json.loads(_RUN.read_text())
    rows = {row["key"]: row for row in run["rows"]}
    _write(
        _PAGE,
        {
            "run": report.head(run),
            "targets": report.figures(run["rows"]),
            "lost": report.lost(run["rows"]),
            "rows": "\n\n".join(report.row(row) for row in run["rows"] if row["key"] != "sweep"),
        },
    )
    for name, table in (("bulk", bulk_table), ("commands", commands.table)):
        found = _RESULTS / f"{name}.json"
        if found.exists():
            measured = json.loads(found.read_text())
            _write(_PAGE, {name: table(measured)})
            if name == "bulk":
                _write(_README, {name: table({"rows": measured["rows"]})})
    if "get" in rows:
        _write(_README, {"get": _short(rows["get"])})


def _short(row: dict[str, Any]) -> str:
    """Write the few columns that the README shows."""
    lines = ["| client | requests/s | CPU µs a request | p99 ms |", "|---|---:|---:|---:|"]
    entries = {entry["client"]: entry for entry in row["entries"].values()}
    for client in _SHOWN:
        rounds = [sample for sample in entries.get(client, {"rounds": []})["rounds"] if sample]
        if rounds:
            rate, cost, late = (_median(rounds, compute) for compute in (_rate, _cost, _late))
            lines.append(f"| {entries[client]['title']} | {rate:,.0f} | {cost:,.1f} | {late:,.1f} |")
    return "\n".join(lines)


def _median(rounds: list[dict[str, Any]], compute: Callable[[dict[str, Any]], float]) -> float:
    return statistics.median(map(compute, rounds))


def _rate(sample: dict[str, Any]) -> float:
    return float(sample["requests"] / sample["wall"])


def _cost(sample: dict[str, Any]) -> float:
    return float(sample["cpu"] / sample["requests"] * 1e6)


def _late(sample: dict[str, Any]) -> float:
    return float(sample["p99"] * 1e3)


def _write(page: Path, parts: dict[str, str]) -> None:
    """Put texts between their comments."""
    text = page.read_text()
    for name, part in parts.items():
        pattern = re.compile(f"(<!-- measured: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = pattern.subn(lambda found, part=part: f"{found[1]}\n{part}\n\n{found[2]}", text)
        if not count:
            message = f"{page.name} has no place for {name}"
            raise ValueError(message)
    page.write_text(text)


if __name__ == "__main__":
    main()
