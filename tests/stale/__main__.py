"""Send requests in the very milliseconds in which the server closes their connections for being idle.

Half of them are GETs, a quarter POSTs, and a quarter POSTs with an idempotency key. What has to hold, whatever the
moment: each is answered with what belongs to it; only a POST without a key may fail, with a `ConnectionLost` that says
that it may have been sent; none of those is sent twice, and nothing is sent three times. Else the exit code is 1.
"""

import argparse
import asyncio
import sys
import time

import uvloop

from tests.stale.run import ENDS, METHODS, Report, race

_LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


def show(report: Report) -> str:
    """Write a report down.

    Args:
        report: Of a run.
    """
    lines = [f"{'':<12}{'requests':>10}{'met a dead connection':>24}{'failed':>10}"]
    lines += [
        f"{method:<12}{report.rounds[method]:>10,}{report.hits[method]:>24,}{report.failed[method]:>10,}"
        for method in dict.fromkeys(METHODS)
    ]
    return "\n".join([*lines, f"wrong: {len(report.wrong)}", *report.wrong[:20]])


def main() -> int:
    """Run over both transports, or one, and fail if anything was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.stale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100_000, help="requests over each transport (100000)")
    parser.add_argument("--transport", choices=["wire", "aiohttp"], help="only this one")
    parser.add_argument("--loop", choices=list(_LOOPS), default="uvloop", help="what it runs on (uvloop)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which requests are sent (1)")
    arguments = parser.parse_args()
    wrong = False
    for transport in [arguments.transport] if arguments.transport else ["wire", "aiohttp"]:
        began = time.monotonic()
        with asyncio.Runner(loop_factory=_LOOPS[arguments.loop]) as runner:
            report = race(transport, ENDS, arguments.rounds, runner, arguments.seed)
        sys.stdout.write(f"{transport} on {arguments.loop}, {time.monotonic() - began:,.0f} s\n{show(report)}\n")
        sys.stdout.flush()
        wrong = wrong or bool(report.wrong)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
