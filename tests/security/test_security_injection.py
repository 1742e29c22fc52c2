"""Nothing that a caller passes on breaks out of its place on the wire: one request, as it was meant, or none."""

import contextlib
import ipaddress
from typing import Any

import pytest

from headrace import AsyncClient, FilePart, errors
from tests.conftest import Serve
from tests.kit.recording import serve_all
from tests.kit.told import header
from tests.servers.echo import EchoServer

BAD = ["\r", "\n", "\0", "\r\nX-Injected: 1", "\x01", "\x7f"]
PLACES: dict[str, Any] = {
    "method": lambda text: {"method": f"GET{text}"},
    "path": lambda text: {"path": f"/a{text}b"},
    "query in the path": lambda text: {"path": f"/a?x={text}b"},
    "absolute URL": lambda text: {"path": f"http://a.example/{text}b"},
    "name of a field": lambda text: {"headers": {f"X-A{text}": "1"}},
    "value of a field": lambda text: {"headers": {"X-A": f"a{text}b"}},
    "one of several values": lambda text: {"headers": {"X-A": ["a", f"b{text}"]}},
    "name of a cookie": lambda text: {"cookies": {f"a{text}": "1"}},
    "value of a cookie": lambda text: {"cookies": {"a": f"b{text}c"}},
}


@pytest.mark.hazard(1, 2, 3, 5, "CVE-2023-49082", "CVE-2020-26137", "CVE-2020-26116", "CVE-2019-11236", "CVE-2019-9740")
@pytest.mark.hazard("CVE-2019-9947", "CVE-2026-3644")
@pytest.mark.parametrize("text", BAD, ids=ascii)
@pytest.mark.parametrize("place", PLACES)
async def test_no_control_character_reaches_the_wire(serve: Serve, transport: str, place: str, text: str) -> None:
    """A control character is refused with an error that names the argument, before a connection is made."""
    server = await serve_all(serve)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(errors.ValidationError) as caught:
            await client.request(**{"method": "GET", "path": "/x", **PLACES[place](text)})
    assert str(caught.value).partition(":")[0].partition("[")[0] in {"method", "path", "headers", "cookies"}
    assert server.connections == []


@pytest.mark.hazard(1, 3)
@pytest.mark.parametrize(
    "call", [{"method": "GE T"}, {"headers": {"X A": "1"}}, {"headers": {"X-A:": "1"}}, {"cookies": {"a b": "1"}}]
)
async def test_no_space_in_a_token(serve: Serve, transport: str, call: dict[str, Any]) -> None:
    """A method, the name of a field and the name of a cookie are tokens (RFC 9110, section 5.6.2)."""
    server = await serve_all(serve)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(errors.ValidationError):
            await client.request(**{"method": "GET", "path": "/x", **call})
    assert server.connections == []


@pytest.mark.hazard(5)
@pytest.mark.parametrize("text", [" ", "\r\n", "\0", "\r\n\r\nGET /evil HTTP/1.1", "é", "%", "#", "a b"], ids=ascii)
async def test_a_parameter_stays_in_its_place(serve: Serve, transport: str, text: str) -> None:
    """What stands in a parameter, or as a space in the path, is encoded: one request line, with exactly two spaces."""
    server = await serve_all(serve)
    async with AsyncClient(server.url, transport=transport) as client:
        await client.get("/a b", parameters={"x": text, f"n{text}": "1"}, response_format=bytes)
    (request,) = server.requests
    assert request.line.count(" ") == 2
    assert request.line.startswith("GET /a%20b?x=")
    assert request.header("X-Injected") is None
    assert len(server.connections[0].received.split(b"\r\n\r\n")) == 2


@pytest.mark.hazard(6, "CVE-2023-49081")
async def test_the_version_is_no_argument(serve: Serve, transport: str) -> None:
    """Nobody can write anything in the place of the version of HTTP."""
    server = await serve_all(serve)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(TypeError, match="version"):
            await client.get("/x", version="1.1\r\nX: y")  # type: ignore[call-arg] # wrong on purpose
        await client.get("/x", response_format=bytes)
    assert [request.line for request in server.requests] == ["GET /x HTTP/1.1"]


@pytest.mark.hazard(7, "CVE-2026-84380")
@pytest.mark.parametrize(
    "fields", [{"Transfer-Encoding": "chunked"}, {"content-length": "4"}, {"Content-Length": "3, 3"}]
)
async def test_framing_is_not_the_callers(serve: Serve, transport: str, fields: dict[str, str]) -> None:
    """A length that is wrong, or a transfer coding, is refused; there are never both on the wire."""
    server = await serve_all(serve)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(errors.ValidationError, match="headers"):
            await client.post("/x", data=b"abc", headers=fields)
        await client.post("/x", data=b"abc", headers={"Content-Length": "3"}, response_format=bytes)
    head = server.connections[0].received.lower()
    assert head.count(b"content-length:") == 1
    assert b"transfer-encoding" not in head


@pytest.mark.hazard(9, "CVE-2026-6276")
async def test_a_host_of_the_callers_changes_only_its_field(serve: Serve, transport: str) -> None:
    """A `Host` of the caller's is sent once, and neither opens another connection nor moves cookies."""
    server = await serve_all(serve)
    async with AsyncClient(server.url, transport=transport, cookies={"a": "1"}) as client:
        await client.get("/x", headers={"host": "other.example"}, response_format=bytes)
        await client.get("/x", response_format=bytes)
    assert [[value for name, value in request.headers if name.lower() == "host"] for request in server.requests] == [
        ["other.example"],
        [server.url.removeprefix("http://")],
    ]
    assert [request.header("Cookie") for request in server.requests] == ["a=1", "a=1"]
    assert len(server.connections) == 1


@pytest.mark.hazard(10, 39, "CVE-2021-41945")
@pytest.mark.parametrize(
    "path", ["//evil.example/x", "@evil.example/x", "/\\evil.example", "evil.example:80/x", ":80/x", "///x"]
)
async def test_a_path_never_leads_to_another_host(echo: EchoServer, transport: str, path: str) -> None:
    """Whatever a path looks like, it goes to the client's own origin, below its own path."""
    async with AsyncClient(echo.url + "/base", transport=transport) as client:
        told = await client.get(path)
    assert told["target"].startswith("/base/")
    assert header(told, "Host") == echo.url.removeprefix("http://")


@pytest.mark.hazard(10, 39)
async def test_an_absolute_url_of_a_stranger_gets_nothing(
    echo: EchoServer, other_origin: EchoServer, transport: str
) -> None:
    """Data that turns out to be an absolute URL is followed as a stranger: it gets none of the client's credentials."""
    async with AsyncClient(
        echo.url, transport=transport, bearer_token="canary", cookies={"sid": "canary"}, parameters={"apiKey": "canary"}
    ) as client:
        told = await client.get(other_origin.url + "/x")
    assert "canary" not in str(told)


@pytest.mark.hazard(12)
@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "127.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "127.0.0.1.",
        "256.256.256.256",
        "[::ffff:127.0.0.1",
        "[127.0.0.1]",
    ],
)
async def test_a_number_that_is_no_address_is_refused(serve: Serve, transport: str, host: str) -> None:
    """What one reader takes for an address and another for a name is asked of nobody: nothing is sent."""
    server = await serve_all(serve)
    async with AsyncClient(server.url, transport=transport, bearer_token="canary") as client:
        with pytest.raises((errors.ValidationError, errors.ConnectError)) as caught:
            await client.get(f"http://{host}:{server.port}/x", response_format=bytes)
    assert not getattr(caught.value, "maybe_sent", False)
    assert server.connections == []


@pytest.mark.hazard(12)
@pytest.mark.parametrize(
    ("host", "read"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("\uff11\uff12\uff17.0.0.1", "127.0.0.1"),
        ("127\u30020\u30020\u30021", "127.0.0.1"),
        ("LOCALHOST", "localhost"),
        ("0x7f000001", "0x7f000001"),
        # The last 32 bits are in hexadecimal up to Python 3.12.
        ("[::FFFF:127.0.0.1]", f"[{ipaddress.ip_address('::ffff:127.0.0.1')}]"),
    ],
)
async def test_a_host_is_read_once(serve: Serve, transport: str, host: str, read: str) -> None:
    """By the same host go the connection, the `Host` field, cookies and credentials, however it was spelled."""
    server = await serve_all(serve)
    async with AsyncClient(server.url, transport=transport, bearer_token="canary", cookies={"a": "1"}) as client:
        await client.get("/x", response_format=bytes)
        with contextlib.suppress(errors.ConnectError):  # a machine without IPv6, or whose resolver knows no such name
            await client.get(f"http://{host}:{server.port}/y", response_format=bytes)
    ours = read == "127.0.0.1"
    assert len(server.requests) == 2 or not ours
    for request in server.requests[1:]:
        assert request.header("Host") == f"{read}:{server.port}"
        assert request.header("Authorization") == ("Bearer canary" if ours else None)
        assert request.header("Cookie") == ("a=1" if ours else None)
        assert len(server.connections) == (1 if ours else 2)


NAMES = ['a"; filename="b', "a\r\nX-Injected: 1", "a\r\n\r\n--", "a\0b", "a\x01b"]


@pytest.mark.hazard(11, "CVE-2026-34514", "CVE-2026-50269", "CVE-2026-84379")
@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("place", ["field", "filename", "name of a value", "content type"])
async def test_no_part_breaks_out_of_its_head(serve: Serve, transport: str, place: str, name: str) -> None:
    """A name of a field or a file is escaped, or refused; a content type with such a character is refused."""
    server = await serve_all(serve)
    options: dict[str, Any] = {
        "field": {"field": name},
        "filename": {"file": FilePart(b"x", name)},
        "name of a value": {"fields": {name: "1"}},
        "content type": {"file": FilePart(b"x", "x.txt", f"text/plain{name}")},
    }[place]
    async with AsyncClient(server.url, transport=transport) as client:
        try:
            await client.upload_file(**{"file": FilePart(b"x", "x.txt"), **options}, path="/up", response_format=bytes)
        except errors.ValidationError:
            assert place == "content type"
            assert server.requests == []
            return
    (request,) = server.requests
    boundary = (request.header("Content-Type") or "").partition("boundary=")[2].strip('"').encode()
    assert len(boundary) >= 22  # 128 random bits
    parts = request.body.split(b"--" + boundary)[1:-1]
    assert len(parts) == (2 if place == "name of a value" else 1)
    for part in parts:
        head = part.partition(b"\r\n\r\n")[0]
        assert b"x-injected" not in [line.partition(b":")[0].lower() for line in head.split(b"\r\n")]
        assert head.count(b'"') % 2 == 0
        assert not set(head) & set(range(32)) - set(b"\r\n")
