"""``python -m tests.crossing --requests 1000000``: the long form, which prints what it found."""

import argparse
import asyncio
import sys

import uvloop

from tests.crossing.run import Crossing, Report


def show(report: Report) -> str:
    """Write a report down.

    Args:
        report: Of a run.
    """
    lines = [
        f"{report.requests:,} requests in {report.seconds:,.0f} s, {report.restarts} restarts of the server",
        ", ".join(f"{count:,} {name}" for name, count in report.outcomes.most_common()),
        ", ".join(f"{name} {len(getattr(report, name))}" for name in ("crossed", "lost", "duplicated", "leaked")),
        f"memory {report.memory[-1] / 2**20:.1f} MiB, last third {report.growth:+.2%} over the second",
    ]
    for found in (report.crossed, report.lost, report.duplicated, report.leaked):
        lines += found[:10]
    return "\n".join(lines)


def main() -> int:
    """Run, and fail if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.crossing", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    arguments = parser.parse_args()
    factory = uvloop.new_event_loop if arguments.loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        report = runner.run(Crossing(arguments.requests, arguments.seed).run())
    sys.stdout.write(show(report) + "\n")
    found = report.crossed or report.lost or report.duplicated or report.leaked
    return int(bool(found) or report.growth > 0.02)


if __name__ == "__main__":
    sys.exit(main())
