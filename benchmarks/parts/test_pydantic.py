"""What the shim costs beside bare pydantic lives here: reading with `validate_json`, writing with `model_dump_json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import data
from headrace._core.request import encode
from headrace._core.values import decode

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

pydantic = pytest.importorskip("pydantic")
SIZES = (0, 1, 100)


def _case(count: int) -> tuple[object, bytes]:
    """Choose a response format and a body of so many users; 0 is a body of two small fields."""
    from benchmarks.models.pydantics import User

    if count == 0:
        return pydantic.create_model("Tiny", id=(int, ...), name=(str, ...)), b'{"id":1,"name":"x"}'
    return (User if count == 1 else list[User]), data.as_json(data.users(count))


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("kind", ["bare", "shim", "whole"])
def test_read(benchmark: BenchmarkFixture, kind: str, count: int) -> None:
    """A body becomes models: by pydantic alone, by what the shim hands out, by all that a client does to decode."""
    benchmark.group = f"read {count} beside bare validate_json"
    response_format, body = _case(count)
    decoder = decode.decoder_for(response_format)
    assert isinstance(decoder, decode.BodyDecoder)
    if kind == "whole":
        answer = benchmark(decode.decode, body, decoder)
    else:
        bare = pydantic.TypeAdapter(response_format).validator.validate_json
        answer = benchmark(bare if kind == "bare" else decoder.one, body)
    assert (answer[0] if count > 1 else answer).id == 1


@pytest.mark.parametrize("kind", ["bare", "shim"])
def test_write(benchmark: BenchmarkFixture, kind: str) -> None:
    """A model becomes a body: by pydantic alone, and as a client does it."""
    benchmark.group = "write 1 beside bare model_dump_json"
    response_format, body = _case(1)
    (user,) = [pydantic.TypeAdapter(response_format).validate_json(body)]
    if kind == "bare":
        assert benchmark(lambda: user.model_dump_json(by_alias=True).encode())
    else:
        assert benchmark(encode.body, user)
