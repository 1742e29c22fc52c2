"""What is counted lives here as data: an answer, a call, and what has to come of it."""

from __future__ import annotations

import gzip
import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks import data
from benchmarks.bulk.floor import Floor
from benchmarks.instructions.memory import HOST, PORT
from benchmarks.models.structs import Created, Order, User
from headrace import AsyncClient, RateLimiter, Retry, sinks
from headrace.bulk import Ok

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

_USER = data.as_json(data.user(1))
_USERS = data.as_json(data.users(100))
_ORDER = msgspec.convert(data.order(), Order)
_PIECE = 16 * 1024
IN_FLIGHT = 64
#: Seconds between two starts on the clock of the limiter. Time as it is would differ from run to run.
_TICK = 2e-5


def _answer(body: bytes, fields: bytes = b"") -> bytes:
    """Write what nginx sends."""
    return (
        b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\nLast-Modified: Sun, 22 Nov 2026 11:00:00 GMT\r\n"
        b'Connection: keep-alive\r\nETag: "6921a3f0-1af"\r\nAccept-Ranges: bytes\r\n%b\r\n%b'
        % (len(body), fields, body)
    )


def _full() -> dict[str, Any]:
    """Set everything that a careful user sets; the limit is never reached, and starts leave its window all the time."""
    return {
        "limiter": RateLimiter(1_000, 0.01, clock=itertools.count(0, _TICK).__next__),
        "retry": Retry(),
        "cookies": {"session": "c2x1aWNl", "lang": "en"},
        "timeout": 300,
    }


async def _get(client: AsyncClient) -> Any:
    return await client.get("/users/1", response_format=User)


async def _get_list(client: AsyncClient) -> Any:
    return await client.get("/users/100", response_format=list[User])


async def _post(client: AsyncClient) -> Any:
    return await client.post("/orders", body=_ORDER, response_format=Created)


async def _stream(client: AsyncClient) -> Any:
    async with client.stream("GET", "/users/100") as answer:
        return sum([len(piece) async for piece in answer.aiter_bytes()])


async def _floor(_: AsyncClient, count: int) -> Any:
    taken: list[Any] = []
    floor = Floor(HOST, PORT, IN_FLIGHT, msgspec.json.Decoder(User).decode)
    await floor.run(_paths(count), taken.append)
    await floor.close()
    assert len(taken) == count
    return taken[-1:]


async def _bulk(client: AsyncClient, count: int) -> Any:
    taken, last = 0, None
    async with client.bulk(_paths(count), response_format=User, in_flight=IN_FLIGHT) as outcomes:
        async for outcome in outcomes:
            taken += 1
            last = outcome
    assert taken == count
    assert isinstance(last, Ok)
    return [last.value]


async def _bulk_run(client: AsyncClient, count: int) -> Any:
    report = await client.bulk(_paths(count), response_format=User, in_flight=IN_FLIGHT, sink=sinks.Discard()).run()
    assert report.ok
    assert report.rows == count
    return []


async def _bulk_journal(client: AsyncClient, count: int) -> Any:
    with tempfile.TemporaryDirectory(prefix="headrace-instructions-") as folder:
        sink = sinks.NDJSON(Path(folder) / "rows.ndjson")
        options = {"response_format": User, "in_flight": IN_FLIGHT, "commit_every": 3_600}
        report = await client.bulk(_paths(count), sink=sink, journal=True, **options).run()
    assert report.ok
    assert report.rows == count
    return []


def _paths(count: int) -> Iterator[str]:
    return (f"/users/{number}" for number in range(count))


@dataclass(frozen=True)
class Row:
    """One kind of exchange."""

    title: str
    call: Callable[[AsyncClient], Awaitable[Any]] | None
    pieces: Sequence[bytes]
    """The answer; a piece comes a step of the loop after the one before."""
    expected: Any
    """What the call returns, as plain objects."""
    settings: Callable[[], dict[str, Any]] = field(default=dict)
    """Settings of the client."""
    tls: bool = False
    rounds: int = 32
    """How often each of those in flight is repeated where it is counted."""
    many: Callable[[AsyncClient, int], Awaitable[list[Any]]] | None = None
    """Makes so many calls at once, in the place of `call`, and returns some of the answers."""


ROWS: dict[str, Row] = {
    "get": Row("GET of a 431-byte user into a Struct", _get, [_answer(_USER)], data.user(1)),
    "get-full": Row("the same with limiter, retry, cookies, timeout", _get, [_answer(_USER)], data.user(1), _full),
    "post": Row("POST of a 1 KB Struct, answer a Struct", _post, [_answer(data.as_json(data.CREATED))], data.CREATED),
    "tls": Row("GET over TLS 1.3, answers encrypted before", _get, [_answer(_USER)], data.user(1), tls=True),
    "list-100": Row("GET of 100 users, 43 KB", _get_list, [_answer(_USERS)], data.users(100), rounds=4),
    "gzip": Row(
        "the same as gzip",
        _get_list,
        [_answer(gzip.compress(_USERS, 6, mtime=0), b"Content-Encoding: gzip\r\n")],
        data.users(100),
        rounds=4,
    ),
    "stream": Row(
        "the same 43 KB streamed, in pieces of 16 KB",
        _stream,
        [_answer(_USERS)[start : start + _PIECE] for start in range(0, len(_answer(_USERS)), _PIECE)],
        len(_USERS),
        rounds=8,
    ),
    "floor": Row("a raw protocol that is called back", None, [_answer(_USER)], data.user(1), many=_floor),
    "bulk": Row("a bulk of the first, iterated", None, [_answer(_USER)], data.user(1), many=_bulk),
    "bulk-run": Row("the same, run into Discard", None, [_answer(_USER)], data.user(1), many=_bulk_run),
    "bulk-journal": Row(
        "the same, run into NDJSON with a journal", None, [_answer(_USER)], data.user(1), many=_bulk_journal, rounds=64
    ),
}
