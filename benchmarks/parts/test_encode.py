"""What it costs to write a request lives here: the query, the header block, the JSON body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from benchmarks import data
from benchmarks.models.structs import Order
from headrace._core.messages import HeaderBlock
from headrace._core.request import encode

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

_HEADERS = {
    "User-Agent": "headrace/1",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Authorization": "Bearer c2x1aWNl",
    "X-Request-Source": "mill",
}


@pytest.mark.parametrize(
    "parameters", [{"page": 1, "limit": 50}, {"address": {"city": "Gwenborough"}, "tag": ["a", "b"], "all": True}]
)
def test_query(benchmark: BenchmarkFixture, parameters: dict[str, object]) -> None:
    """Parameters become a query."""
    assert "=" in benchmark(encode.query, parameters)


def test_target(benchmark: BenchmarkFixture) -> None:
    """A path is joined to the client's own."""
    assert benchmark(encode.target, "/v1", "/users/1") == "/v1/users/1"


def test_header_block(benchmark: BenchmarkFixture) -> None:
    """Header fields are checked and written; a client does it again only when they change."""

    def write() -> HeaderBlock:
        return HeaderBlock([encode.header(name, value) for name, value in _HEADERS.items()])

    assert benchmark(write).text.startswith("User-Agent")


@pytest.mark.parametrize("kind", ["struct", "dict"])
def test_json_body(benchmark: BenchmarkFixture, kind: str) -> None:
    """1 KB becomes JSON."""
    plain = data.order()
    body = msgspec.convert(plain, Order) if kind == "struct" else plain
    assert msgspec.json.decode(benchmark(encode.body, body)) == plain
