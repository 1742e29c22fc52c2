"""The client through a forward proxy that others wrote: what arrives, what stays behind, and how it fails."""

import asyncio
import base64
import importlib.util
import random
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from headrace import AsyncClient, PoolLimits
from headrace.errors import ConnectError, HTTPBadGateway, HTTPProxyAuthenticationRequired
from tests.conftest import Serve
from tests.kit.proxies import told
from tests.servers.process import HOST, unavailable
from tests.servers.raw import RawServer, read_request, reply
from tests.servers.real_proxy import PASSWORD, USER, RealProxy, real_proxy
from tests.servers.tls import TlsMaterial

BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
SIZES = [0, 1, 1_000, 65_536, 1_000_003]


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProxy]:
    """A running proxy.py."""
    if not importlib.util.find_spec("proxy"):
        unavailable("proxy.py is not installed", "pip install proxy.py")
    with real_proxy(tmp_path_factory.mktemp("proxy")) as running:
        yield running


@pytest.fixture(params=["http", "https"])
async def origin(request: pytest.FixtureRequest, serve: Serve, tls: TlsMaterial) -> RawServer:
    """An origin behind the proxy that sends bodies back: one that it forwards to, or one that it only tunnels to."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            asked = await read_request(reader)
            server.requests.append(asked)
            writer.write(reply(asked.body))
            await writer.drain()

    server = await serve(answer, ssl=tls.server_context() if request.param == "https" else None)
    return server


@pytest.mark.hazard(42)
async def test_bodies_and_credentials(proxy: RealProxy, origin: RawServer, tls: TlsMaterial, transport: str) -> None:
    """Bodies of all sizes travel both ways; the origin gets its own credentials, and nothing of the proxy's."""
    chance = random.Random(22)  # noqa: S311 - noise, not secrets
    for size in SIZES:
        body = chance.randbytes(size)

        async def cut(body: bytes = body) -> AsyncIterator[bytes]:
            for start in range(0, len(body), 30_000):
                yield body[start : start + 30_000]

        # Two faults of proxy.py 2.4.10 are not ours: of a chunked body that is empty it forwards nothing but the head,
        # and from the second request of a connection on it hands what was meant for itself to the origin. So each
        # request has a connection of its own here.
        for data in (body, cut()) if body else (body,):
            async with AsyncClient(
                origin.url, transport=transport, proxy=proxy.url(), tls=tls.trusting, bearer_token="own"
            ) as client:
                echoed = await client.post("/a b", data=data, parameters={"size": size}, response_format=bytes)
                assert (echoed or b"") == body
                assert PASSWORD not in f"{client!r} {client.config!r}"
    wanted = [(f"POST /a%20b?size={size} HTTP/1.1", "Bearer own") for size in SIZES for _ in range(2 if size else 1)]
    assert [(request.line, request.header("Authorization")) for request in origin.requests] == wanted
    received = b"".join(connection.received for connection in origin.connections)
    assert PASSWORD.encode() not in received
    assert BASIC.encode() not in received
    assert b"proxy-authorization" not in received.lower()


async def test_connections_serve_again(proxy: RealProxy, origin: RawServer, tls: TlsMaterial, transport: str) -> None:
    """A tunnel is as good as a connection, and so is one to the proxy itself: a hundred requests need one."""
    async with AsyncClient(origin.url, transport=transport, proxy=proxy.url(), tls=tls.trusting) as client:
        for number in range(100):
            body = b"%d" % number
            assert await client.put("/x", data=body, response_format=bytes) == body
        assert client.stats.connections_opened == 1


@pytest.mark.hazard(42, 45, 51)
async def test_a_wrong_password(proxy: RealProxy, origin: RawServer, tls: TlsMaterial, transport: str) -> None:
    """Each request is refused with a 407 and keeps no place; the password is not told, and no origin is asked."""
    wrong = "canary-0000"
    secure = origin.url.startswith("https")
    async with AsyncClient(
        origin.url, transport=transport, proxy=proxy.url(wrong), tls=tls.trusting, pool=PoolLimits(1)
    ) as client:
        for _ in range(3):
            with pytest.raises(ConnectError if secure else HTTPProxyAuthenticationRequired, match="407") as caught:
                await client.get("/x")
            assert wrong not in told(caught.value)
            assert base64.b64encode(f"{USER}:{wrong}".encode()).decode() not in told(caught.value)
    assert origin.connections == []


@pytest.mark.hazard(51)
async def test_an_origin_that_is_not_there(
    proxy: RealProxy, origin: RawServer, tls: TlsMaterial, transport: str
) -> None:
    """What the proxy cannot reach fails with its answer and keeps no place from what it can."""
    scheme = origin.url.partition("://")[0]
    with socket.socket() as bound:
        bound.bind((HOST, 0))  # bound and not listening: the port is ours and refuses
        nowhere = f"{scheme}://{HOST}:{bound.getsockname()[1]}/x"
        async with AsyncClient(
            origin.url, transport=transport, proxy=proxy.url(), tls=tls.trusting, pool=PoolLimits(1)
        ) as client:
            for _ in range(2):
                with pytest.raises(ConnectError if scheme == "https" else HTTPBadGateway) as caught:
                    await client.get(nowhere)
                assert PASSWORD not in told(caught.value)
                assert await client.post("/y", data=b"there", response_format=bytes) == b"there"
