"""Lines, NDJSON and JSON text sequences: the same items however the bytes are cut, and a clear end of bad ones."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace import Reject, Response, streams
from headrace._core.values.lines import LineParser
from headrace._core.values.partial import Rows, is_json
from headrace._core.values.records import LinesOfJSON, TextSequence
from headrace.errors import ResponseParseError, ResponseTooLarge, ResponseValidationError, ValidationError
from tests.kit.streaming import cuts, gather, parse, places, stream


class User(msgspec.Struct):
    """A row."""

    id: int
    name: str = ""


class Account(pydantic.BaseModel):
    """The same row, of pydantic's."""

    id: int


class Known(Response):
    """A row that knows who answered."""

    id: int


ROWS = b'{"id":1}\n{"id":2,"name":"\xc3\xa4"}\n{"id":3}\n'


@given(st.text("ab\r\n\x0b\x1c\x85\u2028ä😀", max_size=40), places())
@example("\ufeffa\r\nb", [1, 2, 3, 4, 5])
@example("\ufeff", [])
def test_lines_are_the_same_however_they_are_cut(text: str, at: list[int]) -> None:
    """CR, LF and CRLF end a line, nothing else does, and no cut changes what comes out."""
    expected = [line.decode() for line in text.removeprefix("\ufeff").encode().splitlines()]
    assert parse(LineParser(), cuts(text.encode(), at)) == (expected, None)


@given(st.binary(max_size=30).map(lambda raw: raw.replace(b"\xef", b"")), st.integers(1, 8), places())
@example(b"ab\nlonger\nc\n", 4, [])
@example(b"longer\nc\n", 4, [3])
def test_a_line_beyond_the_limit_is_found_however_it_is_cut(text: bytes, limit: int, at: list[int]) -> None:
    """The lines before the one that is too long are given, and then the error."""
    whole = text.splitlines()
    first = next((number for number, line in enumerate(whole) if len(line) > limit), None)
    lines, failure = parse(LineParser(limit), cuts(text, at))
    assert lines == [line.decode("utf-8", "replace") for line in whole[:first]]
    assert (failure is None) == (first is None)


@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    b'{"id":1}',
                    b'{"id":2}\r',
                    b"",
                    b" ",
                    b"\r",
                    b'{"id":"x"}',
                    b'{"id":\r1}',
                    b'{"id":3',
                    b"}",
                    b"[1",
                    b"2]",
                ),
                *(b'{"id":4} {"id":5}', b"null", b'{"id":6}\r{"id":7}', b'{"id":8,"name":"\xff"}'),
            ]
        ),
        max_size=12,
    ),
    places(),
    st.sampled_from(["raise", "skip", "collect"]),
    st.booleans(),
)
def test_ndjson_is_the_same_however_it_is_cut(parts: list[bytes], at: list[int], on_invalid: str, ended: bool) -> None:
    """A line is an item, whatever its neighbours are and wherever the pieces end."""
    text = b"\n".join(parts) + (b"\n" if ended else b"")
    whole = parse(LinesOfJSON(Rows(User, on_invalid)), [text])
    assert parse(LinesOfJSON(Rows(User, on_invalid)), cuts(text, at)) == whole
    lines = text.split(b"\n")
    expected: list[Any] = []
    failed, number = False, 0
    for place, line in enumerate(lines, 1):
        if failed or not line.strip():
            continue
        try:
            expected.append(msgspec.json.decode(line, type=User))
        except (msgspec.DecodeError, UnicodeDecodeError):
            failed = on_invalid == "raise" or (place == len(lines) and not is_json(line))
            if on_invalid == "collect" and not failed:
                expected.append(number)
        number += 1
    assert [item.index if isinstance(item, Reject) else item for item in whole[0]] == expected
    assert (whole[1] is not None) == failed


@given(
    st.lists(
        st.sampled_from([b'{"id":1}\n', b'{"id":2}', b"", b"7\n", b"7", b'{"id":"x"}\n', b"tru", b'{"id":\n3}\n'])
    ),
    places(),
    st.sampled_from(["raise", "skip", "collect"]),
)
def test_a_text_sequence_is_the_same_however_it_is_cut(parts: list[bytes], at: list[int], on_invalid: str) -> None:
    """A text is what stands between two RS, and no cut changes that."""
    text = b"".join(b"\x1e" + part for part in parts)
    whole = parse(TextSequence(Rows(User, on_invalid)), [text])
    assert parse(TextSequence(Rows(User, on_invalid)), cuts(text, at)) == whole


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_items_of_ndjson(size: int) -> None:
    """Empty lines are no items, and the last line needs no end."""
    text = b"\xef\xbb\xbf\n" + ROWS + b"\r\n  \n" + b'{"id":4}'
    pieces = [text[begin : begin + size] for begin in range(0, len(text), size)]
    found, error = await gather(streams.items(stream(*pieces), User, content_type="application/x-ndjson"))
    assert found == [User(1), User(2, "ä"), User(3), User(4)]
    assert error is None


async def test_a_piece_of_any_size_is_parsed_bit_by_bit() -> None:
    """A whole body in one piece, as bytes or as a bytearray, gives every item."""
    count = 40_000
    text = b"".join(b'{"id":%d}\n' % number for number in range(count))
    for piece in (text, bytearray(text)):
        found, _ = await gather(streams.items(stream(piece), User, format="ndjson"))
        assert [user.id for user in found] == list(range(count))


async def test_a_stream_that_is_cut_short_is_an_error_always() -> None:
    """Half a last line is an error, also where items that do not fit are skipped; the items before it are given."""
    for on_invalid in ("raise", "skip", "collect"):
        for half in (b'{"id":4', b'{"id":"x', b'{"id":4,"name":"'):
            pieces = streams.items(stream(ROWS + half), User, format="ndjson", on_invalid=on_invalid)
            found, error = await gather(pieces)
            assert [user.id for user in found] == [1, 2, 3]
            assert isinstance(error, ResponseParseError)
            assert "in the middle of item 3" in str(error)
    _, error = await gather(streams.items(stream(b'\x1e{"id":1}\n\x1e12'), format="json-seq", on_invalid="skip"))
    assert "in the middle of item 1" in str(error)


async def test_an_item_that_does_not_fit_is_named() -> None:
    """The error has the item's number in its path, and the bytes of the item."""
    text = b'{"id":1}\n{"id":"two"}\n{"id":3}\n'
    found, error = await gather(streams.items(stream(text), User, format="ndjson"))
    assert found == [User(1)]
    assert isinstance(error, ResponseValidationError)
    assert (error.path, error.raw_response) == ("$[1].id", b'{"id":"two"}')
    found, error = await gather(streams.items(stream(b'{"id":1}\nnonsense\n'), User, format="ndjson"))
    assert found == [User(1)]
    assert type(error) is ResponseParseError
    assert "item 1" in str(error)


@pytest.mark.parametrize("model", [User, Account])
async def test_items_that_do_not_fit_are_skipped_or_collected(model: type) -> None:
    """`skip` leaves them out, `collect` puts a `Reject` in their place; the numbers count both."""
    text = b'{"id":1}\n{"id":"two"}\n{"id":3}\nnonsense\n{"id":5}\n'
    found, error = await gather(streams.items(stream(text), model, format="ndjson", on_invalid="skip"))
    assert [item.id for item in found] == [1, 3, 5]
    assert error is None
    found, error = await gather(streams.items(stream(text), model, format="ndjson", on_invalid="collect"))
    assert error is None
    rejects = [item for item in found if isinstance(item, Reject)]
    assert [(reject.index, reject.path, reject.raw) for reject in rejects] == [
        (1, "$[1].id", b'{"id":"two"}'),
        (3, "$[3]", b"nonsense"),
    ]
    assert found.index(rejects[0]) == 1


async def test_plain_json_adapters_and_arrays_as_items() -> None:
    """Without a model an item is what JSON has; an adapter works; one model never takes an array for many."""
    found, _ = await gather(streams.items(stream(b'{"a":1}\n[2]\n18446744073709551616\n"x"\n'), format="ndjson"))
    assert found == [{"a": 1}, [2], 2**64, "x"]
    adapter = pydantic.TypeAdapter(dict[str, int])
    found, _ = await gather(streams.items(stream(b'{"a":1}\n'), adapter, format="ndjson"))
    assert found == [{"a": 1}]
    found, _ = await gather(streams.items(stream(b'"x"\n'), str, format="ndjson"))
    assert found == ["x"]
    _, error = await gather(streams.items(stream(b'[{"id":1}]\n'), User, format="ndjson"))
    assert isinstance(error, ResponseValidationError)


async def test_a_response_knows_who_answered() -> None:
    """An item that is a `Response` is told where it came from, and when."""
    received = ("https://api.example.com/users", datetime(2026, 11, 22, tzinfo=UTC))
    found, _ = await gather(streams.items(stream(b'{"id":1}\n'), Known, format="ndjson", received=received))
    assert (found[0].base_uri, found[0].time) == received


async def test_a_text_sequence_begins_with_its_mark() -> None:
    """What does not begin with RS is no sequence; a number without white space behind it may be half a number."""
    _, error = await gather(streams.items(stream(b'{"id":1}\n'), User, content_type="application/json-seq"))
    assert "does not begin with RS" in str(error)
    found, error = await gather(streams.items(stream(b"\x1e1\n\x1e12\x1e3\n"), format="json-seq"))
    assert found == [1]
    assert "item 1 may be cut short" in str(error)
    found, error = await gather(streams.items(stream(b'\x1e\x1e{"id":\n1}\n'), User, format="json-seq"))
    assert (found, error) == ([User(1)], None)


async def test_limits() -> None:
    """A line, an item or an event that is longer than allowed is an error, complete or not."""
    for text in (b'{"id":1}\n{"id":22222222}\n', b'{"id":1}\n{"id":22222222'):
        found, error = await gather(streams.items(stream(text), User, format="ndjson", max_item_bytes=10))
        assert found == [User(1)]
        assert isinstance(error, ResponseTooLarge)
    _, error = await gather(streams.lines(stream(b"abc"), max_line_bytes=2))
    assert isinstance(error, ResponseTooLarge)
    _, error = await gather(streams.items(stream(b'\x1e{"id":22222222}\n\x1e'), format="json-seq", max_item_bytes=10))
    assert isinstance(error, ResponseTooLarge)


@pytest.mark.parametrize(
    ("content_type", "text"),
    [
        ("application/x-ndjson", b'{"id":1}'),
        ("Application/JSONL; charset=utf-8", b'{"id":1}'),
        ("application/geo+json-seq", b'\x1e{"id":1}\n'),
        ("text/event-stream", b'data: {"id":1}\n\n'),
        ("application/json", b'[{"id":1}]'),
        ("application/vnd.api+json", b'[{"id":1}]'),
    ],
)
async def test_the_content_type_tells_the_format(content_type: str, text: bytes) -> None:
    """Where no format is given, the `Content-Type` says what the stream is."""
    assert await gather(streams.items(stream(text), User, content_type=content_type)) == ([User(1)], None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "format: there is no Content-Type"),
        ({"content_type": "text/html"}, "format: the Content-Type 'text/html' names none"),
        ({"content_type": 1}, "content_type: got int"),
        ({"format": "xml"}, "format: got str"),
        ({"format": ["array"]}, "format: got list"),
        ({"format": "ndjson", "path": "a"}, "path: there is no path in"),
        ({"path": "a..b"}, "path: got 'a..b'"),
        ({"path": 1}, "path: got int"),
        ({"format": "array", "on_invalid": "ignore"}, "on_invalid: got 'ignore'"),
        ({"format": "array", "on_invalid": None}, "on_invalid: got NoneType"),
        ({"format": "array", "max_item_bytes": 0}, "max_item_bytes: got int"),
        ({"format": "array", "response_format": 5}, "response_format: got int"),
    ],
)
def test_arguments_are_checked_at_once(options: dict[str, Any], message: str) -> None:
    """A wrong argument is an error before anything is read."""
    with pytest.raises(ValidationError, match=message):
        streams.items(stream(), **options)
    with pytest.raises(ValidationError, match="pieces: got bytes"):
        streams.lines(b"abc")  # type: ignore[arg-type] # wrong on purpose


async def test_leaving_early_closes_the_source() -> None:
    """Who closes the items closes the pieces they are made of."""
    closed = []

    async def source() -> Any:
        try:
            yield ROWS
            yield ROWS
        finally:
            closed.append(True)

    found = streams.items(source(), User, format="ndjson")
    assert await anext(found) == User(1)
    await found.aclose()
    assert closed == [True]


async def test_lines_of_a_stream() -> None:
    """Lines are text, UTF-8 cut anywhere."""
    text = "ä\r\nb\n\nlast".encode()
    found, error = await gather(streams.lines(stream(*[text[n : n + 1] for n in range(len(text))])))
    assert (found, error) == (["ä", "b", "", "last"], None)


def test_long_lines_cost_no_square() -> None:
    """A line in a million pieces is put together once."""
    parser = LinesOfJSON(Rows(None, "raise"))
    for _ in range(200_000):
        assert parser.feed(b" " * 64) == []
    assert parser.feed(json.dumps("x").encode() + b"\n") == ["x"]
