"""What was measured becomes Markdown here."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MET = {True: "yes", False: "**no**", None: "not measured"}


def table(run: dict[str, Any]) -> str:
    """Write the whole report.

    Args:
        run: What `benchmarks.__main__` puts into the JSON.
    """
    parts = [head(run), figures(run["rows"]), lost(run["rows"])]
    parts += [row(each) for each in run["rows"] if each["entries"]]
    missing = {name: made["reason"] for name, made in run["environments"].items() if made["reason"]}
    if missing:
        parts.append("\n".join(f"- {name}: not available: {reason}" for name, reason in missing.items()))
    return "\n\n".join(parts) + "\n"


def head(run: dict[str, Any]) -> str:
    """Say what was run, and on what."""
    machine, ours = run["machine"], run["headrace"]
    how = "a shortened run; its figures are rough" if run["quick"] else "the full run" if run["whole"] else "some rows"
    rounds = f"{run['rounds']} round{'s' * (run['rounds'] != 1)} in turns"
    return (
        f"`{run['command']}`: {how}, {rounds}, medians; ratios are made in each round. CPU time is that of the client's"
        " process, user and system, with the client on one core and nginx on another.\n\n"
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']} {machine['kernel']}; CPython"
        f" {machine['python']}, {machine['nginx']}; headrace {ours['version']}, commit {ours['commit']},"
        f" source {ours['source']}; {run['made']}."
    )


def figures(rows: Iterable[dict[str, Any]]) -> str:
    """Write what was held to a target."""
    lines = ["| work | measured | target | met |", "|---|---|---|---|"]
    for each in rows:
        title = each["title"]
        lines += [
            f"| {title} | {_value(figure)} | {_target(figure)} | {_MET[figure['met']]} |" for figure in each["figures"]
        ]
    return "\n".join(lines)


#: What a peer may be better at, how it is computed, and how much of it is noise.
_VIEWS: dict[str, Callable[[dict[str, Any]], float]] = {
    "CPU time": lambda sample: sample["cpu"] / sample["requests"],
    "wall time": lambda sample: sample["wall"] / sample["requests"],
    "99th percentile": lambda sample: sample["p99"],
    "longest pause": lambda sample: sample["pause"],
}
_TIE = 0.97


def lost(rows: Iterable[dict[str, Any]]) -> str:
    """Name every peer that is ahead of headrace in a row, at anything."""
    lines = [
        f"- {each['title']}: {peer['title']}, {view} {ratio:.2f} x ours"
        for each in rows
        for peer in _peers(each)
        for view, compute in _VIEWS.items()
        if (ratio := _ratio(peer, _ours(each), compute)) is not None and ratio < _TIE
    ]
    return "Rows in which a peer is ahead (medians; within 3 % is a tie):\n\n" + "\n".join(lines or ["- none"])


def _ours(row: dict[str, Any]) -> dict[str, Any] | None:
    """Find the entry of a row that is held to the targets: its first one, if it is ours."""
    first = next(iter(row["entries"].values()), None)
    return first if first is not None and _is_ours(first) else None


def _peers(row: dict[str, Any]) -> list[dict[str, Any]]:
    """List the entries of a row that are clients as people use them: neither ours nor a floor, at the same job."""
    ours = _ours(row)
    return [
        entry
        for entry in row["entries"].values()
        if ours is not None
        and not _is_ours(entry)
        and not entry["client"].startswith(("floor", "wrk", "items-lines", "items-decoder"))
        and (entry["job"], entry["concurrency"]) == (ours["job"], ours["concurrency"])
    ]


def _is_ours(entry: dict[str, Any]) -> bool:
    return "headrace" in entry["title"]


def _ratio(
    peer: dict[str, Any], ours: dict[str, Any] | None, compute: Callable[[dict[str, Any]], float]
) -> float | None:
    try:
        theirs, own = (
            statistics.median(compute(sample) for sample in entry["rounds"] if sample) for entry in (peer, ours or {})
        )
    except (KeyError, TypeError, statistics.StatisticsError):  # it was not measured
        return None
    return theirs / own if own else None


def _value(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "not available"
    shown = _number(figure["value"], figure["unit"])
    values = figure["rounds"]
    if len(values) < 2:
        return shown
    return f"{shown} ({_bare(min(values), figure['unit'])} to {_bare(max(values), figure['unit'])})"


def _target(figure: dict[str, Any]) -> str:
    limit = figure["target"]
    if figure["unit"] == "x":
        return f"<= {limit:.3g} x {figure['text']}"
    if figure["unit"] == "modules":
        return f"{limit:g} {figure['text']}"
    return f"<= {limit:g} {figure['unit']} {figure['text']}"


def _number(value: float, unit: str) -> str:
    return f"{_bare(value, unit)} {unit}"


def _bare(value: float, unit: str) -> str:
    return {"x": f"{value:.3f}", "modules": f"{value:.0f}"}.get(unit, f"{value:.1f}")


def row(measured: dict[str, Any]) -> str:
    """Write what every client of a row did."""
    imports = measured["key"] == "import"
    head = (
        "| client | CPU ms | wall ms | optional modules loaded |"
        if imports
        else "| client | in flight | requests/s | CPU µs a request | user / system µs | p50 / p99 ms | pause ms"
        " | peak RSS MB | server busy |"
    )
    lines = [f"### {measured['title']}", "", head, "|---" + "|---:" * (head.count("|") - 2) + "|"]
    for entry in measured["entries"].values():
        rounds = [sample for sample in entry["rounds"] if sample]
        if rounds:
            lines.append(_import_line(entry, rounds) if imports else _line(entry, rounds))
        if entry["failure"]:
            count = sum(sample is None for sample in entry["rounds"])
            what = "not available" if not rounds else f"failed in {count} of {len(entry['rounds'])} rounds"
            lines.append(f"| {entry['title']} | {what}: {entry['failure'].replace('|', '/')} |")
    return "\n".join(lines)


def _line(entry: dict[str, Any], rounds: list[dict[str, Any]]) -> str:
    flight = f"{entry['queued']:,} queued on {entry['concurrency']}" if entry["queued"] else f"{entry['concurrency']:,}"
    rate = statistics.median(sample["requests"] / sample["wall"] for sample in rounds)
    shown = f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
    if rounds[0]["cpu"] is None:
        return f"| {entry['title']} | {flight} | {shown} | | | | | | |"
    cost, user, system = (_per_request(rounds, name) for name in ("cpu", "user", "system"))
    peak = statistics.median(sample["rss_peak"] for sample in rounds) / 1024**2
    busy = statistics.median(sample["server_cpu"] / sample["wall"] for sample in rounds)
    return (
        f"| {entry['title']} | {flight} | {shown} | {cost:,.1f} | {user:,.1f} / {system:,.1f} | {_waits(rounds)}"
        f" | {peak:,.0f} | {busy:.0%} |"
    )


def _waits(rounds: list[dict[str, Any]]) -> str:
    """Show how long one request took, and the longest pause of the loop, where they were measured."""
    latency = pause = ""
    if "p99" in rounds[0]:
        latency = " / ".join(f"{statistics.median(one[name] for one in rounds) * 1e3:.2f}" for name in ("p50", "p99"))
    if "pause" in rounds[0]:
        pause = f"{statistics.median(one['pause'] for one in rounds):.1f}"
    return f"{latency} | {pause}"


def _per_request(rounds: list[dict[str, Any]], name: str) -> float:
    return statistics.median(sample[name] / sample["requests"] for sample in rounds) * 1e6


def _import_line(entry: dict[str, Any], rounds: list[dict[str, Any]]) -> str:
    cost, wall = (statistics.median(sample[name] for sample in rounds) * 1e3 for name in ("cpu", "wall"))
    loaded = ", ".join(rounds[0]["loaded"]) or "none"
    return f"| {entry['title']} | {cost:.1f} | {wall:.1f} | {loaded} |"
