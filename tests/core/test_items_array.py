"""Items of an array in a document: exact on every input, and never fewer than there are."""

import json
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from headrace import Reject, streams
from headrace._core.values.array import ArrayParser
from headrace._core.values.partial import Rows
from headrace.errors import ResponseParseError, ResponseTooLarge, ResponseValidationError
from tests.kit.streaming import cuts, gather, parse, places, stream


class User(msgspec.Struct):
    """A row."""

    id: int
    name: str = ""


class Account(pydantic.BaseModel):
    """The same row, of pydantic's."""

    id: int
    name: str = ""


_texts = st.text('ab"\\]}{[,:\n ä', max_size=6)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)
_spaces = st.sampled_from([None, 1, "\t"])


def items_of(document: bytes, path: tuple[str, ...] = (), at: list[int] | None = None, **options: Any) -> Any:
    """Parse a document, cut at these places."""
    rows = Rows(options.get("model"), options.get("on_invalid", "raise"))
    return parse(ArrayParser(rows, path), cuts(document, at or []))


@given(st.lists(_values, max_size=6), places(), _spaces, st.booleans())
def test_a_top_level_array_is_what_json_says(value: list[Any], at: list[int], indent: Any, ascii_only: bool) -> None:
    """The items of an array are those that decoding all of it gives, however it is cut."""
    document = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert items_of(document, at=at) == (json.loads(document), None)


@given(
    st.dictionaries(_texts, _values, max_size=3),
    st.dictionaries(_texts, _values, max_size=3),
    st.lists(_values, max_size=5),
    places(),
    _spaces,
)
def test_a_nested_array_is_what_json_says(outer: Any, inner: Any, value: list[Any], at: list[int], indent: Any) -> None:
    """What is around the array, before and behind, is read over, whatever it holds."""
    before = {f"-{name}": item for name, item in outer.items()}
    document = {**before, "dä\n": {**inner, "items": value, **before}, **before, "end": [{"items": [1]}]}
    assume("items" not in inner)
    text = json.dumps(document, indent=indent).encode()
    assert items_of(text, ("dä\n", "items"), at) == (value, None)


@given(
    st.lists(st.sampled_from([*'[]{},:"\\ a1-.e\n', "true", '"items":', '{"items":[', "null", "\\u00"]), max_size=25),
    places(),
    st.sampled_from([(), ("items",)]),
)
@example(list('[{"a":1],{}]'), [], ())
def test_what_is_no_json_is_never_taken_for_it(parts: list[str], at: list[int], path: tuple[str, ...]) -> None:
    """Items come to their end without an error from valid documents only; the cuts change neither."""
    text = "".join(parts).encode()
    found, failure = items_of(text, path)
    assert items_of(text, path, at)[0] == found
    assert (items_of(text, path, at)[1] is None) == (failure is None)
    if failure is None:
        document = msgspec.json.decode(text)
        assert found == (document["items"] if path else document)
    else:
        try:
            document = json.loads(text)
        except ValueError:
            return
        assert (
            not isinstance(document, dict if path else list) or (path and "items" in failure) or "NaN" in str(document)
        )


@given(places(), st.integers(1, 400))
def test_a_document_that_is_cut_short_is_an_error(at: list[int], end: int) -> None:
    """Whatever is missing at the end, even one bracket, the stream does not end well."""
    document = json.dumps({"a": 1, "items": [{"id": n, "name": "x]}"} for n in range(12)], "b": {"c": [2]}}).encode()
    found, failure = items_of(document[:-end], ("items",), at)
    assert failure is not None
    assert found == [{"id": n, "name": "x]}"} for n in range(len(found))]


@pytest.mark.parametrize("model", [User, Account])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n", " : ")])
async def test_many_items_in_large_pieces(model: Any, separators: tuple[str, str]) -> None:
    """Large pieces, in which most items are decoded at once, give every item in its order."""
    rows = [{"id": n, "name": '},{"id":' if n % 3 else "ä"} for n in range(5000)]
    text = json.dumps({"data": {"items": rows}, "more": rows[:3]}, separators=separators, ensure_ascii=False).encode()
    for size in (1000, 30_000, len(text)):
        pieces = [text[begin : begin + size] for begin in range(0, len(text), size)]
        found, error = await gather(streams.items(stream(*pieces), model, path="data.items"))
        assert error is None
        assert [(item.id, item.name) for item in found] == [(row["id"], row["name"]) for row in rows]


async def test_many_items_of_which_some_do_not_fit() -> None:
    """A `Reject` stands exactly where the item does, also amid many that are decoded at once."""
    rows: list[Any] = [{"id": n} for n in range(3000)]
    for bad in (0, 7, 1500, 2999):
        rows[bad]["id"] = "x"
    text = json.dumps({"data": {"items": rows}}).encode()
    pieces = [text[begin : begin + 4000] for begin in range(0, len(text), 4000)]
    found, error = await gather(streams.items(stream(*pieces), User, path=["data", "items"], on_invalid="collect"))
    assert error is None
    assert len(found) == 3000
    assert [(n, item.index, item.path) for n, item in enumerate(found) if isinstance(item, Reject)] == [
        (bad, bad, f"$.data.items[{bad}].id") for bad in (0, 7, 1500, 2999)
    ]
    found, error = await gather(streams.items(stream(*pieces), User, path="data.items"))
    assert found == []
    assert isinstance(error, ResponseValidationError)
    assert error.path == "$.data.items[0].id"


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (b'{"data":{}}', "data.items", r"there is no \$\.data\.items \(byte 9\)"),
        (b"{}", "data.items", r"there is no \$\.data \(byte 1\)"),
        (b'{"data":[]}', "data.items", r"\$\.data is no object \(byte 8\)"),
        (b'{"data":"x"}', "data.items", r"\$\.data is a text, no object"),
        (b'{"items":{"a":1}}', "items", r"\$\.items is no array"),
        (b'{"items":null}', "items", r"\$\.items is a number or literal, no array"),
        (b"7", None, r"\$ is a number or literal, no array"),
        (b'{"items":[],"items":[]}', "items", r"\$\.items is there twice"),
        (b'{"items":[],"it\\u0065ms":[]}', "items", r"\$\.items is there twice"),
        (b'{"data":{},"data":{"items":[]}}', "data.items", "there is no"),
        (b"[1] 2", None, "more behind the document"),
        (b"[1]]", None, "more behind the document"),
        (b"[1 2]", None, r"got b'2' where ',' or ']' has to be \(byte 3\)"),
        (b"[,]", None, "got b',' where an item has to be"),
        (b"[1,]", None, "got b']' where an item has to be"),
        (b"[01]", None, "invalid number"),
        (b'{"a" 1,"items":[]}', "items", r"got b'1' where ':' has to be \(byte 5\)"),
        (b'{"a":01,"items":[]}', "items", "neither a number nor"),
        (b'{"a":"\\x","items":[]}', "items", "an escape that there is not"),
        (b'{"a":"\n","items":[]}', "items", "a control character"),
        (b'{,"items":[]}', "items", r"got ',' where a name or '}' has to be"),
        (b'{"a":,"items":[]}', "items", r"got ',' where a value has to be"),
        (b"[1,\x01]", None, r"got b'\\x01' where an item has to be \(byte 3\)"),
        (b"[1,\xe9]", None, r"got b'\\xe9' where an item has to be \(byte 3\)"),
        (b'{"a":1', "items", r"cut short \(byte 6\)"),
        (b'{"a":[1},"items":[]}', "items", r"got '}' where ',' or an end has to be"),
        (b'{"a":' + b"[" * 2000, "items", "nested more than 1,000 deep"),
        (b"[" + b"[" * 100_000 + b"]" * 100_000 + b"]", None, "nested too deeply"),
        (b"", None, "the document is cut short"),
        (b"\xff", None, "has to be"),
    ],
)
async def test_faults_are_named(text: bytes, path: str | None, message: str) -> None:
    """What is wrong with the document is said, and where; skipping items does not skip it."""
    for size in (1, 3, 100_000):
        pieces = (
            [text[begin : begin + size] for begin in range(0, len(text), size)] if size > 1 or len(text) < 99 else []
        )
        if text and not pieces:
            continue
        source = streams.items(stream(*pieces), format="array", path=path, on_invalid="skip")
        _, error = await gather(source)
        assert isinstance(error, ResponseParseError)
        with pytest.raises(ResponseParseError, match=message):
            raise error


async def test_an_item_that_is_no_json_breaks_the_document_always() -> None:
    """An item that does not fit may be skipped; one that is no JSON may not, wherever its fault is."""
    for text in (b'[{"id":1},{"id":"x"],{"id":3}]', b'[{"id":1},{"id":"x","name":01}]', b'[{"id":1},nul]'):
        found, error = await gather(streams.items(stream(text), User, format="array", on_invalid="skip"))
        assert found == [User(1)]
        assert isinstance(error, ResponseParseError)
    text = b'[{"id":1x},{"id":2},{"id":3},{"id":4}]'  # the others look as though they could be decoded together
    found, error = await gather(streams.items(stream(text), User, format="array", on_invalid="skip"))
    assert (found, type(error)) == ([], ResponseParseError)


async def test_items_are_given_as_soon_as_they_are_whole() -> None:
    """An object is given with its last bracket, before the comma behind it has come."""
    seen: list[Any] = []

    async def source() -> Any:
        for piece in (b'{"items":[{"id":1}', b',{"id":2}', b"]}"):
            yield piece
            seen.append(piece)

    found = streams.items(source(), User, path="items")
    assert await anext(found) == User(1)
    assert seen == []
    assert await anext(found) == User(2)
    assert len(seen) == 1
    await found.aclose()


async def test_limits_of_items_and_names() -> None:
    """An item, or a name or number around the array, that is longer than allowed is an error."""
    for text in (
        b'[{"id":1},{"id":2,"name":"xxxxxxxxxxxxxxxxxxxx"}]',
        b'[{"id":1},{"id":2,"name":"xxxxxxxxxxxxxxxxxxxx',
    ):
        found, error = await gather(streams.items(stream(text), User, format="array", max_item_bytes=20))
        assert found == [User(1)]
        assert isinstance(error, ResponseTooLarge)
    for text in (b'{"' + b"x" * 30, b'{"a":' + b"1" * 30):
        _, error = await gather(streams.items(stream(text), User, path="items", max_item_bytes=20))
        assert isinstance(error, ResponseTooLarge)


async def test_an_item_may_be_as_long_as_the_limit() -> None:
    """The last byte that is allowed is, in one piece as in several."""
    text = b'[{"id":1},{"id":22},{"id":333}]'
    for pieces in ([text], [text[:17], text[17:]]):
        found, error = await gather(streams.items(stream(*pieces), User, format="array", max_item_bytes=9))
        assert (found, type(error)) == ([User(1), User(22)], ResponseTooLarge)
        found, error = await gather(streams.items(stream(*pieces), User, format="array", max_item_bytes=10))
        assert (found, error) == ([User(1), User(22), User(333)], None)


async def test_a_name_may_be_as_long_as_an_item() -> None:
    """The limit itself is no more than the limit, in whatever pieces it comes."""
    for length in (20, 21):
        for text in (b'{"' + b"x" * length + b'":1,"items":[1]}', b'{"a":' + b"1" * length + b',"items":[1]}'):
            for pieces in ([text], [text[:9], text[9:]]):
                found, error = await gather(streams.items(stream(*pieces), path="items", max_item_bytes=20))
                assert found == ([1] if length == 20 else [])
                assert isinstance(error, ResponseTooLarge) is (length > 20)


async def test_long_texts_around_the_array_are_not_held() -> None:
    """A text beyond every limit is read over where it is no item."""
    text = [b'{"a":"', *[b"x" * 1000] * 50, b'","items":[1]}']
    assert await gather(streams.items(stream(*text), path="items", max_item_bytes=100)) == ([1], None)
