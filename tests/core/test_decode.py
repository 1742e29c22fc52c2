"""What a body becomes in each response format."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime as dt
import enum
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NewType, Optional, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace._core.values import decode
from headrace.errors import ResponseParseError, ResponseValidationError, ValidationError
from headrace.models import BaseModel, PaginatedResponse, Response

T = TypeVar("T")
NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
UserId = NewType("UserId", int)


class Geo(BaseModel):
    """The innermost model."""

    lat: float


class Address(BaseModel):
    """A model in a model."""

    geo: Geo
    city: str = "Ulm"


class User(BaseModel):
    """A model as APIs have them."""

    name: str
    address: Address | None = None


class Page(BaseModel, Generic[T]):
    """A generic model."""

    items: list[T]


class Pair(msgspec.Struct, array_like=True):
    """A model that is an array in JSON."""

    x: int
    y: int


class Cat(msgspec.Struct, tag=True):
    """One of two."""

    lives: int


class Dog(msgspec.Struct, tag=True):
    """The other."""

    legs: int


class Even(msgspec.Struct):
    """A model that looks at its values."""

    number: int

    def __post_init__(self) -> None:
        """Refuse odd numbers."""
        if self.number % 2:
            message = "odd"
            raise ValueError(message)


@dataclasses.dataclass
class Point:
    """A dataclass."""

    x: int


@attrs.define
class Spot:
    """An attrs class."""

    x: int


class Movie(TypedDict):
    """A TypedDict."""

    title: str


class Planet(pydantic.BaseModel):
    """A pydantic model."""

    moons: int


class Color(enum.Enum):
    """An enum."""

    RED = "red"


def decoded(response_format: Any, body: bytes) -> Any:
    """Decode a body as a client does."""
    decoder = decode.decoder_for(response_format)
    assert isinstance(decoder, decode.BodyDecoder)
    return decode.decode(body, decoder)


FORMATS: list[tuple[Any, bytes, Any]] = [
    (User, b'{"name": "Ada"}', User("Ada")),
    (Page[User], b'{"items": [{"name": "Ada"}]}', Page([User("Ada")])),
    (Pair, b"[1, 2]", Pair(1, 2)),
    (Point, b'{"x": 1}', Point(1)),
    (Spot, b'{"x": 1}', Spot(1)),
    (Movie, b'{"title": "M"}', {"title": "M"}),
    (Planet, b'{"moons": 2}', Planet(moons=2)),
    (list[User], b'[{"name": "Ada"}]', [User("Ada")]),
    (dict[str, Point], b'{"a": {"x": 1}}', {"a": Point(1)}),
    (tuple[int, str], b'[1, "a"]', (1, "a")),
    (set[int], b"[1, 1]", {1}),
    (collections.abc.Sequence[int], b"[1, 2]", [1, 2]),
    (collections.abc.Mapping[str, int], b'{"a": 1}', {"a": 1}),
    (dict[str, collections.abc.Sequence[User]], b'{"a": [{"name": "Ada"}]}', {"a": [User("Ada")]}),
    (Cat | Dog, b'{"type": "Dog", "legs": 3}', Dog(3)),
    (User | None, b"null", None),
    (Optional[int], b"5", 5),  # noqa: UP045 - the old spelling is another type
    (int, b"5", 5),
    (Literal["a", "b"], b'"b"', "b"),
    (Color, b'"red"', Color.RED),
    (UserId, b"7", 7),
    (Annotated[int, msgspec.Meta(gt=0)], b"7", 7),
    (Annotated[int, {"not": "hashable"}], b"7", 7),
    (Annotated[User, {"not": "hashable"}], b'{"name": "Ada"}', User("Ada")),
    (dt.datetime, b'"2024-05-01T12:00:00Z"', NOON),
    (dt.date, b'"2024-05-01"', NOON.date()),
    (UUID, b'"12345678-1234-5678-1234-567812345678"', UUID("12345678-1234-5678-1234-567812345678")),
    (Decimal, b'"1.10"', Decimal("1.10")),
    (dict, b'{"a": [1]}', {"a": [1]}),
    (Any, b"[1, null]", [1, None]),
    (msgspec.Raw, b"[1,  2]", msgspec.Raw(b"[1,  2]")),
]


@pytest.mark.parametrize(("response_format", "body", "value"), FORMATS, ids=[str(row[0]) for row in FORMATS])
def test_every_kind_of_format_is_decoded(response_format: Any, body: bytes, value: Any) -> None:
    """Whatever msgspec or pydantic knows is a response format."""
    result = decoded(response_format, body)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("model", "one", "instance"),
    [
        (User, b'{"name": "Ada"}', User("Ada")),
        (Page[int], b'{"items": [1]}', Page([1])),
        (Point, b'{"x": 1}', Point(1)),
        (Spot, b'{"x": 1}', Spot(1)),
        (Movie, b'{"title": "M"}', {"title": "M"}),
        (Planet, b'{"moons": 2}', Planet(moons=2)),
    ],
)
@pytest.mark.parametrize("space", [b"", b" \t\r\n"], ids=["at once", "behind space"])
def test_an_array_gives_a_list_of_a_single_model(model: Any, one: bytes, instance: Any, space: bytes) -> None:
    """A JSON array for a single model class gives a list of it, an object gives one."""
    assert decoded(model, space + one) == instance
    assert decoded(model, space + b"[" + one + b", " + one + b"]") == [instance, instance]
    assert decoded(model, space + b"[]") == []


@pytest.mark.parametrize("response_format", [int, Cat | Dog, dict[str, int], Optional[User], Literal["a"]])  # noqa: UP045
def test_an_array_does_not_fit_other_formats(response_format: Any) -> None:
    """Only a single model class stands for a list of itself."""
    with pytest.raises(ResponseValidationError, match="array"):
        decoded(response_format, b"[1]")


def test_an_array_model_is_itself() -> None:
    """A model that is an array in JSON is not taken for a list of models."""
    assert decoded(list[Pair], b"[[1, 2], [3, 4]]") == [Pair(1, 2), Pair(3, 4)]
    with pytest.raises(ResponseValidationError, match=r"\$\[0\]"):
        decoded(Pair, b"[[1, 2], [3, 4]]")


@pytest.mark.parametrize(
    ("response_format", "body", "path"),
    [
        (User, b'{"name": "A", "address": {"geo": {"lat": "x"}}}', "$.address.geo.lat"),
        (User, b'[{"name": "A"}, {"name": "A", "address": {"geo": {"lat": "x"}}}]', "$[1].address.geo.lat"),
        (User, b'{"name": "A", "address": {"geo": {}}}', "$.address.geo"),
        (User, b"5", "$"),
        (dict[str, User], b'{"a": {"name": 1}}', "$[...].name"),
        (Even, b'{"number": 3}', "$"),
        (list[Even], b'[{"number": 2}, {"number": 3}]', "$[1]"),
        (Planet, b'{"moons": "many"}', "$.moons"),
        (list[Planet], b'[{"moons": "many"}]', "$[0].moons"),
    ],
)
def test_what_does_not_fit_says_where(response_format: Any, body: bytes, path: str) -> None:
    """A misfit carries the path, the body and its cause, and shows the path once."""
    with pytest.raises(ResponseValidationError) as caught:
        decoded(response_format, body)
    error = caught.value
    assert (error.path, error.raw_response) == (path, body)
    assert str(error).count(f"`{path}`") == 1
    assert isinstance(error, ValidationError)
    assert error.__cause__ is not None


def test_a_wrong_key_has_a_path() -> None:
    """A key that does not fit is found at the object that has it."""
    with pytest.raises(ResponseValidationError) as caught:
        decoded(dict[str, dict[int, int]], b'{"a": {"b": 1}}')
    assert caught.value.path == "$[...]"
    assert "key" in caught.value.message


NOT_JSON = {
    "text": b"<html>",
    "cut short": b'{"name": "Ad',
    "two values": b"1 2",
    "NaN": b"[NaN]",
    "infinity": b"[1e999]",
    "single quotes": b"{'a': 1}",
    "invalid UTF-8": b'{"name": "\xff"}',
    "invalid UTF-8 in a key": b'{"\xff": 1}',
    "a surrogate": b'{"name": "\xed\xa0\x80"}',
    "half an escape": b'{"name": "\\ud800"}',
    "a control character": b'{"name": "a\nb"}',
    "space": b"  ",
    "deep arrays": b"[" * 200_000 + b"]" * 200_000,
    "deep objects": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
    "deep and unfinished": b"[" * 200_000,
    "NUL": b"\0",
}


@pytest.mark.parametrize("response_format", [None, Any, User, Page[Any], Planet, dict[str, Any]], ids=str)
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_json_is_one_error(body: bytes, response_format: Any) -> None:
    """A body that is not JSON, or not readable, is a `ResponseParseError` in every format."""
    with pytest.raises(ResponseParseError) as caught:
        decoded(response_format, body)
    assert caught.value.raw_response == body
    assert len(str(caught.value)) < 1500


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200)
@given(value=JSON)
def test_plain_json_is_exact(value: Any) -> None:
    """Plain JSON comes back as it was, integers beyond 64 bits too."""
    result = decoded(None, msgspec.json.encode(value))
    assert result == value
    assert repr(result) == repr(value)


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 1 - 10**19, 10**20 + 1, 10**300 + 7])
@pytest.mark.parametrize("shape", ["%d", "[%d]", '{"id": %d}', ' {"a": [{"b": %d}]}', '["12", %d, 0.5]'])
@pytest.mark.hazard(33)
def test_big_integers_stay_integers(number: int, shape: str) -> None:
    """No integer becomes a float that is only near it."""
    assert str(number) in str(decoded(None, (shape % number).encode()))


def test_a_number_that_nobody_could_read_is_an_error() -> None:
    """An integer of thousands of digits, an attack on whoever prints it, is refused in every format."""
    with pytest.raises(ResponseParseError):
        decoded(None, b"[" + b"9" * 10_000 + b"]")


def test_repeated_keys_are_last_wins() -> None:
    """Of a key that is repeated the last value counts."""
    assert decoded(None, b'{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize("response_format", [bytes, str])
def test_bytes_and_str_stand_for_themselves(response_format: type) -> None:
    """A body that is wanted as it is has no decoder."""
    assert decode.decoder_for(response_format) is response_format


@pytest.mark.parametrize(
    "response_format",
    ["User", 5, User("Ada"), [User], {"a": int}, object(), lambda body: body, b"", ...],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_type_is_no_format(response_format: Any) -> None:
    """A value in place of a type is refused before anything is sent."""
    with pytest.raises(ValidationError, match=r"^response_format: got \w+( \(.*\))?, takes a model"):
        decode.decoder_for(response_format)


class Broken(msgspec.Struct):
    """A model whose field has no type."""

    size: Missing  # type: ignore[name-defined] # noqa: F821 - that is the point


class Plain:
    """A class that nothing can fill from JSON."""


@pytest.mark.parametrize("response_format", [Broken, list[Broken], Cat | Point, complex, Plain, list[Plain]], ids=str)
def test_what_cannot_be_decoded_is_no_format(response_format: Any) -> None:
    """A type that no JSON can become is refused before anything is sent."""
    with pytest.raises(ValidationError, match=r"^response_format: .+"):
        decode.decoder_for(response_format)


@pytest.mark.parametrize(
    "response_format",
    [PaginatedResponse, list[PaginatedResponse], PaginatedResponse | None, dict[str, PaginatedResponse]],
)
def test_abstract_classes_are_refused(response_format: Any) -> None:
    """A class with abstract methods is refused by its name, wherever in the format it is."""
    with pytest.raises(ValidationError, match=r"^response_format: PaginatedResponse is abstract"):
        decode.decoder_for(response_format)


def test_only_responses_are_stamped() -> None:
    """A format with a `Response` in it asks for the stamp, any other is left alone."""
    for response_format in (Response, list[Response], Response | None):
        decoder = decode.decoder_for(response_format)
        assert isinstance(decoder, decode.BodyDecoder)
        assert decoder.stamp is not None
    assert getattr(decode.decoder_for(User), "stamp", "absent") is None


TEXTS = {
    "none": (b"gr\xc3\xbcn", "text/plain", "grün"),
    "utf-8": (b"gr\xc3\xbcn", "text/plain; charset=utf-8", "grün"),
    "a mark": (b"\xef\xbb\xbfgr\xc3\xbcn", "", "grün"),
    "latin-1": (b"gr\xfcn", "text/plain; charset=ISO-8859-1", "grün"),
    "in quotes": (b"gr\xfcn", 'text/plain; charset="latin-1"; x=y', "grün"),
    "in capitals": (b"gr\xfcn", "text/plain; CHARSET=Latin-1", "grün"),
    "with spaces": (b"gr\xfcn", "text/plain; charset = latin-1", "grün"),
    "utf-16": ("grün".encode("utf-16"), "text/plain; charset=utf-16", "grün"),
    "replacement": (b"gr\xfcn", "text/plain", "gr\ufffdn"),
    "cut short": (b"gr\xc3", "text/plain; charset=utf-8", "gr\ufffd"),
}


@pytest.mark.parametrize(("body", "content_type", "text"), TEXTS.values(), ids=TEXTS)
@pytest.mark.hazard(34)
def test_text_follows_its_charset(body: bytes, content_type: str, text: str) -> None:
    """Text is decoded as its `Content-Type` says, UTF-8 where it says nothing."""
    assert decode.text(body, content_type) == text


@pytest.mark.parametrize(
    "name", ["nonsense", "", "hex", "idna", "punycode", "undefined", "\udcff", "ü", "x" * 999, "a b"]
)
@pytest.mark.hazard(34)
def test_an_unknown_charset_is_utf_8(name: str) -> None:
    """A charset that is unknown, or that no text is in, never raises: the text is UTF-8 with replacements."""
    assert decode.text(b"gr\xc3\xbcn \xff", f"text/plain; charset={name}") == "grün \ufffd"


@pytest.mark.parametrize(
    ("body", "content_type", "value"),
    [
        (b'{"a": 1}', "text/html", {"a": 1}),
        (b"null", "application/json", None),
        (b"<p>gr\xfcn</p>", "text/html; charset=latin-1", "<p>grün</p>"),
        (b"\xff", "", "\ufffd"),
        (b"[" * 100_000, "", "[" * 100_000),
        (b"", "application/json", None),
    ],
    ids=["json", "null", "text", "bytes", "deep", "empty"],
)
def test_an_error_body_is_json_or_text_or_none(body: bytes, content_type: str, value: Any) -> None:
    """The body of an error is its JSON, else its text, else `None`, whatever its type says."""
    assert decode.error_body(body, content_type) == value
