"""How far a run is: a live view on a terminal, else a line now and then."""

from __future__ import annotations

import sys
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from headrace.bulk.report import Report
    from headrace.client import AsyncClient

#: Seconds between two lines where nobody watches.
_LINE_SECONDS: Final = 10.0
#: Seconds between two pictures. To draw one takes two or three milliseconds of the loop.
_PICTURE_SECONDS: Final = 0.5


class Screen(Protocol):
    """What is told of a run."""

    def __call__(self, report: Report, /) -> object:
        """Look at how far it is; told at most ten times a second."""
        ...

    def note(self, line: str) -> None:
        """Say something beside it."""
        ...

    def stop(self) -> None:
        """Leave the terminal to others; may be called more than once."""
        ...


def screen_for(client: AsyncClient, total: int | None, *, quiet: bool) -> Screen:
    """Find how a run is shown.

    Args:
        client: Whose counts are shown beside those of the run.
        total: How many calls there are, about; `None` where nobody knows.
        quiet: Whether to show nothing.
    """
    if not quiet and sys.stderr.isatty():
        try:
            return Live(client, total)
        except ImportError:
            pass  # the extra has more than the command needs
    return Lines(total, quiet=quiet)


def ended(report: Report) -> int:
    """Count the calls that need nothing more."""
    return report.done + report.failed + report.expected + report.skipped + report.duplicates


def left(report: Report, total: int | None) -> float | None:
    """Guess the seconds until the end; `None` where nobody knows."""
    if total is None or not report.rate:
        return None
    return max(0.0, (total - ended(report)) / report.rate)


def duration(seconds: float) -> str:
    """Write seconds as a person says them."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    )


class Lines:
    """A line every ten seconds, for logs.

    Args:
        total: How many calls there are, about; `None` where nobody knows.
        quiet: Whether to say nothing.
    """

    def __init__(self, total: int | None, *, quiet: bool) -> None:
        self._total = total
        self._quiet = quiet
        self._told = monotonic()

    def __call__(self, report: Report) -> None:
        """Write a line where it is time for one."""
        now = monotonic()
        if self._quiet or now - self._told < _LINE_SECONDS:
            return
        self._told = now
        of = "" if self._total is None else f" of {self._total:,}"
        rest = left(report, self._total)
        until = "" if rest is None else f", {duration(rest)} left"
        self.note(f"{ended(report):,}{of} calls, {report.failed:,} failed, {report.rate:,.0f}/s{until}")

    def note(self, line: str) -> None:
        """Write a line."""
        if not self._quiet:
            with suppress(OSError, ValueError):
                print(f"headrace: {line}", file=sys.stderr, flush=True)

    def stop(self) -> None:
        """Nothing is held."""


class Live:
    """A table that is drawn anew in its place.

    Args:
        client: Whose counts are shown beside those of the run.
        total: How many calls there are, about; `None` where nobody knows.

    Raises:
        ImportError: rich is not installed.
    """

    def __init__(self, client: AsyncClient, total: int | None) -> None:
        from rich.console import Console
        from rich.live import Live as Display

        self._client = client
        self._total = total
        self._drawn = 0.0
        self._rate = 0.0
        self._last: tuple[float, int] | None = None
        self._display: Any = Display(console=Console(stderr=True, highlight=False), auto_refresh=False, transient=True)
        self._started = False

    def __call__(self, report: Report) -> None:
        """Draw it where it is time to."""
        now = monotonic()
        if now - self._drawn < _PICTURE_SECONDS:
            return
        self._drawn = now
        if not self._started:
            self._started = True
            self._display.start()
        self._display.update(self.picture(report, now), refresh=True)

    def picture(self, report: Report, now: float) -> Any:
        """Make the table.

        Args:
            report: What is shown.
            now: Seconds on a clock that never goes back.
        """
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        done = ended(report)
        if self._last is None or now - self._last[0] >= 1:
            if self._last is not None:
                self._rate = (done - self._last[1]) / (now - self._last[0])
            self._last = (now, done)
        stats = self._client.stats
        in_flight = max(0, stats.requests - (report.done + report.failed + report.expected))
        rest = left(report, self._total)
        table = Table.grid(padding=(0, 3, 0, 0))
        for _ in range(3):
            table.add_column()
        cells = [
            ("calls", f"{done:,}" + ("" if self._total is None else f" of {self._total:,}")),
            ("rows", f"{report.rows:,}"),
            ("rate", f"{self._rate or report.rate:,.0f}/s"),
            ("in flight", f"{in_flight:,}"),
            ("retries", f"{stats.retries:,}"),
            ("limiter waits", f"{stats.limiter_seconds:,.1f} s"),
            ("failed", f"{report.failed:,}"),
            ("rejected", f"{report.rejected:,}"),
            ("left", "?" if rest is None else duration(rest)),
        ]
        shown = [Text.assemble((f"{name} ", "dim"), (value, "bold")) for name, value in cells]
        for at in range(0, len(shown), 3):
            table.add_row(*shown[at : at + 3])
        parts: list[Any] = [table]
        if self._total:
            bar = Table.grid()  # which ends its line, as a bar alone does not
            bar.add_row(ProgressBar(total=self._total, completed=min(done, self._total), width=60))
            parts.insert(0, bar)
        parts += [Text(f"{count:,} x {kind}", style="red") for kind, count in report.errors.most_common(4)]
        return Group(*parts)

    def note(self, line: str) -> None:
        """Write a line above it."""
        self._display.console.print(f"headrace: {line}", markup=False)

    def stop(self) -> None:
        """Take it away."""
        if self._started:
            self._started = False
            self._display.stop()
