"""A shared limit on a real redis-server: its keys, its words, and what goes wrong."""

from __future__ import annotations

import asyncio
import pickle
import random
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import redis

from headrace import AsyncClient, Call, RateLimiter, SharedLimiter, SyncClient, sinks
from headrace._core.limits.shared_log import Ask, SharedLaw, SharedLog
from headrace._io.limits.shared import _script
from headrace.errors import HTTPTooManyRequests, LimiterError, ValidationError
from tests.servers.process import HOST, free_port
from tests.servers.redis import RedisServer, redis_server
from tests.servers.stamping import stamping_server

if TYPE_CHECKING:
    from collections.abc import Iterator

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
SECRET = "sluice-gate"
#: Seconds; generous, for this machine may be busy with other tests.
PATIENT: dict[str, Any] = {"lateness": 0.5, "patience": 30.0}


one_loop = pytest.mark.asyncio(loop_factories=["asyncio"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running redis-server."""
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def direct(server: RedisServer) -> Iterator[redis.Redis]:
    """A connection to it, and nothing in it."""
    with redis.Redis(host=HOST, port=server.port) as connection:
        connection.flushall()
        yield connection


@pytest.mark.parametrize("seed", range(5))
def test_the_script_is_the_law(direct: redis.Redis, seed: int) -> None:
    """The server's script and the law in Python give the same answers to the same questions at the same moments."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    windows = [(chance.choice([1, 5, 40]), 0.5)] + [(chance.choice([30, 60]), 2.0)] * (seed % 2)
    law = SharedLaw.of(windows, 0.02)
    text = _script()[0].replace("redis.call('TIME')", "redis.call('HMGET', 'clock', 's', 'us')")
    keys = ["state", "queue", "demand", "pauses", *(f"log{i}" for i in range(len(law.windows)))]
    now, log, version = 1_800_000_000 * 10**6, None, None
    granted: list[tuple[int, int, int]] = []
    for step in range(1500):
        now += chance.choice([0, 300, 5_000, 40_000, 200_000])
        most = chance.choice([0, 1, 1, 4, 20])
        wanted = chance.randint(0, most)
        least = 1 if most < 2 else chance.randint(1, min(most, law.windows[0][0]))
        pauses = {}
        if chance.random() < 0.02:
            pauses[chance.choice(["", "https://a.example"])] = chance.randint(1, 400_000)
        back = [granted.pop(chance.randrange(len(granted)))] if granted and chance.random() < 0.2 else []
        ask = Ask(f"client{chance.randrange(6)}", least, wanted, most, -1, back, pauses)
        direct.hset("clock", mapping={"s": now // 10**6, "us": now % 10**6})
        log = log or SharedLog(law, now)
        expected = log.ask(ask, now)
        flat: list[Any] = [part for pair in pauses.items() for part in pair]
        told = (len(back), *(part for given in back for part in given), *flat)
        raw: Any = direct.eval(text, len(keys), *keys, law.text, 3_600_000, law.batch, law.grace, *ask[:5], *told)
        assert tuple(raw[:3]) == expected[:3], step
        if raw[0] and chance.random() < 0.5:
            granted.append((raw[1], raw[0], chance.randint(1, raw[0])))
        version = raw[3] - expected.version if version is None else version
        assert raw[3] - expected.version == version
        assert {o.decode(): left for o, left in zip(raw[5::2], raw[6::2], strict=True)} == expected.pauses


@one_loop
async def test_nothing_stays_behind(server: RedisServer, direct: redis.Redis) -> None:
    """Every key begins with the namespace and the name, and has a time to live."""
    async with asyncio.timeout(60):
        limiter = SharedLimiter.all_of(
            server.url, (4, 0.2), (9, 0.5), name="a{b", namespace="weir", ttl=50, **PATIENT
        )  # fmt: skip
        limiter.pause(0.2, "https://a.example")
        await asyncio.gather(*(limiter.acquire() for _ in range(8)))
        waits = [asyncio.ensure_future(limiter.acquire()) for _ in range(30)]
        await asyncio.sleep(0.3)
        keys = direct.keys()
        assert len(keys) >= 4
        assert all(key.startswith(b"weir:{a%7Bb}:") for key in keys)
        assert all(0 < direct.pttl(key) <= 60_000 for key in keys)
        await limiter.close()
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


@pytest.mark.parametrize("kind", ["redis", "valkey", "unix"])
async def test_addresses(server: RedisServer, direct: redis.Redis, kind: str) -> None:
    """Both names of the protocol and the socket lead to the server."""
    url = {"redis": server.url, "valkey": server.url.replace("redis", "valkey"), "unix": f"unix://{server.socket}"}[
        kind
    ]
    limiter = SharedLimiter(url, 5, 0.1, name="x", **PATIENT)
    await limiter.acquire()
    await limiter.close()
    assert direct.exists("headrace:{x}:state")


def test_module_level_and_two_loops(server: RedisServer, direct: redis.Redis) -> None:
    """One limiter serves loop after loop, with a connection of its own in each, and without `close`."""
    limiter = SharedLimiter(server.url, 5, 0.1, name="x", **PATIENT)
    for _ in range(3):
        asyncio.run(limiter.acquire())
    assert limiter.waiting == 0


def test_a_copy_is_another_user_of_the_name(server: RedisServer) -> None:
    """What is pickled is the recipe, password included; what is shown is not."""
    url = f"redis://user:{SECRET}@{HOST}:{server.port}/0"
    limiter = SharedLimiter(url, 5, 0.1, name="x", lateness=0.3, follow=True)
    copy = pickle.loads(pickle.dumps(limiter))
    assert (copy.rate, copy.interval, copy.follow) == (5, 0.1, True)
    assert (
        repr(copy) == repr(limiter) == f"SharedLimiter('redis://{HOST}:{server.port}/0', 5, 0.1, name='x', waiting=0)"
    )
    assert SECRET in pickle.dumps(limiter).decode("latin-1")


async def test_a_wrong_password_is_told_and_not_shown(tmp_path: Any) -> None:
    """At once, and with neither the wrong password nor the right one, in the error or in its frames."""
    with redis_server(tmp_path, password="right-gate") as closed:
        limiter = SharedLimiter(f"redis://:{SECRET}@{HOST}:{closed.port}/0", 5, name="x", patience=60)
        with pytest.raises(LimiterError, match="refuses the user or the password") as caught:
            await limiter.acquire()
        text = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
        await limiter.close()
    assert SECRET not in text
    assert "right-gate" not in text


async def test_a_server_that_is_silent_is_told() -> None:
    """It takes the connection, and never says a word."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(listen, HOST, 0) as silent:
        url = f"redis://{HOST}:{silent.sockets[0].getsockname()[1]}"
        limiter = SharedLimiter(url, 5, name="x", patience=0.1)
        with pytest.raises(LimiterError, match=r"out of reach for .* \(patience=0.1\): no answer$"):
            await limiter.acquire()
        await limiter.close()


async def test_nobody_there_is_told() -> None:
    """An address without a server is an error after `patience` seconds, for every kind of call."""
    port = free_port()
    limiter = SharedLimiter(f"redis://{HOST}:{port}", 5, name="x", patience=0.2)
    with pytest.raises(LimiterError, match=rf":{port}.*out of reach for .* \(patience=0.2\): \w"):
        await limiter.acquire()
    async with AsyncClient("http://127.0.0.1:9", limiter=limiter) as client:
        with pytest.raises(LimiterError, match="out of reach") as caught:
            await client.get("/users")
    assert caught.value.method == "GET"
    await limiter.close()


async def test_a_server_of_another_kind_is_told() -> None:
    """What answers with something else will not do, and that is told at once."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, HOST, 0) as strange:
        port = strange.sockets[0].getsockname()[1]
        with pytest.raises(LimiterError):
            await SharedLimiter(f"redis://{HOST}:{port}", 5, name="x", patience=0.5).acquire()


async def test_a_server_without_scripts_is_told(server: RedisServer, direct: redis.Redis) -> None:
    """Where the user may run no scripts, the error says what is missing."""
    direct.acl_setuser("noscripts", enabled=True, passwords=["+x"], keys=["*"], categories=["+@all", "-@scripting"])
    limiter = SharedLimiter(f"redis://noscripts:x@{HOST}:{server.port}", 5, name="x", patience=60)
    with pytest.raises(LimiterError, match="will not run the script"):
        await limiter.acquire()
    await limiter.close()


@one_loop
async def test_another_limit_of_the_same_name_is_told(server: RedisServer, direct: redis.Redis) -> None:
    """One name is one limit, as long as it is in use; afterwards it may be another one."""
    one, other = (SharedLimiter(server.url, rate, 0.3, name="x", **PATIENT) for rate in (5, 6))
    await one.acquire()
    with pytest.raises(LimiterError, match=r"in use with another limit \(5:800001; here 6:800001"):
        await other.acquire()
    await asyncio.sleep(0.85)
    await other.acquire()
    await one.close()
    await other.close()


@pytest.mark.parametrize(
    ("url", "options", "text"),
    [
        ("http://host/0", {}, "url: got str"),
        ("redis://", {}, "url: got str"),
        ("redis://host:port/0", {}, "url: got str"),
        ("redis://host/users", {}, "the number of a database"),
        (17, {}, "url: got int"),
        (f"http://user:{SECRET}@host/0", {}, "url: got str"),
        ("redis://host/0", {"name": ""}, "name: got str"),
        ("redis://host/0", {"namespace": 3}, "namespace: got int"),
        ("redis://host/0", {"per": "path"}, "per: got str"),
        ("redis://host/0", {"ttl": 0}, "ttl: got"),
    ],
)
def test_wrong_arguments_are_told(url: Any, options: dict[str, Any], text: str) -> None:
    """When the limiter is made, by name, and without a password."""
    with pytest.raises(ValidationError, match=text) as caught:
        SharedLimiter(url, 5, **({"name": "x"} | options))
    assert SECRET not in str(caught.value)


async def test_clients_share_a_limit_and_a_pause(server: RedisServer, direct: redis.Redis, transport: str) -> None:
    """Two clients of two limiters keep one limit, and the 429 that one of them sees holds both."""
    refused: list[float] = []

    def answer(number: int, moment: float) -> bytes:
        if number == 5:
            refused.append(moment)
            return BUSY
        return OK

    with stamping_server(answer) as api:
        limiters = [SharedLimiter(url, 50, 0.5, name="api", **PATIENT) for url in [server.url] * 2]
        clients = [AsyncClient(api.url, limiter=limiter, transport=transport) for limiter in limiters]
        errors = 0
        for _ in range(10):
            for client in clients:
                try:
                    await client.get("/users")
                except HTTPTooManyRequests:
                    errors += 1
        for client, limiter in zip(clients, limiters, strict=True):
            await client.close()
            await limiter.close()
        assert errors == 1
        after = [moment for moment in api.arrivals if moment > refused[0]]
        # A lease is used up within its lateness, in which the other one need not have heard of the pause.
        assert all(moment >= refused[0] + 1.0 for moment in after if moment > refused[0] + PATIENT["lateness"])
        assert len(after) == 14


def test_a_sync_client_takes_it(server: RedisServer, direct: redis.Redis) -> None:
    """On its own loop, and with the settings of a class."""
    with stamping_server(lambda *_: OK) as api:

        class Client(SyncClient, uri=api.url, limiter=SharedLimiter(server.url, 3, 0.2, name="sync", **PATIENT)):
            pass

        with Client() as client:
            assert [client.get("/users") for _ in range(7)] == [{}] * 7
        assert all(
            late - early >= 0.2 for early, late in zip(api.arrivals, api.arrivals[3:], strict=False)
        )  # fmt: skip


@one_loop
async def test_each_host_has_its_own(server: RedisServer, direct: redis.Redis) -> None:
    """With `per` there is a limit for each value, over few connections."""
    with stamping_server(lambda *_: OK) as api:
        limiter = SharedLimiter(
            server.url, 1, 60.0, name="hosts", per=lambda request: request.target.rpartition("/")[2],
            lateness=5.0, patience=30.0,
        )  # fmt: skip
        async with AsyncClient(api.url, limiter=limiter) as client:
            tasks = [asyncio.ensure_future(client.get(f"/host/{number}")) for number in range(20)]
            while len(direct.keys("headrace:{hosts/*}:state")) < 20:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)
            assert server.command("CLIENT", "LIST").count("\n") < 10
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert len(limiter.keyed) == 20


async def test_a_client_does_not_close_it(server: RedisServer, direct: redis.Redis) -> None:
    """A limiter that was given outlives the client, and is as good as `RateLimiter` wherever that is taken."""
    limiter = SharedLimiter(server.url, 100, 0.1, name="x", **PATIENT)
    with stamping_server(lambda *_: OK) as api:
        for given in (limiter, RateLimiter(100, 0.1), limiter):
            async with AsyncClient(api.url, limiter=given) as client:
                assert await client.get("/users") == {}
                calls = [Call("/users", key=str(number)) for number in range(20)]
                report = await client.bulk(calls, sink=sinks.Discard()).run()
                assert report.ok
    await limiter.close()
