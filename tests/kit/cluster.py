"""A bulk over two actors of Ray in a process of its own, to be killed: ``… URL FOLDER CALLS SHARD``."""

from __future__ import annotations

import sys
from typing import Any

from headrace import AsyncClient, sinks
from tests.kit.bulk import User


def run(url: str, folder: str, calls: int, shard: int) -> Any:
    """Run a bulk over two actors."""
    import headrace.ray

    class _Settings(AsyncClient, uri=url):
        """Only its config is used."""

    paths = (f"/users/{number}" for number in range(calls))
    return headrace.ray.bulk(
        _Settings().config, paths, response_format=User, sink=sinks.Parquet(folder), actors=2, shard=shard
    )


if __name__ == "__main__":
    report = run(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    sys.stdout.write(f"{report.done} {report.skipped}\n")
