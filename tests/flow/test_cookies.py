"""What servers set goes back as they said it, or not at all; none of it ever fails a request."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from headrace import AsyncClient, errors
from headrace._core.request import set_cookie
from headrace.testing import MockTransport, Response, json_response, sequence
from tests.servers.raw import RawServer, read_request, reply

if TYPE_CHECKING:
    from tests.conftest import Serve

#: A `Set-Cookie` field, and what goes back; `None` for nothing.
FIELDS: list[tuple[bytes, str | None]] = [
    (b"session[id]=abc; Path=/", "session[id]=abc"),
    (b"a/b=c", "a/b=c"),
    (b"a@b=1", "a@b=1"),
    (b"(a)=1", "(a)=1"),
    (b"{a}=1", "{a}=1"),
    (b"a,b=c", "a,b=c"),
    (b"a b=1", "a b=1"),
    (b'a"=1', 'a"=1'),
    (b"path=1", "path=1"),
    (b"Expires=1", "Expires=1"),
    (b'a="q"', 'a="q"'),
    (b'a="q;z"', 'a="q'),
    (b'a="q\\073z"', 'a="q\\073z"'),
    (b'a="x\\012y"', 'a="x\\012y"'),
    (b"a=%0d%0a", "a=%0d%0a"),
    (b"a=b=c", "a=b=c"),
    (b" a\t=  b c ;Path=/", "a=b c"),
    (b"a=", "a="),
    (b"a=1; Max-Age=60", "a=1"),
    (b"a=1; Max-Age=" + b"9" * 600, "a=1"),
    (b"a=1; Max-Age=1e400", "a=1"),
    (b"a=1; Max-Age=-" + b"9" * 600, None),
    (b"a=1; Expires=Wed, 09 Jun 9999999999 10:18:14 GMT", "a=1"),
    (b"a=1; Expires=" + b"-" * 900, "a=1"),
    (b"a=1; Expires=Wed, 09 Jun 2021 10:18:14 GMT", None),
    (b"a=1; Expires=Wed, 09 Jun 2021 10:18:14 GMT; Max-Age=60", "a=1"),
    ("a=1; Expires=Wed, 09 Jun \u0662\u0660\u0662\u0661 10:18:14 GMT".encode(), "a=1"),  # digits, but not ASCII
    (b"a=1; Path=/" + b"x" * 1023, None),
    (b"a=1; Path=/" + b"x" * 1024, "a=1"),  # too long an attribute is left out
    (b"a=caf\xc3\xa9", None),
    (b"a=caf\xe9", None),
    (b"\xc3\xa9=1", None),
    (b"a=x\ty", None),
    (b"=v", None),
    (b"v", None),
    (b"", None),
    (b"a=" + b"v" * 5000, None),
]


async def serve_cookie(serve: Serve, field: bytes, status: str = "200 OK", *more: str) -> RawServer:
    """Start a server whose first answer sets a cookie."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            server.requests.append(await read_request(reader))
            if len(server.requests) == 1:
                writer.write(reply(b"{}", f"Set-Cookie: {field.decode('latin-1')}", *more, status=status))
            else:
                writer.write(reply(b"{}"))

    server = await serve(handler)
    return server


def by_name(server: RawServer) -> str:
    """Name the host: cookies are not kept of an address."""
    return f"http://localhost:{server.port}"


@pytest.mark.hazard(59, 65)
@pytest.mark.parametrize(("field", "sent"), FIELDS, ids=[repr(field)[:40] for field, _ in FIELDS])
async def test_a_cookie_goes_back_as_it_was_set(serve: Serve, transport: str, field: bytes, sent: str | None) -> None:
    """As browsers do (RFC 6265bis, section 5.6): names need be no tokens, quotes mean nothing, nothing is decoded."""
    server = await serve_cookie(serve, field)
    async with AsyncClient(by_name(server), transport=transport) as client:
        assert await client.get("/login") == {}
        assert await client.get("/there") == {}
    assert server.requests[1].header("Cookie") == sent


@pytest.mark.hazard(59)
@pytest.mark.parametrize("field", [b"session[id]=abc; Path=/", b'a="q;z"', b"caf\xc3\xa9=1"], ids=repr)
async def test_a_login_that_redirects_arrives(serve: Serve, transport: str, field: bytes) -> None:
    """Neither the redirect, nor any later call, fails for a cookie of the server's."""
    server = await serve_cookie(serve, field, "302 Found", "Location: /home")
    async with AsyncClient(by_name(server), transport=transport) as client:
        assert await client.get("/login") == {}
        async with client.stream("GET", "/file") as answer:
            assert await answer.aread() == b"{}"
        assert await client.post("/form", body={}) == {}
    assert [request.line.split()[1] for request in server.requests] == ["/login", "/home", "/file", "/form"]


@pytest.mark.hazard(59)
async def test_the_callers_own_cookies_are_held_to_their_law(serve: Serve, transport: str) -> None:
    """What a caller gives lies over what a server has set, and is refused where it is wrong."""
    server = await serve_cookie(serve, b"a[0]=theirs")
    async with AsyncClient(by_name(server), transport=transport, cookies={"mine": "1"}) as client:
        await client.get("/login")
        with pytest.raises(errors.ValidationError, match=r"^cookies\['a\[0\]'\]"):
            await client.get("/x", cookies={"a[0]": "mine"})
        await client.get("/x", cookies={"a[0]": None})
        await client.get("/x", cookies={"b": "2"})
    assert [request.header("Cookie") for request in server.requests] == ["mine=1", "mine=1", "mine=1; b=2; a[0]=theirs"]


@pytest.mark.hazard(40)
@pytest.mark.parametrize(
    "field", ['__Host-sid="; Secure; Path=/"', '__Secure-sid="; Secure"', 'sid="; Secure; "', "__Host-a b=1"]
)
async def test_a_field_is_read_in_one_way(field: str) -> None:
    """What decides whether a cookie may be set reads it as what keeps it does: no quotes hide an attribute."""
    transport = MockTransport(sequence([Response(200, {"Set-Cookie": field}), json_response({})]))
    async with AsyncClient("http://a.example", transport=transport) as client:
        await client.get("/")
        await client.get("/")
    assert "Cookie" not in dict(transport.requests[1].headers.pairs)


@pytest.mark.hazard(41, 59)
async def test_what_is_dropped_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Cookies that cannot be sent back are logged once for a host, without names and values."""
    flood = [("Set-Cookie", f"s\u00e9cret{number}=s\u00e9cret") for number in range(100)]
    transport = MockTransport(lambda _: Response(200, [*flood, ("Set-Cookie", "kept=1")]))
    with caplog.at_level(logging.DEBUG):
        async with AsyncClient("http://a.example", transport=transport) as client:
            await client.get("/")
            await client.get("/")
            await client.get("http://b.example/")
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == [
        f"Dropped a cookie of {host} that no Cookie field can carry back" for host in ("a.example", "b.example")
    ]
    assert "cret" not in caplog.text
    assert dict(transport.requests[1].headers.pairs)["Cookie"] == "kept=1"


@pytest.mark.hazard(59)
async def test_a_flood_of_cookies_ends() -> None:
    """Of one answer no more than 50 are kept, the first ones."""
    flood = [("Set-Cookie", f"c{number}=1") for number in range(60)]
    transport = MockTransport(sequence([Response(200, flood), json_response({})]))
    async with AsyncClient("http://a.example", transport=transport) as client:
        await client.get("/")
        await client.get("/")
    sent = dict(transport.requests[1].headers.pairs)["Cookie"].split("; ")
    assert sorted(sent) == sorted(f"c{number}=1" for number in range(50))


@pytest.mark.hazard(59)
async def test_a_path_that_no_library_takes() -> None:
    """The default path of a cookie is that of the request, and may hold what the library for cookies refuses."""
    transport = MockTransport(sequence([Response(200, {"Set-Cookie": "a=1"}), json_response({})]))
    async with AsyncClient("http://a.example", transport=transport) as client:
        await client.get("/a%0D%0Ab/c")
        assert await client.get("/") == {}


#: The path of a `Secure` cookie, a field that comes over http, and whether it is kept (RFC 6265bis, section 5.7).
_OVER_HTTP = [
    ("/", "sid=evil; Path=/", False),
    ("/", "sid=evil", False),
    ("/", "sid=evil; Domain=a.example; Path=/x", False),
    ("/x", "sid=evil; Path=/x/y", False),
    ("/x", "sid=evil; Path=/", True),
    ("/x", "sid=evil; Path=/xy", True),
    ("/", "other=fine", True),
]


@pytest.mark.hazard(59)
@pytest.mark.parametrize(("path", "field", "kept"), _OVER_HTTP)
async def test_a_secure_cookie_is_not_set_over_http(path: str, field: str, kept: bool) -> None:
    """Whoever can write to a plain connection cannot take the place of a cookie that came over TLS."""
    answers = [Response(200, {"Set-Cookie": f"sid=good; Secure; Path={path}"}), Response(200, {"Set-Cookie": field})]
    transport = MockTransport(sequence([*answers, *[json_response({})] * 3]))
    async with AsyncClient("https://a.example", transport=transport) as client:
        await client.get("/")
        await client.get("http://a.example/p")
        await client.get("/x/y/z")
        await client.get("http://a.example/x/y/z")
        await client.get("http://a.example/xy")
    secure, *plain = [dict(request.headers.pairs).get("Cookie", "") for request in transport.requests[2:]]
    assert "sid=good" in secure
    assert any("=evil" in sent or "=fine" in sent for sent in [secure, *plain]) is kept


@pytest.mark.hazard(59)
@pytest.mark.parametrize(
    ("good", "evil"), [("; Domain=a.example", ""), ("", "; Domain=a.example")], ids=["of the domain", "of the host"]
)
async def test_a_secure_cookie_of_another_domain_is_not_hidden_over_http(good: str, evil: str) -> None:
    """Neither a part of its domain nor the domain that it is a part of may set one that would stand beside it."""
    fields = [f"sid=good; Secure; Path=/{good}", f"sid=evil; Path=/{evil}"]
    answers = [Response(200, {"Set-Cookie": field}) for field in fields]
    transport = MockTransport(sequence([*answers, *[json_response({})] * 2]))
    async with AsyncClient("https://www.a.example", transport=transport) as client:
        for url in ("https://www.a.example/", "http://www.a.example/", "https://www.a.example/"):
            await client.get(url)
        assert await client.get("http://www.a.example/") == {}
    assert [dict(request.headers.pairs).get("Cookie") for request in transport.requests[2:]] == ["sid=good", None]


#: Fields near to what servers send, and far from it.
_PART = st.one_of(
    st.sampled_from(
        ["a=1", "session[id]=x", 'q="a;b"', "Path=/", "Domain=a.example", "Secure", "HttpOnly", "Max-Age="]
    ),
    st.sampled_from(["Expires=", "Wed, 09 Jun 2031 10:18:14 GMT", "Expires=31 Feb 9999 99:99:99", "Max-Age=60"]),
    st.integers().map(lambda number: f"Max-Age={number}"),
    st.datetimes().map(lambda moment: f"Expires={moment:%a, %d %b %Y %H:%M:%S GMT}"),
    st.integers(0, 10**12).map(lambda year: f"Expires=1 Jan {year} 00:00:00"),
    st.text(st.characters(codec="latin-1"), max_size=20),
    st.text(max_size=20),
    st.text('\udc80\udcff\t;=" ', max_size=10),
)
_FIELD = st.lists(_PART, max_size=6).map(";".join)


@pytest.mark.hazard(59, 65)
@given(_FIELD, st.sampled_from(["http://a.example/", "https://a.example/x/y", "http://b.a.example/%0A/"]))
@example('a="q;z"', "http://a.example/")
@example("a=1; Max-Age=" + "9" * 5000, "http://a.example/")
@example("a=1; Expires=1 Jan 3333332024 00:00:00 GMT", "http://a.example/")
@settings(max_examples=300)
def test_no_field_fails_a_request(field: str, url: str) -> None:
    """Whatever a server sets, the next request goes out, with a field that is safe to write."""

    async def main() -> str:
        transport = MockTransport(sequence([Response(200, {"Set-Cookie": field}), json_response({})]))
        async with AsyncClient("http://elsewhere.example", transport=transport) as client:
            await client.get(url)
            assert await client.get(url) == {}
        return dict(transport.requests[1].headers.pairs).get("Cookie", "")

    sent = asyncio.run(main())
    assert re.fullmatch(r"[\x20-\x3a\x3c-\x7e]*", sent)
    cookie = set_cookie.read(field)
    assert sent in ("", cookie and f"{cookie.name}={cookie.value}")


@given(_FIELD)
@example("a=1; Domain=com")
@example("a=1; Secure")
def test_what_is_read_is_safe_to_write(field: str) -> None:
    """A cookie that is kept is printable ASCII, and one pair."""
    cookie = set_cookie.read(field)
    if cookie is None:
        return
    assert re.fullmatch(r"[\x20-\x3a\x3c\x3e-\x7e]+", cookie.name)
    assert re.fullmatch(r"[\x20-\x3a\x3c-\x7e]*", cookie.value)
    assert cookie.max_age is None or cookie.max_age <= 400 * 86400
    for url in ("https://a.example/", "http://a.example/"):
        assert isinstance(set_cookie.may_set(cookie, URL(url)), bool)
