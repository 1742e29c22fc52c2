"""The law of the house: who may import whom, what the pure core may not touch, how long things may be."""

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = "headrace"
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

# Room -> level. A room is a module or a folder right below the package. Imports go to a lower number, or stay in the
# room. The steps within level 4 say that the client does not know the rooms that use it.
LEVELS = {
    "_redact": -1,
    "_version": 0,
    "errors": 0,
    "_hooks": 0.1,
    "types": 0,
    "_checks": 0.1,
    "progress": 0.1,
    "policies": 0.5,
    "_models": 0.9,
    "config": 1,
    "models": 1,
    "_core": 2,
    "auth": 2.5,
    "_io": 3,
    "_run": 4.0,
    "_streams": 4.0,
    "_configured": 4.0,
    "_uploads": 4.05,
    "_verbs": 4.0,
    "streams": 4.0,
    "client": 4.1,
    "compat": 4.2,
    "testing": 4.2,
    "cli": 4.3,
    "__init__": 4.9,
}

# Time, chance and I/O are arguments of the core.
NOT_IN_CORE = {"aiohttp", "asyncio", "logging", "os", "random", "socket", "ssl", "threading", "time"}

# (importer, imported) -> why that one import may break the law. Names are modules without the package's own.
ALLOWED_IMPORTS: dict[tuple[str, str], str] = {}
# (importer, imported) -> the same, only below `if TYPE_CHECKING`.
ALLOWED_FOR_TYPING = {
    ("types", "_core.credentials"): "the Protocol of Auth names what it gives",
    ("types", "_core.messages"): "Transport's Protocol names the request and response that cross it",
    ("types", "config"): "the options of a verb name Timeout",
}
# "file" or "file::function" -> why it may be longer. Files are named from the root of the repository.
ALLOWED_LENGTH = {
    "src/headrace/errors.py": "a table in the form of classes: one for each of the 46 registered statuses",
}


@dataclass(frozen=True)
class Import:
    """One import of one module."""

    importer: str
    imported: str
    """Without the package's own name where it is inside, as it stands where it is outside."""
    inside: bool
    for_typing: bool
    line: int


def package_folder() -> Path:
    """Return the folder of the package under test: src, or where the wheel was installed."""
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


@cache
def modules() -> dict[str, Path]:
    """Return every module of the package, named without the package's own name."""
    folder = package_folder()
    return {".".join(path.relative_to(folder).with_suffix("").parts): path for path in sorted(folder.rglob("*.py"))}


@cache
def all_imports() -> tuple[Import, ...]:
    """Return every import of every module."""
    return tuple(
        found for name, path in modules().items() for found in imports_of(name, path.read_text(), frozenset(modules()))
    )


def room_of(module: str) -> str:
    """Return the room that a module belongs to.

    Args:
        module: Named without the package's own name.
    """
    return module.partition(".")[0]


def imports_of(importer: str, source: str, known: frozenset[str]) -> Iterator[Import]:
    """Yield the imports of a module, also those inside functions.

    Args:
        importer: The module's name.
        source: Its text.
        known: The package's modules, to tell `from headrace import client` (a module) from a name.
    """
    tree = ast.parse(source)
    typing_lines = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        for child in node.body
        for line in range(child.lineno, (child.end_lineno or child.lineno) + 1)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for target in _targets(node, importer, known):
                inside = target == PACKAGE or target.startswith(PACKAGE + ".")
                name = (target.removeprefix(PACKAGE).removeprefix(".") or "__init__") if inside else target
                if inside and f"{name}.__init__" in known:
                    name += ".__init__"
                yield Import(importer, name, inside, node.lineno in typing_lines, node.lineno)


def _targets(node: ast.Import | ast.ImportFrom, importer: str, known: frozenset[str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        # A package's own `__init__` counts as one part, so the same rule serves modules and packages.
        parents = [PACKAGE, *importer.split(".")][: -node.level]
        base = ".".join([*parents, *([node.module] if node.module else [])])
    targets = []
    for alias in node.names:
        deeper = f"{base}.{alias.name}"
        inner = deeper.removeprefix(PACKAGE + ".")
        targets.append(deeper if inner in known or f"{inner}.__init__" in known else base)
    return sorted(set(targets))


def breach(found: Import) -> str | None:
    """Return what is wrong with an import, or `None`.

    Args:
        found: Any import of the package.
    """
    here, there = room_of(found.importer), room_of(found.imported)
    edge = (found.importer, found.imported)
    if edge in ALLOWED_IMPORTS or (found.for_typing and edge in ALLOWED_FOR_TYPING):
        return None
    where = f"{found.importer}:{found.line}"
    if not found.inside:
        if here == "_core" and there in NOT_IN_CORE:
            return f"{where} imports {found.imported}: time, chance and I/O are arguments of _core"
        return None
    for room in (here, there):
        if room not in LEVELS:
            return f"{where}: {room} has no level; give it one in LEVELS of tests/test_architecture.py"
    if here == there or LEVELS[there] < LEVELS[here]:
        return None
    return f"{where} (level {LEVELS[here]}) imports {found.imported} (level {LEVELS[there]}): arrows only go down"


def cycle_in(edges: dict[str, set[str]]) -> list[str] | None:
    """Return one cycle of a graph, its first node again at its end, or `None`.

    Args:
        edges: What each node points to.
    """
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str] | None:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return None
        for following in sorted(edges.get(node, ())):
            if found := visit(following, [*path, node]):
                return found
        done.add(node)
        return None

    return next((found for node in sorted(edges) if (found := visit(node, []))), None)


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
    package, root = package_folder(), Path(__file__).resolve().parents[1]
    found = {f"src/{PACKAGE}/{path.relative_to(package).as_posix()}": path for path in package.rglob("*.py")}
    for folder in ("tests", "benchmarks"):
        found |= {path.relative_to(root).as_posix(): path for path in (root / folder).rglob("*.py")}
    return dict(sorted(found.items()))


def test_every_module_has_a_level() -> None:
    """A new room is named in LEVELS, where the next reader looks for it."""
    strangers = {room_of(name) for name in modules()} - LEVELS.keys()
    assert not strangers, f"give {sorted(strangers)} a level in LEVELS of tests/test_architecture.py"


def test_imports_go_down() -> None:
    """Rooms import lower rooms or themselves, and the core imports nothing that has a clock, chance or a wire."""
    breaches = [sentence for found in all_imports() if (sentence := breach(found))]
    assert not breaches, "\n".join(breaches)


def test_no_cycles() -> None:
    """No module is imported, by whatever way, by what it imports."""
    edges: dict[str, set[str]] = {}
    for found in all_imports():
        if found.inside and not found.for_typing:
            edges.setdefault(found.importer, set()).add(found.imported)
    cycle = cycle_in(edges)
    assert cycle is None, " -> ".join(cycle or ())


def test_nothing_is_too_long() -> None:
    """No file and no function outgrows what a reader holds in mind."""
    found = [sentence for name, path in sources().items() for sentence in too_long(name, path.read_text())]
    assert not found, "\n".join(found)


def test_exceptions_are_needed() -> None:
    """An exception whose reason is gone is deleted."""
    inside = {(found.importer, found.imported) for found in all_imports()}
    unused = (ALLOWED_IMPORTS.keys() | ALLOWED_FOR_TYPING.keys()) - inside
    unused_lengths = {name for name in ALLOWED_LENGTH if name.partition("::")[0] not in sources()}
    assert not unused
    assert not unused_lengths


KNOWN = frozenset(
    {"__init__", "errors", "types", "client", "_core.__init__", "_core.decode", "_core.messages", "_io.pool"}
)


@pytest.mark.parametrize(
    ("importer", "source", "expected"),
    [
        ("client", "from headrace import errors", None),
        ("client", "from headrace._io.wire.pool import Pool", None),
        ("client", "import time", None),
        ("_core.decode", "from headrace._core.messages import Request", None),
        ("_core.decode", "from . import messages", None),
        ("_core.decode", "from .messages import Request", None),
        ("_core.__init__", "from .messages import Request", None),
        ("_core.decode", "import zlib", None),
        ("types", "if TYPE_CHECKING:\n    from headrace._core.messages import Request", None),
        ("types", "from headrace._core.messages import Request", "arrows only go down"),
        ("types", "if TYPE_CHECKING:\n    from headrace._core import decode", "arrows only go down"),
        ("_core.decode", "from headrace import _io", "arrows only go down"),
        ("_core.decode", "from headrace._io.wire.pool import Pool", "arrows only go down"),
        ("_core.decode", "from ..client import AsyncClient", "arrows only go down"),
        ("_core.decode", "def late():\n    from headrace import client", "arrows only go down"),
        ("_core.decode", "import headrace", "arrows only go down"),
        ("_core.decode", "from headrace import AsyncClient", "arrows only go down"),
        ("errors", "import headrace.types", "arrows only go down"),
        ("_core.decode", "import os.path", "time, chance and I/O"),
        ("_core.decode", "from time import monotonic", "time, chance and I/O"),
        ("client", "import headrace.bulk", "give it one in LEVELS"),
        ("bulk", "from headrace import client", "give it one in LEVELS"),
    ],
)
def test_the_law_itself(importer: str, source: str, expected: str | None) -> None:
    """Made-up imports are judged as the law says."""
    verdicts = [breach(found) for found in imports_of(importer, source, KNOWN | {"_io.__init__"})]
    assert len(verdicts) == 1
    assert verdicts[0] is None if expected is None else expected in str(verdicts[0])


def test_cycles_are_found() -> None:
    """A cycle is named from its first to its last step, and a diamond is none."""
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle_in({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}}) is None


def test_length_is_measured() -> None:
    """One line too many is seen, in a file and in a function."""
    body = "def f():\n" + "    x = 1\n" * (MAX_FUNCTION_LINES - 1)
    assert too_long("made_up.py", body) == []
    assert too_long("made_up.py", body + "    x = 1\n") == ["made_up.py:1 f has 61 lines, 60 are allowed"]
    assert too_long("made_up.py", "x = 1\n" * 401) == ["made_up.py has 401 lines, 400 are allowed"]
