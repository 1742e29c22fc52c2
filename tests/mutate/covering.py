"""Which tests run which lines: found once, by running every test file under coverage in a process of its own."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from tests.mutate.forks import PACKAGE, ROOT, Forks, Task, pytest_code, written

#: Test files that take long, or that are about something else than the library's code.
LEFT_OUT: Final = frozenset(
    f"test_{name}.py"
    for name in (
        *("architecture", "benchmarks", "cli", "cli_models", "crossing", "docs", "fuzz", "hazards", "jsonplaceholder"),
        *("instructions", "mutate", "nginx", "public", "real_proxy", "real_servers", "soak", "stale"),
        "structify_differential",
    )
)
#: The files here that decide what is recorded; the others decide which faults there are.
_RECORDED: Final = (Path(__file__), Path(__file__).with_name("forks.py"))
_MOST_SECONDS: Final = 600  # for one test file, under coverage


@dataclass
class Covering:
    """What the tests run.

    Attributes:
        seconds: How long each test takes, all of its parameters together.
        lines: Of each file and line, the tests that run it; a line that runs when the file is imported has none.
        imported: The lines of each file that run when it is imported.
        digests: Of each test file, what changes with it, with the library, and with what tests share.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    imported: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    digests: dict[str, str] = field(default_factory=dict)

    def tests(self, file: str, lines: Iterable[int]) -> list[str]:
        """Name the tests that run one of these lines, the quickest first; of lines that are imported, all of the file.

        Args:
            file: The source file, from the folder of the package.
            lines: Lines of one statement.
        """
        of_file = self.lines[file]
        found = {test for line in lines for test in of_file.get(line, ())}
        if not found and not self.imported[file].isdisjoint(lines):
            found = {test for tests in of_file.values() for test in tests}
        return sorted(found, key=lambda test: (self.seconds[test], test))

    def add(self, told: dict[str, Any]) -> None:
        """Add what one test file told."""
        for test, seconds in told["seconds"].items():
            self.seconds[test] = self.seconds.get(test, 0) + seconds
        for file, contexts in told["lines"].items():
            for line, tests in contexts.items():
                self.lines[file][int(line)].update(set(tests) & self.seconds.keys())
                if "" in tests:
                    self.imported[file].add(int(line))


class _Recorder:
    """A plugin of pytest's that tells coverage which test runs, and notes how long it takes."""

    def __init__(self, coverage: Any) -> None:
        self.coverage = coverage
        self.seconds: dict[str, float] = defaultdict(float)
        self.unfit: set[str] = set()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Begin a test."""
        self.coverage.switch_context(nodeid.partition("[")[0])

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note a test; one that fails or skips as it is tells nothing of a fault."""
        name = report.nodeid.partition("[")[0]
        self.seconds[name] += report.duration
        if report.failed:
            self.unfit.add(name)

    def pytest_runtest_logfinish(self) -> None:
        """End a test."""
        self.coverage.switch_context("")


def _record(test_file: Path, rooms: Iterable[str], copy: Path) -> int:
    from coverage import Coverage

    coverage = Coverage(data_file=None, source_pkgs=[PACKAGE], branch=False, config_file=False)
    coverage.start()
    recorder = _Recorder(coverage)
    pytest_code([str(test_file.relative_to(ROOT))], "--maxfail=1000", plugins=[recorder])
    coverage.stop()
    data, package = coverage.get_data(), copy / "src" / PACKAGE
    lines = {}
    for measured in data.measured_files():
        path = Path(measured)
        if path.is_relative_to(package) and path.relative_to(package).parts[0] in rooms:
            lines[path.relative_to(package).as_posix()] = data.contexts_by_lineno(measured)
    seconds = {name: value for name, value in recorder.seconds.items() if name not in recorder.unfit}
    written(copy / "told.json", {"seconds": seconds, "lines": lines})
    return 0


def test_files(patterns: Iterable[str]) -> list[Path]:
    """List the test files that faults are shown to, of those whose names fit one of the patterns."""
    fit = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if path.name not in LEFT_OUT]
    return [path for path in fit if any(fnmatch(path.stem, pattern) for pattern in patterns)]


def found(forks: Forks, rooms: tuple[str, ...], patterns: list[str], kept: Path) -> Covering:
    """Find what the tests run, or read it again of each test file that has not changed.

    Args:
        forks: What runs the tests.
        rooms: The folders of the package that matter.
        patterns: What the names of the test files fit.
        kept: The file that keeps it.
    """
    stored: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else {}
    files = {str(path.relative_to(ROOT)): path for path in test_files(patterns)}
    common = _digest(rooms)
    digests = {name: hashlib.sha256(common + path.read_bytes()).hexdigest() for name, path in files.items()}
    told = {name: each for name, each in stored.items() if each["digest"] == digests.get(name)}

    def tasks() -> Iterator[Task[str]]:
        # The longest files first, so that no job is left with one of them alone.
        for name, path in sorted(files.items(), key=lambda item: -item[1].stat().st_size):
            if name not in told:
                yield Task(name, lambda copy, path=path: _record(path, rooms, copy), _MOST_SECONDS)  # type: ignore[misc] # the path is bound

    for ended in forks.run(tasks()):
        if ended.code != 0:
            raise RuntimeError(f"{ended.subject} could not be run under coverage:\n{ended.said}")
        told[ended.subject] = {"digest": digests[ended.subject], **json.loads((ended.copy / "told.json").read_text())}
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(stored | told))
    covering = Covering(digests=digests)
    for each in told.values():
        covering.add(each)
    return covering


def _digest(rooms: tuple[str, ...]) -> bytes:
    """Digest what every test file depends on: the library, and what tests share."""
    digest = hashlib.sha256(repr(rooms).encode())
    faults = Path(__file__).parent
    shared = [path for path in (ROOT / "tests").rglob("*.py") if not path.name.startswith("test_")]
    shared = [path for path in shared if path.parent != faults or path in _RECORDED]
    for path in sorted([*(ROOT / "src").rglob("*.py"), *shared]):
        digest.update(path.read_bytes())
    return digest.digest()
