"""How a run went, second by second, as `headrace report` draws it: a journal keeps that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from headrace.bulk.outcomes import Ok
from headrace.bulk.report import bucket_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace._core.call import Call
    from headrace._core.stats import Stats
    from headrace.bulk.report import Report

#: Routes that are told apart; calls of others are counted as one.
_MOST_ROUTES: Final = 100
_OTHERS: Final = "(others)"
#: Of so many calls one is counted by its route, once there were many: to find a route costs as much as a sample may.
_ONE_OF: Final = 16
_ALL: Final = 1000
#: Parts of a path that are values: numbers, UUIDs, digests and what is encoded.
_VALUE: Final = re.compile(r"[0-9%]")
#: Characters of the longest part that is no value.
_WORD: Final = 32


class Sample(msgspec.Struct, array_like=True, frozen=True):
    """One second of a run; counts are of the run so far.

    Attributes:
        run: When its run began, in seconds since 1970.
        seconds: How long that had taken.
        calls: Calls that were pulled.
        done: Those that succeeded.
        failed: Those that did not.
        expected: Those that ended with an expected status.
        skipped: Those that the journal had.
        rows: Rows that had come.
        rejected: Rows that did not fit.
        bytes: Of all contents.
        in_flight: Requests under way.
        retries: Attempts after the first.
        limiter_seconds: Seconds that requests have waited for the limiter.
        latencies: Of this second alone: how many calls took how long; see `headrace.bulk.report.seconds_of`.
        errors: How many calls have failed, by the kind of the error.
    """

    run: float
    seconds: float
    calls: int
    done: int
    failed: int
    expected: int
    skipped: int
    rows: int
    rejected: int
    bytes: int
    in_flight: int
    retries: int
    limiter_seconds: float
    latencies: dict[int, int]
    errors: dict[str, int]


class Route(msgspec.Struct, array_like=True):
    """What was seen of the calls of one route.

    Attributes:
        calls: How many were looked at.
        failed: How many of them failed.
        latencies: How many took how long.
    """

    calls: int = 0
    failed: int = 0
    latencies: dict[int, int] = {}


class Sampler:
    """Takes samples of a run.

    Args:
        report: What is counted.
        stats: What the client counts.
        began: When the run began, in seconds since 1970.

    Attributes:
        routes: What was seen of each route.
    """

    def __init__(self, report: Report, stats: Stats, began: float) -> None:
        self._report = report
        self._stats = stats
        self._run = began
        self._before: dict[int, int] = {}
        self._base = (stats.requests, stats.retries, stats.limiter_seconds)
        self._seen = 0
        self._next = 0  # how many outcomes are left out before the next is seen
        self.routes: dict[str, Route] = {}

    def hear(self, outcomes: Sequence[Any]) -> None:
        """Count outcomes by their routes; of many calls, one of sixteen."""
        step = 1 if self._seen < _ALL else _ONE_OF
        for outcome in outcomes[self._next :: step]:
            self._see(outcome)
        self._next = (self._next - len(outcomes)) % step

    def _see(self, outcome: Any) -> None:
        self._seen += 1
        name = route_of(outcome.call)
        route = self.routes.get(name)
        if route is None:
            if len(self.routes) >= _MOST_ROUTES:
                name = _OTHERS
            route = self.routes.setdefault(name, Route(latencies={}))
        route.calls += 1
        route.failed += type(outcome) is not Ok
        bucket = bucket_of(outcome.meta.elapsed)
        route.latencies[bucket] = route.latencies.get(bucket, 0) + 1

    def take(self, seconds: float, waiting: int) -> Sample:
        """Take a sample.

        Args:
            seconds: How long the run has taken.
            waiting: Rows that have come and are not written yet.
        """
        report, stats = self._report, self._stats
        latencies = report.latencies
        new = {each: count - self._before.get(each, 0) for each, count in latencies.items()}
        self._before = dict(latencies)
        requests, retries, limiter_seconds = self._base
        ended = report.done + report.failed + report.expected
        return Sample(
            self._run, round(seconds, 3), report.calls, report.done, report.failed, report.expected, report.skipped,
            report.rows + waiting, report.rejected, report.bytes, max(0, stats.requests - requests - ended),
            stats.retries - retries, round(stats.limiter_seconds - limiter_seconds, 3),
            {each: count for each, count in new.items() if count}, dict(report.errors),
        )  # fmt: skip


def route_of(call: Call) -> str:
    """Name the route of a call: its own, else its method and its path without the values in it."""
    if call.route is not None:
        return call.route
    path = "" if call.path is None else str(call.path)
    path = path.partition("://")[2].partition("/")[2] if "://" in path else path
    parts = path.partition("?")[0].lstrip("/").split("/")
    shown = ("{}" if len(part) > _WORD or _VALUE.search(part) else part for part in parts)
    return f"{call.method} /{'/'.join(shown)}"
