"""Nothing goes out that is more than one request, whoever has built it: it is proven when it is written."""

from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from headrace import AiohttpTransport, AsyncClient, PoolLimits, Transport, WireTransport, errors
from headrace._core.messages import HeaderBlock, Origin
from headrace._core.request import encode
from headrace._core.request.credentials import Credentials
from headrace.testing import Request, Response
from headrace.types import Send
from tests.conftest import MakeProxy, Serve
from tests.kit.recording import serve_all
from tests.servers.raw import RawServer, reply

INJECTED = " HTTP/1.1\r\nHost: x\r\n\r\nDELETE /admin HTTP/1.1\r\nX: "
Change = Callable[[Request], None]


def with_fields(*pairs: tuple[str, str]) -> Change:
    """Make what adds fields to a request."""

    def change(request: Request) -> None:
        msgspec.structs.force_setattr(request, "headers", HeaderBlock([*request.headers.pairs, *pairs]))

    return change


def with_target(text: str) -> Change:
    """Make what gives a request another target."""
    return lambda request: msgspec.structs.force_setattr(request, "target", text)


def with_method(text: str) -> Change:
    """Make what gives a request another method."""
    return lambda request: msgspec.structs.force_setattr(request, "method", text)


def with_host(text: str, authority: str | None = None) -> Change:
    """Make what gives a request another host, and another `Host` field where that shall not follow from it."""

    def change(request: Request) -> None:
        origin = Origin(URL(request.origin.text))
        origin.text = origin.text.replace("127.0.0.1", text)
        origin.authority = authority or origin.text.partition("://")[2]
        msgspec.structs.force_setattr(request, "origin", origin)

    return change


CHANGES: dict[str, Change] = {
    "split target": with_target(f"/a{INJECTED}"),
    "space": with_target("/a b"),
    "tab": with_target("/a\tb"),
    "control character": with_target("/a\x01b"),
    "delete": with_target("/a\x7fb"),
    "raw text": with_target("/gr\u00fcn"),
    "surrogate": with_target("/\udcff"),
    "no slash": with_target("@evil.example/"),
    "no target": with_target(""),
    "split method": with_method(f"GET /{INJECTED}"),
    "space in the method": with_method("GET /x"),
    "no method": with_method(""),
    "tunnel": with_method("CONNECT"),
    "split value": with_fields(("X-A", "1\r\nX-Injected: 1")),
    "null in a value": with_fields(("X-A", "1\0")),
    "bell in a value": with_fields(("X-A", "1\x07")),
    "value beyond Latin-1": with_fields(("X-A", "\u20ac")),
    "split name": with_fields(("X-A: 1\r\nX-Injected", "1")),
    "space in a name": with_fields(("X A", "1")),
    "colon in a name": with_fields(("X-A:", "1")),
    "no name": with_fields(("", "1")),
    "length": with_fields(("Content-Length", "5")),
    "coding": with_fields(("transfer-encoding", "chunked")),
    "split host": with_host("127.0.0.1\r\nX-Injected: 1\r\nX: "),
    "space in the host": with_host("127.0.0.1 "),
    "path in the host": with_host("127.0.0.1/x"),
    "another authority": with_host("127.0.0.1", "a\r\nX-Injected: 1"),
    "userinfo in the host": with_host("me@127.0.0.1"),
}
TRANSPORTS: dict[str, Callable[..., Any]] = {"wire": WireTransport, "aiohttp": AiohttpTransport}


class Changing:
    """A transport of the caller's own that changes a request before it passes it on."""

    def __init__(self, inner: Transport, change: Change) -> None:
        self.inner = inner
        self.change: Change | None = change

    async def send(self, request: Request) -> Response:
        """Change the request, unless that is over, and send it."""
        if self.change is not None:
            self.change(request)
        return await self.inner.send(request)

    async def close(self) -> None:
        """Close what it has."""
        await self.inner.close()


@pytest.mark.hazard(58)
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("change", CHANGES)
async def test_what_a_transport_has_changed_is_proven(serve: Serve, transport: str, change: str, warm: bool) -> None:
    """A request that was written anew is one error, of which no byte goes out; its connection serves the next one."""
    server = await serve_all(serve)
    changing = Changing(TRANSPORTS[transport](pool=PoolLimits(1)), CHANGES[change])
    async with AsyncClient(server.url, transport=changing) as client:
        if warm:
            changing.change = None
            await client.get("/before", response_format=bytes)
            changing.change = CHANGES[change]
        with pytest.raises(errors.ValidationError, match="was not sent") as caught:
            await client.get("/x", response_format=bytes)
        assert "Injected" not in str(caught.value)
        changing.change = None
        await client.get("/after", response_format=bytes)
    lines = ["GET /before HTTP/1.1"] * warm + ["GET /after HTTP/1.1"]
    assert [request.line for request in server.requests] == lines
    assert len(server.connections) == 1
    assert server.connections[0].received.count(b"\r\n\r\n") == len(lines)


@pytest.mark.hazard(58)
@pytest.mark.parametrize("change", CHANGES)
async def test_nothing_unproven_reaches_a_proxy(make_proxy: MakeProxy, transport: str, change: str) -> None:
    """Neither a whole URL nor a `CONNECT` is written to a proxy that cannot be proven."""
    proxy = await make_proxy(credentials=("me", "word"))
    for scheme in ("http", "https") if "host" in change else ("http",):
        changing = Changing(TRANSPORTS[transport](proxy=URL(proxy.url_with_credentials)), CHANGES[change])
        async with AsyncClient(f"{scheme}://127.0.0.1:1", transport=changing) as client:
            with pytest.raises(errors.ValidationError, match="was not sent"):
                await client.get("/x", response_format=bytes)
    assert proxy.requests == []
    assert b"".join(connection.received for connection in proxy.server.connections) == b""


class Careless:
    """An `Auth` whose credentials change after they were checked, as any mapping can."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers

    async def credentials(self, refused: Credentials | None, send: Send) -> Credentials:  # noqa: ARG002 - Auth's
        """Give credentials that were good once."""
        made = Credentials(headers={"Authorization": "Bearer token"})
        if refused is not None:
            made.headers.update(self.headers)  # type: ignore[attr-defined] # which is the carelessness
        return made


@pytest.mark.hazard(58)
@pytest.mark.parametrize(
    "headers", [{"X-A": "1\r\nX-Injected: 1"}, {"X-A\r\nX-Injected": "1"}, {"Transfer-Encoding": "chunked"}], ids=ascii
)
async def test_what_an_auth_has_given_is_proven(serve: Serve, transport: str, headers: dict[str, str]) -> None:
    """Credentials that were changed behind the library's back are not written."""

    async def refuse(reader: Any, writer: Any, _: int) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply(b"", status="401 Unauthorized"))

    server = await serve(refuse)
    async with AsyncClient(server.url, transport=transport, auth=Careless(headers)) as client:
        with pytest.raises(errors.ValidationError, match="was not sent"):
            await client.get("/x")
    assert server.connections[0].received.count(b"\r\n\r\n") == 1
    assert b"njected" not in server.connections[0].received


@pytest.mark.hazard(7, 58)
async def test_an_auth_writes_no_framing(serve: Serve, transport: str) -> None:
    """A request of an `Auth` has the length of its body, or is refused."""
    server = await serve_all(serve)

    class Asking:
        async def credentials(self, refused: Credentials | None, send: Send) -> Credentials:  # noqa: ARG002 - Auth's
            await send("POST", server.url, data=b"abc", headers={"Content-Length": "2"})
            raise AssertionError

    async with AsyncClient(server.url, transport=transport, auth=Asking()) as client:
        with pytest.raises(errors.ValidationError, match="Content-Length"):
            await client.get("/x")
    assert server.connections == []


@pytest.mark.hazard(58)
@pytest.mark.parametrize("broken", ["query", "target"])
async def test_a_fault_of_our_own_is_found(
    serve: Serve, transport: str, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """Should what encodes targets ever fail to, nothing is sent."""
    server = await serve_all(serve)
    monkeypatch.setattr(encode, broken, lambda *_: f"/a{INJECTED}")
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(errors.ValidationError, match="was not sent"):
            await client.get("/a b", parameters={"x": "1"}, response_format=bytes)
    assert b"".join(connection.received for connection in server.connections) == b""


@pytest.mark.hazard(58)
@pytest.mark.parametrize(
    "change",
    [
        lambda request: request.headers.update({"X-A": "1\r\nX-Injected: 1"}),
        lambda request: request.headers.update({"X A": "1"}),
        lambda request: setattr(request, "url", URL(str(request.url) + "/\u00fc b", encoded=True)),
        lambda request: setattr(request, "method", "GET /x HTTP/1.1\r\nX:"),
    ],
)
async def test_a_middleware_of_aiohttp_is_proven_too(serve: Serve, change: Callable[[Any], Any]) -> None:
    """What a foreign session's middleware has changed is looked at as the last thing before it is written."""
    server = await serve_all(serve)
    broken = True

    async def meddle(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if broken:
            change(request)
        return await handler(request)

    async with (
        aiohttp.ClientSession(middlewares=[meddle]) as session,
        AsyncClient(server.url, transport=AiohttpTransport(session)) as client,
    ):
        with pytest.raises(errors.ValidationError, match="was not sent"):
            await client.get("/x", response_format=bytes)
        broken = False
        await client.get("/after", response_format=bytes)
    assert [request.line for request in server.requests] == ["GET /after HTTP/1.1"]
    assert len(server.connections) == 1


@pytest.mark.hazard(58)
@pytest.mark.parametrize("path", ["/a b", "/\u00fc", "/a\x01b", "/\u20ac"])
async def test_a_url_that_calls_itself_encoded_is_not_believed(serve: Serve, transport: str, path: str) -> None:
    """What yarl takes at its word is looked at: a URL has to be ASCII without spaces and control characters."""
    server = await serve_all(serve)
    url = URL(f"{server.url}{path}", encoded=True)
    with pytest.raises(errors.ValidationError, match="uri"):
        AsyncClient(url, transport=transport)

    class Asking:
        async def credentials(self, refused: Credentials | None, send: Send) -> Credentials:  # noqa: ARG002 - Auth's
            await send("GET", url)
            raise AssertionError

    async with AsyncClient(server.url, transport=transport, auth=Asking()) as client:
        with pytest.raises(errors.ValidationError, match="url"):
            await client.get("/x")
    assert server.connections == []


@pytest.mark.hazard(58)
async def test_what_can_be_written_is(serve: Serve, transport: str) -> None:
    """Every character that a target, a token and a value may have goes out as it is."""
    server: RawServer = await serve_all(serve)
    target = "/" + "".join(map(chr, range(0x21, 0x7F)))
    name = "!#$%&'*+-.^_`|~09AZaz"
    value = "\t" + "".join(map(chr, range(0x20, 0x7F)))
    changing = Changing(TRANSPORTS[transport](), with_fields((name, f"a{value}z"), ("X-Obs", "a\u00e9z")))
    async with AsyncClient(server.url, transport=changing) as client:
        await client.get("/x", response_format=bytes)
        changing.change = with_target(target.replace("#", "").replace("?", ""))
        await client.get("/x", response_format=bytes)
    first, second = server.requests
    assert first.header(name) == f"a{value}z"
    assert first.header("X-Obs") == ("a\u00e9z" if transport == "wire" else "a\u00c3\u00a9z")
    assert second.line == f"GET {target.replace('#', '').replace('?', '')} HTTP/1.1"
