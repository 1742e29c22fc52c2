"""Every hazard and every advisory of docs/reliability.md is held by a test that names it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reliability.md"


def marks_of(source: str) -> Iterator[int | str]:
    """Yield the rows and advisories that the `hazard` markers of a test module name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.hazard":
            for argument in node.args:
                value = ast.literal_eval(argument)
                assert isinstance(value, (int, str)), ast.unparse(node)
                yield value


@cache
def held() -> frozenset[int | str]:
    """Collect what all tests name."""
    return frozenset(mark for path in TESTS.rglob("*.py") for mark in marks_of(path.read_text(encoding="utf-8")))


def page() -> tuple[list[int], set[str]]:
    """Read the rows and the advisories of the page."""
    text = PAGE.read_text(encoding="utf-8")
    rows = [int(row) for row in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)]
    return rows, set(re.findall(r"\bCVE-\d{4}-\d{4,7}\b", text))


def test_the_table_is_whole() -> None:
    """The table has the rows 1 to 57, in their order."""
    assert page()[0] == list(range(1, 58))


def test_every_row_is_held() -> None:
    """Each row is named by a test."""
    assert sorted(set(page()[0]) - held()) == []


def test_every_advisory_is_held() -> None:
    """Each advisory is named by a test."""
    assert sorted(page()[1] - held()) == []


def test_no_test_names_what_is_not_there() -> None:
    """What tests name stands on the page, so that a slip of the pen shows."""
    rows, advisories = page()
    assert sorted(map(str, held() - set(rows) - advisories)) == []


@pytest.mark.hazard(27)
def test_parsers_with_known_faults_are_not_installed() -> None:
    """The package asks for the first versions of its parsers without a known fault, or for later ones."""
    floors = dict(re.findall(r'"(aiohttp|httptools)>=([\d.]+)"', (TESTS.parent / "pyproject.toml").read_text()))
    least = {"aiohttp": (3, 14, 5), "httptools": (0, 9, 0)}
    assert {name: tuple(map(int, floor.split("."))) >= least[name] for name, floor in floors.items()} == dict.fromkeys(
        least, True
    )


def test_marks_are_read() -> None:
    """Rows and advisories are found in decorators and in the marks of a module."""
    source = "@pytest.mark.hazard(1, 'CVE-2000-0001')\ndef test_x(): ...\npytestmark = [pytest.mark.hazard(2)]"
    assert set(marks_of(source)) == {1, 2, "CVE-2000-0001"}
