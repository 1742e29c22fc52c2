"""``python -m tests.crossing --requests 1000000``: the long form, which prints what it found."""

import argparse
import asyncio
import sys

import uvloop

from tests.crossing.report import Report
from tests.crossing.run import Crossing

FOUND = ("overlooked", "crossed", "lost", "duplicated", "leaked")


def show(report: Report) -> str:
    """Write a report down.

    Args:
        report: Of a run.
    """
    lines = [
        f"{report.requests:,} requests in {report.seconds:,.0f} s, {report.restarts} restarts of the server",
        ", ".join(f"{count:,} {name}" for name, count in report.outcomes.most_common()),
        f"said unasked: {', '.join(f'{count:,} {said}' for said, count in report.said.most_common())}",
        f"{report.refused:,} connections were not written on, because of what lay in their sockets",
        ", ".join(f"{name} {len(getattr(report, name))}" for name in FOUND),
        f"memory {report.memory[-1] / 2**20:.1f} MiB, last third {report.growth:+.2%} over the second",
    ]
    for name in FOUND:
        lines += getattr(report, name)[:10]
    return "\n".join(lines)


def main() -> int:
    """Run, and fail if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.crossing", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    parser.add_argument("--transport", choices=["wire", "aiohttp"], default="wire")
    arguments = parser.parse_args()
    factory = uvloop.new_event_loop if arguments.loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        report = runner.run(Crossing(arguments.requests, arguments.seed, arguments.transport).run())
    sys.stdout.write(show(report) + "\n")
    return int(any(getattr(report, name) for name in FOUND) or report.growth > 0.02)


if __name__ == "__main__":
    sys.exit(main())
