"""What a user sees of pydantic objects in a request: as body, parameters, headers, cookies and token."""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
from typing import TYPE_CHECKING, Any

import pydantic
import pytest
from pydantic import Field, SecretStr, field_serializer
from pydantic.alias_generators import to_camel

from headrace import AsyncClient, BaseModel, Dump
from headrace._core.request import encode
from headrace.compat.pydantic import Sparse
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.echo import EchoServer


class Address(pydantic.BaseModel):
    """A nested model."""

    zip_code: str | None = Field(default=None, alias="zipCode")


class Change(pydantic.BaseModel, alias_generator=to_camel, populate_by_name=True):
    """A model with an alias for every field, and defaults."""

    first_name: str | None = None
    born: dt.date | None = None
    address: Address = Address()
    tags: list[str] = []


class Login(pydantic.BaseModel):
    """A model with a secret."""

    password: SecretStr
    note: str | None = None


class Trace(pydantic.BaseModel):
    """Header fields, or cookies."""

    trace_id: str = Field(alias="X-Trace")
    token: SecretStr | None = Field(default=None, alias="X-Token")


class Reading(pydantic.BaseModel):
    """A model with a number that JSON may not have."""

    value: float
    note: str | None = None


class Anything(pydantic.BaseModel):
    """A model of which nobody knows what it holds."""

    value: Any = None


class Words(Reading, ser_json_inf_nan="strings"):
    """A model that has a text for NaN."""


class Constants(Reading, ser_json_inf_nan="constants"):
    """A model that would write what is no JSON."""


class Own(Reading):
    """A model that says itself what NaN becomes."""

    @field_serializer("value", when_used="json")
    def _finite(self, value: float) -> float | None:
        return value if math.isfinite(value) else None


async def test_models_are_taken_for_every_part_of_a_request(echo: EchoServer, transport: str) -> None:
    """Body, parameters, headers, cookies and token arrive by alias, with their secrets."""
    token, trace = SecretStr("t0ken"), Trace.model_validate({"X-Trace": "1", "X-Token": "hush"})
    options: Any = {"transport": transport, "bearer_token": token, "headers": trace, "parameters": Address(zipCode="9")}
    async with AsyncClient(echo.url, **options) as client:
        seen = await client.post(
            "/x",
            body=Login(password=SecretStr("s3cret")),
            parameters=Change(first_name="Ada", born=dt.date(1815, 12, 10), tags=["a", "b"]),
            cookies=Trace.model_validate({"X-Trace": "2"}),
        )
    assert json.loads(seen["body"]) == {"password": "s3cret"}
    assert seen["target"] == "/x?zipCode=9&firstName=Ada&born=1815-12-10&tags=a&tags=b"
    fields = {name.lower(): value for name, value in seen["headers"]}
    assert (fields["x-trace"], fields["x-token"], fields["cookie"]) == ("1", "hush", "X-Trace=2")
    assert fields["authorization"] == "Bearer t0ken"
    assert "t0ken" not in repr(client)
    assert "hush" not in repr(client.headers)


async def test_what_was_set_is_sent_unless_the_caller_says_otherwise(echo: EchoServer) -> None:
    """A model is sent as `model_dump_json(exclude_unset=True, by_alias=True)` writes it; `Dump` sends more, or less."""
    change = Change(first_name="Ada", tags=[])
    whole = {"firstName": "Ada", "born": None, "address": {"zipCode": None}, "tags": []}
    async with AsyncClient(echo.url) as client:

        async def sent(body: Any) -> Any:
            return json.loads((await client.patch("/x", body=body))["body"])

        was_set = {"firstName": "Ada", "tags": []}
        for same in (change, Sparse(change), Dump(change, exclude_unset=True)):
            assert await sent(same) == was_set
            assert await sent([same]) == [was_set]
            assert await sent({"in": {"deep": same}}) == {"in": {"deep": was_set}}
        assert await sent(Dump(change)) == await sent(Dump(change, exclude_unset=False)) == whole
        assert await sent([Dump(change)]) == [whole]
        assert await sent(Dump(change, exclude_none=True)) == {"firstName": "Ada", "address": {}, "tags": []}
        assert await sent(Dump(change, exclude_defaults=True)) == {"firstName": "Ada"}
        assert await sent(Dump(change, exclude_unset=True, by_alias=False)) == {"first_name": "Ada", "tags": []}
        assert await sent(Login(password=SecretStr("hush"))) == {"password": "hush"}
        assert await sent(Dump(Login(password=SecretStr("hush")))) == {"password": "hush", "note": None}


async def test_every_part_of_a_request_sends_what_was_set(echo: EchoServer) -> None:
    """Parameters, forms and headers do as the body does, inside lists and mappings too."""
    change, trace = Change(first_name="Ada", tags=["a"]), Trace.model_validate({"X-Trace": "1"})
    paged = pydantic.create_model("Paged", page=(int, 1), size=(int, 50))
    async with AsyncClient(echo.url, parameters=paged(size=9)) as client:
        seen = await client.post("/x", data=change, headers=trace)
        assert (seen["target"], seen["body"]) == ("/x?size=9", "firstName=Ada&tags=a")
        assert ["X-Trace", "1"] in seen["headers"]
        assert not any(name.lower() == "x-token" for name, _ in seen["headers"])
        assert (await client.post("/x", data={"in": change}))["body"] == "in.firstName=Ada&in.tags=a"
        assert (await client.post("/x", data=Dump(paged())))["body"] == "page=1&size=50"
        assert (await client.get("/x", parameters=Dump(paged())))["target"] == "/x?size=50&page=1"
        assert (await client.get("/x", parameters={"in": paged(page=2)}))["target"] == "/x?size=9&in.page=2"
        seen = await client.get("/x", headers=Dump(trace, exclude_none=True))
        assert ["X-Trace", "1"] in seen["headers"]


class Item(BaseModel, rename="camel"):
    """A Struct, with a pydantic model inside."""

    unit_price: float = 0.0
    note: str | None = None
    change: Change | None = None


async def test_a_struct_can_be_dumped_too(echo: EchoServer) -> None:
    """A Struct sends every field, and a model inside it what was set; `Dump` leaves out what it is told to."""
    async with AsyncClient(echo.url) as client:

        async def sent(body: Any) -> Any:
            return json.loads((await client.patch("/x", body=body))["body"])

        item = Item(change=Change(first_name="Ada"))
        assert await sent(item) == {"unitPrice": 0.0, "note": None, "change": {"firstName": "Ada"}}
        assert await sent(Dump(Item(), exclude_none=True)) == {"unitPrice": 0.0}
        assert await sent(Dump(Item(note="a"), exclude_unset=True)) == {"note": "a"}
        assert await sent([Dump(Item(), exclude_none=True, by_alias=False)]) == [{"unit_price": 0.0}]
        with pytest.raises(ValidationError, match="NaN"):
            await client.patch("/x", body=Dump(Item(unit_price=math.nan)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dump({}), "model: got dict, takes an instance of a pydantic v2 model or of a Struct"),
        (lambda: Dump(Change), "model: got the class Change, takes"),
        (lambda: Dump([Change()]), "model: got list, takes"),
        (lambda: Dump(Change(), exclude_none="yes"), r"exclude_none: got str \('yes'\), takes True or False"),  # type: ignore[arg-type] # wrong on purpose
        (lambda: Dump(Change(), by_alias=1), r"by_alias: got int \(1\), takes True, False or None"),  # type: ignore[arg-type] # the same
        (lambda: Sparse({}), "model: got dict, takes"),
    ],
)
def test_a_dump_takes_a_model(make: Callable[[], object], message: str) -> None:
    """Anything else is refused by the name of the argument."""
    with pytest.raises(ValidationError, match=message):
        make()


def test_a_dump_shows_no_secret() -> None:
    """The repr masks what the model masks."""
    for kind in (Dump, Sparse):
        shown = repr(kind(Login(password=SecretStr("hush"))))
        assert shown.startswith(f"{kind.__name__}(Login(")
        assert "hush" not in shown


def test_a_setting_of_the_model_decides_about_aliases() -> None:
    """Aliases are written unless `serialize_by_alias` is switched off."""

    class Plain(Address, serialize_by_alias=False):
        pass

    assert encode.body(Address(zipCode="9")) == b'{"zipCode":"9"}'
    assert encode.body(Plain(zipCode="9")) == b'{"zip_code":"9"}'


@pytest.mark.parametrize(
    "value",
    [
        Reading(value=math.nan),
        Constants(value=math.inf),
        Anything(value=-math.inf),
        Anything(value=[Reading(value=math.nan)]),
        pydantic.RootModel[list[float]]([1.0, math.nan]),
        {"in": Reading(value=math.nan)},
        Dump(Reading(value=math.nan)),
        [Anything(value=math.inf)],
    ],
    ids=repr,
)
def test_nan_is_refused_and_not_lost(value: Any) -> None:
    """NaN and infinities have no JSON text, wherever they are; pydantic alone would send `null` or no JSON at all."""
    with pytest.raises(ValidationError, match="NaN"):
        encode.body(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Reading(value=1.5), b'{"value":1.5}'),
        (Dump(Reading(value=1.5)), b'{"value":1.5,"note":null}'),
        (Reading(value=1.5, note="NaN"), b'{"value":1.5,"note":"NaN"}'),
        (Words(value=math.nan), b'{"value":"NaN"}'),
        (Own(value=math.nan), b'{"value":null}'),
        (Anything(value={"a": None}), b'{"value":{"a":null}}'),
    ],
    ids=repr,
)
def test_what_is_no_lost_number_is_sent(value: Any, text: bytes) -> None:
    """A `null` that the model means, and a text that its settings ask for, are sent."""
    assert encode.body(value) == text


def dumps(act: Callable[[], object]) -> int:
    """Count how often pydantic's serializers run."""
    count = 0

    def note(_frame: Any, event: str, function: Any) -> None:
        nonlocal count
        owner = type(getattr(function, "__self__", None)).__name__
        count += event == "c_call" and (owner == "SchemaSerializer" or function.__name__ == "to_jsonable_python")

    act()  # what is found out once is no part of it
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    ("value", "most"),
    [
        (Change(first_name="Ada"), 1),
        (Trace.model_construct(trace_id="1"), 2),
        (Login(password=SecretStr("hush")), 2),
        (Reading(value=1.5, note="x"), 1),
        (Reading(value=1.5), 1),
        (Dump(Reading(value=1.5)), 2),
        (Dump(Change(first_name="Ada")), 1),
    ],
    ids=repr,
)
def test_a_body_is_dumped_no_oftener_than_it_must(value: Any, most: int) -> None:
    """A class that can hold no secret is dumped once; one that can, or that may hide a NaN behind a `null`, twice."""
    assert dumps(lambda: encode.body(value)) == most


def test_a_model_inside_a_body_is_dumped_once() -> None:
    """In a list or a mapping a model is a part of it, and is dumped once too."""
    assert dumps(lambda: encode.body({"a": [Change(first_name="Ada", born=dt.date(1815, 12, 10))]})) <= 2


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="pydantic.v1 does not work there")
async def test_models_of_pydantic_v1_are_refused_in_a_request(echo: EchoServer) -> None:
    """A v1 model is named wherever it is given; a v1 secret is text like any other."""
    from pydantic import v1

    old: Any = type("Old", (v1.BaseModel,), {"__module__": __name__, "__annotations__": {"a": int}})
    async with AsyncClient(echo.url) as client:
        for option in ({"body": old(a=1)}, {"body": [old(a=1)]}, {"parameters": old(a=1)}, {"headers": old(a=1)}):
            with pytest.raises(ValidationError, match="Old is a model of pydantic v1"):
                await client.post("/x", **option)
        seen = await client.get("/x", headers={"X-Token": v1.SecretStr("hush")}, response_format=dict[str, Any])
    assert ["X-Token", "hush"] in seen["headers"]


def test_secrets_in_sets_are_revealed() -> None:
    """Whatever the order of a set is in each of its copies, which differs from process to process."""

    class Members(pydantic.BaseModel):
        members: frozenset[pydantic.SecretStr | tuple[pydantic.SecretStr, int] | float | None]

    for number in range(200):
        one, other = pydantic.SecretStr(f"a{number}"), pydantic.SecretStr(f"b{number}")
        sent = json.loads(encode.body(Members(members=frozenset({one, (other, number), 0.5, None}))))["members"]
        assert sorted(sent, key=str) == sorted([f"a{number}", [f"b{number}", number], 0.5, None], key=str)
