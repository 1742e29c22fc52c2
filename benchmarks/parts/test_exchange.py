"""What one exchange costs without a network lives here: the pool, the parser, and a whole `client.get`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.models.structs import User
from benchmarks.parts.conftest import ANSWER, BODY
from headrace import AsyncClient
from headrace._core.http.parser import ResponseParser
from headrace.testing import MockTransport, Response

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture


def test_parser(benchmark: BenchmarkFixture) -> None:
    """A whole answer with a body of 431 bytes is read."""

    def read() -> ResponseParser:
        parser = ResponseParser("GET", 2**28)
        parser.feed(ANSWER)
        return parser

    parser = benchmark(read)
    assert parser.complete
    assert parser.reusable
    assert parser.body == BODY


def test_pool(benchmark: BenchmarkFixture, client: AsyncClient, loop: asyncio.AbstractEventLoop) -> None:
    """An idle connection is taken and given back."""
    loop.run_until_complete(client.get("/users/1"))
    pool = client._binding.transport._pool  # type: ignore[union-attr] # noqa: SLF001 - a part is timed alone
    key = client._defaults.origin.text  # noqa: SLF001 - as above

    def borrow() -> Any:
        connection = pool.take(key)
        pool._free(connection)  # noqa: SLF001 - as above
        return connection

    assert benchmark(borrow) is not None


def test_get_in_memory(timed: Callable[[Callable[[], Any]], Any], loop: asyncio.AbstractEventLoop) -> None:
    """`client.get` over a transport that answers at once: everything but the exchange."""
    transport = MockTransport(lambda _: Response(200, ANSWER[: -len(BODY)], BODY, b"", has_cookies=False))
    client = AsyncClient("http://api.example.com/v1", transport=transport)

    async def one() -> Any:
        transport.requests.clear()
        return await client.get("/users/1", response_format=User)

    assert timed(one).id == 1
    loop.run_until_complete(client.close())


def test_get_over_a_fake_socket(timed: Callable[[Callable[[], Any]], Any], client: AsyncClient) -> None:
    """`client.get` over the wire transport, its socket answering in the next step of the loop."""

    async def one() -> Any:
        return await client.get("/users/1", response_format=User)

    assert timed(one).id == 1
