"""What lies in a socket before a request is written is never taken for its answer, nor is its end for the request's."""

import asyncio
import gc
import itertools
import select
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from headrace import AiohttpTransport, AsyncClient, PoolLimits, RateLimiter, WireTransport
from headrace._io import idle
from headrace._io.wire.connection import Connection
from headrace._io.wire.dialing import DirectDialer
from headrace.errors import ConnectError, ConnectionLost, ProtocolError, TransportError
from tests.conftest import ServeScript
from tests.kit.cancelling import settled
from tests.kit.waiting import until
from tests.servers import peer
from tests.servers.nginx import Nginx
from tests.servers.peer import Peer, Say
from tests.servers.raw import WAIT_SECONDS, Do
from tests.servers.tls import TlsMaterial

SAID = [peer.answer, peer.junk, peer.late, peer.fin, peer.rst]


async def _once() -> AsyncIterator[bytes]:
    yield b"a"
    yield b"b"


def _options(how: str) -> dict[str, Any]:
    return {"GET": {}, "POST": {"data": b"x"}, "stream": {"data": _once()}, "large": {"data": b"x" * 200_000}}[how]


@pytest.mark.hazard(62)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("how", ["GET", "POST", "stream", "large"])
@pytest.mark.parametrize("what", SAID, ids=lambda what: what.__name__)
async def test_what_lay_in_the_socket_before(
    transport: str, tls: TlsMaterial, what: Say, how: str, *, secure: bool
) -> None:
    """The loop had no time to read it: the request goes out on another connection, once, whatever it is."""
    with Peer(tls.server_context() if secure else None, None).serving() as server:
        pool = PoolLimits(max_connections=1)
        async with AsyncClient(server.url, transport=transport, tls=tls.trusting, pool=pool) as client:
            assert await client.get("/first", response_format=str) == "0"
            server.say(0, what)
            verb = "GET" if how == "GET" else "POST"
            assert await client.request(verb, "/next", response_format=str, **_options(how)) == "1"
            assert (client.stats.connections_opened, client.stats.connections_reused) == (2, 0)
            assert await client.get("/last", response_format=str) == "1"
            assert (client.stats.connections_opened, client.stats.connections_reused) == (2, 1)
    assert server.requests == [(0, "GET /first HTTP/1.1"), (1, f"{verb} /next HTTP/1.1"), (1, "GET /last HTTP/1.1")]


@pytest.mark.hazard(62)
async def test_all_that_lie_idle_may_have_been_spoken_on(transport: str) -> None:
    """Each is passed over, and its place is free for others."""
    with Peer(None, None).serving() as server:
        pool = PoolLimits(max_connections=3)
        async with AsyncClient(server.url, transport=transport, pool=pool) as client:
            await asyncio.gather(*(client.get() for _ in range(3)))
            assert client.stats.connections_opened == 3
            for number in range(3):
                server.say(number, peer.answer)
            assert await client.post(data=b"x", response_format=str) == "3"
            assert await asyncio.gather(*(client.post(data=b"x", response_format=int) for _ in range(3)))
            assert client.stats.connections_opened <= 6


@pytest.mark.hazard(62)
async def test_what_was_passed_over_is_forgotten() -> None:
    """A connection that was spoken on, and one that took its place, are not kept for ever."""

    def known() -> int:
        gc.collect()
        return sum(type(each) is Connection and each.key == server.url for each in gc.get_objects())

    with Peer(None, None).serving() as server:
        async with AsyncClient(server.url, transport="wire", pool=PoolLimits(max_connections=1)) as client:
            for number in range(3):
                assert await client.get(response_format=str) == str(number)
                server.say(number, peer.answer)
            assert await client.get(response_format=str) == "3"
            assert await settled(lambda: known() == 1)


@pytest.mark.hazard(62)
@pytest.mark.parametrize("what", SAID, ids=lambda what: what.__name__)
async def test_a_connection_that_lay_idle_and_has_served_nobody(what: Say) -> None:
    """A request that a pause held back leaves its connection idle; for whoever takes it next it is not a new one."""
    limiter = RateLimiter(100)
    with Peer(None, None).serving() as server:
        wire = WireTransport(pool=PoolLimits(max_connections=1))
        async with (
            AsyncClient(server.url, transport=wire, limiter=limiter) as held,
            AsyncClient(server.url, transport=wire) as client,
        ):
            request = asyncio.ensure_future(held.get())
            await asyncio.sleep(0)
            assert wire.connections == (1, 0, 0)  # it is being dialed
            limiter.pause(3600)
            await until(lambda: wire.connections.idle == 1)
            request.cancel()
            await asyncio.wait([request])
            assert server.requests == []
            server.say(0, what)
            assert await client.post(data=b"x", response_format=str) == "1"
            assert (client.stats.errors.total(), wire.connections.open) == (0, 1)


@pytest.mark.hazard(62)
async def test_a_start_counts_once_though_its_first_connection_was_refused(transport: str) -> None:
    """A limiter counts the request when it is sent on the other connection, and only then."""
    limiter = RateLimiter(3, 3600)
    with Peer(None, None).serving() as server:
        async with AsyncClient(server.url, transport=transport, limiter=limiter) as client:
            assert await client.get(response_format=str) == "0"
            server.say(0, peer.answer)
            assert await client.get(response_format=str) == "1"
    assert limiter.try_acquire()
    assert not limiter.try_acquire()


async def test_a_dial_that_fails_in_a_pause_counts(serve_script: ServeScript, transport: str) -> None:
    """A server that is down is not dialed more often than a limiter allows, whatever has come between."""
    now = 0.0
    limiter = RateLimiter(1, 3600, clock=lambda: now)
    server = await serve_script([b"this is no TLS\r\n\r\n", Do.CLOSE])
    async with AsyncClient(server.url.replace("http:", "https:"), transport=transport, limiter=limiter) as client:
        request = asyncio.ensure_future(client.get())
        await asyncio.sleep(0)
        assert not request.done()
        limiter.pause(10)
        with pytest.raises(ConnectError):
            await request
    now = 3599.0
    assert not limiter.try_acquire()
    now = 3600.0
    assert limiter.try_acquire()


@pytest.mark.hazard(62)
async def test_all_that_lie_idle_in_a_session_of_the_caller_s_own() -> None:
    """Those that we have used are known there, and each of them is passed over."""
    with Peer(None, None).serving() as server:
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            AsyncClient(server.url, transport=AiohttpTransport(session)) as client,
        ):
            await asyncio.gather(*(client.get() for _ in range(3)))
            for number in range(3):
                server.say(number, peer.answer)
            assert await client.post(data=b"x", response_format=str) == "3"


@pytest.mark.hazard(62)
async def test_a_session_of_the_caller_s_own(tls: TlsMaterial) -> None:
    """In a foreign session nobody knows which connections are new; one that we have used is known."""
    with Peer(None, None).serving() as server:
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            AsyncClient(server.url, transport=AiohttpTransport(session)) as client,
        ):
            async with session.get(server.url) as foreign:
                assert await foreign.read() == b"0"
            for number in range(3):
                server.say(number, peer.answer)
                assert await client.post(data=b"x", response_format=str) == str(number + 1)


def _looking_late(monkeypatch: pytest.MonkeyPatch, wait: Callable[[int], object]) -> None:
    """Hold up whatever looks into a socket, until something has come."""
    look_of = idle.look_of

    def late(transport: Any) -> Callable[[int], list[Any]]:
        look = look_of(transport)
        descriptor = transport.get_extra_info("socket").fileno()

        def looking(milliseconds: int) -> list[Any]:
            wait(descriptor)
            return look(milliseconds)

        return looking

    monkeypatch.setattr(idle, "look_of", late)


@pytest.mark.hazard(62)
@pytest.mark.parametrize(
    ("what", "errors"),
    [
        (peer.answer, ProtocolError),
        (peer.junk, ProtocolError),
        (peer.fin, ConnectionLost),
        (peer.rst, (ConnectionLost, ConnectError)),
    ],
)
async def test_a_new_connection_on_which_the_server_speaks_first(
    transport: str, monkeypatch: pytest.MonkeyPatch, what: Say, errors: Any
) -> None:
    """It is an error that says so; nothing was sent."""
    with Peer(None, what).serving() as server:
        _looking_late(monkeypatch, lambda _: server.has_spoken.wait(WAIT_SECONDS))
        async with AsyncClient(server.url, transport=transport) as client:
            with pytest.raises(errors) as caught:
                await client.post(data=b"x")
    assert not caught.value.maybe_sent
    assert server.requests == []


@pytest.mark.hazard(62)
@pytest.mark.parametrize("what", [peer.fin, peer.rst], ids=lambda what: what.__name__)
async def test_a_new_connection_that_has_ended_before_it_is_had(monkeypatch: pytest.MonkeyPatch, what: Say) -> None:
    """The loop has heard its end while it was being made: that is said, and nothing was sent."""
    connect = DirectDialer._connect

    async def late(dialer: DirectDialer, origin: Any, addresses: Any, context: Any, connection: Any) -> None:
        await connect(dialer, origin, addresses, context, connection)
        await until(lambda: connection.gone)

    monkeypatch.setattr(DirectDialer, "_connect", late)
    with Peer(None, what).serving() as server:
        async with AsyncClient(server.url, transport="wire") as client:
            with pytest.raises((ConnectionLost, ConnectError)) as caught:
                await client.post(data=b"x")
    assert not caught.value.maybe_sent
    assert server.requests == []


@pytest.mark.hazard(62)
async def test_a_server_that_always_speaks_first_in_a_session_of_the_caller_s_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One connection more is tried there, for the first may have lain idle; then it is the same error."""
    with Peer(None, peer.answer).serving() as server:
        _looking_late(monkeypatch, lambda descriptor: select.select([descriptor], [], [], WAIT_SECONDS))
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            AsyncClient(server.url, transport=AiohttpTransport(session)) as client,
        ):
            with pytest.raises(ProtocolError) as caught:
                await client.post(data=b"x")
    assert not caught.value.maybe_sent
    assert server.requests == []


@pytest.mark.hazard(62)
@pytest.mark.asyncio(loop_factories=["asyncio"])  # uvloop ends its handshake with the first request: none come before
@pytest.mark.parametrize(("what", "error"), [(peer.answer, ProtocolError), (peer.fin, ConnectionLost)])
async def test_a_new_connection_on_which_the_server_speaks_first_over_tls(
    transport: str, tls: TlsMaterial, monkeypatch: pytest.MonkeyPatch, what: Say, error: type[TransportError]
) -> None:
    """It is judged by what it says, when the loop has read that."""
    with Peer(tls.server_context(), what).serving() as server:
        _looking_late(monkeypatch, lambda _: server.has_spoken.wait(WAIT_SECONDS))
        async with AsyncClient(server.url, transport=transport, tls=tls.trusting) as client:
            with pytest.raises(error) as caught:
                await client.post(data=b"x")
    assert not caught.value.maybe_sent
    assert server.requests == []


@pytest.mark.hazard(62)
@pytest.mark.parametrize("times", [1, 4, 1_000_000])
@pytest.mark.parametrize("how", ["GET", "POST", "stream"])
async def test_what_tls_says_of_its_own_accord(
    transport: str, tls: TlsMaterial, monkeypatch: pytest.MonkeyPatch, how: str, times: int
) -> None:
    """Tickets in the socket of a new connection are no reason to use another one, unless there is no end of them."""
    look_of = idle.look_of
    found = itertools.count()

    def full(transport: Any) -> Callable[[int], list[Any]]:
        look = look_of(transport)
        return lambda milliseconds: [1] if next(found) < times else look(milliseconds)

    monkeypatch.setattr(idle, "look_of", full)
    with Peer(tls.server_context(), None).serving() as server:
        async with AsyncClient(server.url, transport=transport, tls=tls.trusting) as client:
            call = client.request("GET" if how == "GET" else "POST", response_format=str, **_options(how))
            if times < idle.STEPS:
                assert await call == "0"
            else:
                with pytest.raises(TransportError) as caught:
                    await call
                assert not caught.value.maybe_sent
                assert server.requests == []
            assert client.stats.connections_opened == 1


@pytest.mark.hazard(62)
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_connections_are_used_again_as_before(nginx: Nginx, transport: str, *, secure: bool) -> None:
    """Nothing but the first request opens a connection to nginx."""
    url = nginx.https if secure else nginx.http
    async with AsyncClient(url, transport=transport, tls=nginx.client_context) as client:
        for _ in range(200):
            await client.get("/users/1")
        assert (client.stats.connections_opened, client.stats.connections_reused) == (1, 199)


async def test_a_transport_without_a_socket() -> None:
    """Where there is nothing to look into, nothing is found."""

    class Bare:
        def get_extra_info(self, _: str) -> None:
            return None

    assert not idle.look_of(Bare())(0)
    assert idle.has_ended(Bare())


async def test_where_there_is_no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has `select` alone."""
    monkeypatch.delattr(select, "poll", raising=False)
    with Peer(None, None).serving() as server:
        async with AsyncClient(server.url, transport=WireTransport()) as client:
            assert await client.get(response_format=str) == "0"
            assert await client.get(response_format=str) == "0"
            server.say(0, peer.answer)
            assert await client.get(response_format=str) == "1"
