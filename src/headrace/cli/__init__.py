"""The entry of the command line; it answers in one line where the `cli` extra is not installed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; `None` is what the process was started with.

    Returns:
        The exit code: 0 for success, 1 for a failure, 2 for wrong usage or a missing extra, 130 after Ctrl-C.
    """
    try:
        import click  # noqa: F401 - what else a command needs of the extra, it says itself
    except ImportError:
        print("headrace needs the extra `cli` for its commands: pip install 'headrace[cli]'", file=sys.stderr)
        return 2
    from headrace.cli._app import invoke

    return invoke(arguments)
