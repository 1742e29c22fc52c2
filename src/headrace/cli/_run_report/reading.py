"""What a journal knows of its runs, put together to be shown."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec

from headrace.bulk._letters import DeadLetter, Rejected
from headrace.bulk.journal import Journal
from headrace.bulk.report import percentiles_of
from headrace.bulk.samples import Route, Sample

if TYPE_CHECKING:
    from pathlib import Path

#: Dead letters and rows that did not fit that are shown one by one.
MOST_SHOWN: Final = 50
_ROUTES: Final = 15


@attrs.frozen
class Moment:
    """What happened between two samples, a second or so.

    Attributes:
        at: Seconds of running, of all runs before as well.
        rate: Calls a second.
        latencies: Seconds by share, such as 95.
        failed: Failures a second, by kind.
        retries: Retries a second.
        waiting: Requests that waited for the limiter at a time, on average.
        in_flight: Requests under way.
    """

    at: float
    rate: float
    latencies: dict[int, float]
    failed: dict[str, float]
    retries: float
    waiting: float
    in_flight: int


@attrs.frozen
class Facts:
    """What is shown of a journal.

    Attributes:
        name: The name of its file.
        runs: When each run began, in UTC, and at how many seconds of running.
        moments: How they went.
        figures: Names and values, of all runs together.
        percentiles: Seconds by share, of all calls.
        errors: Failures of all runs by kind.
        routes: The slowest routes, the slowest first.
        letters: The dead letters; the first of them.
        dead: How many there are.
        rejects: The rows that did not fit; the first of them.
        rejected: How many there are.
        settings: Names and values, masked.
    """

    name: str
    runs: list[tuple[dt.datetime, float]]
    moments: list[Moment]
    figures: list[tuple[str, str]]
    percentiles: dict[int, float]
    errors: Counter[str]
    routes: list[tuple[str, Route, dict[int, float]]]
    letters: list[DeadLetter]
    dead: Counter[str]
    rejects: list[Rejected]
    rejected: int
    settings: dict[str, str]


def read(path: Path) -> Facts:
    """Read a journal, also while a run writes it.

    Raises:
        headrace.errors.JournalError: It is none.
    """
    with Journal(path) as journal:
        about = journal.about
        samples = list(journal.samples())
        dead: Counter[str] = Counter()
        letters: list[DeadLetter] = []
        for letter in journal.failed():
            dead[letter.kind] += 1
            letters += [letter] if len(letters) < MOST_SHOWN else []
        rejected = 0
        rejects: list[Rejected] = []
        for each in journal.rejects():
            rejected += 1
            rejects += [each] if len(rejects) < MOST_SHOWN else []
        done = journal.done
    runs = [list(each) for _, each in itertools.groupby(samples, lambda sample: sample.run)]
    moments: list[Moment] = []
    begins: list[tuple[dt.datetime, float]] = []
    latencies: Counter[int] = Counter()
    errors: Counter[str] = Counter()
    passed = 0.0
    for run in runs:
        begins.append((dt.datetime.fromtimestamp(run[0].run, dt.UTC), passed))
        moments += _moments(run, passed)
        passed += run[-1].seconds
        errors.update(run[-1].errors)
        for sample in run:
            latencies.update(sample.latencies)
    routes = msgspec.convert(about.get("routes", {}), dict[str, Route], strict=False)
    slowest = [(name, route, percentiles_of(route.latencies)) for name, route in routes.items() if route.calls]
    slowest.sort(key=lambda each: -each[2][95])
    figures = _figures(runs, passed, done, dead.total(), rejected)
    return Facts(
        name=path.name,
        runs=begins,
        moments=moments,
        figures=figures,
        percentiles=percentiles_of(latencies),
        errors=errors,
        routes=slowest[:_ROUTES],
        letters=letters,
        dead=dead,
        rejects=rejects,
        rejected=rejected,
        settings={**about.get("job", {}), **about.get("settings", {})},
    )


def _figures(runs: list[list[Sample]], seconds: float, done: int, dead: int, rejected: int) -> list[tuple[str, str]]:
    last = [run[-1] for run in runs]
    ended = sum(sample.done + sample.failed + sample.expected for sample in last)
    found = [("calls done", f"{done:,}"), ("dead letters", f"{dead:,}"), ("rows rejected", f"{rejected:,}")]
    if not last:
        return found
    return [
        *found,
        ("runs", f"{len(runs):,}"),
        ("rows seen", f"{sum(sample.rows for sample in last):,}"),
        ("seconds", f"{seconds:,.1f}"),
        ("calls a second", f"{ended / seconds:,.1f}" if seconds else "-"),
        ("bytes", f"{sum(sample.bytes for sample in last):,}"),
        ("retries", f"{sum(sample.retries for sample in last):,}"),
        ("limiter waits", f"{sum(sample.limiter_seconds for sample in last):,.1f} s"),
    ]


def _moments(run: list[Sample], passed: float) -> list[Moment]:
    """Compare each sample with the one before."""
    found = []
    before = Sample(run[0].run, 0.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, {}, {})
    for sample in run:
        seconds = sample.seconds - before.seconds
        if seconds <= 0:
            continue
        ended = sum(getattr(sample, each) - getattr(before, each) for each in ("done", "failed", "expected"))
        failed = {kind: (count - before.errors.get(kind, 0)) / seconds for kind, count in sample.errors.items()}
        waited = sample.limiter_seconds - before.limiter_seconds
        found.append(
            Moment(
                at=passed + sample.seconds,
                rate=ended / seconds,
                latencies=percentiles_of(sample.latencies),
                failed=failed,
                retries=(sample.retries - before.retries) / seconds,
                waiting=max(0.0, waited / seconds),
                in_flight=sample.in_flight,
            )
        )
        before = sample
    return found


def texts(letter: Any) -> tuple[str, str, str]:
    """Write a dead letter: its kind, what it asked, and why it failed."""
    asked = letter.key
    if letter.stored is not None:
        call = letter.call
        asked = f"{call.method} {'' if call.path is None else call.path}"
    return letter.kind, asked, letter.error
