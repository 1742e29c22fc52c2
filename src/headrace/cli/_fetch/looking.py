"""A look before the run: what would be asked, and what the first answer shows."""

from __future__ import annotations

import itertools
import math
import sys
from typing import TYPE_CHECKING, Any, Final

from headrace import _redact
from headrace._core.call import Call
from headrace._core.values.whole import Answer
from headrace.cli._fetch import paging
from headrace.cli._fetch.usage import StartError, UsageError
from headrace.errors import FrameworkException

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.cli._fetch.building import Plan
    from headrace.cli._fetch.job import Job

#: Calls that are listed.
_LISTED: Final = 5


def first_calls(plan: Plan, count: int) -> list[Call]:
    """Make the first calls of a job.

    Raises:
        UsageError: They come from the standard input, which can be read once.
    """
    calls = plan.source.calls(plan.origin)
    if not hasattr(calls, "__next__"):
        raise UsageError("the standard input can be read once, so there is no look at it; give a file")
    return [each if isinstance(each, Call) else Call(each) for each in itertools.islice(calls, count)]


async def answered(plan: Plan) -> tuple[Call, Answer[Any]]:
    """Ask the first call.

    Raises:
        UsageError: There is none.
        headrace.errors.FrameworkException: There is no answer, or an error.
    """
    found = first_calls(plan, 1)
    if not found:
        raise UsageError("there is nothing to fetch: the source is empty")
    call = found[0]
    return call, await plan.client.request(call.method, call.path, body=call.body, response_format=Answer)


async def strategy(job: Job, plan: Plan, tell: Callable[[str], None]) -> Any:
    """Read --pages; where it says `detect`, ask the first call, and say what its answer shows.

    Raises:
        StartError: Nothing is found.
    """
    given = paging.strategy(job.pages or "")
    if given is not None:
        return given
    from headrace import pages

    _, answer = await answered(plan)
    found = pages.detect(answer)
    if found is None:
        raise StartError("--pages detect: the first answer does not say how there is a next page; name the strategy")
    tell(f"--pages {paging.written(found.pages)} ({'; '.join(found.evidence)})")
    return found.pages


async def all_pages(job: Job, plan: Plan) -> list[Call]:
    """Make the calls for all pages of a series that is counted.

    Raises:
        UsageError: There is more than one series.
        StartError: The first answer does not say how many pages there are.
    """
    from headrace import pages

    if plan.source.total != 1:
        raise UsageError("--parallel: is for one series; several are asked at once without it")
    call, answer = await answered(plan)
    given = paging.strategy(job.pages) if job.pages else None
    found = pages.detect(answer)
    counted = None if found is None else found.pages
    if isinstance(counted, pages.PageNumber):
        first = given.first if isinstance(given, pages.PageNumber) else counted.first
        size = counted.size or 0
        count = _total(answer, counted.total_pages) or math.ceil(_total(answer, counted.total_items) / (size or 1))
        places = range(first, first + count)
        sent = {} if counted.size_parameter is None else {str(counted.size_parameter): size}
    elif isinstance(counted, pages.Offset) and counted.limit:
        places = range(0, _total(answer, counted.total), counted.limit)
        sent = {} if counted.limit_parameter is None else {str(counted.limit_parameter): counted.limit}
    else:
        raise StartError("--parallel: the first answer does not say how many pages there are; leave it out")
    name = given.parameter if isinstance(given, pages.PageNumber | pages.Offset) else counted.parameter
    return [Call(call.path, call.method, body=call.body, parameters={name: place, **sent}) for place in places]


def _total(answer: Answer[Any], place: Any) -> int:
    found = rows_at(answer.value, place) if isinstance(place, str) else [place]
    return found[0] if found and type(found[0]) is int else 0


async def look(job: Job, plan: Plan) -> int:
    """Say what would be asked, ask the first call, and say what its answer shows.

    Returns:
        The exit code.
    """
    from headrace import pages

    say = _say
    listed = first_calls(plan, _LISTED)
    total = plan.source.total
    say(f"{'an unknown number of' if total is None else f'{total:,}'} calls to {_redact.url(plan.client.uri)}:")
    for call in listed:
        say(f"  {call.method} {_redact.path(call.path)}")
    if total is None or total > len(listed):
        say("  …")
    async with plan.client:
        try:
            _, answer = await answered(plan)
        except FrameworkException as error:
            say(f"the first answer: {error}")
            return 1
    say(f"the first answer: {answer.status}, {answer.elapsed * 1000:,.0f} ms")
    found = pages.detect(answer)
    if found is None:
        say("pages: nothing in it says that there is a next one")
    else:
        say(f"pages: --pages '{paging.written(found.pages)}': {'; '.join(found.evidence)}")
    where = job.items if job.items is not None else None if found is None else found.items
    rows = rows_at(answer.value, where)
    say(f"rows: {len(rows):,}" + (f" at {where!r}" if where else ""))
    from headrace.cli._init.inferring import columns

    for name, kind in columns(rows):
        say(f"  {name}: {kind}")
    return 0


def rows_at(document: Any, place: str | None) -> list[Any]:
    """Find the rows of a document: what is at the place, else the document."""
    for part in place.split(".") if place else ():
        if isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        elif isinstance(document, dict) and part in document:
            document = document[part]
        else:
            raise UsageError(f"--items {place}: the first answer has nothing there")
    if document is None:
        return []
    return document if isinstance(document, list) else [document]


def _say(line: str) -> None:
    print(line, file=sys.stdout, flush=True)
