"""The quickstart of the older framework, ported, against JSONPlaceholder: a real peer that nobody here wrote."""

import asyncio
from typing import Any

import msgspec
import pydantic
import pytest

from headrace import AsyncClient, BaseModel, Response, errors
from tests.servers.jsonplaceholder import JsonPlaceholder


class Geo(BaseModel):
    """A point, with its coordinates as text."""

    lat: str
    lng: str


class Address(BaseModel, kw_only=True):
    """A part of the query, and of the answer."""

    city: str | None = None
    zipcode: str | None = None
    geo: Geo | None = None


class UserQuery(BaseModel, kw_only=True):
    """A query with a model inside."""

    id: int | None = None
    username: str | None = None
    address: Address | None = None


class Company(BaseModel, rename="camel"):
    """Where a user works."""

    name: str
    catch_phrase: str


class User(Response):
    """A user as the API has it."""

    id: int
    name: str
    username: str
    address: Address
    company: Company


class Post(Response, rename="camel"):
    """A post as the API has it."""

    user_id: int
    title: str
    body: str
    id: int | None = None


class PydanticUser(pydantic.BaseModel):
    """The user as a pydantic model."""

    id: int
    name: str


class Placeholder(AsyncClient, headers={"X-Client": "quickstart"}, error_responses={404: dict[str, Any]}):
    """The client of the quickstart."""

    async def users(self, query: UserQuery | None = None) -> list[User]:
        """Return the users that fit a query."""
        return await self.get("/users", parameters=query, response_format=list[User])

    async def user(self, number: int) -> User:
        """Return one user."""
        return await self.get(f"/users/{number}", response_format=User)

    async def write(self, post: Post) -> Post:
        """Store a post."""
        return await self.post("/posts", body=post, response_format=Post)


async def test_quickstart(jsonplaceholder: JsonPlaceholder, transport: str) -> None:
    """Nested query models filter on the server, and `list[User]` comes back."""
    async with Placeholder(jsonplaceholder.url, transport=transport) as client:
        everyone = await client.users()
        found = await client.users(UserQuery(address=Address(city="Gwenborough")))
        both = await client.users(UserQuery(username="Antonette", address=Address(zipcode="90566-7771")))
        nobody = await client.users(UserQuery(address=Address(city="Atlantis")))
    assert [user.id for user in everyone] == list(range(1, 11))
    assert [user.name for user in found] == ["Leanne Graham"]
    assert found[0].address.geo == Geo("-37.3159", "81.1496")
    assert found[0].company.catch_phrase == "Multi-layered client-server neural-net"
    assert found[0].base_uri == f"{jsonplaceholder.url}/users?address.city=Gwenborough"
    assert [user.id for user in both] == [2]
    assert nobody == []


async def test_single_model_and_array_give_a_list(jsonplaceholder: JsonPlaceholder, transport: str) -> None:
    """`response_format=User` on an array gives a list of users, also for a pydantic model."""
    async with Placeholder(jsonplaceholder.url, transport=transport) as client:
        users = await client.get("/users", response_format=User)
        pydantic_users = await client.get("/users", response_format=PydanticUser)
    assert [user.id for user in users] == [user.id for user in pydantic_users] == list(range(1, 11))  # type: ignore[attr-defined]
    assert isinstance(pydantic_users, list)
    assert all(isinstance(user, PydanticUser) for user in pydantic_users)


async def test_every_verb(jsonplaceholder: JsonPlaceholder, transport: str) -> None:
    """Writing, changing and deleting are answered as the API documents it."""
    async with Placeholder(jsonplaceholder.url, transport=transport) as client:
        made = await client.write(Post(user_id=1, title="t", body="ü"))
        put = await client.put("/posts/1", body=Post(user_id=7, title="new", body="b", id=1), response_format=Post)
        patched = await client.patch("/posts/1", body={"title": "patched"}, response_format=Post)
        deleted = await client.delete("/posts/1")
        head = await client.head("/posts/1")
        await client.options("/posts")
    assert (made.title, made.body, made.id) == ("t", "ü", 101)
    assert (put.user_id, put.title) == (7, "new")
    assert patched.title == "patched"
    assert deleted == {}
    assert head is None


async def test_missing_user_is_not_found(jsonplaceholder: JsonPlaceholder, transport: str) -> None:
    """A 404 of the API is `HTTPNotFound` with its (empty) JSON object."""
    async with Placeholder(jsonplaceholder.url, transport=transport) as client:
        with pytest.raises(errors.HTTPNotFound) as caught:
            await client.user(99)
    assert caught.value.response == {}
    assert caught.value.model_error is None


async def test_many_at_once_arrive_once_each(jsonplaceholder: JsonPlaceholder, transport: str) -> None:
    """Two hundred comments are fetched side by side, each answer for its own request."""

    class Comment(msgspec.Struct):
        id: int
        email: str

    async with Placeholder(jsonplaceholder.url, transport=transport) as client:
        numbers = range(1, 201)
        comments = await asyncio.gather(*[client.get(f"/comments/{n}", response_format=Comment) for n in numbers])
    assert [comment.id for comment in comments] == list(numbers)
