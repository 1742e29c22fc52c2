"""A bulk in a process of its own, to be killed.

``python -m tests.kit.bulk_child URL FOLDER SINK KIND CALLS [STEP BATCH]``. What is called is of a kind: ``users``,
every tenth of them refused, ``lists`` in pages, or ``feeds``, whose new rows alone are asked for. With ``tell`` as the
last argument it says when it has begun.

With ``full`` and a number of bytes as the last two, no file may be larger than that: a disk that is full.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import headrace
from headrace import sinks
from headrace.bulk import batches
from headrace.errors import FrameworkException
from headrace.pages import Cursor
from tests.kit.bulk import Event as Row
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


NEXT = Cursor("next", parameter="cursor")
NEW = {order: headrace.Incremental("at", "since", lag=1, order=order, row_key="id") for order in ("asc", "desc")}


def what(kind: str, calls: int) -> dict[str, Any]:
    """Name the calls of a kind, and how they are asked."""
    if kind == "users":
        paths = (f"/{'refused' if number % 10 == 3 else 'users'}/{number}" for number in range(calls))
        return {"calls": paths, "response_format": User}
    if kind == "lists":
        paths = (f"/lists/{number}" for number in range(calls))
        return {"calls": paths, "response_format": User, "items": "data", "pages": NEXT}
    feeds = (
        headrace.Call(f"/feeds/{number}", incremental=NEW["desc" if number % 2 else "asc"]) for number in range(calls)
    )
    return {"calls": feeds, "response_format": Row, "items": "data", "pages": NEXT}


async def main(url: str, folder: Path, sink: str, kind: str, calls: int, *, tell: bool) -> None:
    """Run the calls."""
    told: list[str] = []

    def begun(_: object) -> None:
        if tell and not told:
            told.append("begun")
            sys.stdout.write("begun\n")
            sys.stdout.flush()

    async with headrace.AsyncClient(url) as client:
        bulk = client.bulk(
            **what(kind, calls), sink=SINKS[sink](folder), journal=folder / "journal", in_flight=16, progress=begun,
            transform=lambda user: User(user.id, getattr(user, "name", "").ljust(WIDTH, "-")),
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
    given_url, given_folder, given_sink, given_kind, given_calls, *given_step = sys.argv[1:]
    if given_step[:1] == ["full"]:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (int(given_step[1]), resource.RLIM_INFINITY))
    elif given_step and given_step != ["tell"]:
        kill_at(given_step[0], int(given_step[1]))
    headrace.run(
        main(given_url, Path(given_folder), given_sink, given_kind, int(given_calls), tell=given_step == ["tell"])
    )
