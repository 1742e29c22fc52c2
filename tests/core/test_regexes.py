"""No regular expression of the library takes more than linear time, whatever text it sees."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import headrace
from tests.kit.ambiguity import Automaton

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(headrace.__file__).parent
#: The functions of `re` that take a pattern, and how each goes over its text. What begins at many places is a search.
_MODES = {
    "match": "match",
    "fullmatch": "fullmatch",
    "search": "search",
    "findall": "search",
    "finditer": "search",
    "split": "search",
    "sub": "search",
    "subn": "search",
    "scanner": "search",
}


class Use(NamedTuple):
    """A pattern, where it is written, and how it is used."""

    place: str
    pattern: re.Pattern[Any]
    mode: str


def uses_in(path: Path) -> Iterator[Use]:
    """Find every pattern that a module makes, with every way in which its text is gone over.

    Args:
        path: The module's file.

    Raises:
        AssertionError: It makes a pattern of what is known only when it runs, and uses it.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _function(node) is not None]
    if not calls:
        return
    name = ".".join(("headrace", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    module = vars(importlib.import_module(name))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for call in calls:
        function, parent = _function(call), parents[call]
        place = f"{name}:{call.lineno}"
        if function == "compile" and isinstance(parent, ast.Expr):
            continue  # made to see whether that is possible, and used for nothing
        if function == "compile":
            pattern = _value(call, module, place)
            modes = _modes_of(parent, parents, tree)
        else:
            flags = [keyword.value for keyword in call.keywords if keyword.arg == "flags"]
            pattern = re.compile(*(_value(part, module, place) for part in (call.args[0], *flags)))
            modes = {_MODES[str(function)]}
        for mode in sorted(modes):
            yield Use(f"{place} {mode}", pattern, mode)


def _function(call: ast.Call) -> str | None:
    function = call.func
    if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "re"):
        return None
    return function.attr if function.attr in (*_MODES, "compile") else None


def _value(expression: ast.expr, module: dict[str, Any], place: str) -> Any:
    try:
        return eval(ast.unparse(expression), dict(module))  # noqa: S307 - the library's own source
    except NameError as error:
        message = f"{place}: a pattern that is not known before it runs cannot be judged"
        raise AssertionError(message) from error


def _modes_of(parent: ast.AST, parents: dict[ast.AST, ast.AST], tree: ast.Module) -> set[str]:
    """Find how a pattern that is kept is used; as a search where that cannot be seen."""
    if isinstance(parent, ast.Attribute):  # a method of it is kept
        return {_MODES[parent.attr]}
    targets = parent.targets if isinstance(parent, ast.Assign) else [getattr(parent, "target", None)]
    if not all(isinstance(target, ast.Name) for target in targets):
        return {"search"}
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in names and isinstance(node.ctx, ast.Load):
            user = parents[node]
            found.add(_MODES.get(user.attr, "search") if isinstance(user, ast.Attribute) else "search")
    return found or {"search"}


USES = [use for path in sorted(SOURCE.rglob("*.py")) for use in uses_in(path)]


@pytest.mark.hazard(60)
@pytest.mark.parametrize("use", USES, ids=[use.place for use in USES])
def test_no_pattern_is_ambiguous(use: Use) -> None:
    """There is one way to try a text, up to a constant, and a search tries no part of it from many places."""
    automaton = Automaton(use.pattern, use.mode)
    assert not automaton.is_exponential(), f"exponential: {use.pattern.pattern!r}"
    assert not automaton.is_polynomial(), f"more than linear: {use.pattern.pattern!r}"


def test_all_patterns_are_found() -> None:
    """Every pattern that a module of the library keeps is among those that are judged."""
    judged = {(use.pattern.pattern, use.pattern.flags) for use in USES}
    kept = set()
    for path in SOURCE.rglob("*.py"):
        name = ".".join(("headrace", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
        if name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(name)).values():
            pattern = getattr(value, "__self__", value)
            if isinstance(pattern, re.Pattern):
                kept.add((pattern.pattern, pattern.flags))
    assert len(kept) > 20
    assert kept <= judged


@pytest.mark.parametrize(
    ("pattern", "mode", "exponential", "polynomial"),
    [
        (r"(a*)*b", "match", True, False),
        (r"(a|a)*b", "match", True, False),
        (r"(?:a|b|ab)*c", "match", True, True),
        (r"(?:\d+,?)*$", "match", True, False),
        (r"(?:a*b*)*c", "fullmatch", True, False),
        (r'(?:;[a-z]*(?:=(?::[a-z=]*:|[^\s;,"]*))?)*,', "match", True, True),
        (r"(?i:(?:k-?|\u212a-?)*!)", "match", True, True),
        (r"(?:k-?|\u212a-?)*!", "match", False, False),
        (r"(?:\w-?|\xe9-?)*!", "match", True, True),
        (rb"(?:\w-?|\xe9-?)*!", "match", False, False),
        (rb"(?:\W1?|\xe9-?)*!", "match", True, True),
        (r"a*a*b", "match", False, True),
        (r"(?:a{2,}){2}b", "match", False, True),
        (r"\s+$", "search", False, True),
        (r'"(?:[^"\\]|\\.)*"', "search", False, True),
        (r"(?=a*b)a", "search", False, True),
        (r"\s+$", "match", False, False),
        (r"a*", "search", False, False),
        (r"a*", "fullmatch", False, False),
        (r'"(?:[^"\\]|\\.)*"', "match", False, False),
        (r"(?:\d+,)*$", "match", False, False),
        (r"//[^/]*@", "search", False, False),
        (r"(?:a?){3}b", "match", False, False),
        (r"[0-9]{1,16}(?:\.[0-9]{1,9})?", "fullmatch", False, False),
    ],
)
def test_the_judge_is_just(pattern: str | bytes, mode: str, exponential: bool, polynomial: bool) -> None:
    """What is known to be slow is found, and what is known to be linear is let through."""
    automaton = Automaton(re.compile(pattern), mode)
    assert (automaton.is_exponential(), automaton.is_polynomial()) == (exponential, polynomial)
