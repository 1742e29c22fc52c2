"""The ways from JSON to users live here, side by side: a Struct, what `structify` derives, pydantic itself.

`headrace bench models` does the same with the models of a user, and measures memory too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import data
from benchmarks.models import structs
from headrace._core.values import decode
from headrace.cli import _ways

pytest.importorskip("pydantic")

from benchmarks.models.pydantics import User

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

#: The keys of `_ways.ways`; `shim` is what the client does with a pydantic model.
WAYS = ("struct", "structified", "fast", "validate_json", "shim", "loads", "orjson")


@pytest.mark.parametrize("count", data.SIZES)
@pytest.mark.parametrize("key", WAYS)
def test_models(benchmark: BenchmarkFixture, key: str, count: int) -> None:
    """A body becomes users."""
    benchmark.group = f"models {count:,}"
    body = data.as_json(data.users(count))
    if key == "shim":
        decoder = decode.decoder_for(User if count == 1 else list[User])
        answer = benchmark(decode.decode, body, decoder)
    else:
        way = next(way for way in _ways.ways(User, structs.User, count, {}) if way.key == key)
        assert way.decode is not None, way.reason
        answer = benchmark(way.decode, body)
    first = answer if count == 1 else answer[0]
    assert (first["id"] if key == "orjson" else first.id) == 1
