"""Outcomes are counted, and a run that fails too often is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from headrace.bulk._letters import Rejected
from headrace.bulk.outcomes import Err, Ok
from headrace.bulk.report import MOST_KEPT
from headrace.errors import HTTPError

if TYPE_CHECKING:
    from headrace.bulk.outcomes import Outcome
    from headrace.bulk.report import Report

#: Calls that have to have ended before a share of them means anything.
_FEWEST: Final = 100


class Tally:
    """Counts outcomes, and says when there are too many failures.

    Args:
        report: Where to count.
        expected: Statuses that are no failure.
        most: How many failures are too few to stop for, a share of the calls where it is a float; `None` never stops.
    """

    def __init__(self, report: Report, expected: frozenset[int], most: float | None) -> None:
        self.report = report
        self._expected = expected
        self._most = most

    def count(self, outcome: Outcome[Any]) -> bool:
        """Count an outcome; tells whether it is a failure."""
        report = self.report
        if type(outcome) is Ok:
            report.answered(outcome.meta)
            if not outcome.rejects:
                return False
            report.rejected += len(outcome.rejects)
            for each in outcome.rejects[: MOST_KEPT - len(report.rejects)]:
                report.rejects.append(Rejected(outcome.meta.key, each.index, each.path, each.message, each.raw))
            return False
        assert type(outcome) is Err  # noqa: S101 - there is no third
        error = outcome.error
        expected = isinstance(error, HTTPError) and error.status_code in self._expected
        report.refused(outcome, expected=expected)
        return not expected

    @property
    def exceeded(self) -> bool:
        """Whether too many calls have failed."""
        most, report = self._most, self.report
        if most is None:
            return False
        if isinstance(most, int):
            return report.failed > most
        ended = report.done + report.failed + report.expected
        return ended >= _FEWEST and report.failed > most * ended
