"""Starting other programs, waiting for them and ending exactly what was started lives here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
#: Where the file of the transfers lies; it is made when one is measured.
BIG_FILE = ROOT / ".cache" / "bench" / "upload.bin"
#: Clients and servers have a core each.
CLIENT_CORE = 0
SERVER_CORE = 1
_GRACE = 5.0


class ProgramError(RuntimeError):
    """A program failed; the message has the last line of what it said."""


def program(name: str) -> str | None:
    """Find a program; Debian keeps servers in a directory that is not on every PATH."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def run(command: Sequence[str], *, seconds: float, env: dict[str, str] | None = None, show: bool = False) -> str:
    """Run a program to its end and return what it printed.

    Args:
        command: The program and its arguments.
        seconds: How long it may take.
        env: Variables added to this process's own.
        show: Whether its output goes to the terminal instead of the caller.

    Raises:
        ProgramError: It failed, or took too long.
    """
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=None if show else subprocess.PIPE,
        stderr=None if show else subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C goes to the driver, which then ends its children in order
    )
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        message = f"did not end within {seconds:.0f} s"
        raise ProgramError(message) from error
    finally:
        _end(process)
    if process.returncode:
        raise ProgramError(_last_words(errors or "") or f"ended with {process.returncode}")
    return output or ""


def _end(process: subprocess.Popen[str]) -> None:
    """End a process that still runs, by its own pid."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(errors: str) -> str:
    """Pick the line that says what went wrong: pip's first ERROR, else the last one."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("ERROR:")]
    return without_addresses((told or lines or [""])[-1])[:300]


def without_addresses(reason: str) -> str:
    """Leave out where packages come from and files lie: it goes into results, and is this machine's own affair."""
    return re.sub(r"(https?|file)://\S+|/[^\s/]+/\S*", "…", reason)
