"""The command `headrace fetch` as click sees it: an option for each field of a job, and some of its own."""

from __future__ import annotations

from typing import Any, Final

import click

from headrace.cli._app import SETTINGS
from headrace.cli._fetch import job as jobs
from headrace.cli._fetch.usage import UsageError

#: Short names.
_SHORT: Final = {"header": "-H", "method": "-X", "out": "-o", "body": "-d"}
#: What stands for a value, where its type does not say so.
_METAVARS: Final = {
    "out": "FILE", "model": "MODULE:NAME", "client": "MODULE:NAME", "items": "PATH", "pages": "STRATEGY",
    "since": "FIELD=VALUE[,PARAM]", "rate": "N/TIME", "in-flight": "N|auto", "retry": "N", "timeout": "SECONDS",
    "header": "'NAME: VALUE'", "param": "NAME=VALUE", "method": "METHOD", "body": "JSON", "bearer-env": "NAME",
    "oauth2-env": "PREFIX", "expected": "STATUS,…", "max-failures": "N|N%", "max-items": "N", "journal": "FILE",
    "dead-letters": "FILE", "proxy": "URL", "cacert": "FILE", "table": "NAME",
}  # fmt: skip
#: Flags that are said with `no` in front.
_SWITCHES: Final = frozenset({"resume", "retry_failed"})


def _option(field: jobs.Field) -> click.Option:
    """Make the option of a field; one that is not given says nothing, so that a job file may."""
    names = [*([_SHORT[field.key]] if field.key in _SHORT else []), f"--{field.key}", field.name]
    help_ = field.description
    if field.name in _SWITCHES:
        names = [f"--{field.key}/--no-{field.key}", field.name]
        return click.Option(names, default=None, help=help_)
    if bool in field.kind:
        return click.Option(names, is_flag=True, default=None, help=help_)
    shown = field.default not in (None, [], "")
    help_ += f"  [default: {field.default:g}]" if shown and isinstance(field.default, float) else ""
    help_ += f"  [default: {field.default}]" if shown and not isinstance(field.default, float) else ""
    several = any(str(kind) == "list[str]" for kind in field.kind)
    help_ += "  May be given several times." if several else ""
    if field.choices and len(field.kind) == 1:
        return click.Option(names, type=click.Choice(field.choices), help=help_)
    if field.name == "ray":
        return click.Option(names, is_flag=False, flag_value="auto", metavar="[ADDRESS]", help=help_)
    kind: Any = int if field.kind == [int] else float if field.kind == [float] else str
    return click.Option(names, type=kind, multiple=several, metavar=_METAVARS.get(field.key), help=help_)


OWN: Final = (
    click.Option(["--job"], metavar="NAME", help=f"A job of {jobs.FILE}; options beside it stand instead of its own."),
    click.Option(["--job-file"], metavar="FILE", help=f"Where the jobs are.  [default: {jobs.FILE}]"),
    click.Option(
        ["--dry-run"], is_flag=True, help="Say what would be asked, ask the first, and show what is in the answer."
    ),
    click.Option(["--summary"], type=click.Choice(["json"]), help="Write the summary to the standard output, as JSON."),
    click.Option(["-q", "--quiet"], is_flag=True, help="Say nothing but errors."),
    click.Option(["-v", "--verbose"], is_flag=True, help="Log a line for each request."),
)


def said(given: dict[str, Any]) -> dict[str, Any]:
    """Give what was said on the command line, by the keys of a job."""
    found = {}
    for field in jobs.fields():
        value = given[field.name]
        if value is None or value == ():
            continue
        if field.name == "in_flight" and value != "auto":
            value = _whole(value)
        found[field.key] = list(value) if isinstance(value, tuple) else value
    return found


def _whole(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise UsageError(f"--in-flight: got {value!r}, takes a whole number above 0, or auto") from None


def _fetch(
    *,
    job: str | None,
    job_file: str | None,
    dry_run: bool,
    summary: str | None,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> int:
    from headrace.cli._fetch import running

    try:
        table = jobs.read(job, job_file) if job is not None else {}
        wanted = jobs.made(table | said(given))
    except UsageError as error:
        running.tell(f"error: {error}")
        return running.WRONG
    return running.fetch(wanted, dry_run=dry_run, as_json=summary is not None, loudness=-1 if quiet else int(verbose))


_HELP: Final = """Fetch URLs into typed rows, with limits, retries and a journal.

SOURCE is a URL, with ranges ({1..1000}), lists ({a,b}) or the names of columns ({id}) in it; a file with such columns
(.txt, .ndjson, .csv, .parquet); or - for the standard input. A run that finds its journal goes on where that ends, also
after kill -9: no row is lost, and none is there twice. Ctrl-C once ends what is in flight and writes it, twice stops
at once.

Exits with 0 if all is done, 1 if calls failed, rows did not fit or it was stopped early, 2 for wrong usage, 3 if it
could not start, 130 if it was interrupted and 143 if it was terminated."""

fetch = click.Command(
    "fetch",
    context_settings=SETTINGS,
    callback=_fetch,
    help=_HELP,
    params=[
        click.Argument(["source"], nargs=-1, metavar="SOURCE..."),
        *(_option(field) for field in jobs.fields() if field.name != "source"),
        *OWN,
    ],
)
