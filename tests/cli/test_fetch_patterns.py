"""Many URLs in few words: ranges, lists and columns."""

import itertools
from typing import Any

import pytest

from headrace.cli._fetch.patterns import Pattern
from headrace.cli._fetch.usage import UsageError

RANGES = {
    "/{1..3}": ["/1", "/2", "/3"],
    "/{3..1}": ["/3", "/2", "/1"],
    "/{1..7..3}": ["/1", "/4", "/7"],
    "/{-1..1}": ["/-1", "/0", "/1"],
    "/{08..11}": ["/08", "/09", "/10", "/11"],
    "/{001..002}": ["/001", "/002"],
    "/{0..2}": ["/0", "/1", "/2"],
    "/[1-3]": ["/1", "/2", "/3"],
    "/[1-9:4]": ["/1", "/5", "/9"],
    "/[007-009]": ["/007", "/008", "/009"],
    "/[a-c]": ["/a", "/b", "/c"],
    "/{a,b,}": ["/a", "/b", "/"],
    "/{a,b}/{1..2}": ["/a/1", "/a/2", "/b/1", "/b/2"],
    "http://[::1]:80/x": ["http://[::1]:80/x"],
    "/plain?a=[x]": ["/plain?a=[x]"],
}


@pytest.mark.parametrize(("text", "expected"), RANGES.items(), ids=RANGES)
def test_ranges_and_lists(text: str, expected: list[str]) -> None:
    """What varies last varies first, as in a shell, and as many are counted as there are."""
    pattern = Pattern(text)
    assert list(pattern.urls()) == expected
    assert pattern.count == len(expected)


def test_a_range_is_not_made_before_it_is_asked_for() -> None:
    """A billion URLs take no room."""
    pattern = Pattern("/{1..1000000000}")
    assert pattern.count == 1_000_000_000
    assert list(itertools.islice(pattern.urls(), 2)) == ["/1", "/2"]


COLUMNS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "/users/{id}": ({"id": 7}, ["/users/7"]),
    "/users/{}": ({"any": "first", "id": 7}, ["/users/first"]),
    "/{a}/{b}": ({"a": "x/y z", "b": "ü?&"}, ["/x%2Fy%20z/%C3%BC%3F%26"]),
    "{url}": ({"url": "https://a.example/x?y=1"}, ["https://a.example/x?y=1"]),
    "/{id}/{1..2}": ({"id": True}, ["/true/1", "/true/2"]),
}


@pytest.mark.parametrize(("text", "row"), COLUMNS.items(), ids=COLUMNS)
def test_columns(text: str, row: tuple[dict[str, Any], list[str]]) -> None:
    """A value is percent-encoded where it is part of a URL, and as it is where it is the whole of one."""
    assert list(Pattern(text).urls(row[0])) == row[1]


@pytest.mark.parametrize(
    ("row", "told"), [({"name": 1}, "no 'id'; its columns are name"), ({"id": ""}, "an empty 'id'")]
)
def test_a_row_without_the_column(row: dict[str, Any], told: str) -> None:
    """It is named, with those that are there."""
    with pytest.raises(UsageError, match=told):
        list(Pattern("/{id}").urls(row))


def test_what_is_no_range() -> None:
    """It says what one is."""
    with pytest.raises(UsageError, match=r"\{a\.\.b\} is no range; one is \{1\.\.1000\}"):
        Pattern("/{a..b}")
