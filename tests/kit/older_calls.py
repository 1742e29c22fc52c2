"""Calls that do the same in the older framework and here: run with the name of either, it prints what comes of them.

This file imports nothing of this project but by that name, for the other environment has pydantic 1.
"""

import asyncio
import importlib
import json
import sys
from typing import Any, Optional

older: Any = importlib.import_module(sys.argv[1])
errors: Any = importlib.import_module(f"{sys.argv[1]}.errors")
utils: Any = importlib.import_module(f"{sys.argv[1]}.utils")
constants: Any = importlib.import_module(f"{sys.argv[1]}.constants")


class Geo(older.BaseModel):
    """A model in a model."""

    lat: float = 0.0
    lng: Optional[float] = None  # noqa: UP045 - as it was written then


class User(older.Response):
    """A model with one in it."""

    id: int
    geo: Geo = Geo()
    tags: list[str] = []  # noqa: RUF012 - pydantic copies it


class Page(older.PaginatedResponse):
    """A page that knows its way."""

    number: int

    def is_paginating(self) -> bool:
        """Say so."""
        return True

    def next(self) -> int:
        """Count on."""
        return self.number + 1

    def previous(self) -> int:
        """Count back."""
        return self.number - 1

    def start(self) -> int:
        """Name the first."""
        return 1

    def end(self) -> int:
        """Name the last."""
        return 9


@utils.apiclient
class Posts(older.SubClient, name="posts", relative_path="posts"):
    """Below the users."""

    @utils.endpoint("/{id}", href="https://docs.example", methods=["get", "DELETE"])
    def one(self) -> None:
        """Ask for one."""


@utils.apiclient
class Users(older.SubClient, relative_path="users"):
    """Has the name of its class."""

    @utils.endpoint("/", name="All of them", description="Lists", method="get")
    def every(self) -> None:
        """Ask for all."""


@utils.apiclient
class Client(older.AsyncClient, uri="https://a.example/v1", parameters={"lang": "en"}, rate_limit=5):
    """Has an `__init__` that calls nothing."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.headers = {"X-Token": token}
        self.parameters["a"] = 1

    @utils.endpoint("/any")
    def any(self) -> None:
        """Ask for any."""


def models() -> dict[str, Any]:
    """Say what models do."""
    user = User(id=1, geo=Geo(lat=2))
    page = Page(number=3)
    return {
        "dict": user.dict(),
        "set": user.dict(exclude_unset=True),
        "filtered": user.dict(include={"geo": {"lat"}}, exclude={"tags"}),
        "json": user.json(sort_keys=True, exclude_none=True),
        "indented": user.json(indent=2),
        "flat": user.flatten(),
        "prefixed": user.flatten({"a": {"b": 1}}, "p"),
        "copied": user.copy(update={"id": 5}, exclude={"tags"}).dict(),
        "parsed": [User.parse_obj({"id": "7"}).id, User.parse_raw(b'{"id": 8}').id],
        "fields": [sorted(User.__fields__), sorted(user.__fields_set__)],
        "pages": [page.is_paginating(), page.next(), page.previous(), page.start(), page.end()],
        "base_uri": user.base_uri,
    }


def helpers() -> dict[str, Any]:
    """Say what helpers and constants are."""
    statuses = [name for name in dir(constants.HTTPStatus) if "HTTP_" in name]
    return {
        "flatten_obj": utils.flatten_obj(Geo(lat=1)),
        "flatten_params": utils.flatten_params(User(id=1, geo=Geo(lat=2))),
        "merged": dict(utils.merge_dicts({"a": 1, "b": 2}, {"b": None, "c": 3})),
        "types": [utils.validate_type(1, [str, int]), utils.validate_type(1, str, err=False)],
        "methods": {name: method.value for name, method in constants.HTTPMethod.__members__.items()},
        "statuses": {name: getattr(constants.HTTPStatus, name) for name in statuses},
        "errors": {str(status): kind.__name__ for status, kind in errors.ERROR_RESPONSE_MAPPING.items()},
    }


async def clients() -> dict[str, Any]:
    """Say what clients and sub-clients are."""
    client, users, posts = Client("t"), Users(), Posts()
    users.add_subclient(posts)
    client.add_subclient(users)
    told = {
        "settings": [dict(client.headers), dict(client.parameters), dict(client.cookies), dict(client.error_responses)],
        "uris": [str(client.uri), str(client.uri_root), str(client.uri_path)],
        "limits": [client.rate_limit, client.rate_limit_interval, client.rate_limited, client.closed],
        "branch": client.branch.value,
        "tree": json.loads(client.tree(serialized=True)),
        "names": [users.name, posts.qualified_name, client.Users is users, client.Users.posts is posts],
        "paths": [str(posts.relative_path), str(posts.full_relative_path), str(posts.qualified_path)],
        "roots": [posts.root is client, users.parent is client],
        "inner": [users.remove_subclient("posts") is posts, posts.parent],  # it failed for one that has some below it
        "removed": [client.remove_subclient("Users") is users, users.parent is None, dict(client.subclients)],
    }
    await client.close()
    return {**told, "closed": client.closed}


if __name__ == "__main__":
    print(json.dumps({"models": models(), "helpers": helpers(), "clients": asyncio.run(clients())}))  # noqa: T201 - what it is for
