"""What it costs to read a body lives here: 1, 100 and 10,000 users, as Structs, as plain JSON, as pydantic models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import data
from benchmarks.models import structs
from headrace._core.values import decode

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.parametrize("count", data.SIZES)
@pytest.mark.parametrize("kind", ["struct", "dict", "pydantic"])
def test_decode(benchmark: BenchmarkFixture, kind: str, count: int) -> None:
    """A body becomes users."""
    benchmark.group = f"decode {count:,}"
    response_format: object = None
    if kind == "struct":
        response_format = structs.User
    elif kind == "pydantic":
        pytest.importorskip("pydantic")
        from benchmarks.models.pydantics import User

        response_format = User
    if count > 1 and response_format is not None:
        response_format = list[response_format]  # type: ignore[valid-type] # a type at run time
    decoder = decode.decoder_for(response_format)
    answer = benchmark(decode.decode, data.as_json(data.users(count)), decoder)
    first = answer if count == 1 else answer[0]
    assert (first["id"] if kind == "dict" else first.id) == 1


def test_finding_the_decoder(benchmark: BenchmarkFixture) -> None:
    """The decoder of a type that was seen before is found."""
    assert benchmark(decode.decoder_for, structs.User) is not None
