"""How the command line is started where something is missing."""

import sys
from collections.abc import Sequence


def without(module: str) -> Sequence[str]:
    """Return what starts the command line where a module is not installed."""
    code = f"import sys; sys.modules[{module!r}] = None; from headrace.cli import main; sys.exit(main())"
    return (sys.executable, "-c", code)
