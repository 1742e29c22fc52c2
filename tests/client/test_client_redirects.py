"""Redirects and cookies: where a request goes, what goes along, and what stays behind."""

from collections.abc import AsyncIterator

import pytest

from headrace import AsyncClient, Retry, errors
from headrace.testing import MockTransport, Request, Response, json_response, sequence
from tests.kit.told import header
from tests.servers.echo import EchoServer


def to(location: str, status: int = 302) -> Response:
    """Return a redirect."""
    return Response(status, {"Location": location})


@pytest.mark.parametrize(
    ("status", "method", "becomes", "keeps_body"),
    [
        (301, "POST", "GET", False),
        (302, "POST", "GET", False),
        (303, "POST", "GET", False),
        (303, "PUT", "GET", False),
        (307, "POST", "POST", True),
        (308, "POST", "POST", True),
        (301, "PUT", "PUT", True),
        (302, "DELETE", "DELETE", True),
    ],
)
@pytest.mark.hazard(38)
async def test_method_and_body_follow_the_rfc(
    echo: EchoServer, transport: str, status: int, method: str, becomes: str, keeps_body: bool
) -> None:
    """RFC 9110, section 15.4, says which method goes on, and whether with its body."""
    async with AsyncClient(echo.url, transport=transport) as client:
        told = await client.request(method, f"/redirect/{status}", parameters={"to": "/there?x=1"}, body={"a": 1})
    assert (told["method"], told["target"]) == (becomes, "/there?x=1")
    assert told["body"] == ('{"a":1}' if keeps_body else "")
    assert (header(told, "Content-Type") == "application/json") is keeps_body


@pytest.mark.hazard(37)
async def test_ten_redirects_are_followed_and_no_more() -> None:
    """The eleventh redirect is raised as its class."""
    transport = MockTransport(sequence([to(f"/{n}") for n in range(10)] + [json_response("arrived")]))
    async with AsyncClient("http://a.example", transport=transport) as client:
        assert await client.get("/x") == "arrived"
    transport = MockTransport(lambda _: to("/again"))
    async with AsyncClient("http://a.example", transport=transport) as client:
        with pytest.raises(errors.HTTPFound):
            await client.get("/x")
    assert len(transport.requests) == 11


@pytest.mark.parametrize(
    "location", ["ftp://b.example/", "javascript:alert(1)", "http://[", "http://b.example:999999/", ""]
)
@pytest.mark.hazard(37)
async def test_location_that_is_no_http_url_is_raised(location: str) -> None:
    """A place that cannot be requested is never opened; the status's class is raised."""
    transport = MockTransport(lambda _: to(location))
    async with AsyncClient("http://a.example", transport=transport) as client:
        with pytest.raises(errors.HTTPFound):
            await client.get("/x")
    assert len(transport.requests) == 1


SECRETS = {"Authorization": "Bearer t", "X-Api-Key": "k", "Proxy-Authorization": "p"}


@pytest.mark.parametrize(
    ("location", "keeps"),
    [
        ("/there", True),
        ("https://a.example/there", True),
        ("https://a.example:443/there", True),
        ("http://a.example/there", False),
        ("https://a.example:8443/there", False),
        ("https://b.example/there", False),
        ("https://sub.a.example/there", False),
        ("//b.example/there", False),
        ("https://user:pw@a.example/there", True),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.hazard(35, 36)
async def test_credentials_stay_with_their_origin(location: str, keeps: bool, status: int) -> None:
    """Another scheme, host or port gets no token, no cookie and no header that looks like a secret."""
    transport = MockTransport(sequence([to(location, status), json_response({})]))
    async with AsyncClient(
        "https://a.example",
        transport=transport,
        bearer_token="t",
        cookies={"c": "1"},
        headers={"X-Api-Key": "k", "X-Plain": "p", "Proxy-Authorization": "p"},
    ) as client:
        await client.get("/x", cookies={"call": "2"})
    names = {name for name, _ in transport.requests[1].headers.pairs}
    assert "X-Plain" in names
    assert ({"Authorization", "X-Api-Key", "Cookie", "Proxy-Authorization"} <= names) is keeps
    assert names.isdisjoint({"Authorization", "X-Api-Key", "Cookie", "Proxy-Authorization"}) is not keeps
    assert "user" not in str(transport.requests[1].url)


async def test_credentials_do_not_return_on_the_way_back() -> None:
    """What was left behind once is not sent again, not even to the first origin."""
    hops = [to("https://b.example/"), to("https://a.example/back"), to("/again"), json_response({})]
    transport = MockTransport(sequence(hops))
    async with AsyncClient("https://a.example", transport=transport, bearer_token="t", cookies={"c": "1"}) as client:
        await client.get("/x")
    for request in transport.requests[1:]:
        assert {"authorization", "cookie"}.isdisjoint(request.headers.names)


async def test_trusted_origins_get_credentials() -> None:
    """An origin that the client trusts is like its own, in redirects and absolute URLs."""
    transport = MockTransport(sequence([to("https://cdn.example/f"), json_response({}), json_response({})]))
    async with AsyncClient(
        "https://a.example", transport=transport, bearer_token="t", trusted_origins=["https://cdn.example"]
    ) as client:
        await client.get("/x")
        await client.get("https://cdn.example/g")
    assert [dict(r.headers.pairs).get("Authorization") for r in transport.requests] == ["Bearer t"] * 3


@pytest.fixture
async def local(echo: EchoServer, transport: str) -> AsyncIterator[AsyncClient]:
    """A client of the echo server by name: cookie jars take no cookies from IP addresses."""
    async with AsyncClient("http://localhost:" + echo.url.rpartition(":")[2], transport=transport) as client:
        yield client


async def test_cookies_that_servers_set_are_sent_back(local: AsyncClient) -> None:
    """A `Set-Cookie` holds for the next request, over a cookie that the client was given."""
    local.cookies["a"] = "mine"
    await local.get("/set-cookie", parameters={"a": "theirs", "b": "2"})
    assert header(await local.get("/x"), "Cookie") == "a=theirs; b=2"
    assert header(await local.get("/x", cookies={"a": "call"}), "Cookie") == "a=call; b=2"


async def test_giving_a_cookie_anew_takes_it_back(local: AsyncClient) -> None:
    """Whoever spoke last about a cookie wins."""
    await local.get("/set-cookie", parameters={"a": "theirs", "b": "2"})
    local.cookies["a"] = "mine"
    assert header(await local.get("/x"), "Cookie") == "a=mine; b=2"


async def test_cookie_of_a_redirect_is_sent_to_where_it_leads(local: AsyncClient, echo: EchoServer) -> None:
    """A login that redirects arrives with its cookie."""
    await local.get("/set-cookie", parameters={"sid": "1"})
    told = await local.get("/redirect/302", parameters={"to": "/home"})
    assert header(told, "Cookie") == "sid=1"
    assert [str(request.rel_url.path) for request in echo.seen] == ["/set-cookie", "/redirect/302", "/home"]


async def test_redirect_history_leaves_the_body_of_a_303_behind(local: AsyncClient) -> None:
    """A GET after a 303 has neither a body nor the length of one."""
    told = await local.post("/redirect/303", parameters={"to": "/x"}, data=b"abc")
    assert told["body"] == ""
    assert header(told, "Content-Length") in (None, "0")


async def test_a_request_object_tells_where_it_went() -> None:
    """Each hop is a request of its own, with its own URL."""
    seen: list[str] = []

    def handler(request: Request) -> Response:
        seen.append(f"{request.method} {request.url}")
        return to("../up?q=1#frag") if len(seen) == 1 else json_response({})

    async with AsyncClient("http://a.example/one/two", transport=MockTransport(handler)) as client:
        await client.get("three")
    assert seen == ["GET http://a.example/one/two/three", "GET http://a.example/one/up?q=1"]


@pytest.mark.parametrize(("home", "repeatable"), [("http://a.example/y", True), ("http://b.example/y", False)])
async def test_a_key_that_stays_behind_makes_nothing_repeatable(home: str, repeatable: bool) -> None:
    """A POST that another server gets without its idempotency key is not sent twice there."""
    moved = Response(307, {"Location": home})
    transport = MockTransport(sequence([moved, json_response({})]))
    async with AsyncClient("http://a.example", transport=transport, retry=Retry(idempotency_key=True)) as client:
        await client.post("/x", body={})
    keys = ["Idempotency-Key" in dict(request.headers.pairs) for request in transport.requests]
    assert [request.idempotent for request in transport.requests] == keys == [True, repeatable]
