"""Names that servers choose stay in their folder, and ranges, validators and checksums are read exactly."""

from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from headrace._core import ranges
from headrace.errors import ValidationError


@given(st.text(max_size=300))
@pytest.mark.hazard(54, "CVE-2020-8177")
def test_no_name_leaves_its_folder(name: str) -> None:
    """Whatever a server sends becomes one plain name, on POSIX and on Windows."""
    safe = ranges.safe_name(name)
    assert Path(safe).name == safe == PureWindowsPath(safe).name
    assert not safe.startswith(".")
    assert not safe.endswith((".", " "))
    assert "\0" not in safe
    assert len(f".{safe}.part.json".encode()) <= 255


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:evil.exe", "C_evil.exe"),
        ("/", "download"),
        ("..", "download"),
        (".bashrc", "bashrc"),
        ("nul.txt", "_nul.txt"),
        ("COM1", "_COM1"),
        ("a\0b\n.txt", "a_b_.txt"),
        ("x" * 300 + ".tar", "x" * 196 + ".tar"),
        ("naïve plan.txt", "naïve plan.txt"),
    ],
)
@pytest.mark.hazard(54)
def test_names_are_made_harmless(name: str, safe: str) -> None:
    """Separators, drives, devices, hidden and long names are dealt with, and good names stay."""
    assert ranges.safe_name(name) == safe


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (None, None),
        ("inline", None),
        ('attachment; filename="a b.txt"', "a b.txt"),
        ("attachment; filename=plain.txt; size=3", "plain.txt"),
        ('attachment; filename="a\\"b.txt"', "a_b.txt"),
        ("attachment; filename=x; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
        ("attachment; filename*=iso-8859-1'en'%A3.txt", "£.txt"),
        ("attachment; filename*=utf-8''..%2F..%2Fx", "x"),
    ],
)
def test_dispositions_are_read(field: str | None, name: str | None) -> None:
    """RFC 6266 and RFC 8187: the extended name wins."""
    assert ranges.disposition_name(field) == name


@pytest.mark.parametrize(
    ("field", "read"),
    [
        ("bytes 0-9/10", (0, 9, 10)),
        ("bytes 5-9/*", (5, 9, None)),
        ("bytes 9-5/10", None),
        ("bytes 0-10/10", None),
        ("bytes */10", None),
        ("items 0-9/10", None),
        ("bytes -1-9/10", None),
        (None, None),
    ],
)
def test_ranges_are_read(field: str | None, read: tuple[int, int, int | None] | None) -> None:
    """What is not valid (RFC 9110, section 14.4) is no range."""
    assert ranges.content_range(field) == read


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"a"'}, '"a"'),
        ({"ETag": 'W/"a"', "Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT"}, None),
        ({"ETag": "a"}, None),
        ({"Last-Modified": "nonsense", "Date": "Sun, 22 Nov 2026 10:02:00 GMT"}, None),
        ({"Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT", "Date": "Sun, 22 Nov 2026 10:00:59 GMT"}, None),
        (
            {"Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT", "Date": "Sun, 22 Nov 2026 10:01:00 GMT"},
            "Sun, 22 Nov 2026 10:00:00 GMT",
        ),
    ],
)
@pytest.mark.hazard(55)
def test_only_strong_validators_count(headers: dict[str, str], validator: str | None) -> None:
    """RFC 9110, section 8.8.2.2: a date is strong a minute later, and a weak tag never is."""
    assert ranges.strong_validator(CIMultiDict(headers)) == validator


@pytest.mark.hazard(55)
def test_a_field_with_two_values_has_none() -> None:
    """Tags that differ are none to go by, and not as though there were only a date."""
    dates = {"Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT", "Date": "Sun, 22 Nov 2026 10:01:00 GMT"}
    headers = CIMultiDict([("ETag", '"a"'), ("ETag", '"b"'), *dates.items()])
    assert ranges.single(headers, "ETag") == ""
    assert ranges.strong_validator(headers) is None
    headers = CIMultiDict([("ETag", '"a"'), ("ETag", '"a"')])
    assert ranges.strong_validator(headers) == '"a"'


@pytest.mark.parametrize("value", ["sha256:ab:cd", "sha256:" + "g" * 64, ("sha256", "ab")])
def test_digits_that_are_none_are_told(value: object) -> None:
    """What is wrong with a checksum is said of its digits, where they are."""
    with pytest.raises(ValidationError, match=r"^checksum: sha256 has 64 hexadecimal digits; takes "):
        ranges.checksum(value)
