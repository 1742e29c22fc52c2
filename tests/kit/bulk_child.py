"""A bulk in a process of its own, to be killed: ``python -m tests.kit.bulk_child URL FOLDER SINK CALLS [STEP BATCH]``.

With ``full`` and a number of bytes as the last two, no file may be larger than that: a disk that is full.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

import headrace
from headrace import sinks
from headrace.bulk import batches
from headrace.errors import FrameworkException
from tests.kit.bulk import User

#: By name, what makes a sink in a folder.
SINKS: dict[str, Any] = {
    "ndjson": lambda folder: sinks.NDJSON(folder / "rows.ndjson"),
    "gzip": lambda folder: sinks.NDJSON(folder / "rows.ndjson.gz"),
    "zstd": lambda folder: sinks.NDJSON(folder / "rows.ndjson.zst"),
    "sqlite": lambda folder: sinks.SQLite(folder / "rows.db", "users"),
    "upsert": lambda folder: sinks.SQLite(folder / "rows.db", "users", "id"),
    "parquet": lambda folder: sinks.Parquet(folder / "rows", rows_per_file=250),
    "duckdb": lambda folder: sinks.DuckDB(folder / "rows.duckdb", "users", "id"),
}
#: Rows after which a batch ends here, so that there are many.
ROWS = 100
#: Characters of a name, so that a disk is soon full.
WIDTH = 1000


async def main(url: str, folder: Path, sink: str, calls: int) -> None:
    """Run the calls, every tenth of them refused."""
    paths = (f"/{'refused' if number % 10 == 3 else 'users'}/{number}" for number in range(calls))
    async with headrace.AsyncClient(url) as client:
        bulk = client.bulk(
            paths, response_format=User, sink=SINKS[sink](folder), journal=folder / "journal", in_flight=16,
            transform=lambda user: msgspec.structs.replace(user, name=user.name.ljust(WIDTH, "-")),
        )  # fmt: skip
        try:
            report = await bulk.run()
        except FrameworkException as error:
            sys.stdout.write(f"{type(error).__name__}: {error}\n")
        else:
            sys.stdout.write(f"{report.done} {report.failed} {report.skipped} {report.stopped}\n")


def kill_at(step: str, batch: int) -> None:
    """End this process as `kill -9` does, at a step of a batch."""

    def between(at: str, number: int) -> None:
        if (at, number) == (step, batch):
            os.kill(os.getpid(), signal.SIGKILL)

    batches.between = between


if __name__ == "__main__":
    from headrace.bulk import running

    running.MOST = ROWS  # type: ignore[misc] # a batch of 10,000 would make these tests long
    given_url, given_folder, given_sink, given_calls, *given_step = sys.argv[1:]
    if given_step[:1] == ["full"]:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (int(given_step[1]), resource.RLIM_INFINITY))
    elif given_step:
        kill_at(given_step[0], int(given_step[1]))
    headrace.run(main(given_url, Path(given_folder), given_sink, int(given_calls)))
