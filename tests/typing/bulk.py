"""What type checkers see of a bulk: read by mypy and pyright, never run."""

from collections.abc import Sequence
from typing import Any, assert_type

import msgspec
import pydantic

from headrace import AsyncClient, Call, Incremental, sinks
from headrace.bulk import Bulk, DeadLetter, Err, Journal, Ok, Report
from headrace.pages import Link


class User(msgspec.Struct):
    """A row."""

    id: int


class Mine:
    """A sink of one's own."""

    def open(self, batch: int, /) -> int:
        """Open it."""
        return batch

    def write(self, rows: Sequence[User], /) -> None:
        """Take rows."""

    def commit(self, batch: int, /) -> None:
        """Keep them."""

    def close(self) -> None:
        """Close it."""


anything: sinks.Sink[object] = sinks.NDJSON("x")
some: list[sinks.Sink[object]] = [
    sinks.Discard(),
    sinks.SQLite("x", "t", "id"),
    sinks.Parquet("x"),
    sinks.DuckDB("x", "t"),
]
mine: sinks.Sink[User] = Mine()


async def main(client: AsyncClient) -> None:
    """Use a bulk in each of its forms."""
    assert_type(client.bulk(["/x"], response_format=User), Bulk[User])
    assert_type(client.bulk(["/x"], response_format=User | None), Bulk[User | None])
    assert_type(client.bulk(["/x"], response_format=User, items="data"), Bulk[list[User]])
    assert_type(client.bulk(["/x"], response_format=pydantic.TypeAdapter(User)), Bulk[User])
    assert_type(client.bulk(["/x"], response_format=pydantic.TypeAdapter(User), items=""), Bulk[list[User]])
    assert_type(client.bulk(["/x"], response_format=User, pages=Link()), Bulk[list[User]])
    assert_type(client.bulk(["/x"], response_format=User, items="data", pages=lambda _: None), Bulk[list[User]])
    assert_type(client.bulk(["/x"], response_format=pydantic.TypeAdapter(User), pages=Link()), Bulk[list[User]])
    assert_type(client.bulk(["/x"], response_format=User | None, pages=Link()), Bulk[list[User | None]])
    assert_type(client.bulk(["/x"], pages=Link()), Bulk[list[Any]])
    assert_type(client.bulk(["/x"], response_format=User, items="", incremental=Incremental("id")), Bulk[list[User]])
    assert_type(client.bulk(["/x"]), Bulk[Any])
    assert_type(client.bulk(["/x"], items=["data", 0]), Bulk[list[Any]])
    async with client.bulk([Call("/x", key="x", tags={"a": 1})], response_format=User, ordered=True) as outcomes:
        async for outcome in outcomes:
            assert_type(outcome, Ok[User] | Err)
            match outcome:
                case Ok(user):
                    assert_type(user, User)
                case Err(error):
                    assert_type(error, Exception)
    bulk = client.bulk("/x", response_format=User, sink=Mine(), journal=True, progress=print, expected={404})
    assert_type(await bulk.run(), Report)
    with Journal("journal") as journal:
        for letter in journal.failed():
            assert_type(letter, DeadLetter)
            assert_type(letter.call, Call)
