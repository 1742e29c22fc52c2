"""Requests over TLS and through proxies: who is trusted, and who gets to see what."""

import asyncio
import base64
import socket
import ssl
from typing import Any
from urllib.parse import quote

import pytest

from headrace import AsyncClient
from headrace.errors import ConnectError, HTTPProxyAuthenticationRequired, TransportError
from tests.conftest import MakeProxy, Serve, ServeScript
from tests.kit.mill import silent
from tests.kit.proxies import PASSWORD, told
from tests.kit.waiting import ended
from tests.servers.nginx import Nginx
from tests.servers.nginx import user as nginx_user
from tests.servers.process import HOST
from tests.servers.proxy import ForwardProxy
from tests.servers.raw import Do, RawServer, Step, read_request, reply
from tests.servers.tls import TlsMaterial


@pytest.fixture
async def tls_server(serve_script: ServeScript, tls: TlsMaterial) -> RawServer:
    """A server whose certificate is good for loopback, if one trusts its authority."""
    script: list[Step] = [Do.READ, reply(b"safe"), Do.READ, reply(b"again"), Do.HOLD]
    return await serve_script(script, ssl=tls.server_context())


@pytest.mark.parametrize("size", [0, 1_000_000])
async def test_a_context_that_trusts_the_authority(
    serve_script: ServeScript, tls: TlsMaterial, transport: str, size: int
) -> None:
    """With an `ssl.SSLContext` that trusts the server, bodies of any size travel both ways over one connection."""
    body = bytes(size)
    script: list[Step] = [Do.READ, reply(body + b"1"), Do.READ, reply(body + b"2"), Do.HOLD]
    server = await serve_script(script, ssl=tls.server_context())
    async with AsyncClient(server.url, transport=transport, tls=tls.client_context()) as client:
        assert await client.put(data=body, response_format=bytes) == body + b"1"
        assert await client.put(data=body, response_format=bytes) == body + b"2"
    assert [request.body for request in server.requests] == [body, body]
    assert len(server.connections) == 1


async def test_a_server_of_this_world(nginx: Nginx, transport: str) -> None:
    """The TLS of nginx is spoken, too."""
    async with AsyncClient(nginx.https, transport=transport, tls=nginx.client_context) as client:
        assert await client.get("/users/3") == nginx_user(3)


@pytest.mark.parametrize("verify", [True, None])
@pytest.mark.hazard(43)
async def test_an_unknown_authority(tls_server: RawServer, transport: str, *, verify: bool | None) -> None:
    """By default a server must prove who it is: an unknown authority is a `ConnectError` that says so."""
    options: dict[str, Any] = {} if verify is None else {"tls": verify}
    async with AsyncClient(tls_server.url, transport=transport, **options) as client:
        with pytest.raises(ConnectError) as caught:
            await client.get(headers={"Authorization": PASSWORD})
    assert not caught.value.maybe_sent
    assert tls_server.requests == []
    if transport == "wire":
        assert "certificate verify failed" in str(caught.value)


async def test_a_certificate_for_another_host(serve_script: ServeScript, tls: TlsMaterial, transport: str) -> None:
    """A certificate of a trusted authority for another name is refused, and nothing is sent."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.ca.issue_cert("elsewhere.example").configure_cert(context)
    server = await serve_script([Do.READ, reply(b"impostor"), Do.HOLD], ssl=context)
    async with AsyncClient(server.url, transport=transport, tls=tls.client_context()) as client:
        with pytest.raises(ConnectError):
            await client.get()
    assert server.requests == []


async def test_without_verification(tls_server: RawServer, transport: str) -> None:
    """`tls=False` talks to anybody, and warns that it does."""
    with pytest.warns(UserWarning, match="not verified"):
        client = AsyncClient(tls_server.url, transport=transport, tls=False)
    async with client:
        assert await client.get(response_format=str) == "safe"


async def test_a_client_certificate(serve_script: ServeScript, tls: TlsMaterial, transport: str) -> None:
    """A server that asks for a certificate gets the one of the context."""
    context = tls.server_context(require_client_certificate=True)
    server = await serve_script([Do.READ, reply(b"welcome"), Do.HOLD], ssl=context)
    certified = tls.client_context(with_certificate=True)
    async with AsyncClient(server.url, transport=transport, tls=certified) as client:
        assert await client.get(response_format=str) == "welcome"
        peer = server.connections[0].writer.get_extra_info("peercert")
    assert (("commonName", "headrace test client"),) in peer["subject"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_missing_client_certificate(
    serve_script: ServeScript, tls: TlsMaterial, transport: str, version: ssl.TLSVersion
) -> None:
    """Without the certificate that a server asks for there is an error of the connection, every time, and no answer."""
    context = tls.server_context(require_client_certificate=True)
    context.maximum_version = version
    server = await serve_script([Do.READ, reply(b"welcome"), Do.HOLD], ssl=context)
    async with AsyncClient(server.url, transport=transport, tls=tls.client_context()) as client:
        for _ in range(10):
            with pytest.raises(TransportError) as caught:
                await client.get()
            assert isinstance(caught.value, ConnectionError), repr(caught.value)
    assert server.requests == []


async def test_https_that_is_http(serve: Serve, transport: str) -> None:
    """A server that does not speak TLS is a `ConnectError`."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(reply(b"plain", status="400 Bad Request"))
        await reader.read()

    server = await serve(plain)
    async with AsyncClient(server.url.replace("http", "https"), transport=transport) as client:
        with pytest.raises(ConnectError):
            await client.get()


async def test_a_cancelled_handshake(serve: Serve, tls: TlsMaterial, transport: str) -> None:
    """Cancelling a request in the middle of a TLS handshake ends its connection."""
    server = await serve(silent)
    url = server.url.replace("http", "https")
    async with AsyncClient(url, transport=transport, tls=tls.client_context()) as client:
        request = asyncio.create_task(client.get())
        await server.accepted(1)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await ended(server)


async def test_http_through_a_proxy(proxy: ForwardProxy, serve_script: ServeScript, transport: str) -> None:
    """The proxy gets the request in absolute form (RFC 9112, section 3.2.2), the origin in origin form."""
    server = await serve_script([Do.READ, reply(b"through")])
    async with AsyncClient(f"{server.url}/v1", transport=transport, proxy=proxy.url) as client:
        assert await client.post("/a b", data=b"abc", parameters={"x": 1}, response_format=str) == "through"
    assert [request.line for request in proxy.requests] == [f"POST {server.url}/v1/a%20b?x=1 HTTP/1.1"]
    assert proxy.requests[0].header("Host") == server.url.removeprefix("http://")
    assert proxy.requests[0].header("Proxy-Authorization") is None
    assert [request.line for request in server.requests] == ["POST /v1/a%20b?x=1 HTTP/1.1"]
    assert server.requests[0].body == b"abc"


async def test_https_through_a_proxy(
    proxy: ForwardProxy, tls_server: RawServer, tls: TlsMaterial, transport: str
) -> None:
    """The proxy opens one tunnel, sees nothing of the two requests inside it, and certificates are still checked."""
    secret = {"X-Api-Key": PASSWORD}
    async with AsyncClient(
        tls_server.url, transport=transport, proxy=proxy.url, tls=tls.client_context(), headers=secret
    ) as client:
        assert await client.get("/a", response_format=str) == "safe"
        assert await client.get("/b", response_format=str) == "again"
    authority = tls_server.url.removeprefix("https://")
    assert [request.line for request in proxy.requests] == [f"CONNECT {authority} HTTP/1.1"]
    assert PASSWORD not in str(proxy.requests)
    assert [request.line for request in tls_server.requests] == ["GET /a HTTP/1.1", "GET /b HTTP/1.1"]
    assert [request.header("X-Api-Key") for request in tls_server.requests] == [PASSWORD] * 2


async def test_an_unknown_authority_behind_a_proxy(proxy: ForwardProxy, tls_server: RawServer, transport: str) -> None:
    """A proxy is no reason to trust the server at the other end of the tunnel."""
    async with AsyncClient(tls_server.url, transport=transport, proxy=proxy.url) as client:
        with pytest.raises(ConnectError):
            await client.get()
    assert tls_server.requests == []


@pytest.mark.parametrize("secure", [False, True])
async def test_credentials_of_the_callers_stand_instead(
    make_proxy: MakeProxy, serve_script: ServeScript, tls: TlsMaterial, transport: str, *, secure: bool
) -> None:
    """A proxy gets one `Proxy-Authorization`: the caller's where the request goes to it, ours where a tunnel does."""
    proxy = await make_proxy()
    url = proxy.url.replace("://", f"://user:{PASSWORD}@")
    server = await serve_script([Do.READ, reply(b"through")], ssl=tls.server_context() if secure else None)
    async with AsyncClient(server.url, transport=transport, proxy=url, tls=tls.client_context()) as client:
        assert await client.get(response_format=str, headers={"proxy-authorization": "Bearer own"}) == "through"
    ours = "Basic " + base64.b64encode(f"user:{PASSWORD}".encode()).decode()
    got = [value for name, value in proxy.requests[0].headers if name.lower() == "proxy-authorization"]
    assert got == [ours if secure else "Bearer own"]


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("password", [PASSWORD, f"{PASSWORD} :@/%", f"{PASSWORD}é"], ids=["plain", "reserved", "utf-8"])
@pytest.mark.hazard(42)
async def test_the_credentials_of_a_proxy(
    make_proxy: MakeProxy, serve_script: ServeScript, tls: TlsMaterial, transport: str, password: str, *, secure: bool
) -> None:
    """User and password in the proxy's URL, percent-decoded, go to the proxy and never to the origin."""
    proxy = await make_proxy(credentials=("user", password))
    url = proxy.url.replace("://", f"://user:{quote(password, safe='')}@")
    server = await serve_script([Do.READ, reply(b"through")], ssl=tls.server_context() if secure else None)
    async with AsyncClient(server.url, transport=transport, proxy=url, tls=tls.client_context()) as client:
        assert await client.get(response_format=str) == "through"
        assert PASSWORD not in f"{client!r} {client.config!r}"
    expected = "Basic " + base64.b64encode(f"user:{password}".encode()).decode()
    assert [request.header("Proxy-Authorization") for request in proxy.requests] == [expected]
    assert server.requests[0].header("Proxy-Authorization") is None
    assert server.requests[0].header("Authorization") is None
    assert expected.encode() not in server.connections[0].received


async def test_the_credentials_of_the_origin_stay_out_of_the_tunnel(
    proxy: ForwardProxy, tls_server: RawServer, tls: TlsMaterial, transport: str
) -> None:
    """A bearer token is for the origin: the proxy that tunnels the request does not get it."""
    async with AsyncClient(
        tls_server.url, transport=transport, proxy=proxy.url, tls=tls.client_context(), bearer_token=PASSWORD
    ) as client:
        await client.get(response_format=str)
    assert proxy.requests[0].header("Authorization") is None
    assert tls_server.requests[0].header("Authorization") == f"Bearer {PASSWORD}"


async def test_a_tunnel_that_is_refused(
    make_proxy: MakeProxy, tls_server: RawServer, tls: TlsMaterial, transport: str
) -> None:
    """A proxy that wants another password makes a `ConnectError` with its status and without the password."""
    proxy = await make_proxy(credentials=("user", "another"))
    url = proxy.url.replace("://", f"://user:{PASSWORD}@")
    async with AsyncClient(tls_server.url, transport=transport, proxy=url, tls=tls.client_context()) as client:
        with pytest.raises(ConnectError, match="407") as caught:
            await client.get()
    assert PASSWORD not in told(caught.value)
    assert not caught.value.maybe_sent
    assert tls_server.connections == []


async def test_a_forwarded_request_that_is_refused(
    make_proxy: MakeProxy, serve_script: ServeScript, transport: str
) -> None:
    """For http the proxy answers in the origin's place, with the 407 as any other error, and without the password."""
    proxy = await make_proxy(credentials=("user", "another"))
    server = await serve_script([Do.READ, reply(b"through")])
    url = proxy.url.replace("://", f"://user:{PASSWORD}@")
    async with AsyncClient(server.url, transport=transport, proxy=url) as client:
        with pytest.raises(HTTPProxyAuthenticationRequired) as caught:
            await client.get()
    assert PASSWORD not in told(caught.value)
    assert server.connections == []


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"220 smtp\r\n", b"HTTP/1.1 200"])
async def test_a_proxy_that_makes_no_tunnel(
    serve: Serve, tls_server: RawServer, tls: TlsMaterial, transport: str, answer: bytes
) -> None:
    """Whatever a proxy says instead of opening the tunnel, no connection was made, and the password is not told."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await read_request(reader)
        writer.write(answer)

    proxy = await serve(refuse)
    url = proxy.url.replace("://", f"://user:{PASSWORD}@")
    # aiohttp does not tell such an answer of the proxy from one of the origin.
    expected = ConnectError if transport == "wire" else TransportError
    async with AsyncClient(tls_server.url, transport=transport, proxy=url, tls=tls.client_context()) as client:
        with pytest.raises(expected) as caught:
            await client.get()
    assert PASSWORD not in told(caught.value)
    assert tls_server.connections == []


async def test_a_proxy_that_is_not_there(tls_server: RawServer, transport: str) -> None:
    """A proxy that cannot be reached is a `ConnectError` without its password, and there is no way around it."""
    with socket.socket() as bound:
        bound.bind((HOST, 0))  # bound and not listening: the port is ours and refuses
        proxy = f"http://user:{PASSWORD}@{HOST}:{bound.getsockname()[1]}"
        async with AsyncClient(tls_server.url, transport=transport, proxy=proxy) as client:
            with pytest.raises(ConnectError) as caught:
                await client.get()
    assert PASSWORD not in told(caught.value)
    assert tls_server.connections == []
