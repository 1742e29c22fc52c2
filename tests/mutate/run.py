"""A run over many faults: which are chosen, which tests each is shown to, and what became of it."""

import ast
import itertools
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.mutate.covering import Covering
from tests.mutate.forks import PACKAGE, ROOT, Forks, Task, killed_by, pytest_code
from tests.mutate.kept import Kept
from tests.mutate.operators import Mutation, mutations

#: The folders of the package that faults are put into.
ROOMS: Final = ("_core", "_io")
#: How long the tests may take, in seconds, that a fault is shown to at first, and then, in the run without a fault; and
#: in how many files they may be, for each has to be imported.
_STAGES: Final = ((3.0, 4), (20.0, 1000))
_SLOW: Final = 0.1  # seconds: below that, how long a test takes says nothing
_TEST_TIMEOUT: Final = 20  # seconds: no test of those that are chosen takes a tenth of it

#: Times of sources with a fault: no two are the same, and none is that of a file.
_times: Final = itertools.count(1)


class Verdict(NamedTuple):
    """What became of a fault.

    Attributes:
        mutation: The fault.
        killed: The test that found it, or how else it was found; `None` when nothing did.
        tests: How many tests it was shown to.
        seconds: How long that took.
    """

    mutation: Mutation
    killed: str | None
    tests: int
    seconds: float


def every(rooms: Iterable[str] = ROOMS) -> list[Mutation]:
    """List every fault that could be put into the folders of the package."""
    package = ROOT / "src" / PACKAGE
    files = [path for room in rooms for path in sorted((package / room).rglob("*.py"))]
    return [each for path in files for each in mutations(path.relative_to(package).as_posix(), path.read_bytes())]


def sample(among: list[Mutation], count: int, seed: int) -> list[Mutation]:
    """Choose faults; the same ones for the same seed and source."""
    return sorted(random.Random(seed).sample(among, min(count, len(among))))  # noqa: S311 - no secret


def show(mutation: Mutation | None, tests: Iterable[str]) -> Callable[[Path], int]:
    """Make what a fork runs: the tests, with the fault in the library; `None` is no fault at all."""
    time = next(_times)

    def run(copy: Path) -> int:
        if mutation is None:
            return pytest_code(tests, f"--timeout={_TEST_TIMEOUT}")
        path = copy / "src" / PACKAGE / mutation.file
        path.write_bytes(mutation.applied(path.read_bytes()))
        os.utime(path, (time, time))  # by which Python knows that what it has compiled is another source
        return pytest_code(tests, f"--timeout={_TEST_TIMEOUT}")

    return run


def restore(mutation: Mutation, copy: Path) -> None:
    """Take a fault out of a copy of the source; not in the fork, which may have been ended."""
    shutil.copy2(ROOT / "src" / PACKAGE / mutation.file, copy / "src" / PACKAGE / mutation.file)


def check(forks: Forks, chosen: Iterable[Mutation], covering: Covering) -> int:
    """Show no fault at all to the first tests of some, so that what finds a fault later has found that one.

    Args:
        forks: What runs them.
        chosen: The faults whose tests are run.
        covering: Which tests run which lines.

    Returns:
        How many tests there were.

    Raises:
        RuntimeError: Something was found.
    """
    each = (_of_stage(mutation, covering, 0) for mutation in chosen)
    tests = sorted({test for tests in each for test in tests})
    for ended in forks.run([Task("no fault", show(None, tests), 60 + 5 * len(tests))] if tests else []):
        found = killed_by(ended)
        if found is not None:
            raise RuntimeError(f"without a fault, {found} finds one:\n{ended.said}")
    return len(tests)


def verdicts(forks: Forks, chosen: Iterable[Mutation], covering: Covering, kept: Kept) -> Iterator[Verdict]:
    """Show each fault to the tests that run its line: first to the quickest, then to those that are about its file.

    Args:
        forks: What runs them.
        chosen: The faults.
        covering: Which tests run which lines.
        kept: What they have been shown to already.
    """
    pending = list(chosen)
    spent = dict.fromkeys(pending, 0.0)
    shown = dict.fromkeys(pending, 0)
    for stage in range(len(_STAGES)):
        tasks: list[Task[tuple[Mutation, list[str]]]] = []
        left = set(pending)
        for mutation in pending:
            killed = kept.killed(mutation)
            if killed is not None:
                left.discard(mutation)
                yield Verdict(mutation, killed, shown[mutation], spent[mutation])
                continue
            of_stage = _of_stage(mutation, covering, stage)
            shown[mutation] += len(of_stage)
            tests = kept.unseen(mutation, of_stage)
            if tests:
                limit = 30 + 5 * sum(covering.seconds[test] for test in tests)
                tasks.append(Task((mutation, tests), show(mutation, tests), limit))
        for ended in forks.run(tasks):
            mutation, tests = ended.subject
            restore(mutation, ended.copy)
            spent[mutation] += ended.seconds
            killed = killed_by(ended)
            kept.add(mutation, tests, killed)
            if killed is not None:
                left.discard(mutation)
                yield Verdict(mutation, killed, shown[mutation], spent[mutation])
        pending = [mutation for mutation in pending if mutation in left]
    for mutation in pending:
        yield Verdict(mutation, None, shown[mutation], spent[mutation])


def _of_stage(mutation: Mutation, covering: Covering, stage: int) -> list[str]:
    """Choose the tests of one stage, as long as there is time: the quickest, and then those that are about the file.

    A test is the more about a file the more of the lines that it runs are there; the slower it is, the later it comes.
    """
    left = covering.tests(mutation.file, _lines(mutation))
    of_stage = _within(left, covering, *_STAGES[0])
    if stage == 0:
        return of_stage
    left = left[len(of_stage) :]
    there = _run(covering, [mutation.file])
    anywhere = _run(covering, covering.lines)
    left.sort(key=lambda test: -there[test] / anywhere[test] / (_SLOW + covering.seconds[test]))
    return _within(left, covering, *_STAGES[stage])


def _run(covering: Covering, files: Iterable[str]) -> Counter[str]:
    """Count the lines of some files that each test runs."""
    return Counter(test for file in files for tests in covering.lines[file].values() for test in tests)


def _within(tests: list[str], covering: Covering, most_seconds: float, most_files: int) -> list[str]:
    """Choose the first tests, as long as there is time for them; one in any case."""
    chosen, files, seconds = list[str](), set[str](), 0.0
    for test in tests:
        seconds += covering.seconds[test]
        files.add(test.partition("::")[0])
        if chosen and (seconds > most_seconds or len(files) > most_files):
            break
        chosen.append(test)
    return chosen


def _lines(mutation: Mutation) -> range:
    """Name the lines of the statement that a fault is in: coverage knows a statement by its first."""
    tree = ast.parse((ROOT / "src" / PACKAGE / mutation.file).read_bytes())
    first = mutation.line
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and node.lineno <= mutation.line <= (node.end_lineno or 0):
            is_block = hasattr(node, "body")
            if not is_block:
                first = min(first, node.lineno)
    return range(first, mutation.line + 1)
