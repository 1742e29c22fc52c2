"""What a command was told wrongly, and why it could not begin: one line each, and an exit code."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any


class UsageError(Exception):
    """An option or a source is wrong; the exit code is 2."""


class StartError(Exception):
    """What was asked for could not begin; the exit code is 3."""


def named(target: str, option: str) -> Any:
    """Import what an option names, such as `mypkg.models:User`, also from the folder where the command runs.

    Raises:
        UsageError: There is nothing of that name.
    """
    module, colon, name = target.partition(":")
    if not (module and colon and name):
        raise UsageError(f"{option}: got {target!r}, takes a module and a name in it, such as mypkg.models:User")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise UsageError(f"{option}: {target} cannot be imported: {type(error).__name__}: {error}") from error
    return found
