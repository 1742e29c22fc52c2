"""``python -m tests.real_servers --requests 10000``: the long form, over every server that is installed."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.real_servers.run import mixed, run
from tests.real_servers.servers import SERVERS, running

_LEAST_REUSE = 0.99


def _run(name: str, transport: str, requests: int, seed: int, proxy: str | None) -> bool:
    """Run over one server, print a line of the table, and tell whether all was well."""
    server = SERVERS[name]
    with tempfile.TemporaryDirectory() as directory, running(server, Path(directory)) as url:
        outcome = asyncio.run(run(url, transport, server, mixed(server, requests, seed), proxy))
    # A proxy may end connections as it likes.
    well = not outcome.wrong and (proxy is not None or outcome.reuse >= _LEAST_REUSE)
    kinds = len(outcome.calls)
    _print(
        f"| {name} | {transport} | {requests:,} | {kinds} | {len(outcome.wrong)} | {outcome.reuse:.2%} |"
        f" {outcome.seconds:.0f} s |{'' if well else ' FAILED'}"
    )
    for sentence in outcome.wrong[:5]:
        _print(f"    {sentence}")
    return well


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run, and fail if anything was wrong, or if a server that was named is not there."""
    parser = argparse.ArgumentParser(prog="python -m tests.real_servers", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="calls to each server over each transport")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--transport", choices=["wire", "aiohttp"], action="append")
    parser.add_argument("--server", choices=list(SERVERS), action="append", help="by default all that are installed")
    parser.add_argument("--proxy", help="the URL of a proxy to go through; connections need not serve again then")
    arguments = parser.parse_args()
    _print("| server | transport | calls | kinds | wrong | reuse | time |\n|---|---|---|---|---|---|---|")
    well = True
    for name in arguments.server or SERVERS:
        missing = SERVERS[name].missing
        if missing:
            _print(f"| {name} | not installed: {missing} |")
            well = well and arguments.server is None and not SERVERS[name].in_ci
            continue
        for transport in arguments.transport or ("wire", "aiohttp"):
            well = _run(name, transport, arguments.requests, arguments.seed, arguments.proxy) and well
    return int(not well)


if __name__ == "__main__":
    sys.exit(main())
