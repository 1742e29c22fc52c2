"""A report is read where it is not written: in another thread, and in another process."""

import pickle
import sys
import threading

from headrace.bulk import Meta, Report


def test_a_thread_reads_while_the_loop_counts() -> None:
    """Every success is counted once, whoever counts it."""
    report = Report()
    count = 50_000
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            assert report.done <= count
            assert sum(report.latencies.values()) <= count

    threads = [threading.Thread(target=read) for _ in range(3)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for number in range(count):
            report.answered(Meta(None, 200, 0.001, 1, 7))
            if number % 10 == 0:
                report.sort()
    finally:
        over.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(before)
    assert (report.done, report.bytes) == (count, 7 * count)
    assert sum(report.latencies.values()) == count


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
