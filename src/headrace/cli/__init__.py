"""The entry of the command line; it answers in one line where the `cli` extra is not installed."""

from __future__ import annotations

import atexit
import gc
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Objects after which the collector of a process of our own goes over the new ones; loading a command makes so many.
_YOUNG: Final = 100_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; `None` is what the process was started with.

    Returns:
        The exit code: 0 for success, 1 for a failure, 2 for wrong usage or a missing extra, 130 after Ctrl-C.
    """
    if arguments is None:
        _own_process()
    try:
        import click  # noqa: F401 - what else a command needs of the extra, it says itself
    except ImportError:
        print("headrace needs the extra `cli` for its commands: pip install 'headrace[cli]'", file=sys.stderr)
        return 2
    from headrace.cli._app import invoke

    return invoke(arguments)


def _own_process() -> None:
    """Let the collector look at what is loaded as good as never: modules are no garbage, neither now nor at the end.

    Measured: of 230 ms of `headrace fetch` of one document 10 went into its looks while modules came, and 30 into those
    that Python takes when it ends.
    """
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)
