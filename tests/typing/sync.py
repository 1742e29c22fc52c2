"""What type checkers must see of `SyncClient`: read by mypy and pyright, never run."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, assert_type

import msgspec
import pydantic

from headrace import Event, SyncBulk, SyncClient, SyncIterator, SyncStreamedResponse, progress, sinks
from headrace.bulk import Err, Ok, Report
from headrace.pages import Link


class User(msgspec.Struct):
    """A Struct."""

    id: int


class Old(pydantic.BaseModel):
    """A pydantic model."""

    id: int


class Api(SyncClient, uri="https://api.example.com", headers={"X-A": "1"}, rate_limit=5):
    """A client with subclass parameters."""

    def user(self, number: int) -> User:
        """Return one user."""
        return self.get(f"/users/{number}", response_format=User)


def pieces() -> Iterator[bytes]:
    """Give nothing."""
    yield b""


with Api(bearer_token=lambda: "t") as client:
    assert_type(client, Api)
    assert_type(client.user(1), User)
    assert_type(client.get("/x", response_format=User), User)
    assert_type(client.get("/x", response_format=list[User]), list[User])
    assert_type(client.get("/x", response_format=Old), Old)
    assert_type(client.get("/x", response_format=pydantic.TypeAdapter(list[Old])), list[Old])
    assert_type(client.get("/x"), Any)
    assert_type(client.post("/x", body={"a": 1}, response_format=User), User)
    assert_type(client.put("/x", data=pieces(), response_format=User, timeout=0.5), User)
    assert_type(client.patch("/x", body=User(1), response_format=User), User)
    assert_type(client.delete("/x", response_format=User, timeout=None), User)
    assert_type(client.request("GET", "/x", response_format=User), User)
    assert_type(client.upload_file(["f"], progress=progress.bar(), response_format=User), User)
    assert_type(client.stream_file(pieces(), "/x", response_format=list[User]), list[User])
    assert_type(client.download("/x", "y"), Path)
    assert_type(client.stream("GET", "/x"), AbstractContextManager[SyncStreamedResponse])
    with client.stream("GET", "/x") as response:
        assert_type(response, SyncStreamedResponse)
        assert_type(response.status, int)
        assert_type(response.read(), bytes)
        assert_type(response.iter_bytes(), SyncIterator[bytes])
        for line in response.iter_lines():
            assert_type(line, str)
        for event in response.iter_events():
            assert_type(event, Event)
    assert_type(client.bulk(["/x"], response_format=User), SyncBulk[User])
    assert_type(client.bulk(["/x"], response_format=User, pages=Link()), SyncBulk[list[User]])
    assert_type(client.bulk(["/x"], items="data"), SyncBulk[list[Any]])
    assert_type(client.bulk(["/x"], sink=sinks.Discard()).run(), Report)
    for outcome in client.bulk(["/x"], response_format=User):
        assert_type(outcome, Ok[User] | Err)
    assert_type(client.bearer_token, str | None)
    assert_type(Api.from_config(client.config), Api)


class Keyed(SyncClient, uri="https://a.example", rate_limit=5):
    """A client with subclass parameters."""


class Misspelt(SyncClient, ur="https://a.example"):  # type: ignore[call-arg] # the point
    """A client whose subclass parameter there is not."""
