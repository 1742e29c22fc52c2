"""What a user sees of `headrace.compat.pydantic`: models, what the client does with them, and `structify`."""

from __future__ import annotations

import datetime as dt
import enum
import pickle
import re
from typing import Annotated, Any, Literal, NewType, TypeVar

import msgspec
import pydantic
import pytest
from pydantic import Field, SecretBytes, SecretStr
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypedDict

from headrace import Dump, models
from headrace._core.values import shims
from headrace.compat.pydantic import BaseModel, PaginatedResponse, Response, structify
from headrace.errors import ResponseParseError, ResponseValidationError, StructifyError, ValidationError
from tests.kit.pydantic_models import NOON, URL, Address, Geo, Page

T = TypeVar("T")
UserId = NewType("UserId", int)
Color = enum.Enum("Color", {"RED": "red", "BLUE": "blue"})
Row = TypedDict("Row", {"id": int})  # noqa: UP013 - a line, not a page


class Login(pydantic.BaseModel):
    """A model with secrets."""

    user: str = Field(alias="userName")
    password: SecretStr
    keys: list[SecretBytes] = []
    number: pydantic.Secret[int] = pydantic.Secret[int](0)
    anything: Any = None


class FrozenPage(Page, frozen=True):
    """A response that cannot be changed."""


@pydantic_dataclass
class Credentials:
    """A pydantic dataclass."""

    token: SecretStr


def shim_for(value: Any) -> Any:
    """Find the shim of a value."""
    return shims.for_value(value)


def decode(response_format: Any, body: bytes) -> Any:
    """Decode a body as the client does."""
    shim: Any = shims.for_type(response_format)
    return shim.decoder(response_format)(body)


@pytest.mark.parametrize("model", [Geo(lat=1), structify(Geo)(lat=1.0)], ids=["pydantic", "struct"])
def test_flatten_checks_its_arguments(model: Any) -> None:
    """A separator that is no text, or what is no mapping, is refused by name."""
    assert model.flatten() == {"lat": 1.0}
    with pytest.raises(ValidationError, match=r"separator: got int \(1\), takes text"):
        model.flatten(1)
    with pytest.raises(ValidationError, match="mapping: got Geo, takes a mapping"):
        models.flatten(model)


def test_flatten_joins_names() -> None:
    """A nested pydantic model becomes dotted keys."""
    assert Address(cityName="Ulm", geo=Geo(lat=1)).flatten() == {"city": "Ulm", "geo.lat": 1.0}


@pytest.mark.parametrize("kind", [Page, FrozenPage])
def test_stamp_is_read_but_is_no_field(kind: type[Response]) -> None:
    """URL and time can be read and are kept by copies and pickles, and appear nowhere else."""
    page = kind.model_validate({"number": 1})
    assert (page.base_uri, page.time) == ("", page.time)
    shim_for(page).stamp([page, 3], URL, NOON)
    assert page == kind.model_validate({"number": 1})
    assert page.model_dump() == {"number": 1}
    for same in (page, page.model_copy(), page.model_copy(deep=True), pickle.loads(pickle.dumps(page))):
        assert (same, same.base_uri, same.time) == (page, URL, NOON)


def test_own_fields_win_over_the_stamp() -> None:
    """A model may have fields called `time` and `base_uri`, without a warning."""

    class Clock(Response):
        time: str
        base_uri: str = "mine"

    clock = Clock(time="noon")
    shim_for(clock).stamp(clock, URL, NOON)
    assert (clock.time, clock.base_uri) == ("noon", "mine")
    clock.time = "one"
    assert clock.model_dump() == {"time": "one", "base_uri": "mine"}


def test_paginated_response_is_abstract() -> None:
    """Only a subclass with all five methods can be made."""
    for make in (PaginatedResponse, lambda: PaginatedResponse.model_validate({})):
        with pytest.raises(TypeError, match="is_paginating"):
            make()
    with pytest.raises(StructifyError, match="is_paginating: methods are not carried over"):
        structify(PaginatedResponse)


@pytest.mark.parametrize(
    "value", [1, {}, [Geo(lat=1)], models.BaseModel(), object(), Geo], ids=lambda value: type(value).__name__
)
def test_shim_leaves_other_values_alone(value: Any) -> None:
    """What is not pydantic's, or only contains it, is not taken."""
    assert not shim_for(Geo(lat=1)).owns(value)


DEEP = [list[Geo], Geo | None, dict[str, list[Geo | int]], Annotated[list[Geo], "note"], NewType("NewGeo", Geo)]
DEEP += [TypedDict("Wrapped", {"geo": Geo}), Annotated[int, Field(gt=1)], pydantic.TypeAdapter(int)]


@pytest.mark.parametrize("response_format", [Geo, pydantic.RootModel[int], SecretStr, Credentials, *DEEP], ids=str)
def test_shim_owns_types_that_contain_a_model(response_format: Any) -> None:
    """A model is found however deep it is in a typing construct."""
    assert shim_for(Geo(lat=1)).owns_type(response_format)


@pytest.mark.parametrize("response_format", [int, list[int], models.BaseModel, Row, Literal["a"], None, Color], ids=str)
def test_shim_leaves_other_types_alone(response_format: Any) -> None:
    """What msgspec can decode is left to it."""
    assert not shim_for(Geo(lat=1)).owns_type(response_format)


def test_decoder_validates_json() -> None:
    """Models, adapters and constructs are decoded from bytes, by alias."""
    assert decode(Address, b'{"cityName": "Ulm"}').city == "Ulm"
    assert decode(list[Geo], b'[{"lat": 1}]') == [Geo(lat=1)]
    assert decode(pydantic.TypeAdapter(dict[str, int]), b'{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("response_format", "body", "path"),
    [
        (Address, b'{"cityName": "x", "geo": {"lat": "q"}}', "$.geo.lat"),
        (Address, b'{"cityName": "x", "geo": {}}', "$.geo.lat"),
        (Address, b"{}", "$.cityName"),
        (list[Geo], b'[{"lat": 1}, {"lat": []}]', "$[1].lat"),
        (dict[str, Geo | Address | int], b'{"pet": {"lat": "hush"}}', "$.pet.lat"),
        (dict[str, dict[int, int] | Geo], b'{"scores": {"x": 1}}', "$.scores.x"),
        (Geo, b"[]", "$"),
    ],
)
def test_decoder_names_the_path(response_format: Any, body: bytes, path: str) -> None:
    """A misfit carries the JSON path, the body and pydantic's error; union members are no part of the path."""
    with pytest.raises(ResponseValidationError) as caught:
        decode(response_format, body)
    assert (caught.value.path, caught.value.raw_response) == (path, body)
    cause: Any = caught.value.__cause__  # pydantic's own error
    assert caught.value.message.endswith(f" (and {cause.error_count() - 1} more)") == (cause.error_count() > 1)
    assert "hush" not in caught.value.message


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"\xff"])
def test_decoder_tells_what_is_not_json(body: bytes) -> None:
    """A body that is no JSON is a parse error, not a misfit."""
    with pytest.raises(ResponseParseError) as caught:
        decode(Geo, body)
    assert (type(caught.value), caught.value.raw_response) == (ResponseParseError, body)


def test_decoder_refuses_what_pydantic_cannot_validate() -> None:
    """A format without a validator is a wrong argument."""
    with pytest.raises(ValidationError, match="response_format"):
        decode(dict[str, Geo | re.Match[str]], b"{}")


def test_secrets_are_revealed_on_the_wire() -> None:
    """Builtins and JSON have the aliases and the secrets, wherever they are."""
    inner = Login(userName="in", password=SecretStr(""), number=pydantic.Secret[int](7))
    login = Login(userName="me", password=SecretStr("hush"), keys=[SecretBytes(b"k1")], anything={"deep": [inner]})
    deep = {"userName": "in", "password": "", "number": 7}
    expected = {"userName": "me", "password": "hush", "keys": ["k1"], "anything": {"deep": [deep]}}
    assert shim_for(login).builtins(login) == expected
    assert msgspec.json.decode(shim_for(login).json(login)) == expected


def test_a_serializer_of_the_model_has_its_say() -> None:
    """A secret that the model itself writes in another way is not revealed."""

    class Hashed(BaseModel):
        password: SecretStr
        shorten = pydantic.field_serializer("password", when_used="json")(lambda secret: f"{len(secret)} letters")

    assert shim_for(Geo(lat=1)).json(Hashed(password=SecretStr("hush"))) == b'{"password":"4 letters"}'


@pytest.mark.parametrize(
    ("value", "builtins"),
    [
        (SecretStr("x"), "x"),
        (SecretBytes(b"x"), "x"),
        (pydantic.AnyUrl("https://a.b/c"), "https://a.b/c"),
        (pydantic.RootModel[list[dt.date]]([dt.date(2000, 1, 2)]), ["2000-01-02"]),
        (Credentials(SecretStr("x")), {"token": "x"}),
        (Address(cityName="Ulm"), {"cityName": "Ulm"}),
        (Dump(Address(cityName="Ulm")), {"cityName": "Ulm", "geo": None}),
        (pydantic.RootModel[float](float("nan")), None),
    ],
)
def test_values_become_json(value: Any, builtins: Any) -> None:
    """Every kind of pydantic object has builtins and JSON that agree."""
    shim = shim_for(value)
    assert msgspec.json.decode(shim.json(value)) == builtins
    assert builtins is None or shim.builtins(value) == builtins
