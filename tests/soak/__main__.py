"""Keep a client at work for as long as you like, and see whether it holds more in the end than at first.

64 connections serve a mix of ten kinds of requests: plain and chunked answers, gzip, 404, redirects, POST, uploads,
streams, answers that are cut short, and requests that run out of time. The server is a process of its own.
"""

import argparse
import asyncio
import logging
import sys
import warnings
from typing import NamedTuple

import uvloop

from tests.servers.child import child_server
from tests.soak.measures import FEW, FEW_BLOCKS, MEBI, MOST_MEMORY, TEN_MINUTES, cost, most_rise, slope
from tests.soak.run import Report, Soak

_LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
_EPILOG = """\
What has to hold; the exit code is 1 where one of these is missed:
  outcomes   every request ends as it has to, with the answer that belongs to it
  warnings   nothing is logged at WARNING, and no error goes unheard
  memory     a line through the samples after the warm-up rises by less than 1 MiB in ten minutes
             (by less than 2 MiB in all where the run is shorter), and no sample is 16 MiB above the first
  at rest    with every connection idle, and again with the client closed: files, tasks, timers and objects
             of every type are as many as before, give or take ten, and blocks of Python's memory, give or
             take a thousand
  speed      in the last minute (or fifth, where that is shorter) a request takes the processor no more than 1.2 times
             as long as in the first, and so does the slowest of a hundred by the clock (p99)

On a machine that has other work to do, p99 says more about that than about the client, and the processor's time says
what the client itself takes: try again, or give both room with --slower.

  python -m tests.soak                                     a minute, over our own transport
  python -m tests.soak --seconds 3600 --transport aiohttp  an hour, over aiohttp
"""


class Row(NamedTuple):
    """One line of the table."""

    name: str
    value: str
    allowed: str
    held: bool


def judge(report: Report, loop: str, slower: float) -> list[Row]:
    """Hold a report against what is allowed.

    Args:
        report: Of a run by time.
        loop: The name of the loop that it was on.
        slower: How much slower the last part may be than the first.
    """
    samples, length = report.samples.read(), report.seconds / len(report.parts)
    last = samples[-1].at
    rise = slope([(sample.at, sample.memory) for sample in samples])
    most = max(sample.memory for sample in samples) - samples[0].memory
    cpu = [
        1e6 * cost([sample for sample in samples if begin <= sample.at <= begin + length])
        for begin in (0.0, last - length)
    ]
    allowed = most_rise(last)
    p99 = [part.percentile(99) for part in (report.parts[0], report.parts[-1])]
    rows = [
        Row("unexpected outcomes", f"{report.counts['(unexpected)']}", "0", not report.unexpected),
        Row("warnings", f"{len(report.warned)}", "0", not report.warned),
        Row(
            "memory: slope",
            f"{rise * TEN_MINUTES / MEBI:+.2f} MiB/10 min",
            f"{allowed * TEN_MINUTES / MEBI:.2f}",
            rise < allowed,
        ),
        Row("memory: most above first", f"{most / MEBI:.1f} MiB", f"{MOST_MEMORY / MEBI:.0f}", most < MOST_MEMORY),
    ]
    for where, (before, after) in (("idle", report.open), ("closed", report.closed)):
        for name in ("open_files", "tasks", "timers"):
            first, then = getattr(before.held, name), getattr(after.held, name)
            told = "not told by uvloop" if name == "timers" and loop == "uvloop" else f"{first} -> {then}"
            rows.append(Row(f"{where}: {name.replace('_', ' ')}", told, f"+{FEW}", then - first <= FEW))
        blocks = after.blocks - before.blocks
        rows.append(Row(f"{where}: blocks", f"{blocks:+,}", f"+{FEW_BLOCKS:,}", blocks <= FEW_BLOCKS))
        grown = before.grown(after)
        value = ", ".join(f"{count:+} {kind}" for count, kind in grown[:4]) or "none"
        rows.append(Row(f"{where}: types with more objects", value, "none", not grown))
    rows.append(
        Row(
            "processor: first and last part",
            f"{cpu[0]:.0f} -> {cpu[1]:.0f} us a request",
            f"x {slower:g}",
            cpu[1] <= slower * cpu[0],
        )
    )
    rows.append(
        Row(
            "p99: first and last part",
            f"{p99[0] * 1e3:.1f} -> {p99[1] * 1e3:.1f} ms",
            f"x {slower:g}",
            p99[1] <= slower * p99[0],
        )
    )
    return rows


def show(report: Report, rows: list[Row]) -> str:
    """Write a report down.

    Args:
        report: Of a run.
        rows: What it was judged by.
    """
    counts = {name: count for name, count in report.counts.items() if not name.startswith("(")}
    memory = [sample.memory for sample in report.samples.read()]
    lines = [
        f"{sum(counts.values()):,} requests in {report.seconds:,.0f} s after the warm-up: "
        + ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())),
        "MiB of memory, part by part: " + " ".join(f"{each / MEBI:.1f}" for each in (*memory[::20], memory[-1])),
        "",
        *(f"{'ok  ' if row.held else 'MISS'}  {row.name:<32} {row.value:<36} allowed {row.allowed}" for row in rows),
        *(f"unexpected: {told}" for told in report.unexpected),
        *(f"warned: {told}" for told in report.warned),
    ]
    return "\n".join(lines)


def main() -> int:
    """Run, and fail if anything was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long, the warm-up included (60)")
    parser.add_argument("--transport", choices=["wire", "aiohttp"], default="wire", help="what sends (wire)")
    parser.add_argument("--loop", choices=list(_LOOPS), default="uvloop", help="what it runs on (uvloop)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the requests (1)")
    parser.add_argument(
        "--slower", type=float, default=1.2, metavar="TIMES", help="how much slower the last part may be (1.2)"
    )
    arguments = parser.parse_args()
    if arguments.seconds < 5:
        parser.error(f"--seconds is {arguments.seconds:g}: give it 5 or more, or nothing can be told")
    logging.captureWarnings(capture=True)
    warnings.simplefilter("always")
    sys.stdout.write(
        f"{arguments.transport} on {arguments.loop}, {arguments.seconds:g} s, a fifth (a minute at most) to warm up\n"
    )
    sys.stdout.flush()
    with child_server("tests.soak.server") as child, asyncio.Runner(loop_factory=_LOOPS[arguments.loop]) as runner:
        report = runner.run(Soak(child.url, arguments.transport, arguments.seed).by_time(arguments.seconds))
    if child.told:
        report.counts["(unexpected)"] += 1
        report.unexpected.append(f"the server: {child.told}")
    rows = judge(report, arguments.loop, arguments.slower)
    sys.stdout.write(show(report, rows) + "\n")
    return int(not all(row.held for row in rows))


if __name__ == "__main__":
    sys.exit(main())
