"""What a user sees of pydantic types as `response_format`: every kind of them, where the fault is, what is loaded."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections import namedtuple
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import attrs
import pydantic
import pytest
from pydantic import Field
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypeAliasType, TypedDict

from headrace import AsyncClient, BaseModel
from headrace._core.values import decode
from headrace.compat import pydantic as compat
from headrace.errors import HTTPNotFound, ResponseParseError, ResponseValidationError, ValidationError
from headrace.testing import MockTransport, text_response

if TYPE_CHECKING:
    from tests.servers.echo import EchoServer

T = TypeVar("T")


class Geo(pydantic.BaseModel):
    """The innermost model."""

    lat: float = Field(alias="latitude")


class Box(pydantic.BaseModel, Generic[T]):
    """A generic model."""

    item: T


class Cat(pydantic.BaseModel):
    """One member of a union."""

    kind: Literal["cat"]
    lives: int


class Dog(pydantic.BaseModel):
    """The other member."""

    kind: Literal["dog"]
    name: str = "Rex"


class Strict(pydantic.BaseModel, strict=True, extra="forbid"):
    """A model with settings."""

    n: int


class Wrapped(TypedDict):
    """A TypedDict that holds a model."""

    geo: Geo


class Pair(NamedTuple):
    """A NamedTuple that holds a model."""

    geo: Geo
    number: int


@dataclass
class Holder:
    """A dataclass that holds a model."""

    geos: list[Geo]


@pydantic_dataclass
class Point:
    """A pydantic dataclass."""

    x: int = Field(alias="X")


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]
Geos = TypeAliasType("Geos", list[Geo])
GEO = Geo(latitude=1.5)

FORMATS: list[tuple[Any, bytes, Any]] = [
    (Geo, b'{"latitude": 1.5}', GEO),
    (list[Geo], b'[{"latitude": 1.5}]', [GEO]),
    (Geo, b'[{"latitude": 1.5}]', [GEO]),
    (Geo | None, b"null", None),
    (dict[str, Geo | None], b'{"a": null, "b": {"latitude": 1.5}}', {"a": None, "b": GEO}),
    (pydantic.TypeAdapter(dict[str, Geo]), b'{"a": {"latitude": 1.5}}', {"a": GEO}),
    (pydantic.RootModel[list[Geo]], b'[{"latitude": 1.5}]', pydantic.RootModel[list[Geo]]([GEO])),
    (Box[Geo], b'{"item": {"latitude": "1.5"}}', Box[Geo](item=GEO)),
    (Pet, b'{"kind": "cat", "lives": 9}', Cat(kind="cat", lives=9)),
    (list[Pet], b'[{"kind": "dog"}]', [Dog(kind="dog")]),
    (Box[Pet], b'{"item": {"kind": "dog"}}', Box[Pet](item=Dog(kind="dog"))),
    (Geos, b'[{"latitude": 1.5}]', [GEO]),
    (Wrapped, b'{"geo": {"latitude": 1.5}}', {"geo": GEO}),
    (Pair, b'[{"latitude": 1.5}, 2]', Pair(GEO, 2)),
    (Holder, b'{"geos": [{"latitude": 1.5}]}', Holder([GEO])),
    (Point, b'{"X": 1}', Point(X=1)),
    (list[Point], b'[{"X": 1}]', [Point(X=1)]),
]


@pytest.mark.parametrize(("response_format", "body", "expected"), FORMATS, ids=str)
async def test_every_kind_of_format_is_decoded(response_format: Any, body: bytes, expected: Any) -> None:
    """A model, an adapter, or a construct with either in it, comes back as pydantic makes it."""
    async with AsyncClient(
        "http://a.example", transport=MockTransport(lambda _: text_response(body.decode()))
    ) as client:
        found = await client.get(response_format=response_format)
    assert found == expected
    assert type(found) is type(expected)


class Name(TypedDict):
    """A TypedDict of msgspec's."""

    name: str


@attrs.frozen
class Person:
    """An attrs class, with what cattrs users write."""

    name: str
    tags: list[str] = attrs.field(factory=list, validator=attrs.validators.max_len(2))


@attrs.define
class Family:
    """An attrs class of attrs classes."""

    members: list[Person]
    head: Person | None = None


class Row(NamedTuple):
    """A NamedTuple of msgspec's."""

    name: str
    number: int = 7


@dataclass(frozen=True)
class Team:
    """A dataclass of others."""

    captain: Person
    rows: tuple[Row, ...] = ()


PLAIN: list[tuple[Any, bytes, Any]] = [
    (Family, b'{"members": [{"name": "Ada"}], "head": {"name": "Bob"}}', Family([Person("Ada")], Person("Bob"))),
    (Person, b'[{"name": "Ada", "tags": ["a"]}]', [Person("Ada", ["a"])]),
    (
        Team,
        b'{"captain": {"name": "Ada"}, "rows": [["Bob"], ["Cid", 8]]}',
        Team(Person("Ada"), (Row("Bob"), Row("Cid", 8))),
    ),
    (Name, b'{"name": "Ada", "more": 1}', {"name": "Ada"}),
    (Row, b'["Ada", 1]', Row("Ada", 1)),
]


@pytest.mark.parametrize(("response_format", "body", "expected"), PLAIN, ids=str)
async def test_plain_classes_are_decoded_by_msgspec(response_format: Any, body: bytes, expected: Any) -> None:
    """Attrs classes, dataclasses, TypedDicts and NamedTuples are models as they are."""
    async with AsyncClient(
        "http://a.example", transport=MockTransport(lambda _: text_response(body.decode()))
    ) as client:
        assert await client.get(response_format=response_format) == expected


async def test_attrs_validators_are_heard() -> None:
    """What an attrs validator refuses is a misfit with its path."""
    body = '{"members": [{"name": "Ada", "tags": ["a", "b", "c"]}]}'
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: text_response(body))) as client:
        with pytest.raises(ResponseValidationError, match=r"max_len|Length") as caught:
            await client.get(response_format=Family)
    assert caught.value.path == "$.members[0]"


FAULTS: list[tuple[Any, bytes, str]] = [
    (Geo, b'{"latitude": "hush"}', "$.latitude"),
    (dict[str, list[Geo]], b'{"a": [{"latitude": 1}, {"latitude": "hush"}]}', "$.a[1].latitude"),
    (Box[Pet], b'{"item": {"kind": "cat", "lives": "hush"}}', "$.item.lives"),
    (Strict, b'{"n": "hush"}', "$.n"),
    (Strict, b'{"n": 1, "more": "hush"}', "$.more"),
    (Wrapped, b'{"geo": {"latitude": ["hush"]}}', "$.geo.latitude"),
    (Point, b'{"X": "hush"}', "$.X"),
    (pydantic.TypeAdapter(list[int]), b'[1, "hush"]', "$[1]"),
]


@pytest.mark.parametrize(("response_format", "body", "path"), FAULTS, ids=str)
async def test_a_misfit_has_its_path_and_its_cause(response_format: Any, body: bytes, path: str) -> None:
    """The error is ours, with the JSON path and without the value; pydantic's own is its cause."""
    async with AsyncClient(
        "http://a.example", transport=MockTransport(lambda _: text_response(body.decode()))
    ) as client:
        with pytest.raises(ResponseValidationError) as caught:
            await client.get(response_format=response_format)
    assert caught.value.path == path
    assert isinstance(caught.value.__cause__, pydantic.ValidationError)
    assert "hush" not in caught.value.message


@pytest.mark.parametrize("response_format", [Geo, list[Geo], Point, Wrapped])
async def test_what_is_not_json_is_a_parse_error(response_format: Any) -> None:
    """A body that is no JSON is no misfit."""
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: text_response("<html>"))) as client:
        with pytest.raises(ResponseParseError) as caught:
            await client.get(response_format=response_format)
    assert type(caught.value) is ResponseParseError


@pytest.mark.parametrize("row", [Geo, Person])
@pytest.mark.parametrize("body", ["[1, ", "{}"])
async def test_what_is_no_list_of_rows_keeps_its_cause(row: Any, body: str) -> None:
    """With `on_invalid` too, a body that is no JSON or no array has the error of the library below as its cause."""
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: text_response(body))) as client:
        with pytest.raises(ResponseParseError) as caught:
            await client.get(response_format=list[row], on_invalid="collect")
    assert type(caught.value.__cause__).__module__.startswith(("msgspec", "pydantic_core"))


def test_a_misfit_of_a_validator_is_not_swallowed() -> None:
    """What is raised beside pydantic's own error comes through as it is."""

    def refuse(value: Any) -> Any:
        message = "mine"
        raise KeyError(message)

    response_format = pydantic.TypeAdapter(Annotated[int, pydantic.AfterValidator(refuse)])
    decoder = decode.decoder_for(response_format)
    assert isinstance(decoder, decode.BodyDecoder)
    with pytest.raises(KeyError, match="mine"):
        decode.decode(b"1", decoder)


@pytest.mark.parametrize("response_format", [Geo, list[Geo], Box[Pet], pydantic.TypeAdapter(Geo), Wrapped])
def test_nothing_stands_between_the_body_and_pydantic(response_format: Any) -> None:
    """What decodes is pydantic's own compiled `validate_json`, so the shim costs nothing while bodies fit."""
    decoder = decode.decoder_for(response_format)
    assert isinstance(decoder, decode.BodyDecoder)
    assert inspect.isbuiltin(decoder.one)
    assert (decoder.one.__name__, type(decoder.one.__self__).__module__) == (
        "validate_json",
        "pydantic_core._pydantic_core",
    )
    assert (decoder.stamp is None) == (not isinstance(response_format, pydantic.TypeAdapter))
    assert decode.decoder_for(response_format) is decoder


async def test_only_what_may_be_a_response_is_stamped(echo: EchoServer, transport: str) -> None:
    """A `compat.Response` knows who answered, also in a list and through an adapter."""

    class User(compat.Response):
        id: int

    async with AsyncClient(echo.url, transport=transport) as client:
        one = await client.get("/user", response_format=User)
        many = await client.get("/users", response_format=list[User])
        adapted = await client.get("/users", response_format=pydantic.TypeAdapter(list[User]))
    assert one.base_uri == f"{echo.url}/user"
    assert {user.base_uri for user in [*many, *adapted]} == {f"{echo.url}/users"}


async def test_an_error_body_becomes_a_pydantic_model() -> None:
    """`error_responses` takes a model, an adapter and a union; one that does not fit is told beside the status."""
    fits, misfits = '{"kind": "cat", "lives": 9}', '{"kind": "cat", "lives": "hush"}'
    for model, body in ((Cat, fits), (pydantic.TypeAdapter(Pet), fits), (Cat | Dog, fits), (Cat, misfits)):
        transport = MockTransport(lambda _, body=body: text_response(body, 404))
        async with AsyncClient("http://a.example", transport=transport, error_responses={404: model}) as client:
            with pytest.raises(HTTPNotFound) as caught:
                await client.get("/x")
        if body is fits:
            assert caught.value.response == Cat(kind="cat", lives=9)
        else:
            assert isinstance(caught.value.model_error, ResponseValidationError)


def test_a_model_that_is_not_finished_is_refused() -> None:
    """A name that pydantic cannot find is a wrong argument, and not an error at the first answer."""
    unfinished = pydantic.create_model("Unfinished", field=("Nowhere", ...))
    with pytest.raises(ValidationError, match=r"response_format.*Unfinished.*not fully defined"):
        decode.decoder_for(unfinished)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="pydantic.v1 does not work there")
def test_models_of_pydantic_v1_are_refused_by_name() -> None:
    """A v1 model says that it is one, wherever it stands, and what to do."""
    from pydantic import v1

    old: Any = type("Old", (v1.BaseModel,), {"__module__": __name__, "__annotations__": {"a": int}})
    for response_format in (old, list[old], old | None, Box[Geo] | old, TypedDict("Row", {"old": old})):
        with pytest.raises(
            ValidationError, match=r"^response_format: Old is a model of pydantic v1.*headrace.BaseModel"
        ):
            decode.decoder_for(response_format)


LOADING = """
import sys, dataclasses, typing
import pydantic, pydantic.dataclasses, typing_extensions
from headrace._core.request import encode
from headrace._core.values import decode
assert "headrace.compat.pydantic" not in sys.modules
class Geo(pydantic.BaseModel):
    lat: float = pydantic.Field(alias="latitude")
@dataclasses.dataclass
class Holder:
    geo: Geo
class Wrapped(typing_extensions.TypedDict):
    geo: Geo
class Pair(typing.NamedTuple):
    geo: Geo
@pydantic.dataclasses.dataclass
class Point:
    x: int = pydantic.Field(alias="X")
NewGeo = typing.NewType("NewGeo", Geo)
Alias = typing_extensions.TypeAliasType("Alias", list[Geo])
decoder = decode.decoder_for(eval(sys.argv[1]))
print(decode.decode(sys.argv[2].encode(), decoder))
"""


@pytest.mark.parametrize(
    ("response_format", "body", "shown"),
    [
        ("Holder", '{"geo": {"latitude": 1}}', "Holder(geo=Geo(lat=1.0))"),
        ("list[Holder]", '[{"geo": {"latitude": 1}}]', "[Holder(geo=Geo(lat=1.0))]"),
        ("Wrapped", '{"geo": {"latitude": 1}}', "{'geo': Geo(lat=1.0)}"),
        ("Pair", '[{"latitude": 1}]', "Pair(geo=Geo(lat=1.0))"),
        ("Point", '{"X": 1}', "Point(x=1)"),
        ("dict[str, Point]", '{"a": {"X": 1}}', "{'a': Point(x=1)}"),
        ("NewGeo", '{"latitude": 1}', "lat=1.0"),
        ("Alias", '[{"latitude": 1}]', "[Geo(lat=1.0)]"),
    ],
)
def test_the_first_pydantic_object_is_found_however_deep(response_format: str, body: str, shown: str) -> None:
    """Where nothing has loaded the shim yet, the first format with a model somewhere in it does."""
    command = [sys.executable, "-c", LOADING, response_format, body]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == shown, done.stderr


def test_pydantic_that_others_imported_is_not_touched() -> None:
    """The shim is not loaded for formats that have nothing of pydantic's, also where pydantic is there."""
    code = """
import sys, dataclasses, typing, pydantic, headrace
from headrace._core.values import decode
Row = dataclasses.make_dataclass("Row", [("a", typing.List[int])])
decode.decoder_for(list[Row]), decode.decoder_for(typing.Dict[str, typing.Any]), decode.decoder_for(headrace.Response)
print("headrace.compat.pydantic" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_structs_and_named_tuples_of_their_own_are_left_to_msgspec() -> None:
    """What holds nothing of pydantic's is decoded by msgspec, though pydantic could."""
    untyped = namedtuple("untyped", "a")  # noqa: PYI024 - as old code has it
    for response_format in (BaseModel, Row, Team, Name, untyped):
        decoder = decode.decoder_for(response_format)
        assert isinstance(decoder, decode.BodyDecoder)
        assert "msgspec" in type(getattr(decoder.one, "__self__", None)).__module__
