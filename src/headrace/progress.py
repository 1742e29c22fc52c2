"""The progress of a transfer as a bar in the terminal; it needs the extra `cli`, and loads it when used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Bar", "bar"]


class Bar:
    """A bar with speed and time left, to be given as `progress=`; made by `bar`.

    It begins with its first call, or with its block, and ends with the last byte, or with its block. After that it may
    be used for another transfer.
    """

    def __init__(self, description: str, console: Console | None, *, transient: bool) -> None:
        try:
            from rich import progress
        except ImportError as error:
            message = "headrace.progress.bar() needs the extra `cli`: pip install 'headrace[cli]'"
            raise ImportError(message) from error
        self._shown = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=console,
            transient=transient,
        )
        self._description = description
        self._task: Any = None
        self._done = 0
        self._held = False

    def __call__(self, done: int, total: int | None) -> None:
        """Show how far a transfer is.

        Args:
            done: Bytes that are done; fewer than before begin it anew.
            total: Bytes in all; `None` where that is unknown.
        """
        shown, task = self._shown, self._task
        if task is None or done < self._done:
            if task is not None:
                shown.remove_task(task)  # to rich, a total of `None` is one that has not changed
            self._task = task = shown.add_task(self._description, total=total)
        if not self._held:
            shown.start()
        shown.update(task, completed=done, total=total)
        self._done = done
        if done == total and not self._held:
            self.stop()

    def __enter__(self) -> Self:
        self._held = True
        self._shown.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._held = False
        self.stop()

    def stop(self) -> None:
        """Leave the terminal to others, whole or not; may be called more than once."""
        self._shown.stop()

    def __del__(self) -> None:
        """Give the terminal back where a transfer has failed outside of any block."""
        shown: Any = getattr(self, "_shown", None)
        if shown is not None:
            shown.stop()


def bar(description: str = "", *, console: Console | None = None, transient: bool = False) -> Bar:
    """Make a progress bar, for `progress=` of an upload or a download.

    Args:
        description: What stands before the bar.
        console: A `rich.console.Console` to show it on; `None` is the terminal.
        transient: Whether it vanishes at its end.

    Returns:
        The bar. In a `with` block it also vanishes, or stays, properly where the transfer fails.

    Raises:
        ImportError: The extra `cli` is not installed.
    """
    return Bar(description, console, transient=transient)
