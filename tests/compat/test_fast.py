"""What a user sees of `Fast[Model]`: real models, as pydantic's strict mode would have made them."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import msgspec
import pydantic
import pytest
from pydantic import Field

from headrace import AsyncClient
from headrace._core.values import decode
from headrace.compat._structify import fast
from headrace.compat.pydantic import Fast, Response
from headrace.errors import ResponseParseError, ResponseValidationError, StructifyError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.echo import EchoServer


class Geo(pydantic.BaseModel, frozen=True):
    """The innermost model."""

    lat: float
    lng: float = 0


class Loose(pydantic.BaseModel, extra="allow"):
    """A model that pydantic reads even here."""

    a: int
    check = pydantic.field_validator("a")(lambda value: value + 1)


class Cat(pydantic.BaseModel):
    """A member of a union."""

    kind: Literal["cat"]


class Dog(pydantic.BaseModel):
    """Another."""

    name: str
    kind: Literal["dog"] = "dog"


class Names(pydantic.BaseModel):
    """A model whose fields have names that code might use."""

    m: Geo
    s: int = 1
    s_m: Geo | None = None
    given: int = 2
    v1: list[Geo]
    UNSET: int = 3
    value: dict[str, Geo]


class Site(Response):
    """A model with everything in it."""

    id: int
    geo: Geo = Field(alias="geoPoint")
    geos: list[Geo] = []  # noqa: RUF012 - a field
    named: dict[str, Geo | None] = {}  # noqa: RUF012 - the same
    maybe: Optional[Geo] = None  # noqa: UP045 - as users write it
    pair: tuple[int, Geo] | None = None
    many: tuple[Geo, ...] = ()
    unique: frozenset[Geo] = frozenset()
    either: int | list[Geo] = 3
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] = Cat(kind="cat")
    loose: Loose | None = None
    parent: Site | None = None
    raw: bytes = b"x"
    url: pydantic.HttpUrl | None = None
    made: list[int] = Field(default_factory=lambda: [1])
    written: int = Field(default=1, serialization_alias="out", exclude=True)
    _private: int = pydantic.PrivateAttr(default=4)
    _known: list[int] = pydantic.PrivateAttr(default_factory=list)

    @pydantic.computed_field  # type: ignore[prop-decorator] # mypy knows no decorated property
    @property
    def double(self) -> int:
        """Be written only."""
        return self.id * 2


@pytest.fixture(params=["msgspec", "pydantic", "quickest"], autouse=True)
def by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let the documents be decoded by msgspec, by pydantic, or by what is quicker; nobody must see by which."""
    if request.param != "quickest":
        monkeypatch.setattr(fast, "hands_over", lambda _: request.param == "pydantic")
    decode._cached.cache_clear()
    yield str(request.param)
    decode._cached.cache_clear()


LEAST = {"id": 1, "geoPoint": {"lat": 1}}
FULL = msgspec.json.decode("""
    {"id": 1, "geoPoint": {"lat": 1.5, "lng": 2}, "geos": [{"lat": 1}], "named": {"a": {"lat": 1}, "b": null},
    "maybe": {"lat": 2}, "pair": [1, {"lat": 3}], "many": [{"lat": 4}], "either": [{"lat": 5}],
    "pet": {"kind": "dog", "name": "Rex"}, "loose": {"a": 1, "more": [2]}, "raw": "ü", "url": "http://a.b",
    "parent": {"id": 2, "geoPoint": {"lat": 1}, "parent": {"id": 3, "geoPoint": {"lat": 1}}}, "made": [], "written": 5}
""")


def read(response_format: Any, document: Any) -> Any:
    """Decode a document as the client does."""
    return decode.decode(msgspec.json.encode(document), decode.decoder_for(response_format))


@pytest.mark.parametrize(
    "document",
    [LEAST, FULL, {**LEAST, "maybe": None}, dict(reversed(FULL.items())), {**LEAST, "geo": 1, "more": 2}],
    ids=["least", "full", "null", "reversed", "more"],
)
def test_models_are_what_pydantic_would_have_made(document: dict[str, Any]) -> None:
    """They are equal in value, type, order, what was given, what is written, and as copies and pickles."""
    ours, theirs = read(Fast[Site], document), Site.model_validate_json(msgspec.json.encode(document), strict=True)
    assert type(ours) is Site
    assert (ours, repr(ours)) == (theirs, repr(theirs))
    assert ours.model_fields_set == theirs.model_fields_set
    assert ours.geo.model_fields_set == theirs.geo.model_fields_set
    assert ours.model_dump_json(exclude_unset=True) == theirs.model_dump_json(exclude_unset=True)
    assert ours.model_dump() == theirs.model_dump()
    for same in (ours.model_copy(), copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert (same, same._private, same.model_fields_set) == (theirs, 4, theirs.model_fields_set)


def test_names_of_fields_do_not_matter() -> None:
    """A field may be called as it likes, in a model that is inside itself too."""
    geo = {"lat": 1.0, "lng": 2.0}
    document = {"m": geo, "v1": [geo], "value": {"value": geo}, "given": 5}
    theirs = Names.model_validate_json(msgspec.json.encode(document))
    assert (read(Fast[Names], document), read(list[Fast[Names]], [document])) == (theirs, [theirs])
    assert read(dict[str, tuple[Fast[Names], int]], {"a": [document, 1]}) == {"a": (theirs, 1)}
    assert read(Fast[Names], document).model_fields_set == set(document)


def test_models_live_as_their_own() -> None:
    """They validate, freeze, and share nothing with each other, as any model does."""
    first, second = read(list[Fast[Site]], [LEAST, LEAST])
    first.made.append(2)
    first.geos.append(first.geo)
    first._known.append(3)
    first.id = 5
    first.model_fields_set.add("made")
    assert (second.made, second.geos, second._known, second.id) == ([1], [], [], 1)
    assert second.model_fields_set == {"id", "geo"}
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        first.geo.lat = 2
    assert hash(first.geo) == hash(Geo(lat=1))
    assert read(Fast[Site], {**LEAST, "unique": [{"lat": 6}]}).unique == {Geo(lat=6)}


@pytest.mark.parametrize(
    ("document", "path", "exact"),
    [
        ({"id": 1}, "$", "$.geoPoint"),
        ({**LEAST, "id": "1"}, "$.id", "$.id"),
        ({**LEAST, "geos": [{"lat": 1}, {"lat": None}]}, "$.geos[1].lat", "$.geos[1].lat"),
        ({**LEAST, "pet": {"kind": "cow"}}, "$.pet.kind", "$.pet"),
        ({**LEAST, "url": "x"}, "$.url", "$.url"),
        ({**LEAST, "loose": {}}, "$.loose", "$.loose.a"),
        ({"id": 1, "geo": {"lat": 1}}, "$", "$.geoPoint"),
    ],
)
def test_a_misfit_names_its_path(document: dict[str, Any], path: str, exact: str, by: str) -> None:
    """What pydantic's strict mode refuses is refused, with the path: msgspec's, or pydantic's where that decodes."""
    with pytest.raises(pydantic.ValidationError):
        Site.model_validate_json(msgspec.json.encode(document), strict=True)
    with pytest.raises(ResponseValidationError) as caught:
        read(Fast[Site], document)
    assert caught.value.path == (path if by == "msgspec" else exact)  # pydantic is quicker with this model


class Priced(pydantic.BaseModel):
    """A model of which pydantic would read so much that it is quicker alone."""

    size: pydantic.ByteSize
    price: Decimal


class Long(pydantic.BaseModel):
    """A model of which msgspec reads almost all."""

    a: int
    b: int
    c: int
    d: int
    e: int
    f: int
    price: Decimal


def test_the_quicker_way_is_taken(by: str) -> None:
    """A model with slow fields goes to pydantic as a whole, in its strict mode; with few among many it does not."""
    for model, slow in ((Priced, True), (Long, False), (Geo, False)):
        for kind in (Fast[model], list[Fast[model]], dict[str, Fast[model] | None]):  # type: ignore[valid-type] # made at run time
            assert by != "quickest" or fast.hands_over(kind) is slow
        if by == "quickest":
            assert not fast.hands_over(tuple[Fast[model], msgspec.Raw])  # type: ignore[valid-type] # the same
    made = read(Fast[Priced], {"size": 5, "price": "1.50"})
    assert (made, type(made), made.model_fields_set) == (Priced(size=5, price="1.50"), Priced, {"size", "price"})
    with pytest.raises(ResponseValidationError):
        read(Fast[Long], {**dict.fromkeys("abcdef", "1"), "price": 1})
    with pytest.raises(ResponseParseError):
        decode.decode(b"<html>", decode.decoder_for(Fast[Priced]))


async def test_the_client_takes_it(echo: EchoServer) -> None:
    """It works as a response format, alone and inside others, gives a list for an array, and is stamped."""
    least = msgspec.json.encode(LEAST).decode()
    async with AsyncClient(echo.url) as client:
        one = await client.get("/status/200", parameters={"body": least}, response_format=Fast[Site])
        assert type(one) is Site
        assert one.base_uri.startswith(f"{echo.url}/status/200")
        for response_format in (Fast[Site], list[Fast[Site]], list[Fast[Site]] | None):
            parameters = {"body": f"[{least}]"}
            many: Any = await client.get("/status/200", parameters=parameters, response_format=response_format)
            assert [type(site) for site in many] == [Site]


def test_what_is_not_json_is_told() -> None:
    """A body that is no JSON is a parse error."""
    with pytest.raises(ResponseParseError):
        decode.decode(b"<html>", decode.decoder_for(Fast[Geo]))


def test_code_and_extra_fields_are_refused() -> None:
    """A model that runs code when it is read, or keeps what it does not know, is refused where it is named."""
    with pytest.raises(StructifyError) as caught:
        Fast[Loose]
    assert set(caught.value.problems) == {"a", "model_config.extra"}
    with pytest.raises(ValidationError, match="Fast: got"):
        Fast[int]  # type: ignore[type-var] # wrong on purpose
    assert Fast[Geo] is Fast[Geo]
