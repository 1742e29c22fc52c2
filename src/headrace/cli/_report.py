"""What the user sees: the progress while it runs, the table at its end."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import IO, TYPE_CHECKING, Final

from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sized

    from headrace.cli._data import Records
    from headrace.cli._process import Server
    from headrace.cli._result import Phase, Result

_REFRESH_SECONDS: Final = 0.1
_FILE_WIDTH: Final = 100  # columns where the output is no terminal
_MOST_SHOWN: Final = 5


def _count(number: int | None) -> str:
    return "not counted" if number is None else f"{number:,}"


_ROWS: Final[tuple[tuple[str, Callable[[Phase], str]], ...]] = (
    ("models", lambda phase: phase.models),
    ("client's limit, requests/s", lambda phase: f"{phase.rate_limit:,.0f}" if phase.rate_limit else "none"),
    ("requests", lambda phase: f"{phase.requests:,}"),
    ("seconds", lambda phase: f"{phase.seconds:.2f}"),
    ("requests/s", lambda phase: f"{phase.requests_per_second:,.0f}"),
    ("p50 latency, ms", lambda phase: f"{phase.p50_ms:.2f}"),
    ("p99 latency, ms", lambda phase: f"{phase.p99_ms:.2f}"),
    ("objects decoded", lambda phase: f"{phase.objects:,}"),
    ("objects/s", lambda phase: f"{phase.objects_per_second:,.0f}"),
    ("received", lambda phase: decimal(phase.bytes_received)),
    ("connections opened", lambda phase: _count(phase.connections_opened)),
    ("connections reused", lambda phase: _count(phase.connections_reused)),
    ("errors", lambda phase: f"{phase.errors:,}"),
)


class Screen:
    """Shows how far a phase is: as a bar on a terminal, as one line when it is done elsewhere.

    Args:
        console: Where.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    @asynccontextmanager
    async def progress(self, name: str, total: int, done: Sized) -> AsyncGenerator[None, None]:
        """Show the progress of a phase while the block runs.

        Args:
            name: The phase.
            total: Requests that it will make.
            done: Has one item for each request that was made.
        """
        console = self._console
        if not console.is_terminal or console.is_dumb_terminal:
            yield
            console.print(f"{name}: {len(done):,} of {total:,} requests done", soft_wrap=True)
            return
        columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        # Drawn by the loop: a thread of its own would take the interpreter from the requests at any moment.
        with Progress(*columns, console=console, auto_refresh=False) as bars:
            task = bars.add_task(name, total=total)

            async def draw() -> None:
                while True:
                    bars.update(task, completed=len(done), refresh=True)
                    await asyncio.sleep(_REFRESH_SECONDS)

            drawing = asyncio.create_task(draw())
            try:
                yield
            finally:
                drawing.cancel()
                bars.update(task, completed=len(done), refresh=True)


def heading(server: Server, records: Records) -> str:
    """Say what is served, and where.

    Args:
        server: The server.
        records: What it has.

    Returns:
        One line.
    """
    totals = ", ".join(f"{len(rows):,} {kind}" for kind, rows in records.listed.items())
    return f"pycountry {records.version} ({totals}) at {server.url}, process {server.pid}"


def show(result: Result, file: IO[str]) -> None:
    """Print the table, one column a phase.

    Args:
        result: What was measured.
        file: Where to print it.
    """
    console = Console(file=file, highlight=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    title = f"headrace {result.version}, {result.transport} on {result.loop}, {result.concurrency} in flight"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("phase")
    for phase in result.phases:
        table.add_column(phase.name, justify="right")
    for name, text in _ROWS:
        table.add_row(name, *(text(phase) for phase in result.phases))
    console.print(table)
    limit = result.limit
    allowed = f"{limit.requests:,} requests in any {limit.seconds} s"
    console.print(f"The server allows {allowed} under /limited; what may still be on its way is kept free.")
    for note in result.notes:
        console.print(note)
    if not result.problems:
        console.print("Everything arrived exactly once, and equals the original.")


def failure(result: Result) -> str:
    """Say what was wrong.

    Args:
        result: What has problems.

    Returns:
        The first problems, a line each.
    """
    shown = result.problems[:_MOST_SHOWN]
    more = len(result.problems) - len(shown)
    return "\n".join(["not everything arrived as it should", *shown, *([f"and {more} more"] if more else [])])
