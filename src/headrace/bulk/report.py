"""What a bulk has done, in numbers whose room does not grow with it."""

from __future__ import annotations

from collections import Counter
from math import log2
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from headrace.errors import ClientError, HTTPError

if TYPE_CHECKING:
    from headrace.bulk.outcomes import Err, Meta
    from headrace.bulk.source import Source

#: How many failures and rejects a report remembers.
MOST_KEPT: Final = 1000
#: Classes of latency in an octave: each is 4.4 % wide.
_FINENESS: Final = 16
#: Successes that are counted at once, at most.
MOST_UNSORTED: Final = 1000


class Report:
    """What a bulk has done so far.

    Args:
        source: Where the calls come from.

    Attributes:
        failed: Calls that did not succeed.
        expected: Those that ended with an expected status.
        skipped: Those that the journal had as done, or failed and not to be asked again.
        duplicates: Those whose key has come before.
        rows: Rows that were written to the sink; where there is none, values and rows that were handed out.
        rejected: Rows that did not fit.
        errors: How many calls failed, by the name of the error; statuses with their number.
        failures: The first 1,000 failures.
        rejects: The first 1,000 rows that did not fit, each with the call it is of.
        stopped: Whether it ended before its calls did.
        in_flight: How many calls may be under way at once; of a width that adapts itself, now.
    """

    def __init__(self, source: Source | None = None) -> None:
        self._source = source
        self._done = 0
        self.failed = 0
        self.expected = 0
        self.skipped = 0
        self.duplicates = 0
        self.rows = 0
        self.rejected = 0
        self._bytes = 0
        self._seconds = 0.0
        self._began: float | None = None
        self.errors: Counter[str] = Counter()
        self.failures: list[Err] = []
        self.rejects: list[Any] = []
        self.stopped = False
        self.in_flight = 0
        self._latencies: Counter[int] = Counter()
        self._metas: list[Meta] = []  # of successes that are not counted yet
        #: Count a success.
        self.answered = self._metas.append

    @property
    def calls(self) -> int:
        """Calls that were pulled."""
        return 0 if self._source is None else self._source.count

    @property
    def done(self) -> int:
        """Those that succeeded."""
        self.sort()
        return self._done

    @property
    def bytes(self) -> int:
        """Of all contents, decompressed."""
        self.sort()
        return self._bytes

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return self._seconds if self._began is None else monotonic() - self._began

    def begin(self) -> None:
        """Let the time run."""
        self._began = monotonic()

    def end(self) -> None:
        """Let the time stand; may be called more than once."""
        self._seconds, self._began = self.seconds, None

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
        self.sort()
        total = sum(self._latencies.values())
        found: dict[int, float] = {}
        if not total:
            return found
        for share in (50, 90, 95, 99):
            seen = 0
            for each in sorted(self._latencies):
                seen += self._latencies[each]
                if seen * 100 >= total * share:
                    found[share] = 2 ** ((each - 0.5 if each < 0 else each + 0.5) / _FINENESS)
                    break
        return found

    def refused(self, outcome: Err, *, expected: bool) -> None:
        """Count a failure, or what was expected."""
        self._count([outcome.meta.elapsed])
        if expected:
            self.expected += 1
            return
        self.failed += 1
        self.errors[kind_of(outcome.error)] += 1
        if len(self.failures) < MOST_KEPT:
            self.failures.append(outcome)

    def sort(self) -> None:
        """Count the successes that came since: many at a time, which costs half. They are kept until then."""
        metas = self._metas
        if metas:
            self._done += sum([meta.last for meta in metas])
            self._bytes += sum([meta.bytes for meta in metas])
            self._count([meta.elapsed for meta in metas])
            metas.clear()

    def _count(self, times: list[float]) -> None:
        # Of what is below a second, the part below zero is left out.
        self._latencies.update([int(log2(seconds + 1e-6) * _FINENESS) for seconds in times])

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
        lines += [("in flight", f"{self.in_flight:,}")] if self.in_flight else []
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


def kind_of(error: Exception) -> str:
    """Name the kind of an error, as it is counted."""
    name = type(error).__name__
    return f"{error.status_code} {name}" if isinstance(error, HTTPError) else name
