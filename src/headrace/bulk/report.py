"""What a bulk has done, in numbers whose room does not grow with it."""

from __future__ import annotations

from collections import Counter
from math import log2
from typing import TYPE_CHECKING, Any, Final

from headrace.errors import ClientError, HTTPError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.bulk.outcomes import Err, Meta

#: How many failures and rejects a report remembers.
MOST_KEPT: Final = 1000
#: Classes of latency in an octave: each is 4.4 % wide.
_FINENESS: Final = 16


class Report:
    """What a bulk has done so far.

    Attributes:
        calls: Calls that were pulled.
        done: Those that succeeded.
        failed: Those that did not.
        expected: Those that ended with an expected status.
        skipped: Those that the journal had as done, or failed and not to be asked again.
        duplicates: Those whose key has come before.
        rows: Rows that were written to the sink; where there is none, values and rows that were handed out.
        rejected: Rows that did not fit.
        bytes: Of all contents, decompressed.
        seconds: How long it has taken.
        errors: How many calls failed, by the name of the error; statuses with their number.
        failures: The first 1,000 failures.
        rejects: The first 1,000 rows that did not fit, each with the call it is of.
        stopped: Whether it ended before its calls did.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.done = 0
        self.failed = 0
        self.expected = 0
        self.skipped = 0
        self.duplicates = 0
        self.rows = 0
        self.rejected = 0
        self.bytes = 0
        self.seconds = 0.0
        self.errors: Counter[str] = Counter()
        self.failures: list[Err] = []
        self.rejects: list[Any] = []
        self.stopped = False
        #: How many calls took how long; see `seconds_of`.
        self.latencies: dict[int, int] = {}

    @property
    def ok(self) -> bool:
        """Whether no call failed, no row was rejected, and nothing was left out."""
        return not (self.failed or self.rejected or self.stopped)

    @property
    def rate(self) -> float:
        """Calls a second."""
        ended = self.done + self.failed + self.expected
        return ended / self.seconds if self.seconds else 0.0

    @property
    def percentiles(self) -> dict[int, float]:
        """The seconds within which 50, 90, 95 and 99 % of the calls were answered, to 5 %; empty without a call."""
        return percentiles_of(self.latencies)

    def answered(self, meta: Meta) -> None:
        """Count a success."""
        if meta.last:
            self.done += 1
        self.bytes += meta.bytes
        self._took(meta.elapsed)

    def refused(self, outcome: Err, *, expected: bool) -> None:
        """Count a failure, or what was expected."""
        self._took(outcome.meta.elapsed)
        if expected:
            self.expected += 1
            return
        self.failed += 1
        self.errors[kind_of(outcome.error)] += 1
        if len(self.failures) < MOST_KEPT:
            self.failures.append(outcome)

    def add(self, part: Report) -> None:
        """Add what a part of the calls has done, which were counted when they were pulled."""
        for name in ("done", "failed", "expected", "rows", "rejected", "bytes"):
            setattr(self, name, getattr(self, name) + getattr(part, name))
        self.errors.update(part.errors)
        for bucket, count in part.latencies.items():
            self.latencies[bucket] = self.latencies.get(bucket, 0) + count

    def _took(self, seconds: float) -> None:
        bucket = bucket_of(seconds)
        self.latencies[bucket] = self.latencies.get(bucket, 0) + 1

    def raise_for_failures(self) -> None:
        """Raise if a call failed or the run was stopped.

        Raises:
            headrace.errors.ClientError: There were failures; its `__cause__` is the first of them.
        """
        if not (self.failed or self.stopped):
            return
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.errors.most_common(5))
        stopped = "; it was stopped before its end" if self.stopped else ""
        told = f"{self.failed:,} of {self.calls:,} calls failed{kinds and f': {kinds}'}{stopped}"
        raise ClientError(told) from (self.failures[0].error if self.failures else None)

    def __str__(self) -> str:
        """Show a table."""
        names = ("calls", "done", "failed", "expected", "skipped", "duplicates", "rows", "rejected", "bytes")
        lines = [(name, f"{getattr(self, name):,}") for name in names]
        lines += [("seconds", f"{self.seconds:,.2f}"), ("calls a second", f"{self.rate:,.1f}")]
        lines += [(f"p{share}", f"{seconds * 1000:,.1f} ms") for share, seconds in self.percentiles.items()]
        lines += [(f"  {kind}", f"{count:,}") for kind, count in self.errors.most_common(20)]
        if self.stopped:
            lines.append(("stopped", "yes"))
        width = max(len(name) for name, _ in lines)
        wide = max(len(value) for _, value in lines)
        return "\n".join(f"{name:<{width}}  {value:>{wide}}" for name, value in lines)

    def __repr__(self) -> str:
        return f"<Report {self.calls:,} calls, {self.done:,} done, {self.failed:,} failed, {self.rows:,} rows>"


def bucket_of(seconds: float) -> int:
    """Find the class of a latency."""
    return int(log2(seconds + 1e-6) * _FINENESS)  # of what is below a second, the part below zero is left out


def seconds_of(bucket: int) -> float:
    """Give the seconds in the middle of a class of latencies."""
    return float(2 ** ((bucket - 0.5 if bucket < 0 else bucket + 0.5) / _FINENESS))


def percentiles_of(latencies: Mapping[int, int]) -> dict[int, float]:
    """Give the seconds within which 50, 90, 95 and 99 % of some calls were answered; empty without a call."""
    total = sum(latencies.values())
    found: dict[int, float] = {}
    for share in (50, 90, 95, 99) if total else ():
        seen = 0
        for each in sorted(latencies):
            seen += latencies[each]
            if seen * 100 >= total * share:
                found[share] = seconds_of(each)
                break
    return found


def kind_of(error: Exception) -> str:
    """Name the kind of an error, as it is counted."""
    name = type(error).__name__
    return f"{error.status_code} {name}" if isinstance(error, HTTPError) else name
