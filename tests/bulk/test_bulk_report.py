"""A report is read where it is not written: in another thread, and in another process."""

import pickle
import threading
from typing import Any, cast

from headrace.bulk import Meta, Report


class Reading(threading.Thread):
    """Reads a report while another thread is in the midst of counting; what it is to count has asked for that."""

    meta = Meta(None, 200, 0.001, 1, 7)

    def __init__(self, report: Report) -> None:
        super().__init__()
        self._report = report
        self.found: tuple[int, int, int] | None = None

    def run(self) -> None:
        """Read."""
        self.found = (self._report.done, self._report.bytes, sum(self._report.latencies.values()))

    @property
    def last(self) -> bool:
        """Be counted: whoever reads now has to wait for that, so that this wait is for nothing."""
        self.start()
        self.join(0.2)
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.meta, name)


def test_a_thread_reads_while_another_counts() -> None:
    """It sees all of what was counted, or nothing."""
    report = Report()
    reading = Reading(report)
    report.answered(cast("Meta", reading))
    assert report.done == 1
    reading.join()
    assert reading.found == (1, 7, 1)


def test_another_process_reads_it() -> None:
    """It stands still there, and another may be added to it."""
    report = Report()
    report.begin()
    for _ in range(3):
        report.answered(Meta(None, 200, 0.5, 1, 7))
    report.calls = 3
    copy = pickle.loads(pickle.dumps(report))
    assert (copy.calls, copy.done, copy.bytes, copy.percentiles) == (3, 3, 21, report.percentiles)
    assert copy.seconds == copy.seconds <= report.seconds
    copy.answered(Meta(None, 200, 0.5, 1, 7))
    copy.add(report)
    assert (copy.done, copy.bytes, sum(copy.latencies.values())) == (7, 49, 7)
    assert report.done == 3
