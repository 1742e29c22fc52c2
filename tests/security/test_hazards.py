"""Every hazard and every advisory of docs/hazards.md is held by a test that names it."""

import re

import pytest

from tests.kit import hazards


def test_the_table_is_whole() -> None:
    """The table has the rows 1 to 76, in their order."""
    assert hazards.rows() == list(range(1, 77))


def test_users_read_of_the_same_rows() -> None:
    """The page that users read has each row once, under the same name."""
    text = hazards.USERS.read_text(encoding="utf-8")
    assert hazards.names(text) == hazards.names()
    assert len(re.findall(r"^\| \d+ \|", text, re.MULTILINE)) == len(hazards.rows())


def test_every_row_is_held() -> None:
    """Each row is named by a test."""
    assert sorted(set(hazards.rows()) - set(hazards.held())) == []


def test_every_advisory_is_held() -> None:
    """Each advisory is named by a test."""
    assert len(hazards.advisories()) > 100
    assert sorted(hazards.advisories() - set(hazards.held())) == []


def test_no_test_names_what_is_not_there() -> None:
    """What tests name stands on the page, so that a slip of the pen shows."""
    assert sorted(map(str, set(hazards.held()) - set(hazards.rows()) - hazards.advisories())) == []


def test_the_page_names_the_tests() -> None:
    """The page says which tests hold a row; where it does not, `python -m tests.kit.hazards` writes it anew."""
    text = hazards.PAGE.read_text(encoding="utf-8")
    assert hazards.written(text).splitlines() == text.splitlines()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (
            "@pytest.mark.hazard(1, 'CVE-2000-0001')\nasync def test_x(): ...",
            [(1, "test_x"), ("CVE-2000-0001", "test_x")],
        ),
        (
            "@pytest.mark.parametrize('a', [pytest.param(1, marks=pytest.mark.hazard(2))])\ndef test_y(a): ...",
            [(2, "test_y")],
        ),
        ("TestZ = pytest.mark.hazard(3)(TestZ)", [(3, "TestZ")]),
        ("pytestmark = [pytest.mark.hazard(4)]", [(4, "*")]),
        ("@pytest.mark.slow(5)\ndef test_w(): ...", []),
    ],
)
def test_marks_are_read(source: str, found: list[tuple[int | str, str]]) -> None:
    """Rows and advisories are found in decorators, in cases, around classes and in the marks of a module."""
    assert list(hazards.marks_of(source)) == found
