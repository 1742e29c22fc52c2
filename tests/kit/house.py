"""The house as it stands: which module imports which, and on what level every room lies. `make house` draws it."""

import ast
import html
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.kit import ROOT

PACKAGE: Final = "headrace"
DRAWING: Final = ROOT / "docs" / "house.svg"

#: The levels, from the ground up. A room is a module, or a folder with all in it but the rooms that are named apart.
#: Imports go down, or stay in the room; rooms on one level do not know each other.
LEVELS: Final[tuple[tuple[str, ...], ...]] = (
    ("_redact", "_stopping", "_version", "_words", "_calling"),
    ("errors",),
    ("_checks", "_merging", "progress"),
    ("policies", "_models"),
    ("models", "_core.values.shims"),
    ("_core.request.encode",),
    ("_core.request.credentials", "_core.request.reference"),
    ("_core.messages", "_core.dates", "_core.pieces", "_core.stats"),
    ("_core.retries.retry_after",),
    ("_core.limits.server_limits",),
    ("types",),
    ("config",),
    ("_core.call", "_core.ranges"),
    ("_core.http", "_core.retries", "_core.limits", "_core.resuming"),
    ("_core.values",),
    ("_core.request",),
    ("_core.pages",),
    ("auth", "_io.closing", "_io.deadline", "_io.frames", "_io.heap", "_io.idle", "_io.reasons", "_io.threads"),
    ("_io.borrowed", "_io.limits", "_io.bodies"),
    ("_io.wire", "_io.session", "_io.flow"),
    ("_io.answers", "_io.pages"),
    ("_client.signatures", "_client.binding", "_client.desk", "_client.unmade", "_client.series"),
    ("_client.verbs",),
    ("_client.uploads", "_client.pipeline", "_client.loop_thread"),
    ("_client.forms",),
    ("_client.lane",),
    ("_client.streams", "_client.settings", "_client.iterating", "_client.pages", "_client.calling"),
    ("bulk",),
    ("client", "_run", "_client.blocking"),
    ("_sync",),
    ("sync",),
    ("compat", "ray", "testing", "streams", "transports", "limits", "pages", "sinks"),
    ("cli",),
    ("__init__",),
)
LEVEL_OF: Final = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}


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
    """Return the room that a module belongs to: the longest name that has a level, else its first part.

    Args:
        module: Named without the package's own name.
    """
    parts = module.removesuffix(".__init__").split(".")
    names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((name for name in names if name in LEVEL_OF), parts[0])


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


# The drawing.

_WIDTH, _BOX, _GAP, _ROW = 1180, 24, 12, 62
_WINGS: Final = {"_core": "#e7f0fb", "_io": "#e9f6ec", "_client": "#fdf1e0"}


def drawing(imports: Iterable[Import]) -> str:
    """Draw the rooms on their levels, and an arrow for each room that another one imports when it runs.

    Args:
        imports: The imports of the package.

    Returns:
        An SVG.
    """
    places: dict[str, tuple[float, float, float]] = {}
    boxes, lines = [], []
    for level, rooms in enumerate(reversed(LEVELS)):
        widths = [7.2 * len(room) + 18 for room in rooms]
        x, y = (_WIDTH - sum(widths) - _GAP * (len(rooms) - 1)) / 2, 14 + level * _ROW
        for room, width in zip(rooms, widths, strict=True):
            places[room] = (x, y, width)
            fill = _WINGS.get(room.partition(".")[0], "#f4f4f5")
            boxes.append(
                f'<g><rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{_BOX}" rx="4" fill="{fill}"/>'
                f'<text x="{x + width / 2:.0f}" y="{y + 16}">{html.escape(room)}</text></g>'
            )
            x += width + _GAP
    edges = {
        (room_of(found.importer), room_of(found.imported)) for found in imports if found.inside and not found.for_typing
    }
    for upper, lower in sorted(edge for edge in edges if edge[0] != edge[1] and set(edge) <= places.keys()):
        (x1, y1, w1), (x2, y2, w2) = places[upper], places[lower]
        lines.append(f'<path d="M{x1 + w1 / 2:.0f} {y1 + _BOX} L{x2 + w2 / 2:.0f} {y2 - 2}"/>')
    height = 14 + len(LEVELS) * _ROW
    style = (
        "rect{stroke:#71717a}text{font:12px ui-monospace,monospace;text-anchor:middle;fill:#18181b}"
        "path{stroke:#a1a1aa;stroke-width:.7;fill:none;marker-end:url(#a)}"
    )
    marker = '<marker id="a" markerWidth="6" markerHeight="6" refX="5" refY="3" orient="auto">'
    marker += '<path d="M0 0L6 3L0 6z" style="fill:#a1a1aa;stroke:none;marker-end:none"/></marker>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        ' aria-label="The rooms of headrace on their levels; arrows go down">\n'
        f"<style>{style}</style><defs>{marker}</defs>\n"
        f'<rect width="{_WIDTH}" height="{height}" style="fill:#fff;stroke:none"/>\n'
        + "\n".join([*lines, *boxes])
        + "\n</svg>\n"
    )


def main() -> None:
    """Write the drawing."""
    DRAWING.write_text(drawing(all_imports()), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
