"""What type checkers must see: read by mypy and pyright, never run."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, assert_type

import msgspec
import pydantic

from headrace import Answer, AsyncClient, BaseModel, Event, FilePart, Partial, Reject, Response, progress, run, streams
from headrace.auth import APIKey, Credentials, OAuth2RefreshToken, Send


class User(msgspec.Struct):
    """A Struct."""

    id: int


class Page(Response):
    """A Response."""

    items: list[User]


class Old(pydantic.BaseModel):
    """A pydantic model."""

    id: int


class Api(AsyncClient, uri="https://api.example.com", headers={"X-A": "1"}, rate_limit=5):
    """A client with subclass parameters."""

    async def user(self, number: int) -> User:
        """Return one user."""
        return await self.get(f"/users/{number}", response_format=User)


class Keyed(Api, auth=APIKey("k", header="X-Key")):
    """A client with a subclass parameter that is an `Auth`."""


class Login:
    """An `Auth` of one's own."""

    async def credentials(self, refused: Credentials | None, send: Send, /) -> Credentials:
        """Log in."""
        answer = await send("POST", "https://api.example.com/login", body={"again": refused is not None})
        return Credentials(headers={"X-Session": answer.body.decode()}, expires_at=600.0)


async def store(token: str) -> None:
    """Keep a refresh token."""
    assert_type(token, str)


assert_type(AsyncClient("https://a.example", auth=Login()).bearer_token, str | None)
assert_type(OAuth2RefreshToken("https://a.example", "r", "me", on_refresh=store).refresh_token, str)


async def pieces() -> AsyncIterator[bytes]:
    """Stream nothing."""
    yield b""


async def main() -> int:
    """Use every verb."""
    async with Api() as client:
        assert_type(client, Api)
        assert_type(await client.get("/x", response_format=User), User)
        assert_type(await client.get("/x", response_format=list[User]), list[User])
        assert_type(await client.get("/x", response_format=dict[str, User]), dict[str, User])
        assert_type(await client.get("/x", response_format=Page), Page)
        assert_type(await client.get("/x", response_format=Old), Old)
        assert_type(await client.get("/x", response_format=pydantic.TypeAdapter(list[Old])), list[Old])
        assert_type(await client.get("/x", response_format=bytes), bytes)
        assert_type(await client.get("/x", response_format=str), str)
        assert_type(await client.get("/x"), Any)
        assert_type(await client.get("/x", response_format=list[User], on_invalid="skip"), list[User])
        assert_type(await client.get("/x", response_format=list[User], on_invalid="collect"), Any)
        assert_type(await client.get("/x", response_format=User | None), User | None)
        assert_type(await client.get("/x", response_format=User | Old), User | Old)
        assert_type(await client.get("/x", response_format=Annotated[User | None, "kept"]), User | None)
        assert_type(await client.get("/x", response_format=Partial[User], items="data.users"), Partial[User])
        whole = await client.get("/x", response_format=Answer[list[User]], items=["data", 0])
        assert_type(whole, Answer[list[User]])
        assert_type(whole.links, dict[str, str])
        assert_type(await client.post("/x", response_format=Answer[Partial[User]]), Answer[Partial[User]])
        assert_type((await client.head("/x", response_format=Answer)).value, Any)
        one, several = await asyncio.gather(
            client.get("/x", response_format=User), client.delete("/x", body=1, response_format=list[User | None])
        )
        assert_type(one, User)
        assert_type(several, list[User | None])
        rows: Partial[User] = await client.post("/x", body=1, response_format=list[User], on_invalid="collect")
        assert_type(rows.items, list[User])
        assert_type(Event().json(User), User)
        async for user in streams.items(pieces(), User):
            assert_type(user, User)
        async for row in streams.items(pieces(), User, on_invalid="collect"):
            assert_type(row, User | Reject)
        assert_type(await client.post("/x", body={"a": 1}, response_format=User), User)
        assert_type(await client.put("/x", data=b"", response_format=User, timeout=0.5), User)
        assert_type(await client.patch("/x", body=User(1), response_format=User), User)
        assert_type(await client.delete("/x", response_format=User, timeout=None), User)
        assert_type(await client.head("/x"), Any)
        assert_type(await client.options("/x"), Any)
        assert_type(await client.request("GET", "/x", response_format=User), User)
        assert_type(await client.upload_file("f", "/x", response_format=User), User)
        assert_type(await client.upload_file({"a": "f", "b": ["g", FilePart(b"h", "h.txt")]}, fields={"c": 1}), Any)
        assert_type(await client.upload_file(["f"], progress=progress.bar(), response_format=User), User)
        assert_type(await client.stream_file([b"f"], method="PUT", expect=True, chunk_size=1), Any)
        assert_type(await client.stream_file("f", "/x", response_format=list[User]), list[User])
        page = await client.get(response_format=Page, parameters={"page": 1}, headers={"X-B": None})
        assert_type(page.base_uri, str)
        assert_type(BaseModel.model_validate({}), BaseModel)
        return len(page.items)


assert_type(run(main()), int)


async def arriving(client: AsyncClient) -> None:
    """Read items as they come."""
    async with client.stream("GET", "/x") as response:
        async for user in response.aiter_items(User, path="data"):
            assert_type(user, User)
        async for either in response.aiter_items(User | Old):
            assert_type(either, User | Old)
        async for row in response.aiter_items(User, on_invalid="collect"):
            assert_type(row, User | Reject)
        async for anything in response.aiter_items():
            assert_type(anything, Any)


class Misspelt(AsyncClient, ur="https://a.example"):  # type: ignore[call-arg] # the point: pyright: ignore
    """A client whose subclass parameter there is not."""


AsyncClient("https://a.example", rate_limit="5")  # type: ignore[arg-type] # the point: pyright: ignore
