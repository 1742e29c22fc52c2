"""What a bulk has done, in numbers whose room does not grow with it."""

from __future__ import annotations

from collections import Counter
from math import log2
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from headrace.errors import ClientError, HTTPError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.bulk.outcomes import Err, Meta

#: How many failures and rejects a report remembers.
MOST_KEPT: Final = 1000
#: Classes of latency in an octave: each is 4.4 % wide.
_FINENESS: Final = 16
#: What a report has only where its bulk runs.
_ALIVE: Final = frozenset({"_lock", "_metas", "answered"})


class Report:
    """What a bulk has done so far.

    Attributes:
        calls: Calls that were pulled.
        failed: Those that did not succeed.
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

    def __init__(self) -> None:
        self.calls = 0
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
        self._lock = Lock()  # a thread that waits for the bulk may read while the loop counts
        #: Count a success.
        self.answered = self._metas.append

    def __getstate__(self) -> dict[str, Any]:
        """Give what another process can read: what it is now."""
        self.sort()
        state = {name: value for name, value in vars(self).items() if name not in _ALIVE}
        return state | {"_seconds": self.seconds, "_began": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc] # made anew: its lock, and what is not counted yet
        vars(self).update(state)

    @property
    def done(self) -> int:
        """Those that succeeded."""
        self.sort()
        return self._done

    @done.setter
    def done(self, count: int) -> None:
        self.sort()
        self._done = count

    @property
    def bytes(self) -> int:
        """Of all contents, decompressed."""
        self.sort()
        return self._bytes

    @property
    def latencies(self) -> Mapping[int, int]:
        """How many calls took how long; see `seconds_of`."""
        self.sort()
        return self._latencies

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return self._seconds if self._began is None else monotonic() - self._began

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        self._seconds, self._began = seconds, None

    def begin(self) -> None:
        """Let the time run."""
        self._began = monotonic()

    def end(self) -> None:
        """Let the time stand; may be called more than once."""
        self.seconds = self.seconds

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

    def refused(self, outcome: Err, *, expected: bool) -> None:
        """Count a failure, or what was expected."""
        with self._lock:
            self._latencies[bucket_of(outcome.meta.elapsed)] += 1
        if expected:
            self.expected += 1
            return
        self.failed += 1
        self.errors[kind_of(outcome.error)] += 1
        if len(self.failures) < MOST_KEPT:
            self.failures.append(outcome)

    def add(self, part: Report) -> None:
        """Add what a part of the calls has done, which were counted when they were pulled."""
        self.sort()
        self._done += part.done
        self._bytes += part.bytes
        for name in ("failed", "expected", "rows", "rejected"):
            setattr(self, name, getattr(self, name) + getattr(part, name))
        self.errors.update(part.errors)
        self._latencies.update(part.latencies)

    def sort(self) -> None:
        """Count the successes that came since: many at a time, which costs half. They are kept until then."""
        metas = self._metas
        if not metas:
            return
        with self._lock:
            new = metas[:]
            self._done += sum([meta.last for meta in new])
            self._bytes += sum([meta.bytes for meta in new])
            # `bucket_of`, spelled out: this is done for every call.
            self._latencies.update([int(log2(meta.elapsed + 1e-6) * _FINENESS) for meta in new])
            del metas[: len(new)]  # others may have come meanwhile

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
