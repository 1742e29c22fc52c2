"""A job becomes a client, calls and a sink."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from yarl import URL

from headrace.cli._fetch import paging, secrets
from headrace.cli._fetch.job import listed
from headrace.cli._fetch.sources import Source
from headrace.cli._fetch.usage import UsageError, named
from headrace.errors import FrameworkException

if TYPE_CHECKING:
    from headrace.bulk._sinks.base import Mode
    from headrace.cli._fetch.job import Job
    from headrace.client import AsyncClient

#: What the name of a file says that is written.
_FORMATS: Final = {
    ".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson", ".gz": "ndjson.gz", ".zst": "ndjson.zst",
    ".parquet": "parquet", ".sqlite": "sqlite", ".sqlite3": "sqlite", ".db": "sqlite", ".duckdb": "duckdb",
}  # fmt: skip


class Plan(NamedTuple):
    """What is to be run.

    Attributes:
        client: Asks.
        source: The calls.
        origin: What begins the URLs that become paths; see `Source.calls`.
        options: The options of the bulk.
        sink: Where the rows go; `None` for a look only.
        model: What a row becomes, or `None`.
        first: The first URL or path, or `None`.
        method: The method of every call.
    """

    client: Any
    source: Source
    origin: str
    options: dict[str, Any]
    sink: Any
    model: Any
    first: str | None
    method: str


def plan(job: Job, *, looks_only: bool) -> Plan:
    """Read a job, and make all that it needs; nothing is asked.

    Args:
        job: What was asked for.
        looks_only: Whether nothing is to be written.

    Raises:
        UsageError: Something of it is wrong.
    """
    body = _body(job.body)
    method = (job.method or ("GET" if job.body is None else "POST")).upper()
    source = Source(listed(job.source), method, body, paths=job.client is not None)
    first = source.first_url()
    try:
        if job.pages:
            paging.strategy(job.pages)
        if job.since:
            paging.since(job.since)
        client, origin = _client(job, first)
        options = _options(job)
        sink = None if looks_only else _sink(job)
    except FrameworkException as error:
        raise UsageError(str(error)) from error
    model = named(job.model, "--model") if job.model else None
    if sink is not None and job.journal is None:
        options["journal"] = sink.journal
    return Plan(client, source, origin, options, sink, model, first, method)


def _body(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"--body: is no JSON: {error.msg} at character {error.pos}") from None


def _client(job: Job, first: str | None) -> tuple[AsyncClient, str]:
    """Make the client, and say what begins the URLs that are its own."""
    from headrace.client import AsyncClient

    kind: Any = AsyncClient
    if job.client:
        kind = named(job.client, "--client")
        if not (isinstance(kind, type) and issubclass(kind, AsyncClient)):
            raise UsageError(f"--client: {job.client} is no client class (a subclass of headrace.AsyncClient)")
    origin = ""
    if first is not None and "://" in first:
        secrets.check_url(first, "SOURCE")
        try:
            origin = str(URL(first, encoded=True).origin())
        except ValueError:
            raise UsageError(f"{first}: is no URL of a server") from None
    settings: dict[str, Any] = {**secrets.credentials(job, first), **_settings(job)}
    if job.client:  # it has a uri of its own, under which its paths are
        return kind(**settings), ""
    if not origin:
        raise UsageError("the standard input alone does not say what server it is about: give a --client, or a URL too")
    return kind(origin, **settings), origin


def _settings(job: Job) -> dict[str, Any]:
    from headrace.config import PoolLimits

    in_flight = job.in_flight if isinstance(job.in_flight, int) else _MOST
    found: dict[str, Any] = {"timeout": job.timeout, "pool": PoolLimits(max_connections=max(1, in_flight))}
    headers = secrets.pairs(job.header, "--header", ":")
    parameters = secrets.pairs(job.param, "--param", "=")
    rates = [paging.rate(each) for each in listed(job.rate)]
    if headers:
        found["headers"] = headers
    if parameters:
        found["parameters"] = parameters
    if rates:
        from headrace.limits import RateLimiter

        found["limiter"] = RateLimiter.all_of(*rates)
    if job.proxy:
        found["proxy"] = secrets.check_url(job.proxy, "--proxy")
    if job.insecure and job.cacert:
        raise UsageError("--insecure and --cacert: give one of them")
    if job.insecure:
        found["tls"] = False
    if job.cacert:
        import ssl

        try:
            found["tls"] = ssl.create_default_context(cafile=job.cacert)
        except OSError as error:  # an `ssl.SSLError` is one
            raise UsageError(f"--cacert: {job.cacert}: {error.strerror or error}") from error
    return found


#: Requests in flight at most where the number is found out.
_MOST: Final = 512


def _options(job: Job) -> dict[str, Any]:
    """Make the options of the bulk."""
    from headrace.policies import Retry

    options: dict[str, Any] = {
        "items": job.items,
        "in_flight": job.in_flight,
        "retry": Retry(attempts=job.retry + 1) if job.retry else None,
        "expected": paging.statuses(job.expected) if job.expected else frozenset(),
        "on_invalid": job.on_invalid,
        "max_failures": paging.most_failures(job.max_failures),
        "retry_failed": job.retry_failed,
    }
    if job.max_items is not None and isinstance(job.in_flight, int):
        options["in_flight"] = max(1, min(job.in_flight, job.max_items))
    if job.journal:
        options["journal"] = Path(job.journal)
    return options


def _sink(job: Job) -> Any:
    """Make the sink; its kind is what --format says, else what the name of the file says."""
    if not job.out:
        raise UsageError("--out: is missing: say where the rows go, such as --out rows.ndjson (or look with --dry-run)")
    path = Path(job.out)
    kind = job.format or _FORMATS.get(path.suffix.lower()) or ("parquet" if job.out.endswith("/") else None)
    if kind is None:
        raise UsageError(f"--out: {job.out}: its name does not say what it is; give --format")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--out: the folder {path.absolute().parent} is not there")
    mode: Mode | None = None if job.resume else "replace"
    if kind.startswith("ndjson"):
        from headrace.bulk._sinks.ndjson import NDJSON

        packed = {"ndjson.gz": ".gz", "ndjson.zst": ".zst"}.get(kind, "")
        if packed != (path.suffix if path.suffix in (".gz", ".zst") else ""):
            raise UsageError(f"--format {kind}: the name of --out has to say so too, such as rows.{kind}")
        return NDJSON(path, mode=mode)
    if kind == "parquet":
        from headrace.bulk._sinks.parquet import Parquet

        return Parquet(path, mode=mode)
    if kind == "sqlite":
        from headrace.bulk._sinks.sqlite import SQLite

        return SQLite(path, job.table, mode=mode)
    from headrace.bulk._sinks.duckdb import DuckDB

    return DuckDB(path, job.table, mode=mode)
