"""What a redirect puts on the wire: one request, whose path says what the path before it said."""

import asyncio
import random
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest

from headrace import AiohttpTransport, AsyncClient, Transport, WireTransport, errors
from headrace.testing import Request, Response
from tests.conftest import Serve
from tests.servers.raw import RawServer, SeenRequest, read_request, reply

SPLIT = " HTTP/1.1\r\nHost: x\r\n\r\nDELETE /admin HTTP/1.1\r\nX: "
TRANSPORTS: dict[str, Callable[[], Transport]] = {"wire": WireTransport, "aiohttp": AiohttpTransport}


async def serve_redirects(serve: Serve, location: Callable[[SeenRequest, int], bytes | None]) -> RawServer:
    """Start a server that redirects each request to where the function says, and is content where it says nothing."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            request = await read_request(reader)
            server.requests.append(request)
            to = location(request, len(server.requests) - 1)
            if to is None:
                writer.write(reply(b"{}"))
            else:
                writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + to + b"\r\n\r\n")

    server = await serve(answer)
    return server


def heads(server: RawServer) -> int:
    """Count the requests that a server could read out of all that it was sent."""
    return sum(connection.received.count(b"HTTP/1.1\r\n") for connection in server.connections)


@pytest.mark.hazard(5, 58)
async def test_no_redirect_splits_a_request(serve: Serve, transport: str) -> None:
    """What was percent-encoded before a relative redirect is so behind it, and no second request is in it."""
    server = await serve_redirects(serve, lambda _, number: b"login" if number == 0 else None)
    async with AsyncClient(server.url, transport=transport, bearer_token="token") as client:
        await client.get(f"/users/{quote(SPLIT, safe='')}/profile")
    assert [request.line for request in server.requests] == [
        f"GET /users/{quote(SPLIT, safe='')}/{name} HTTP/1.1" for name in ("profile", "login")
    ]
    assert heads(server) == 2


@pytest.mark.hazard(58)
async def test_no_server_writes_to_a_proxy(serve: Serve, transport: str) -> None:
    """Two redirects of a server put nothing of its choice before the proxy, whose password goes along."""
    evil = quote(" HTTP/1.1\r\nHost: evil\r\n\r\nGET http://169.254.169.254/ HTTP/1.1\r\nX: ", safe="")
    locations = [f"/x{evil}/y".encode(), b"z", None]
    proxy = await serve_redirects(serve, lambda _, number: locations[number])
    url = proxy.url.replace("//", "//me:word@")
    async with AsyncClient("http://evil.example", transport=transport, proxy=url) as client:
        await client.get("/")
    assert [request.line for request in proxy.requests] == [
        f"GET http://evil.example{path} HTTP/1.1" for path in ("/", f"/x{evil}/y", f"/x{evil}/z")
    ]
    assert all(request.header("Proxy-Authorization") == "Basic bWU6d29yZA==" for request in proxy.requests)
    assert heads(proxy) == 3


@pytest.mark.hazard(58)
@pytest.mark.parametrize(
    ("path", "location", "arrives"),
    [
        ("/projects/group%2Frepo/files", b"files/", "/projects/group%2Frepo/files/"),
        ("/q/a%3Fadmin=1/x", b"files/", "/q/a%3Fadmin=1/files/"),
        ("/q/a%23b/x", b"files/", "/q/a%23b/files/"),
        ("/caf%C3%A9/x", b"files/", "/caf%C3%A9/files/"),
        ("/a%20b/x", b"files/", "/a%20b/files/"),
        ("/up%2F%2E%2E%2F%2E%2E%2Fx/y", b"files/", "/up%2F%2E%2E%2F%2E%2E%2Fx/files/"),
        ("/100%25/x", b"?%2B+%20", "/100%25/x?%2B+%20"),
        ("/a/x", "../grün?ü=1 2".encode(), "/gr%C3%BCn?%C3%BC=1%202"),
        ("/a/x", b"gr\xfcn", "/a/gr%FCn"),
        ("/a/x", b"\xed\xa0\x80", "/a/%ED%A0%80"),
        ("/a/x", b"100%", "/a/100%25"),
        ("/a/x", b"/\\evil.example/", "/%5Cevil.example/"),
        ("/a/x", b"..//evil.example/", "//evil.example/"),
        ("/a/x", b"#top", "/a/x"),
    ],
    ids=ascii,
)
async def test_a_path_keeps_its_meaning(serve: Serve, transport: str, path: str, location: bytes, arrives: str) -> None:
    """Encoded slashes, question marks and spaces stay encoded; what is not encoded yet is encoded once."""
    server = await serve_redirects(serve, lambda _, number: location if number == 0 else None)
    async with AsyncClient(server.url, transport=transport) as client:
        await client.get(path)
    assert [request.line for request in server.requests] == [f"GET {each} HTTP/1.1" for each in (path, arrives)]


@pytest.mark.hazard(58)
@pytest.mark.parametrize(
    "location",
    [
        b"http://[]@", b"//[]@x/", b"http://[:]/", b"http://[v1.x]/", b"http://\xff.com/", b"http://xn--\xff/",
        b"http:x", b"//", b"http://\xed\xa0\x80" + b"1" * 400 + b"/", b"http://\xe2\x80\x8b/", b"http://a%ff/", b"http://a\\@b/",
        b"/a\tb", b"http://\xc3\xa4" + b"a" * 70 + b"/", b"http://a:99999/",
    ],
)  # fmt: skip
async def test_a_location_that_is_no_place_is_the_answer(serve: Serve, transport: str, location: bytes) -> None:
    """It is raised as its status, and never as an error of a library below."""
    server = await serve_redirects(serve, lambda _, __: location)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(errors.HTTPFound):
            await client.get("/x")
    assert len(server.requests) == 1


class AtHome:
    """A transport that opens no connection to anybody but one server."""

    def __init__(self, inner: Transport, home: str) -> None:
        self.inner = inner
        self.home = home

    async def send(self, request: Request) -> Response:
        """Send what goes home."""
        if request.origin.text != self.home:
            raise errors.ConnectError("elsewhere", maybe_sent=False)
        return await self.inner.send(request)

    async def close(self) -> None:
        """Close it."""
        await self.inner.close()


PIECES = [
    b"http://", b"//", b"/", b"\\", b"?", b"#", b"@", b":", b"[", b"]", b"%", b"%2F", b"%0D%0A", b"%20HTTP/1.1", b"..",
    b".", b"::1", b"xn--", b" ", b"\xc3\xa9", b"\xe2\x80\x8b", b"\xed\xa0\x80", b"\xff", b"a", b"80", b"+", b"=", b"&",
    b";",
]  # fmt: skip


@pytest.mark.hazard(58)
@pytest.mark.parametrize("seed", range(4))
async def test_no_location_is_more_than_one_request(serve: Serve, transport: str, seed: int) -> None:
    """Whatever a server writes into `Location`, what follows is a request of one line, or an error of ours."""
    chance = random.Random(seed)  # noqa: S311 - a choice of cases
    drawn = [b"".join(chance.choices(PIECES, k=chance.randint(1, 8))) for _ in range(300)]
    server = await serve_redirects(serve, lambda _, number: drawn[number % len(drawn)])
    async with AsyncClient(
        server.url, transport=AtHome(TRANSPORTS[transport](), server.url), bearer_token="token"
    ) as client:
        for _ in range(60):
            with pytest.raises((errors.HTTPFound, errors.ConnectError)):
                await client.get("/a%0D%0Ab/c")
    assert all(re.fullmatch(r"GET /[!-~]* HTTP/1\.1", request.line) for request in server.requests)
    assert len(server.requests) == heads(server) > 60
