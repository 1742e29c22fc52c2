"""The hazards of docs/hazards.md: which tests hold them. `python -m tests.kit.hazards` writes their column anew."""

import ast
import re
import sys
from collections.abc import Iterator

from tests.kit import ROOT

TESTS = ROOT / "tests"
PAGE = ROOT / "docs" / "hazards.md"
#: What users read of the same rows.
USERS = ROOT / "docs" / "reliability.md"
_ID = re.compile(r"\b(?:CVE-\d{4}-\d{4,7}|GHSA(?:-[0-9a-z]{4}){3})\b")


def marks_of(source: str) -> Iterator[tuple[int | str, str]]:
    """Yield the rows and advisories that the `hazard` markers of a test module name, each with the test that has it.

    Args:
        source: The module's text. A marker of the whole module, or of a table of cases that no test names, is of `*`.
    """
    body = ast.parse(source).body
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.hazard":
                for argument in node.args:
                    value = ast.literal_eval(argument)
                    assert isinstance(value, (int, str)), ast.unparse(node)
                    yield value, _test_of(statement)


def _test_of(statement: ast.stmt) -> str:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return statement.name
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return next((name for name in names if name.startswith("Test")), "*")


def held() -> dict[int | str, list[str]]:
    """Collect what all tests name: each row and advisory, and its tests as `test_module::test_name`, sorted."""
    found: dict[int | str, set[str]] = {}
    for path in TESTS.rglob("*.py"):
        for mark, test in marks_of(path.read_text(encoding="utf-8")):
            found.setdefault(mark, set()).add(f"{path.stem}::{test}")
    return {mark: sorted(tests) for mark, tests in found.items()}


def _section(title: str) -> str:
    return PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows() -> list[int]:
    """Read the numbers of the page's rows."""
    return list(names())


def names(text: str | None = None) -> dict[int, str]:
    """Read the rows of a page: each number, and the hazard it stands for.

    Args:
        text: The page; by default the table of `PAGE`.
    """
    found = re.findall(r"^\| (\d+) \| (.+?) \|", _section("Hazards") if text is None else text, re.MULTILINE)
    return {int(row): name for row, name in found}


def advisories() -> set[str]:
    """Read the advisories that tests have to hold: those in the table of the page's section about them."""
    lines = _section("Advisories").splitlines()
    return {found for line in lines if line.startswith("|") for found in _ID.findall(line)}


def written(text: str) -> str:
    """Write the last column of the page's tables of hazards and advisories anew.

    Args:
        text: The page.

    Returns:
        The page as it should be.
    """
    known = held()
    lines = []
    section = ""
    for line in text.split("\n"):
        section = line if line.startswith("## ") else section
        row = re.match(r"\| (\d+) \|", line)
        marks: list[int | str] = []
        if section == "## Hazards" and row is not None:
            marks = [int(row[1])]
        elif section == "## Advisories":
            marks = list(_ID.findall(line)) if line.startswith("|") else []
        if marks:
            tests = sorted({test for mark in marks for test in known.get(mark, ())})
            kept = line.rstrip().removesuffix("|").split(" | ")[: 2 if section == "## Hazards" else 3]
            lines.append(f"{' | '.join(kept).rstrip()} | {', '.join(f'`{test}`' for test in tests)} |")
        else:
            lines.append(line)
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
