"""A written module imports what it takes from elsewhere, each under a name of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from headrace.compat import _layout

if TYPE_CHECKING:
    from collections.abc import Iterable


class Imports:
    """The names that a module imports, each under a name of its own."""

    def __init__(self) -> None:
        self.modules: dict[str, str] = {}
        self.names: dict[tuple[str, str], str] = {}

    def copy(self) -> Imports:
        """Give a copy, for what may come to nothing."""
        made = Imports()
        made.modules, made.names = dict(self.modules), dict(self.names)
        return made

    def module(self, name: str, alias: str = "") -> str:
        """Import a module, and say what it is called."""
        return self.modules.setdefault(name, alias or name)

    def name(self, module: str, name: str, taken: Iterable[str]) -> str:
        """Import a name from a module, and say what it is called."""
        if (module, name) not in self.names:
            used = {*taken, *self.names.values(), *self.modules.values()}
            called, longer = name, ""
            for part in reversed(module.split(".")):
                if called not in used:
                    break
                longer = part.strip("_").title().replace("_", "") + longer
                called = longer + name
            while called in used:
                called += "_"
            self.names[module, name] = called
        return self.names[module, name]

    def lines(self) -> list[str]:
        """Write the imports in the order of isort: the standard library, then others, then headrace."""
        sections: dict[int, list[str]] = {0: [], 1: [], 2: []}
        for name, alias in sorted(self.modules.items()):
            sections[_section(name)].append(f"import {name}" if alias == name else f"import {name} as {alias}")
        by_module: dict[str, list[str]] = {}
        for (module, name), called in self.names.items():
            by_module.setdefault(module, []).append(name if name == called else f"{name} as {called}")
        for module, names in sorted(by_module.items()):
            sections[_section(module)] += _layout.imports(module, sorted(names, key=_order))
        return [line for section in sections.values() if section for line in ("", *section)]


def _order(name: str) -> tuple[int, str]:
    """Order imported names as isort does: constants, classes, the rest."""
    bare = name.partition(" ")[0]
    return (0 if bare.isupper() and len(bare) > 1 else 1 if bare[:1].isupper() else 2, name)


def _section(module: str) -> int:
    top = module.partition(".")[0]
    return 0 if top in sys.stdlib_module_names else 2 if top == "headrace" else 1
