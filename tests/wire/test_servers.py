"""The test servers do what their fixtures promise, seen by clients other than headrace."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import yarl

from tests.conftest import MakeProxy, Serve, ServeScript
from tests.servers.jsonplaceholder import JsonPlaceholder
from tests.servers.nginx import STATUSES, Nginx, user
from tests.servers.proxy import ForwardProxy
from tests.servers.raw import Do, Step, raw_server, read_request, reply
from tests.servers.tls import TlsMaterial


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """An aiohttp session."""
    async with aiohttp.ClientSession() as made:
        yield made


async def test_nginx_serves_users(nginx: Nginx, session: aiohttp.ClientSession) -> None:
    """A user is some 430 bytes of JSON, and the list has a hundred of them."""
    async with session.get(f"{nginx.http}/users/1") as response:
        body = await response.read()
        assert response.content_type == "application/json"
    assert json.loads(body) == user(1)
    assert 400 < len(body) < 460
    async with session.get(f"{nginx.http}/users") as response:
        assert [one["id"] for one in await response.json()] == list(range(1, 101))


async def test_nginx_compresses(nginx: Nginx, session: aiohttp.ClientSession) -> None:
    """What lies below /gzip/ is compressed for clients that ask."""
    async with session.get(f"{nginx.http}/gzip/users/2") as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert await response.json() == user(2)


@pytest.mark.parametrize("with_certificate", [False, True])
async def test_nginx_tls(
    nginx: Nginx, tls: TlsMaterial, session: aiohttp.ClientSession, *, with_certificate: bool
) -> None:
    """The TLS port is trusted through the run's authority and checks a client certificate where one is shown."""
    context = tls.client_context(with_certificate=with_certificate)
    async with session.get(f"{nginx.https}/echo", ssl=context) as response:
        seen = await response.json()
    assert seen["scheme"] == "https"
    assert seen["client_certificate"] == ("SUCCESS" if with_certificate else "NONE")


async def test_nginx_tls_is_not_trusted_by_default(nginx: Nginx, session: aiohttp.ClientSession) -> None:
    """Without the run's authority the certificate is refused."""
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await session.get(f"{nginx.https}/echo")


async def test_nginx_echoes(nginx: Nginx, session: aiohttp.ClientSession) -> None:
    """The echo shows the request line and the headers that credentials travel in."""
    headers = {"Authorization": "Bearer abc", "Cookie": "a=b", "X-Test": "yes"}
    url = yarl.URL(f"{nginx.http}/echo/deep?x=1&y=%2F", encoded=True)
    async with session.put(url, headers=headers) as response:
        seen = await response.json()
    assert seen["method"] == "PUT"
    assert (seen["uri"], seen["args"]) == ("/echo/deep?x=1&y=%2F", "x=1&y=%2F")
    assert (seen["authorization"], seen["cookie"], seen["x_test"]) == ("Bearer abc", "a=b", "yes")
    assert seen["host"] in nginx.http


@pytest.mark.parametrize("code", STATUSES)
async def test_nginx_statuses(nginx: Nginx, session: aiohttp.ClientSession, code: int) -> None:
    """Each listed status is answered, an error with an HTML page."""
    async with session.get(f"{nginx.http}/status/{code}") as response:
        assert response.status == code
        assert await response.text() == "" if code == 204 else response.content_type == "text/html"


async def test_nginx_redirects(nginx: Nginx, session: aiohttp.ClientSession) -> None:
    """The redirect leads to the first user."""
    async with session.get(f"{nginx.http}/redirect") as response:
        assert [past.status for past in response.history] == [302]
        assert await response.json() == user(1)


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_nginx_takes_uploads(nginx: Nginx, session: aiohttp.ClientSession, method: str, *, chunked: bool) -> None:
    """An upload is read to its end, and its true length comes back, with Content-Length or chunked."""
    body = b"x" * 300_000

    async def chunks() -> AsyncIterator[bytes]:
        yield body[:100_000]
        yield body[100_000:]

    async with session.request(method, f"{nginx.http}/upload", data=chunks() if chunked else body) as response:
        seen = await response.json()
    assert (seen["method"], seen["content_length"]) == (method, len(body))
    assert seen["request_length"] > len(body)


async def test_nginx_stores(nginx: Nginx, session: aiohttp.ClientSession) -> None:
    """What was PUT below /store/ can be fetched again, byte for byte."""
    body = bytes(range(256)) * 1000
    async with session.put(f"{nginx.http}/store/blob", data=body) as response:
        assert response.status in {201, 204}
    async with session.get(f"{nginx.http}/store/blob") as response:
        assert await response.read() == body


async def test_nginx_keeps_and_closes(nginx: Nginx, session: aiohttp.ClientSession) -> None:
    """Connections are kept, but for /close."""
    seen = []
    for _ in range(3):
        async with session.get(f"{nginx.http}/echo") as response:
            seen.append(await response.json())
    assert [one["connection_requests"] for one in seen] == ["1", "2", "3"]
    async with session.get(f"{nginx.http}/close") as response:
        assert response.headers["Connection"] == "close"


async def test_jsonplaceholder(jsonplaceholder: JsonPlaceholder, session: aiohttp.ClientSession) -> None:
    """JSONPlaceholder has its ten users and takes a post."""
    async with session.get(f"{jsonplaceholder.url}/users") as response:
        assert len(await response.json()) == 10
    async with session.post(f"{jsonplaceholder.url}/posts", json={"title": "t"}) as response:
        assert response.status == 201
        assert (await response.json())["title"] == "t"


async def test_raw_server_records(serve: Serve, session: aiohttp.ClientSession) -> None:
    """A handler gets the number of its connection, and every byte is kept."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        request = await read_request(reader)
        writer.write(reply(f"{number} {request.body.decode()}".encode(), "Connection: close"))

    server = await serve(handler)
    for number in range(2):
        async with session.post(f"{server.url}/p", data=b"hello") as response:
            assert await response.text() == f"{number} hello"
    assert len(server.connections) == 2
    assert server.connections[0].received.startswith(b"POST /p HTTP/1.1\r\n")
    assert server.connections[1].received.endswith(b"\r\n\r\nhello")


async def test_raw_server_raises_what_a_handler_raised(session: aiohttp.ClientSession) -> None:
    """A bug in a handler fails the test instead of looking like a lost connection."""

    async def handler(_: asyncio.StreamReader, __: asyncio.StreamWriter, ___: int) -> None:
        raise LookupError("bug")

    async def use() -> None:
        async with raw_server(handler) as server:
            with pytest.raises(aiohttp.ClientError):
                await session.get(server.url)

    with pytest.raises(ExceptionGroup) as caught:
        await use()
    assert caught.group_contains(LookupError, match="bug")


async def test_raw_server_over_tls(serve_script: ServeScript, tls: TlsMaterial, session: aiohttp.ClientSession) -> None:
    """A scripted server speaks TLS, also with a required client certificate."""
    server = await serve_script([Do.READ, reply(b"safe")], ssl=tls.server_context(require_client_certificate=True))
    async with session.get(server.url, ssl=tls.client_context(with_certificate=True)) as response:
        assert await response.text() == "safe"
    with pytest.raises(aiohttp.ClientError):
        await session.get(server.url, ssl=tls.client_context())


async def test_script_waits_for_events(serve_script: ServeScript, session: aiohttp.ClientSession) -> None:
    """A response goes on when the test says so, and not before."""
    go = asyncio.Event()
    server = await serve_script([Do.READ, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", go, b"b"])
    async with session.get(server.url) as response:
        assert await response.content.read(1) == b"a"
        go.set()
        assert await response.content.read(1) == b"b"
    assert server.requests[0].line == "GET / HTTP/1.1"


async def test_script_for_each_connection(serve_script: ServeScript, session: aiohttp.ClientSession) -> None:
    """The last script serves all further connections."""
    server = await serve_script([Do.READ, reply(b"first")], [Do.READ, reply(b"later")])
    texts = []
    for _ in range(3):
        async with session.get(server.url, headers={"Connection": "close"}) as response:
            texts.append(await response.text())
    assert texts == ["first", "later", "later"]


async def test_script_keeps_a_connection(serve_script: ServeScript, session: aiohttp.ClientSession) -> None:
    """One connection can carry many requests, and the server sees when the client ends it."""
    exchange: list[Step] = [Do.READ, reply(b"ok")]
    server = await serve_script([*exchange * 3, Do.HOLD])
    for _ in range(3):
        async with session.get(server.url) as response:
            assert await response.text() == "ok"
    assert len(server.connections) == server.open_connections == 1
    await session.close()
    await asyncio.wait_for((await server.accepted(1)).ended.wait(), 5)
    assert server.open_connections == 0


# TLS has no half-closed connections, so there is nothing to end there.
@pytest.mark.parametrize(
    ("how", "secure"),
    [(Do.CLOSE, False), (Do.RESET, False), (Do.END, False), (Do.CLOSE, True), (Do.RESET, True)],
)
async def test_script_ends_a_connection(serve_script: ServeScript, tls: TlsMaterial, how: Do, *, secure: bool) -> None:
    """A client sees an end after a FIN, and a reset after an RST."""
    server = await serve_script([b"x", how, Do.HOLD], ssl=tls.server_context() if secure else None)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", server.port, ssl=tls.client_context() if secure else None
    )
    try:
        if how is Do.RESET:
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 5)
        else:
            assert await asyncio.wait_for(reader.read(), 5) == b"x"
    finally:
        writer.close()


async def test_proxy_forwards(proxy: ForwardProxy, nginx: Nginx, session: aiohttp.ClientSession) -> None:
    """An http request arrives in absolute form and goes on in origin form."""
    async with session.post(f"{nginx.http}/upload?x=1", data=b"12345", proxy=proxy.url) as response:
        assert (await response.json())["content_length"] == 5
    assert proxy.requests[0].line == f"POST {nginx.http}/upload?x=1 HTTP/1.1"


async def test_proxy_tunnels(proxy: ForwardProxy, nginx: Nginx, session: aiohttp.ClientSession) -> None:
    """An https request goes through a tunnel whose inside the proxy does not see."""
    for _ in range(2):
        async with session.get(f"{nginx.https}/users/3", ssl=nginx.client_context, proxy=proxy.url) as response:
            assert await response.json() == user(3)
    authority = nginx.https.removeprefix("https://")
    assert [request.line for request in proxy.requests] == [f"CONNECT {authority} HTTP/1.1"]


async def test_proxy_asks_for_a_password(make_proxy: MakeProxy, nginx: Nginx, session: aiohttp.ClientSession) -> None:
    """Without its password the proxy answers 407; the password goes no further than the proxy."""
    proxy = await make_proxy(credentials=("user", "secret"))
    async with session.get(f"{nginx.http}/echo", proxy=proxy.url) as response:
        assert response.status == 407
        assert response.headers["Proxy-Authenticate"].startswith("Basic")
    async with session.get(f"{nginx.http}/echo", proxy=proxy.url_with_credentials) as response:
        assert (await response.json())["authorization"] == ""
    assert [bool(request.header("Proxy-Authorization")) for request in proxy.requests] == [False, True]


async def test_proxy_reports_a_dead_origin(proxy: ForwardProxy, session: aiohttp.ClientSession) -> None:
    """An origin that refuses the connection is a 502."""

    async def nothing(_: asyncio.StreamReader, __: asyncio.StreamWriter, ___: int) -> None: ...

    async with raw_server(nothing) as gone:
        url = gone.url
    async with session.get(url, proxy=proxy.url) as response:
        assert response.status == 502
