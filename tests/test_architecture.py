"""The law of the house: who may import whom, what the pure core may not touch, how long things may be."""

import ast
from pathlib import Path

import pytest

from tests.kit.house import (
    DRAWING,
    LEVEL_OF,
    LEVELS,
    PACKAGE,
    ROOT,
    Import,
    all_imports,
    cycle_in,
    drawing,
    imports_of,
    modules,
    package_folder,
    room_of,
)

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

# Time, chance and I/O are arguments of the core.
NOT_IN_CORE = {"aiohttp", "asyncio", "logging", "os", "random", "socket", "ssl", "threading", "time"}

# (importer, imported) -> why that one import may break the law. Names are modules without the package's own.
ALLOWED_IMPORTS: dict[tuple[str, str], str] = {}
#: The `__init__` of folders whose rooms have levels of their own: a docstring, no import.
FOLDERS = frozenset({"_core.__init__", "_io.__init__", "_client.__init__"})
# "file" or "file::function" -> why it may be longer. Files are named from the root of the repository.
ALLOWED_LENGTH = {
    "src/headrace/errors.py": "a table in the form of classes: one for each of the 46 registered statuses",
}


def breach(found: Import) -> str | None:
    """Return what is wrong with an import, or `None`.

    Args:
        found: Any import of the package.
    """
    here = room_of(found.importer)
    there = room_of(found.imported) if found.inside else found.imported.partition(".")[0]
    edge = (found.importer, found.imported)
    if edge in ALLOWED_IMPORTS:
        return None
    where = f"{found.importer}:{found.line}"
    if not found.inside:
        if here.startswith("_core") and there in NOT_IN_CORE:
            return f"{where} imports {found.imported}: time, chance and I/O are arguments of _core"
        return None
    for room in (here, there):
        if room not in LEVEL_OF:
            return f"{where}: {room} has no level; give it one in LEVELS of tests/kit/house.py"
    if here == there or LEVEL_OF[there] < LEVEL_OF[here]:
        return None
    return f"{where} (level {LEVEL_OF[here]}) imports {found.imported} (level {LEVEL_OF[there]}): arrows only go down"


def too_long(name: str, source: str) -> list[str]:
    """Return what in a file is longer than the house allows, as sentences.

    Args:
        name: The file's name from the root of the repository.
        source: Its text.
    """
    found = []
    lines = len(source.splitlines())
    if lines > MAX_FILE_LINES and name not in ALLOWED_LENGTH:
        found.append(f"{name} has {lines} lines, {MAX_FILE_LINES} are allowed")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES and f"{name}::{node.name}" not in ALLOWED_LENGTH:
                found.append(f"{name}:{node.lineno} {node.name} has {length} lines, {MAX_FUNCTION_LINES} are allowed")
    return found


def sources() -> dict[str, Path]:
    """Return the files whose length counts: the package, its tests and its benchmarks."""
    package = package_folder()
    found = {f"src/{PACKAGE}/{path.relative_to(package).as_posix()}": path for path in package.rglob("*.py")}
    for folder in ("tests", "benchmarks"):
        found |= {path.relative_to(ROOT).as_posix(): path for path in (ROOT / folder).rglob("*.py")}
    return dict(sorted(found.items()))


def borrowed(name: str, source: str) -> list[str]:
    """Return what a file of the tests imports from a module of tests, as sentences.

    Args:
        name: The file's name from the root of the repository.
        source: Its text.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported = [f"{node.module or ''}.{alias.name}" for alias in node.names]
        else:
            continue
        found += [
            f"{name}:{node.lineno} imports {each}: what tests share is in tests/kit"
            for each in imported
            if any(part.startswith("test_") for part in each.split("."))
        ]
    return found


def test_every_module_has_a_level() -> None:
    """A new room is named in LEVELS, where the next reader looks for it."""
    strangers = {room for name in modules() if (room := room_of(name)) not in LEVEL_OF and name not in FOLDERS}
    assert not strangers, f"give {sorted(strangers)} a level in LEVELS of tests/kit/house.py"


def test_every_level_has_its_rooms() -> None:
    """A room that is gone is gone from LEVELS, and none stands there twice."""
    named = [room for rooms in LEVELS for room in rooms]
    assert sorted(set(named)) == sorted(named)
    assert {room_of(name) for name in modules() if name not in FOLDERS} == set(named)


def test_imports_go_down() -> None:
    """Rooms import lower rooms or themselves, and the core imports nothing that has a clock, chance or a wire."""
    breaches = [sentence for found in all_imports() if (sentence := breach(found))]
    assert not breaches, "\n".join(breaches)


def test_no_cycles() -> None:
    """No module is imported, by whatever way, by what it imports; imports for type checkers count too."""
    edges: dict[str, set[str]] = {}
    for found in all_imports():
        if found.inside:
            edges.setdefault(found.importer, set()).add(found.imported)
    cycle = cycle_in(edges)
    assert cycle is None, " -> ".join(cycle or ())


def test_nothing_is_too_long() -> None:
    """No file and no function outgrows what a reader holds in mind."""
    found = [sentence for name, path in sources().items() for sentence in too_long(name, path.read_text())]
    assert not found, "\n".join(found)


def test_no_test_is_a_library() -> None:
    """No file of the tests imports from a module of tests."""
    files = {name: path for name, path in sources().items() if name.startswith("tests/")}
    found = [sentence for name, path in files.items() for sentence in borrowed(name, path.read_text())]
    assert len(files) > 100
    assert not found, "\n".join(found)


def test_the_drawing_is_current() -> None:
    """The picture in ARCHITECTURE.md shows the imports of today; `make house` draws it."""
    assert DRAWING.read_text(encoding="utf-8") == drawing(all_imports())


def test_exceptions_are_needed() -> None:
    """An exception whose reason is gone is deleted."""
    inside = {(found.importer, found.imported) for found in all_imports()}
    unused = ALLOWED_IMPORTS.keys() - inside
    unused_lengths = {name for name in ALLOWED_LENGTH if name.partition("::")[0] not in sources()}
    assert not unused
    assert not unused_lengths


KNOWN = frozenset(
    {"__init__", "errors", "types", "client", "_core.__init__", "_core.messages", "_core.values.decode"}
    | {"_core.values.__init__", "_core.values.lines", "_io.__init__", "_io.wire.pool", "_io.flow.chain"}
)


@pytest.mark.parametrize(
    ("importer", "source", "expected"),
    [
        ("client", "from headrace import errors", None),
        ("client", "from headrace._io.wire.pool import Pool", None),
        ("client", "import time", None),
        ("_core.values.decode", "from headrace._core.messages import Request", None),
        ("_core.values.decode", "from headrace._core.values import lines", None),
        ("_core.values.decode", "from . import lines", None),
        ("_core.values.decode", "from .lines import Lines", None),
        ("_core.values.decode", "from ..messages import Request", None),
        ("_core.values.__init__", "from .lines import Lines", None),
        ("_core.values.decode", "import zlib", None),
        ("types", "if TYPE_CHECKING:\n    from headrace._core.messages import Request", None),
        ("_core.messages", "if TYPE_CHECKING:\n    from headrace.types import Send", "arrows only go down"),
        ("_io.wire.pool", "from headrace._io.flow import chain", "arrows only go down"),
        ("_core.values.decode", "from headrace._io.wire.pool import Pool", "arrows only go down"),
        ("_core.values.decode", "from ...client import AsyncClient", "arrows only go down"),
        ("_core.values.decode", "def late():\n    from headrace import client", "arrows only go down"),
        ("_core.values.decode", "import headrace", "arrows only go down"),
        ("_core.values.decode", "from headrace import AsyncClient", "arrows only go down"),
        ("errors", "import headrace.types", "arrows only go down"),
        ("_core.values.decode", "import os.path", "time, chance and I/O"),
        ("_core.values.decode", "from time import monotonic", "time, chance and I/O"),
        ("client", "import headrace.weir", "give it one in LEVELS"),
        ("weir", "from headrace import client", "give it one in LEVELS"),
        ("_core.messages", "from headrace import _io", "give it one in LEVELS"),
    ],
)
def test_the_law_itself(importer: str, source: str, expected: str | None) -> None:
    """Made-up imports are judged as the law says."""
    verdicts = [breach(found) for found in imports_of(importer, source, KNOWN)]
    assert len(verdicts) == 1
    assert verdicts[0] is None if expected is None else expected in str(verdicts[0])


def test_cycles_are_found() -> None:
    """A cycle is named from its first to its last step, and a diamond is none."""
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle_in({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}}) is None


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("from tests.wire.test_pool import until", [1]),
        ("from tests.wire import test_pool", [1]),
        ("import tests.wire.test_pool as pool", [1]),
        ("from .test_pool import until", [1]),
        ("from . import test_pool", [1]),
        ("if TYPE_CHECKING:\n    from tests.wire.test_pool import Mill", [2]),
        ("def late():\n    from tests.wire.test_pool import until", [2]),
        ("from tests.kit.waiting import until", []),
        ("from tests.conftest import Serve", []),
    ],
)
def test_borrowing_is_seen(source: str, lines: list[int]) -> None:
    """Every way to import from a module of tests is seen."""
    found = borrowed("tests/made_up.py", source)
    assert [sentence.partition(" ")[0] for sentence in found] == [f"tests/made_up.py:{line}" for line in lines]


def test_length_is_measured() -> None:
    """One line too many is seen, in a file and in a function."""
    body = "def f():\n" + "    x = 1\n" * (MAX_FUNCTION_LINES - 1)
    assert too_long("made_up.py", body) == []
    assert too_long("made_up.py", body + "    x = 1\n") == ["made_up.py:1 f has 61 lines, 60 are allowed"]
    assert too_long("made_up.py", "x = 1\n" * 401) == ["made_up.py has 401 lines, 400 are allowed"]
