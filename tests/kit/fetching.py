"""What tests of `headrace fetch` share: the command, in a thread of this process or in a process of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from headrace._io import threads
from headrace.cli import main
from tests.kit.house import package_folder

COMMAND = (sys.executable, "-m", "headrace.cli")


async def command(*arguments: str | Path) -> int:
    """Run the command in a thread; what it writes is the process's, for `capsys`.

    Returns:
        Its exit code.
    """
    return await threads.run(main, [str(each) for each in arguments])


def files(folder: Path) -> list[Path]:
    """List all files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


class Ran(NamedTuple):
    """How a process ended."""

    code: int
    out: str
    err: str


async def started(
    *arguments: str | Path,
    cwd: Path | None = None,
    stdin: Any = None,
    stderr: Any = asyncio.subprocess.PIPE,
    env: Mapping[str, str] = {},
) -> asyncio.subprocess.Process:
    """Start the command in a process of its own, where Ctrl-C is heard."""
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        *map(str, arguments),
        cwd=cwd,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "PYTHONPATH": str(package_folder().parent), **env},
        # Where the tests run in the background of a shell, SIGINT is ignored, and children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


async def ended(process: asyncio.subprocess.Process, stdin: bytes | None = None) -> Ran:
    """Wait for its end."""
    out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())
