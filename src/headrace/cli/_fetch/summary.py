"""What a run has done, as a table and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from headrace._core.stats import Stats
    from headrace.bulk._letters import DeadLetter
    from headrace.bulk.report import Report
    from headrace.cli._fetch.building import Plan

_COUNTS: Final = ("calls", "done", "failed", "expected", "skipped", "duplicates", "rows", "rejected", "bytes")
#: Failures that are shown one by one.
_SHOWN: Final = 5


def facts(report: Report, stats: Stats, plan: Plan, code: int) -> dict[str, Any]:
    """List what a run has done.

    Args:
        report: What the bulk has counted.
        stats: What the client has counted.
        plan: What was run.
        code: The exit code.
    """
    found: dict[str, Any] = {name: getattr(report, name) for name in _COUNTS}
    found["seconds"] = round(report.seconds, 3)
    found["calls_per_second"] = round(report.rate, 1)
    found["latency_ms"] = {f"p{share}": round(value * 1000, 1) for share, value in report.percentiles.items()}
    found["retries"] = stats.retries
    found["limiter_seconds"] = round(stats.limiter_seconds, 3)
    found["errors"] = dict(report.errors.most_common())
    found["stopped"] = report.stopped
    found["out"] = str(plan.sink.path)
    found["journal"] = str(plan.options["journal"])
    found["exit_code"] = code
    return found


def text(found: dict[str, Any], report: Report) -> str:
    """Show it as a table, with the first failures below."""
    lines = [
        (name, f"{found[name]:,}") for name in _COUNTS if found[name] or name in ("calls", "done", "failed", "rows")
    ]
    lines += [("seconds", f"{found['seconds']:,.2f}"), ("calls a second", f"{found['calls_per_second']:,.1f}")]
    lines += [(name, f"{value:,.1f} ms") for name, value in found["latency_ms"].items()]
    lines += [("retries", f"{found['retries']:,}")] if found["retries"] else []
    lines += [("limiter waits", f"{found['limiter_seconds']:,.1f} s")] if found["limiter_seconds"] else []
    lines += [(f"  {kind}", f"{count:,}") for kind, count in found["errors"].items()]
    width = max(len(name) for name, _ in lines)
    wide = max(len(value) for _, value in lines)
    shown = [f"{name:<{width}}  {value:>{wide}}" for name, value in lines]
    shown += [f"failed: {failure.error}"[:300] for failure in report.failures[:_SHOWN]]
    if report.failed > _SHOWN:
        shown.append(f"… and {report.failed - _SHOWN:,} more, in the journal")
    shown.append(f"rows in {found['out']}, journal in {found['journal']}")
    if report.stopped:
        shown.append("stopped before the end; the same command goes on from here")
    return "\n".join(shown)


def letter(dead: DeadLetter) -> dict[str, Any]:
    """Write a dead letter, with its call where that was stored."""
    found = {name: getattr(dead, name) for name in ("key", "kind", "error", "status", "attempts", "excerpt", "time")}
    if dead.stored is None:
        return found | {"why_not_stored": dead.why}
    call = dead.call
    return found | {"method": call.method, "path": str(call.path), "body": call.body}
