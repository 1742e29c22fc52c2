"""What a derived Struct and `Fast` models cost lives here, beside a Struct by hand and pydantic on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import data
from benchmarks.models import structs
from headrace._core.values import decode

pytest.importorskip("pydantic")

from benchmarks.models.pydantics import User
from headrace.compat.pydantic import Fast, structify

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

FORMATS: dict[str, Any] = {
    "struct by hand": structs.User,
    "structified": structify(User),
    "fast": Fast[User],
    "pydantic": User,
}


@pytest.mark.parametrize("count", data.SIZES)
@pytest.mark.parametrize("kind", FORMATS)
def test_users(benchmark: BenchmarkFixture, kind: str, count: int) -> None:
    """A body becomes users."""
    benchmark.group = f"models {count:,}"
    response_format = FORMATS[kind] if count == 1 else list[FORMATS[kind]]  # type: ignore[misc] # a type at run time
    answer = benchmark(decode.decode, data.as_json(data.users(count)), decode.decoder_for(response_format))
    first = answer if count == 1 else answer[0]
    assert (first.id, first.company.catch_phrase != "") == (1, True)
    assert isinstance(first, User) == (kind in {"fast", "pydantic"})
