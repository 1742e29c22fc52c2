"""What type checkers see of a series of pages; read by them, never run."""

from typing import Any, assert_type

import pydantic

from headrace import Answer, AsyncClient, BaseModel, PaginatedResponse, Reject, pages
from headrace.pages import Cursor, Detected, Link, Offset, Page, PageNumber, Pages


class User(BaseModel):
    """A row."""

    id: int


class Old(pydantic.BaseModel):
    """A row of pydantic's."""

    id: int


class UserPage(PaginatedResponse):
    """A page that drives itself."""

    users: list[User]

    def is_paginating(self) -> bool:
        """Tell."""
        return False

    def next(self) -> None:
        """End."""

    def previous(self) -> None:
        """End."""

    start = end = previous


def following(page: Page[Any]) -> dict[str, Any] | None:
    """Go on."""
    return {"parameters": {"cursor": page.envelope["next"]}} if page.items else None


async def main(client: AsyncClient) -> None:
    """Use all of it."""
    users = client.paginate("/x", response_format=User, items="data", pages=Cursor("meta.next", parameter="cursor"))
    assert_type(users, Pages[User])
    async with users as same:
        assert_type(same, Pages[User])
        async for user in same:
            assert_type(user, User)
    async for page in users.pages():
        assert_type(page, Page[User])
        assert_type(page.items, list[User])
        assert_type(page.answer, Answer[None])
        assert_type(page.rejects, list[Reject])
        assert_type(page.envelope, Any)
    assert_type(await users.collect(), list[User])
    assert_type(users.state, dict[str, Any])
    assert_type(users.total, int | None)
    assert_type(client.paginate("/x", response_format=User | Old, pages=Link()), Pages[User | Old])
    assert_type(client.paginate("/x", response_format=pydantic.TypeAdapter(Old), pages=following), Pages[Old])
    assert_type(client.paginate("/x", response_format=UserPage), Pages[UserPage])
    assert_type(client.paginate("/x", pages=PageNumber(total_pages="n"), parallel=4, on_invalid="collect"), Pages[Any])
    offset = Offset(limit=100, limit_parameter="limit", total="total")
    counted = client.paginate(
        "/x", method="POST", body={"q": 1}, response_format=User, pages=offset, resume=users.state
    )
    assert_type(counted, Pages[User])
    assert_type(pages.detect(await client.get("/x", response_format=Answer)), Detected | None)
