"""Retries over real servers that refuse, hang, and break connections off: nothing is lost, nothing happens twice."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from headrace import AiohttpTransport, AsyncClient, PoolLimits, Retry, errors
from tests.servers.raw import Do, read_request, reply, reset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.conftest import Serve, ServeScript
    from tests.servers.raw import RawServer

BUSY = reply(b"", status="503 Service Unavailable")
FAST = Retry(backoff=1e-3, max_backoff=1e-3, budget=None)
_KEY = re.compile(rb"\r\nidempotency-key: ([^\r]*)\r\n", re.IGNORECASE)


class Shop(asyncio.Protocol):
    """One connection of a server that takes orders, remembers their keys, and fails at random in every way it can.

    Args:
        orders: How often each order was applied, by its key and its text.
        seen: How often each order arrived.
        chance: What decides.
    """

    def __init__(self, orders: Counter[tuple[bytes, bytes]], seen: Counter[bytes], chance: random.Random) -> None:
        self.orders = orders
        self.seen = seen
        self.chance = chance
        self.received = b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Take an order as soon as it is whole."""
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end or len(body) < int(re.search(rb"Content-Length: (\d+)", head)[1]):  # type: ignore[index]
            return
        self.received = b""
        self.seen[body] += 1
        key = _KEY.search(head + b"\r\n")
        order = (key[1] if key else b"", body)
        dice = self.chance.random()
        if dice < 0.2:
            self.transport.write(BUSY)
        elif dice < 0.23:
            reset(self.transport_as_writer())
        elif dice < 0.26:
            self.apply(order)
            reset(self.transport_as_writer())
        elif dice < 0.29:
            self.apply(order)
            self.transport.write(reply(b'"done"')[:-3])
            self.transport.close()
        else:
            self.apply(order)
            self.transport.write(reply(b'"done"'))

    def apply(self, order: tuple[bytes, bytes]) -> None:
        """Do what is asked, unless the key says that it was done."""
        if not order[0] or not self.orders[order]:
            self.orders[order] += 1

    def transport_as_writer(self) -> Any:
        """Look like a `StreamWriter` to `reset`."""
        return asyncio.StreamWriter(self.transport, self, None, asyncio.get_running_loop())


async def order_all(client: AsyncClient, count: int) -> list[Exception]:
    """Send so many orders, a hundred at a time, and collect what fails."""
    left = iter(range(count))
    failures: list[Exception] = []

    async def work() -> None:
        for number in left:
            try:
                assert await client.post("/orders", body=number) == "done"
            except (errors.HTTPError, errors.TransportError) as error:
                failures.append(error)

    await asyncio.gather(*(work() for _ in range(100)))
    return failures


async def sell(transport: str, policy: Retry, count: int) -> tuple[Any, Any, list[Exception], AsyncClient]:
    """Open a shop, and send orders to it."""
    orders: Counter[tuple[bytes, bytes]] = Counter()
    seen: Counter[bytes] = Counter()
    chance = random.Random(7)  # noqa: S311 - the same failures every time
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Shop(orders, seen, chance), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with AsyncClient(url, transport=transport, retry=policy) as client:
            failures = await order_all(client, count)
    finally:
        server.close()
        await server.wait_closed()
    return orders, seen, failures, client


async def test_every_order_is_applied_exactly_once(transport: str) -> None:
    """Under refusals and connections that break before and in the answer, keys make each order happen once."""
    count = 10_000
    policy = Retry(attempts=30, backoff=1e-4, max_backoff=1e-3, budget=None, idempotency_key=True)
    orders, seen, failures, client = await sell(transport, policy, count)
    assert not failures
    assert sorted(int(text) for _, text in orders) == list(range(count))
    assert len({key for key, _ in orders}) == count
    assert set(orders.values()) == {1}
    assert sum(seen.values()) > count * 1.3
    assert client.stats.retries > count * 0.3


async def test_an_order_without_a_key_is_never_sent_twice(transport: str) -> None:
    """What may have arrived and cannot be recognised is not repeated: the caller gets the error."""
    _, seen, failures, client = await sell(transport, FAST, 2_000)
    assert set(seen.values()) == {1}
    assert len(seen) == 2_000
    assert len(failures) > 400
    assert client.stats.retries == 0
    assert all(getattr(error, "maybe_sent", True) for error in failures)


async def test_large_error_bodies_do_not_block_the_pool(serve: Serve, transport: str) -> None:
    """Ten requests on ten connections, each refused with 5 MB, are all answered at last."""
    served: Counter[str] = Counter()
    large = reply(bytes(5 << 20), status="503 Service Unavailable")

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            path = (await read_request(reader)).line.split()[1]
            served[path] += 1
            writer.write(large if served[path] == 1 else reply(b"1"))
            await writer.drain()

    server = await serve(refuse)
    async with AsyncClient(
        server.url, transport=transport, retry=Retry(backoff=1e-3), pool=PoolLimits(max_connections=10), timeout=30
    ) as client:
        assert await asyncio.gather(*(client.get(f"/{number}") for number in range(10))) == [1] * 10
        assert client.stats.connections_opened <= 10
    assert set(served.values()) == {2}


async def test_a_dying_server_is_not_beaten(serve: Serve, transport: str) -> None:
    """Against a server that refuses everything the budget keeps requests below 1.2 times the calls."""
    hits = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        nonlocal hits
        while True:
            await read_request(reader)
            hits += 1
            writer.write(BUSY)

    server = await serve(refuse)
    calls = 500
    async with AsyncClient(server.url, transport=transport, retry=Retry(attempts=5, backoff=1e-3)) as client:
        answers = await asyncio.gather(*(client.get("/x") for _ in range(calls)), return_exceptions=True)
    assert all(isinstance(answer, errors.HTTPServiceUnavailable) for answer in answers)
    assert calls < hits == client.stats.attempts <= calls * 1.2
    assert client.stats.retries == hits - calls
    assert client.stats.retries_refused > 0


async def server_has_no_open_connection(server: RawServer) -> bool:
    """Wait until the client has ended every connection."""
    async with asyncio.timeout(5):
        for connection in server.connections:
            await connection.ended.wait()
    return server.open_connections == 0


async def test_an_attempt_has_its_own_time(serve_script: ServeScript, transport: str) -> None:
    """An answer that does not come is given up and asked for again, on another connection."""
    server = await serve_script([Do.READ, Do.HOLD], [Do.READ, reply(b'"second"'), Do.READ, Do.HOLD], [Do.READ, Do.HOLD])
    policy = Retry(backoff=1e-3, attempt_timeout=0.5)
    async with AsyncClient(server.url, transport=transport, retry=policy, timeout=30) as client:
        assert await client.get("/x") == "second"
        assert client.stats.retries == 1
        with pytest.raises(
            errors.RequestTimeout, match=r"^GET \S+/y: no answer within 0\.5 s: waited for .*the server 0\."
        ) as caught:
            await client.get("/y")
    assert [attempt.status for attempt in caught.value.attempts] == [None] * 3
    assert len(server.requests) == 2 + 3
    assert await server_has_no_open_connection(server)
    assert caught.value.maybe_sent


async def test_a_post_that_timed_out_is_not_sent_again(serve_script: ServeScript, transport: str) -> None:
    """The server may be about to act, so an attempt without a key was the last."""
    server = await serve_script([Do.READ, Do.HOLD])
    policy = Retry(backoff=1e-3, attempt_timeout=0.5)
    async with AsyncClient(server.url, transport=transport, retry=policy) as client:
        with pytest.raises(errors.RequestTimeout):
            await client.post("/x", body={})
    assert len(server.requests) == len(server.connections) == 1


@pytest.mark.parametrize("how", [Do.CLOSE, Do.RESET])
@pytest.mark.parametrize(
    ("policy", "headers", "repeats"),
    [
        (None, {}, False),
        (None, {"Idempotency-Key": "k"}, True),
        (Retry(attempts=1), {}, False),
        (Retry(attempts=1, idempotency_key=True), {}, True),
        (Retry(attempts=1, retry_stale_posts=True), {}, True),
    ],
)
async def test_a_post_on_a_stale_connection(
    serve_script: ServeScript, transport: str, how: Do, policy: Retry | None, headers: dict[str, str], repeats: bool
) -> None:
    """When a kept-alive connection dies before the answer, a POST goes out again only with a key or on request."""
    server = await serve_script(
        [Do.READ, reply(b'"first"'), Do.READ, how], [Do.READ, reply(b'"again"'), Do.READ, reply(b'"third"'), Do.HOLD]
    )
    async with AsyncClient(server.url, transport=transport, retry=policy) as client:
        assert await client.get("/x") == "first"
        if repeats:
            assert await client.post("/x", body=1, headers=headers) == "again"
        else:
            with pytest.raises(errors.ConnectionLost):
                await client.post("/x", body=1, headers=headers)
        assert client.stats.retries == 0, "a reconnect is no attempt"
    posts = [request for request in server.requests if request.line.startswith("POST")]
    assert len(posts) == 1 + repeats
    assert len({request.header("Idempotency-Key") for request in posts}) == 1


async def test_a_stale_connection_does_not_repeat_for_ever(serve: Serve, transport: str) -> None:
    """A fresh connection that dies too is an attempt that failed: requests are attempts, plus one reconnect at most."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        server.requests.append(await read_request(reader))
        if number == 0:
            writer.write(reply(b"1"))
            server.requests.append(await read_request(reader))

    server = await serve(hang_up)
    async with AsyncClient(server.url, transport=transport, retry=FAST) as client:
        assert await client.get("/first") == 1
        with pytest.raises(errors.ConnectionLost) as caught:
            await client.get("/second")
        assert len(caught.value.attempts) == 3
        assert len(server.requests) == 1 + 3 + 1


@pytest.mark.parametrize("own", [True, False])
async def test_attempts_do_not_multiply(serve: Serve, own: bool) -> None:
    """What aiohttp would repeat on its own account, on any connection, would double every attempt of ours."""

    async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: int) -> None:
        server.requests.append(await read_request(reader))

    server = await serve(hang_up)
    async with aiohttp.ClientSession() as session:
        transport = AiohttpTransport(None if own else session)
        async with AsyncClient(server.url, transport=transport, retry=FAST) as client:
            with pytest.raises(errors.ConnectionLost):
                await client.get("/x")
    # Of a caller's session nobody knows whether its connection had been lying idle, so one reconnect is made.
    assert len(server.requests) == 3 + (not own)


async def test_the_middlewares_of_a_callers_session_go_on_working(serve_script: ServeScript) -> None:
    """They see every request of ours, and aiohttp's own errors."""
    seen: list[str] = []

    async def watch(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        try:
            return await handler(request)
        except aiohttp.ClientError as error:
            seen.append(type(error).__name__)
            raise

    server = await serve_script([Do.READ, Do.CLOSE], [Do.READ, reply(b"1"), Do.HOLD])
    async with (
        aiohttp.ClientSession(middlewares=[watch]) as session,
        AsyncClient(server.url, transport=AiohttpTransport(session)) as client,
    ):
        assert await client.get("/x") == 1
    assert seen == ["ServerDisconnectedError"]


async def pieces() -> AsyncIterator[bytes]:
    """Give out a body once."""
    for piece in (b"01234", b"56789"):
        yield piece


@pytest.mark.parametrize("how", ["refuse", "reset", "early"])
@pytest.mark.parametrize("kind", ["bytes", "list", "file", "moved file", "async generator"])
@pytest.mark.hazard(38)
async def test_a_body_is_sent_again_whole_or_not_at_all(
    serve: Serve, transport: str, tmp_path: Path, kind: str, how: str
) -> None:
    """What has a start is replayed from it, what has none is refused; the server never gets a part, nor nothing."""
    path = tmp_path / "file"
    path.write_bytes(b"ab0123456789")

    async def fail_the_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        if number == 0 and how == "early":
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply(b"", "Connection: close", status="503 Service Unavailable"))
            await writer.drain()
            return
        server.requests.append(await read_request(reader))
        if number == 0 and how == "reset":
            reset(writer)
        elif number == 0:
            writer.write(reply(b"", "Connection: close", status="503 Service Unavailable"))
        else:
            writer.write(reply(b'"done"'))

    server = await serve(fail_the_first)
    with path.open("rb") as file:
        file.seek(2)
        data: Any = {
            "bytes": b"0123456789",
            "list": [b"01234", b"56789"],
            "file": file,
            "moved file": file,
            "async generator": pieces(),
        }[kind]
        async with AsyncClient(server.url, transport=transport, retry=FAST) as client:
            sending = asyncio.ensure_future(client.put("/x", data=data))
            if kind == "moved file":
                await asyncio.sleep(0)
                file.seek(7)  # before the first byte of it is read
            if kind == "async generator":
                with pytest.raises(errors.UploadError, match="cannot be sent again: its body came from an iterator"):
                    await sending
            else:
                assert await sending == "done"
    assert {request.body for request in server.requests} <= {b"0123456789"}
    assert len(server.requests) == (kind != "async generator") + (how != "early")


async def test_a_body_that_never_left_is_sent_later(transport: str) -> None:
    """An iterator of which nothing was sent, because there was no connection, is good for the next attempt."""
    bodies: list[bytes] = []
    unused = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    port = unused.sockets[0].getsockname()[1]
    unused.close()
    await unused.wait_closed()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bodies.append((await read_request(reader)).body)
        writer.write(reply(b'"done"'))
        writer.close()

    policy = Retry(attempts=50, backoff=0.02, max_backoff=0.02, budget=None)
    async with AsyncClient(f"http://127.0.0.1:{port}", transport=transport, retry=policy) as client:
        sending = asyncio.ensure_future(client.post("/x", data=pieces()))
        while not client.stats.retries:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)
        server = await asyncio.start_server(take, "127.0.0.1", port)
        assert await sending == "done"
        server.close()
        await server.wait_closed()
    assert bodies == [b"0123456789"]
