"""What is skipped: counted at the end where a server is missing, and a failure in CI, which must skip nothing.

A plugin of pytest, which `conftest` registers.
"""

import os
from collections import Counter
from collections.abc import Generator
from typing import TypeVar

import pytest

#: In the reason of a skip for want of a server, before the way to get it.
REMEDY = "; to get it: "
#: What only another platform has, or lacks, or what is too large: the reasons that CI takes too.
PLATFORM = (
    "Windows ",
    "only Linux ",
    "needs sendfile",
    "needs named pipes",
    "pydantic.v1 does not work there",
    "there is no fork on Windows",
    "there is no uvloop for this platform",
    "this machine has no IPv6 loopback",
    # Too large for every environment; `make long` installs it.
    "Ray is not installed",
)

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why something was skipped, or nothing where it was not."""
    if not report.skipped or hasattr(report, "wasxfail") or not isinstance(report.longrepr, tuple):
        return ""
    return str(report.longrepr[2]).removeprefix("Skipped: ")


def _refuse_in_ci(report: Report) -> Report:
    reason = _reason(report)
    if reason and os.environ.get("CI") and not reason.startswith(PLATFORM):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, which skips nothing but what tests.kit.skips lists: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a failure of a test that is skipped in CI."""
    return _refuse_in_ci((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Make a failure of a file that is skipped in CI."""
    return _refuse_in_ci((yield))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped for want of a server, and how to get it.

    Args:
        terminalreporter: Has the reports of all processes.
    """
    reasons = Counter(map(_reason, terminalreporter.stats.get("skipped", [])))
    wanting = {reason: count for reason, count in reasons.items() if REMEDY in reason}
    if wanting:
        terminalreporter.section("skipped for want of a server", yellow=True)
        for reason, count in wanting.items():
            terminalreporter.line(f"{count} tests: {reason}")
