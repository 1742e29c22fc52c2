"""The client on real nginx, over plain TCP and over TLS."""

import asyncio

import msgspec
import pytest

from headrace import AsyncClient, PoolLimits, errors
from tests.servers.nginx import Nginx


class Geo(msgspec.Struct):
    """A point."""

    lat: str
    lng: str


class Address(msgspec.Struct):
    """A part of the user."""

    city: str
    geo: Geo


class User(msgspec.Struct):
    """The user that nginx serves."""

    id: int
    name: str
    address: Address


@pytest.fixture(params=["http", "https"])
def client(request: pytest.FixtureRequest, nginx: Nginx, transport: str) -> AsyncClient:
    """A client of nginx, not yet connected."""
    if request.param == "http":
        return AsyncClient(nginx.http, transport=transport)
    return AsyncClient(nginx.https, transport=transport, tls=nginx.client_context)


async def test_typed_answers(client: AsyncClient) -> None:
    """One user, a list, and compressed ones come back as Structs."""
    async with client:
        user = await client.get("/users/1", response_format=User)
        users = await client.get("/users", response_format=list[User])
        packed = await client.get("/gzip/users", response_format=list[User])
    assert user.id == 1
    assert [one.id for one in users] == list(range(1, 101))
    assert packed == users


async def test_request_arrives_as_meant(client: AsyncClient) -> None:
    """Method, target, token and cookies arrive; nginx tells what it saw."""
    client.bearer_token = "t"
    client.cookies["c"] = "1"
    async with client:
        told = await client.get("/echo/a b/ü%2F", parameters={"q": "x y&z"})
    assert told["uri"] == "/echo/a%20b/%C3%BC%2F?q=x%20y%26z"
    assert (told["method"], told["authorization"], told["cookie"]) == ("GET", "Bearer t", "c=1")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
async def test_error_pages(client: AsyncClient, status: int) -> None:
    """Nginx's HTML pages are the text of the status's own error."""
    async with client:
        with pytest.raises(errors.ERROR_RESPONSE_MAPPING[status]) as caught:
            await client.get(f"/status/{status}")
    assert str(status) in caught.value.response


async def test_redirect_and_close(client: AsyncClient) -> None:
    """A redirect is followed; a connection that nginx closes is not used again."""
    async with client:
        user = await client.get("/redirect", response_format=User)
        first, second = await client.get("/close"), await client.get("/close")
    assert user.id == 1
    assert (first is None) is (second is None)


async def test_store_and_read_back(client: AsyncClient) -> None:
    """A megabyte that is stored comes back byte by byte."""
    blob = bytes(range(256)) * 4096
    async with client:
        await client.put("/store/megabyte", data=blob)
        assert await client.get("/store/megabyte", response_format=bytes) == blob


async def test_many_at_once_on_few_connections(client: AsyncClient, nginx: Nginx, transport: str) -> None:
    """500 requests on 8 connections: each gets its own answer, and nginx sees no more than 8."""
    config = client.config
    few = AsyncClient(str(config.uri), transport=transport, tls=config.tls, pool=PoolLimits(8))
    async with few:
        answers = await asyncio.gather(*[few.get(f"/users/{n % 100 + 1}", response_format=User) for n in range(500)])
        seen = {(await few.get("/echo"))["connection"] for _ in range(16)}
    assert [user.id for user in answers] == [n % 100 + 1 for n in range(500)]
    assert len(seen) <= 8
