"""The progress of a run in the terminal; it needs the extra `cli`, and loads it when used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.bulk.report import Report


class Bar:
    """Shows a report: calls, rows, failures, and how quick it goes.

    Raises:
        ImportError: The extra `cli` is not installed.
    """

    def __init__(self) -> None:
        try:
            from rich import progress
        except ImportError as error:
            message = "progress=True needs the extra `cli`: pip install 'headrace[cli]'; or give a function"
            raise ImportError(message) from error
        self._shown = progress.Progress(
            progress.SpinnerColumn(), progress.TextColumn("{task.description}", markup=False),
            progress.TimeElapsedColumn(),
        )  # fmt: skip
        self._task: Any = None

    def __call__(self, report: Report) -> None:
        """Show how far a run is."""
        ended = report.done + report.failed + report.expected
        text = f"{ended:,} calls  {report.rows:,} rows  {report.failed:,} failed  {report.rate:,.0f}/s"
        if self._task is None:
            self._task = self._shown.add_task(text, total=None)
            self._shown.start()
        self._shown.update(self._task, description=text)

    def stop(self) -> None:
        """Leave the terminal to others."""
        self._shown.stop()
