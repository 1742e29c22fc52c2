"""Where the rows of a bulk go: `client.bulk(…, sink=…).run()`."""

from headrace.bulk._sinks.base import Sink
from headrace.bulk._sinks.discard import Discard
from headrace.bulk._sinks.duckdb import DuckDB
from headrace.bulk._sinks.ndjson import NDJSON
from headrace.bulk._sinks.parquet import Parquet
from headrace.bulk._sinks.sqlite import SQLite

__all__ = ["NDJSON", "Discard", "DuckDB", "Parquet", "SQLite", "Sink"]
