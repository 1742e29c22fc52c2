"""Types are inferred from rows, and written as a person would have written them."""

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from headrace.cli._init import inferring, writing


def model_of(rows: list[Any], name: str = "Row") -> Any:
    """Make the class that is written for rows."""
    source = writing.Models(inferring.infer(rows), name, "a test").source()
    module = types.ModuleType("written")
    exec(compile(source, "written.py", "exec"), vars(module))  # noqa: S102 - what was written here
    return vars(module)[name]


SOURCE = '''"""Models of https://api.example.com/orders, inferred from its rows: look at them, they are yours."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct


class Line(Struct, kw_only=True):
    """One of `lines`."""

    sku: str
    count: int


class Order(Struct, kw_only=True, rename="camel"):
    """A row of https://api.example.com/orders."""

    id: UUID
    created_at: datetime
    due: date | None
    price: float
    code: int | str
    class_: str
    lines: list[Line]
    totals: dict[str, int]
    empty: list[Any]
    nothing: Any
    note: str | None = None
'''


def test_what_is_written() -> None:
    """Dates, unions, what may be null or missing, keywords, nested and free objects: as a person would write them."""
    row = {
        "id": "123e4567-e89b-12d3-a456-426614174000",
        "createdAt": "2026-01-01T00:00:00Z",
        "due": "2026-02-01",
        "price": 1,
        "code": 1,
        "class": "a",
        "lines": [{"sku": "a", "count": 1}],
        "totals": {"2026-01": 1, "2026-02": 2, "all time": 3},
        "empty": [],
        "nothing": None,
        "note": "x",
    }
    other = {**row, "due": None, "price": 1.5, "code": "x", "lines": []}
    del other["note"]
    source = writing.Models(inferring.infer([row, other]), "Order", "https://api.example.com/orders").source()
    assert source == SOURCE.replace(
        'class_: str = field(name="class", default=None)', 'class_: str = field(name="class")'
    )


TEXTS = ["2026-01-01", "2026-13-01", "2026-01-01T00:00:00Z", "2026-01-01 10:00:00", "2026-01-01T00:00:00+0530"]
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | st.sampled_from(TEXTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
ROWS_OF = st.lists(
    st.dictionaries(st.sampled_from(["id", "aB", "a-b", "a b", "class", "1", "ü", "Id"]), JSON), min_size=1
)


# Without shrinking, which takes minutes: each try makes classes.
@settings(max_examples=50, phases=[Phase.explicit, Phase.reuse, Phase.generate], deadline=None)
@given(ROWS_OF.filter(any))
def test_the_rows_fit_their_model(rows: list[dict[str, Any]]) -> None:
    """Whatever rows are like, the class that was made of them takes each of them, and keeps its names."""
    model = model_of(rows)
    for row in rows:
        again = msgspec.to_builtins(msgspec.convert(row, model))
        assert row.keys() <= again.keys()


@pytest.mark.parametrize(
    "row",
    [
        {"字!": {"a b": 1}},
        {"Date": "2026-01-01", "due": "2026-01-02"},
        {"Field": "x", "a-b": 1},
    ],
)
def test_a_name_is_no_type_that_is_used_behind_it(row: dict[str, Any]) -> None:
    """An attribute that has the name of a type, or of a class in a script without capitals, hides neither."""
    row = {**row, "undated": {"x y": None}}
    assert msgspec.to_builtins(msgspec.convert(row, model_of([row]))) == row


@pytest.mark.parametrize(
    ("url", "job", "model"),
    [
        ("https://a.example/v1/users?page=2", "users", "User"),
        ("https://a.example/api/categories.json", "categories", "Category"),
        ("https://a.example/status/7", "status", "Status"),
        ("https://api.example.com/", "api", "Api"),
    ],
)
def test_names(url: str, job: str, model: str) -> None:
    """A job is named after the last word of a path, and its model after one of that."""
    assert (writing.job_name(url), writing.model_name(url)) == (job, model)


def test_what_is_written_is_formatted(tmp_path: Path) -> None:
    """The linter and formatter of this project have nothing to say about it."""
    (tmp_path / "written.py").write_text(SOURCE)
    for arguments in (("check", "--select", "E,F,I,UP", "--line-length", "120"), ("format", "--check")):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "--isolated", str(tmp_path)], capture_output=True, check=False
        )
        assert ran.returncode == 0, ran.stdout
