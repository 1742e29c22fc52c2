"""Runs of tests in processes of their own: everything that forks, and that puts a fault before the library, is here.

This process has imported what the tests need, but never the library: a run is a fork that imports the library from a
copy of its source. That is quicker than a new interpreter by the time that pytest and its like take to be imported.
"""

import contextlib
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, NoReturn, TypeVar

T = TypeVar("T")

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = "headrace"
#: What tests import, so that not every run does; hypothesis the more, which pytest would rewrite each time.
_COMMON: Final = (
    *("aiohttp", "attrs", "cryptography.x509", "httptools", "msgspec", "orjson", "pydantic", "pytest", "trustme"),
    *(
        "asyncio",
        "email.parser",
        "http.server",
        "hypothesis",
        "hypothesis.stateful",
        "pytest_asyncio",
        "multiprocessing",
        "ssl",
        "uvloop",
        "yarl",
        "zlib",
    ),
)
#: Plugins that would only take time, change the order, or keep what failed.
_NO_PLUGINS: Final = ("benchmark", "cacheprovider", "pytest_cov", "randomly", "xdist")
_MEMORY: Final = 4 << 30  # bytes of a run: a fault may well fill a list for ever
#: What pytest says of a test that does not exist: its exit code is that of a `conftest.py` that cannot be imported.
_NO_SUCH_TEST: Final = "ERROR: not found"


@dataclass
class Task(Generic[T]):
    """One run.

    Attributes:
        subject: What it is about.
        run: What the fork does: it is given the folder of its copy of the source, and returns an exit code.
        seconds: How long it may take.
    """

    subject: T
    run: Callable[[Path], int]
    seconds: float


@dataclass
class Ended(Generic[T]):
    """A run that is over: `code` is the exit code, or `None` when it took too long; `said` is what it printed."""

    subject: T
    code: int | None
    said: str
    seconds: float
    copy: Path


@dataclass
class _Running(Generic[T]):
    task: Task[T]
    copy: Path
    began: float


class Forks:
    """Runs tasks, each in a process of its own, with a copy of the source for each that may run at a time.

    Args:
        folder: Where the copies go.
        jobs: How many run at a time.
    """

    def __init__(self, folder: Path, jobs: int) -> None:
        self._free = [folder / str(i) for i in range(jobs)]
        for copy in self._free:
            shutil.copytree(ROOT / "src", copy / "src")
        for name in _COMMON:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        assert PACKAGE not in sys.modules

    def run(self, tasks: Iterable[Task[T]]) -> Iterator[Ended[T]]:
        """Run tasks, and yield each as it ends."""
        pending, running = iter(tasks), dict[int, _Running[T]]()
        while True:
            while self._free and (task := next(pending, None)) is not None:
                copy = self._free.pop()
                running[_forked(task.run, copy)] = _Running(task, copy, time.monotonic())
            if not running:
                return
            pid, code = _ended(running)
            each = running.pop(pid)
            self._free.append(each.copy)
            said = (each.copy / "said").read_text(errors="replace")
            yield Ended(each.task.subject, code, said, time.monotonic() - each.began, each.copy)


def _forked(run: Callable[[Path], int], copy: Path) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _child(run, copy)
    return pid


def _child(run: Callable[[Path], int], copy: Path) -> NoReturn:
    """Run in a fork, which prints into a file and leaves nothing running."""
    code = 3
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        with (copy / "said").open("w") as said:
            for stream in (1, 2):
                os.dup2(said.fileno(), stream)
        os.chdir(ROOT)
        os.environ |= {"PYTHONPATH": str(copy / "src"), "HYPOTHESIS_STORAGE_DIRECTORY": str(copy / "hypothesis")}
        sys.path.insert(0, str(copy / "src"))
        code = int(run(copy))
    finally:
        sys.stdout.flush()
        os._exit(code)


def _ended(running: dict[int, _Running[T]]) -> tuple[int, int | None]:
    """Wait until a run is over; one that takes too long is ended, with all that it started."""
    while True:
        for pid, each in running.items():
            late = time.monotonic() - each.began > each.task.seconds
            if late:
                _end(pid)
            ended, status = os.waitpid(pid, 0 if late else os.WNOHANG)
            if ended:
                _end(pid)
                return pid, None if late else os.waitstatus_to_exitcode(status)
        time.sleep(0.01)


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def pytest_code(tests: Iterable[str], *arguments: str, plugins: Iterable[Any] = ()) -> int:
    """Run tests in this process; to be called in a fork.

    Args:
        tests: Files, or tests in them.
        arguments: More words for pytest's command line.
        plugins: Plugins that are there already.
    """
    import pytest

    words = ["-q", "-x", "--tb=line", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    words += [word for plugin in _NO_PLUGINS for word in ("-p", f"no:{plugin}")]
    words += [*arguments, *tests]
    return int(pytest.main(words, plugins=list(plugins)))


def killed_by(ended: Ended[Any]) -> str | None:
    """Tell what found a fault, or `None` when nothing did.

    Raises:
        RuntimeError: No test was run.
    """
    if ended.code is None:
        return "time"
    if ended.code == 5 or (ended.code == 4 and _NO_SUCH_TEST in ended.said):
        raise RuntimeError(f"no test was run for {ended.subject}:\n{ended.said}")
    if ended.code == 0:
        return None
    lines = [line for line in ended.said.splitlines() if line.startswith(("FAILED tests", "ERROR tests"))]
    return lines[0].partition(" - ")[0] if lines else f"exit code {ended.code}"


def written(path: Path, value: Any) -> None:
    """Write what a fork found out to where its parent looks for it."""
    path.write_text(json.dumps(value))
