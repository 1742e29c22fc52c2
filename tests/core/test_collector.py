"""The garbage collector while a large body is decoded: off, and on again whatever comes of it."""

import gc
import sys
from collections.abc import Iterator

import msgspec
import pytest

from headrace._core.values import decode
from headrace.errors import ResponseParseError, ResponseValidationError

before_312 = pytest.mark.skipif(sys.version_info >= (3, 12), reason="CPython 3.12 collects between bytecodes only")
MANY = 20_000


class Row(msgspec.Struct):
    """A row, which the collector tracks."""

    id: list[int]


@pytest.fixture
def collections() -> Iterator[list[str]]:
    """The collections that begin during a test."""
    found: list[str] = []
    gc.callbacks.append(note := lambda phase, _: found.append(phase))
    yield found
    gc.callbacks.remove(note)


def body(count: int) -> bytes:
    """Write so many rows."""
    return msgspec.json.encode([Row([number]) for number in range(count)])


@before_312
def test_none_runs_in_the_middle(collections: list[str]) -> None:
    """Tens of thousands of objects are made without a look for cycles among them."""
    text = body(MANY)
    decoder = decode.decoder_for(list[Row])
    assert isinstance(decoder, decode.BodyDecoder)
    collections.clear()
    rows = decode.decode(text, decoder)
    during = len(collections)
    assert len(rows) == MANY
    assert not during
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("text", "error"),
    [(body(MANY) + b"x", ResponseParseError), (body(MANY).replace(b"]", b',"x"]', 1), ResponseValidationError)],
)
def test_it_is_on_again_after_an_error(text: bytes, error: type[Exception]) -> None:
    """A body that does not fit leaves the collector as it was."""
    decoder = decode.decoder_for(list[Row])
    assert isinstance(decoder, decode.BodyDecoder)
    with pytest.raises(error):
        decode.decode(text, decoder)
    assert gc.isenabled()


def test_off_stays_off() -> None:
    """A collector that the program has turned off is not turned on."""
    gc.disable()
    try:
        decoder = decode.decoder_for(list[Row])
        assert isinstance(decoder, decode.BodyDecoder)
        decode.decode(body(MANY), decoder)
        assert not gc.isenabled()
    finally:
        gc.enable()
