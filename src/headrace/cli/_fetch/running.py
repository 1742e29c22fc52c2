"""A job is run, watched and summed up; whatever happens ends in a line and an exit code, never in a traceback."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from headrace import _stopping
from headrace._run import run, write_log
from headrace.cli._fetch import building, looking, paging, summary
from headrace.cli._fetch.screen import screen_for
from headrace.cli._fetch.usage import StartError, UsageError
from headrace.errors import ClientError, FrameworkException

if TYPE_CHECKING:
    from headrace.bulk.report import Report
    from headrace.cli._fetch.job import Job
    from headrace.cli._fetch.screen import Screen

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2
NOT_STARTED: Final = 3
INTERRUPTED: Final = 128 + signal.SIGINT
TERMINATED: Final = 128 + signal.SIGTERM


def fetch(job: Job, *, dry_run: bool, as_json: bool, loudness: int) -> int:
    """Run a job.

    Args:
        job: What was asked for.
        dry_run: Whether to look only: what would be asked, and the first answer.
        as_json: Whether the summary goes to the standard output, as JSON.
        loudness: -1 for errors alone, 0 for progress, 1 for a line a request too.

    Returns:
        The exit code.
    """
    began: list[Report] = []
    try:
        plan = building.plan(job, looks_only=dry_run)
        if loudness > 0:
            write_log("info")
        if job.insecure:
            tell("warning: --insecure: no certificate is checked; whoever is in between can read and change everything")
        if dry_run:
            return run(looking.look(job, plan))
        _begin_anew(job, plan)
        if job.ray is not None:
            return _run_on_ray(job, plan, as_json=as_json, quiet=loudness < 0)
        return run(_run(job, plan, began, as_json=as_json, quiet=loudness < 0))
    except UsageError as error:
        tell(f"error: {error}")
        return WRONG if not (began and began[0].calls) else FAILED
    except (StartError, FrameworkException, OSError) as error:
        tell(f"error: {error}")
        return NOT_STARTED if not (began and began[0].calls) else FAILED
    except (KeyboardInterrupt, asyncio.CancelledError):
        tell("stopped at once; what was committed stays, and the same command goes on from there")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a traceback helps nobody who typed a command
        tell(f"error: {type(error).__name__}: {error}")
        return NOT_STARTED if not (began and began[0].calls) else FAILED


def tell(line: str) -> None:
    """Write a line to the standard error, if anybody reads that."""
    with suppress(OSError, ValueError):
        print(f"headrace: {line}", file=sys.stderr, flush=True)


def _begin_anew(job: Job, plan: building.Plan) -> None:
    """See to what is there from another run: it is gone on with, deleted, or refused.

    Raises:
        StartError: There is output without a journal.
        headrace.errors.JournalError: Another run is writing it.
    """
    journal: Path = plan.options["journal"]
    if not job.resume and journal.exists():
        from headrace.bulk.journal import Writer

        Writer(journal).close()  # refused where another run is at it
        for each in (journal, journal.with_name(f"{journal.name}-wal"), journal.with_name(f"{journal.name}-shm")):
            each.unlink(missing_ok=True)
    if job.resume and not journal.exists() and _occupied(plan.sink.path) and not hasattr(plan.sink, "table"):
        raise StartError(
            f"{plan.sink.path} is there, and its journal {journal} is not: give another --out, or --no-resume"
        )


def _occupied(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.is_file() and path.stat().st_size > 0


async def _run(job: Job, plan: building.Plan, began: list[Report], *, as_json: bool, quiet: bool) -> int:
    options = plan.options
    async with plan.client as client:
        calls = plan.source.calls(plan.origin)
        if job.parallel:
            calls = await looking.all_pages(job, plan)
        elif job.pages:
            options["pages"] = await looking.strategy(job, plan, tell)
        if job.since:
            options["incremental"] = _incremental(job)
        screen = screen_for(client, plan.source.total, quiet=quiet)
        options["progress"] = screen
        stop: list[Any] = []
        if job.max_items is not None:
            options["transform"] = _counting(job.max_items, stop)
            plan.sink.expect(plan.model)
        bulk: Any = client.bulk(calls, response_format=plan.model, sink=plan.sink, **options)
        stop.append(bulk.stop)
        began.append(bulk.report)
        watched = _watched(bulk.stop, screen)
        bulk.stop = watched
        try:
            report: Report = await bulk.run()
        finally:
            screen.stop()
        return _sum_up(job, plan, report, as_json=as_json, quiet=quiet)


def _run_on_ray(job: Job, plan: building.Plan, *, as_json: bool, quiet: bool) -> int:
    """Run a job over the machines of a Ray cluster."""
    for name in ("pages", "parallel", "since", "max_items"):
        if getattr(job, name) not in {None, False}:
            raise UsageError(f"--{name.replace('_', '-')}: has no use with --ray, whose calls are made in whole shards")
    import headrace.ray
    from headrace.ray._cluster import Recipe

    screen = screen_for(plan.client, plan.source.total, quiet=quiet)
    try:
        report = headrace.ray.bulk(
            Recipe(type(plan.client), plan.client.config), plan.source.calls(plan.origin),
            response_format=plan.model, sink=plan.sink, address=None if job.ray == "auto" else job.ray,
            progress=screen, **plan.options,
        )  # fmt: skip
    finally:
        screen.stop()
    return _sum_up(job, plan, report, as_json=as_json, quiet=quiet)


def _sum_up(job: Job, plan: building.Plan, report: Report, *, as_json: bool, quiet: bool) -> int:
    """Say what was done, and with what code to exit."""
    _bury(job, plan.options["journal"])
    code = _code(report)
    facts = summary.facts(report, plan.client.stats, plan, code)
    if as_json:
        print(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode())
    if not quiet:
        with suppress(OSError, ValueError):
            print(summary.text(facts, report), file=sys.stderr, flush=True)
    return code


def _watched(stop: Any, screen: Screen) -> Any:
    """Say what the first Ctrl-C does, when it does it."""

    def stopping() -> None:
        if _stopping.signalled() is not None:
            screen.note("stopping: what is in flight ends, and is written; once more stops at once")
        stop()

    return stopping


def _code(report: Report) -> int:
    number = _stopping.signalled()
    if report.stopped and number is not None:
        return 128 + number
    return DONE if report.ok else FAILED


def _counting(most: int, stop: list[Any]) -> Any:
    """Make what counts rows, and stops at a number of them."""
    seen = 0

    def count(row: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == most:
            stop[0]()
        return row

    return count


def _incremental(job: Job) -> Any:
    from headrace._core.pages.incremental import Incremental

    field, initial, parameter = paging.since(job.since or "")
    return Incremental(field, parameter, initial=initial)


def _bury(job: Job, journal: Path) -> None:
    """Write the calls that failed into a file of their own."""
    if not job.dead_letters:
        return
    from headrace.bulk.journal import Journal

    try:
        with Journal(journal) as read, Path(job.dead_letters).open("wb") as file:
            file.writelines(orjson.dumps(summary.letter(letter)) + b"\n" for letter in read.failed())
    except OSError as error:
        raise ClientError(f"--dead-letters: {job.dead_letters}: {error.strerror}") from error
