"""Rows that do not fit, in the answers of real servers: raised, skipped or collected."""

import json
from typing import Any

import msgspec
import pydantic
import pytest

from headrace import AsyncClient, Partial, Reject, Response
from headrace._core.values import decode, partial
from headrace.compat import pydantic as compat
from headrace.errors import HTTPNotFound, ResponseParseError, ResponseValidationError, ValidationError
from tests.conftest import ServeScript
from tests.servers.raw import Do, RawServer


class Geo(msgspec.Struct):
    """What is inside a row."""

    lat: float


class User(Response):
    """A row."""

    id: int
    geo: Geo | None = None


class PydanticGeo(pydantic.BaseModel):
    """The same of pydantic's."""

    lat: float


class PydanticUser(compat.Response):
    """The same row."""

    id: int
    geo: PydanticGeo | None = None


GOOD = [{"id": 1}, {"id": 2, "geo": {"lat": 48.4}}]
MIXED = [{"id": 1}, {"id": "two"}, {"id": 3, "geo": {"lat": "north"}}, {"id": 4}, [], None]
TEXT = b'[{"id": 1}, {"id": "two"} ,{"id": 3, "geo": {"lat": "north"}}, {"id": 4}, [], null]'


async def answering(serve_script: ServeScript, body: bytes, status: str = "200 OK") -> RawServer:
    """Run a server that gives this answer to every request."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return await serve_script([*[Do.READ, head + body] * 8, Do.HOLD])


@pytest.mark.parametrize("model", [User, PydanticUser])
async def test_rows_are_collected(serve_script: ServeScript, transport: str, model: Any) -> None:
    """A `Partial` has the rows that fit, and of each other one its index, path, message and bytes."""
    server = await answering(serve_script, TEXT)
    async with AsyncClient(server.url, transport=transport) as client:
        found = await client.get("/users", response_format=list[model], on_invalid="collect")
    assert isinstance(found, Partial)
    assert [user.id for user in found.items] == [1, 4]
    assert [user.base_uri for user in found.items] == [server.url + "/users"] * 2
    assert [(reject.index, reject.path) for reject in found.rejects] == [
        (1, "$[1].id"),
        (2, "$[2].geo.lat"),
        (4, "$[4]"),
        (5, "$[5]"),
    ]
    assert found.rejects[0].raw == b'{"id": "two"}'
    assert found.rejects[2].raw == b"[]"
    assert all(reject.message for reject in found.rejects)


@pytest.mark.parametrize("model", [User, PydanticUser])
async def test_rows_are_skipped_or_raised(serve_script: ServeScript, model: Any) -> None:
    """`skip` gives the list of those that fit; `raise`, the default, the error of the first that does not."""
    server = await answering(serve_script, TEXT)
    async with AsyncClient(server.url) as client:
        found = await client.post("/users", body={}, response_format=list[model], on_invalid="skip")
        assert [user.id for user in found] == [1, 4]
        assert found[0].base_uri == server.url + "/users"
        for options in ({}, {"on_invalid": "raise"}):
            with pytest.raises(ResponseValidationError) as caught:
                await client.get("/users", response_format=list[model], **options)
            assert caught.value.path == "$[1].id"


@pytest.mark.parametrize("model", [User, PydanticUser])
async def test_rows_that_all_fit(serve_script: ServeScript, model: Any) -> None:
    """Where every row fits there is nothing to tell but the rows; no body is no rows."""
    server = await answering(serve_script, json.dumps(GOOD).encode())
    async with AsyncClient(server.url) as client:
        plain = await client.get(response_format=list[model])
        assert await client.get(response_format=list[model], on_invalid="skip") == plain
        assert await client.get(response_format=list[model], on_invalid="collect") == Partial(plain, [])
    server = await answering(serve_script, b"")
    async with AsyncClient(server.url) as client:
        assert await client.get(response_format=list[model], on_invalid="collect") is None


@pytest.mark.parametrize("model", [User, PydanticUser])
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"<h1>no</h1>", ResponseParseError),
        (b'[{"id":1},{"id":"x"}', ResponseParseError),
        (b'[{"id":1},{"id":"x"],{"id":2}]', ResponseParseError),
        (b'{"id":1}', ResponseValidationError),
        (b"[" * 100_000, ResponseParseError),
    ],
)
async def test_what_is_no_array_of_rows_is_raised(
    serve_script: ServeScript, model: Any, body: bytes, error: Any
) -> None:
    """A body that is not JSON, or no array, is an error whatever shall become of rows."""
    server = await answering(serve_script, body)
    told = []
    async with AsyncClient(server.url) as client:
        for on_invalid in ("raise", "skip", "collect"):
            with pytest.raises(error) as caught:
                await client.get(response_format=list[model], on_invalid=on_invalid)
            assert caught.value.raw_response == body
            told.append((str(caught.value), type(caught.value.__cause__)))
    assert told == [told[0]] * 3


async def test_a_status_that_is_no_success_is_raised_as_ever(serve_script: ServeScript) -> None:
    """An error of a status has no rows."""
    server = await answering(serve_script, TEXT, "404 Not Found")
    async with AsyncClient(server.url) as client:
        with pytest.raises(HTTPNotFound):
            await client.get(response_format=list[User], on_invalid="skip")


async def test_rows_of_other_types(serve_script: ServeScript) -> None:
    """A row may be anything that msgspec knows, a text included; one that is no UTF-8 is a reject."""
    server = await answering(serve_script, b'["a", 1, "\xff", null, ["b"]]')
    async with AsyncClient(server.url) as client:
        assert await client.get(response_format=list[str], on_invalid="skip") == ["a"]
        assert await client.get(response_format=list[str | int | None], on_invalid="skip") == ["a", 1, None]
        assert await client.get(response_format=list[list[str]], on_invalid="skip") == [["b"]]
        found = await client.get(response_format=list[str], on_invalid="collect")
    assert [reject.index for reject in found.rejects] == [1, 2, 3, 4]
    assert found.rejects[1] == Reject(2, "$[2]", found.rejects[1].message, b'"\xff"')


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"response_format": list[User], "on_invalid": "ignore"}, "on_invalid: got 'ignore'"),
        ({"response_format": list[User], "on_invalid": None}, "on_invalid: got NoneType"),
        ({"response_format": list[User], "on_invalid": ["skip"]}, "on_invalid: got list"),
        ({"response_format": User, "on_invalid": "skip"}, "response_format: got .*, takes a list of rows"),
        ({"response_format": list, "on_invalid": "skip"}, "response_format: got the class list, takes a list of rows"),
        ({"response_format": None, "on_invalid": "collect"}, "response_format: got NoneType"),
        ({"response_format": list[object()], "on_invalid": "collect"}, "response_format: "),  # type: ignore[misc] # wrong on purpose
    ],
)
async def test_wrong_arguments_send_nothing(serve_script: ServeScript, options: dict[str, Any], message: str) -> None:
    """A wrong option, or one that has no rows to speak of, is an error before anything is sent."""
    server = await answering(serve_script, TEXT)
    async with AsyncClient(server.url) as client:
        with pytest.raises(ValidationError, match=message):
            await client.get(**options)
        assert client.stats.attempts == len(server.connections) == 0
        assert client.stats.requests == client.stats.errors["ValidationError"] == 1


def test_what_is_raised_as_ever_is_decoded_as_ever() -> None:
    """Where every row has to fit there is no other way to decode them."""
    assert partial.decoder_for(list[User], "raise") is decode.decoder_for(list[User])
