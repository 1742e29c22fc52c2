"""Bad input gets a clear error before anything is sent."""

from typing import Any

import aiohttp
import msgspec
import pytest

from headrace import AsyncClient, PaginatedResponse, PoolLimits, Retry, Timeout, errors
from headrace.testing import MockTransport, Request, Response, json_response
from tests.kit.ids import same_everywhere


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("/relative", "absolute http or https URL"),
        ("ftp://a.example", "absolute http or https URL"),
        ("a.example", "absolute http or https URL"),
        ("http://", "absolute http or https URL"),
        ("http://a.example\r\nX: y", "control character"),
        ("http://a.example/\x00", "control character"),
        ("http://[::1", "is not a URL"),
        ("http://a.example:99999", "is not a URL"),
        (7, "got int"),
    ],
)
def test_wrong_uri_is_named(uri: Any, says: str) -> None:
    """A wrong `uri` is refused in the constructor and in a subclass alike."""
    with pytest.raises(errors.ValidationError, match=f"uri: .*{says}"):
        AsyncClient(uri)
    with pytest.raises(errors.ValidationError, match=f"uri: .*{says}"):

        class Wrong(AsyncClient, uri=uri):
            pass


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("headers", 5),
        ("headers", [("a", "b")]),
        ("cookies", "a=b"),
        ("parameters", object()),
        ("error_responses", {"404": dict}),
        ("error_responses", {42: dict}),
        ("error_responses", [404]),
        ("bearer_token", 5),
        ("bearer_token", "with\r\nnewline"),
        ("rate_limit", 0),
        ("rate_limit", -1),
        ("rate_limit", "5"),
        ("rate_limit", True),
        ("rate_limit", float("nan")),
        ("rate_limit_interval", 0),
        ("timeout", 0),
        ("timeout", -3),
        ("timeout", "3"),
        ("timeout", float("inf")),
        ("retry", 3),
        ("limiter", object()),
        ("pool", 10),
        ("proxy", "socks5://a.example"),
        ("proxy", 8080),
        ("tls", "yes"),
        ("transport", "wires"),
        ("transport", object()),
        ("max_response_bytes", 0),
        ("max_response_bytes", 1.5),
        ("trusted_origins", ["not a url"]),
        ("trusted_origins", 5),
    ],
)
def test_wrong_setting_is_named(setting: str, value: Any) -> None:
    """The error of a wrong setting names it, in the constructor and in a subclass."""
    with pytest.raises(errors.ValidationError, match=setting):
        AsyncClient("http://a.example", **{setting: value})


@pytest.mark.parametrize(
    "make",
    [
        lambda: Timeout(total=0),
        lambda: Timeout(connect="1"),  # type: ignore[arg-type]
        lambda: PoolLimits(max_connections=0),
        lambda: PoolLimits(max_per_origin=1.5),  # type: ignore[arg-type]
        lambda: PoolLimits(keepalive=-1),
        lambda: Retry(attempts=0),
        lambda: Retry(backoff=float("nan")),
    ],
)
def test_wrong_value_of_a_group_is_refused(make: Any) -> None:
    """`Timeout`, `PoolLimits` and `Retry` check their numbers."""
    with pytest.raises(errors.ValidationError, match="takes"):
        make()


class Abstract(PaginatedResponse):
    """A page without its methods."""

    items: list[int]


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("method", {"method": "GE T"}),
    ("method", {"method": "GET\r\nX: y"}),
    ("method", {"method": ""}),
    ("method", {"method": 5}),
    ("path", {"path": "/a\r\nX: y"}),
    ("path", {"path": "/a\x00"}),
    ("path", {"path": "/a?x=\n"}),
    ("path", {"path": "http://b.example/\r\nX: y"}),
    ("path", {"path": "ftp://b.example/"}),
    ("path", {"path": "http://:80/"}),
    ("path", {"path": 5}),
    ("path", {"path": b"/x"}),
    ("headers", {"headers": {"X-A": "a\r\nX-B: b"}}),
    ("headers", {"headers": {"X-A": "a\x00"}}),
    ("headers", {"headers": {"X A": "a"}}),
    ("headers", {"headers": {"X-A:": "a"}}),
    ("headers", {"headers": {"": "a"}}),
    ("headers", {"headers": {"X\r\nY": "a"}}),
    ("headers", {"headers": {"X-A": "日本"}}),
    ("headers", {"headers": {"X-A": object()}}),
    ("headers", {"headers": {5: "a"}}),
    ("headers", {"headers": "X-A: a"}),
    ("headers", {"headers": {"Content-Length": "5"}, "method": "POST", "data": b"abc"}),
    ("headers", {"headers": {"Transfer-Encoding": "chunked"}, "method": "POST", "data": b"abc"}),
    ("cookies", {"cookies": {"a": "b; c=d"}}),
    ("cookies", {"cookies": {"a": "b\r\n"}}),
    ("cookies", {"cookies": {"a b": "c"}}),
    ("cookies", {"cookies": {"a": "\x00"}}),
    ("cookies", {"cookies": 5}),
    ("parameters", {"parameters": 5}),
    ("parameters", {"parameters": {5: "a"}}),
    ("parameters", {"parameters": {"a": object()}}),
    ("parameters", {"parameters": {"a": float("nan")}}),
    ("parameters", {"parameters": "a=b"}),
    ("body and data", {"method": "POST", "body": {}, "data": b""}),
    ("body", {"method": "POST", "body": "text"}),
    ("body", {"method": "POST", "body": b"bytes"}),
    ("body", {"method": "POST", "body": {"a": object()}}),
    ("body", {"method": "POST", "body": {"a": float("inf")}}),
    ("data", {"method": "POST", "data": float("nan")}),
    ("data", {"method": "POST", "data": {"a": object()}}),
    ("timeout", {"timeout": 0}),
    ("timeout", {"timeout": "5"}),
    ("timeout", {"timeout": True}),
    ("response_format", {"response_format": 5}),
    ("response_format", {"response_format": "User"}),
    ("response_format", {"response_format": Abstract}),
    ("response_format", {"response_format": set[aiohttp.ClientSession]}),
    ("error_responses", {"error_responses": {"404": dict}}),
    ("error_responses", {"error_responses": 5}),
    ("can", {"path": "/\ud800"}),
    ("can", {"parameters": {"a": "\ud800"}}),
]


@pytest.mark.parametrize(("says", "call"), CALLS, ids=[same_everywhere(call)[:60] for _, call in CALLS])
async def test_wrong_argument_is_named_and_nothing_is_sent(says: str, call: dict[str, Any]) -> None:
    """A wrong argument of a call is a `ValidationError` that names it, before the transport is asked."""
    transport = MockTransport(lambda _: json_response({}))
    async with AsyncClient("http://a.example/base", transport=transport) as client:
        with pytest.raises(errors.ValidationError, match=says):
            await client.request(**{"method": "GET", "path": "/x", **call})
    assert transport.requests == []


async def test_wrong_default_is_refused_at_the_request() -> None:
    """A live mapping takes anything; what cannot be sent is refused when it would be."""
    transport = MockTransport(lambda _: json_response({}))
    async with AsyncClient("http://a.example", transport=transport) as client:
        client.headers["X-A"] = "a\r\nX-B: b"
        with pytest.raises(errors.ValidationError, match="headers"):
            await client.get("/x")
    assert transport.requests == []


async def test_a_token_function_that_returns_no_text_is_refused() -> None:
    """What a token function returns is checked like a token."""
    transport = MockTransport(lambda _: json_response({}))
    async with AsyncClient("http://a.example", transport=transport, bearer_token=lambda: 5) as client:
        with pytest.raises(errors.ValidationError, match="bearer_token"):
            await client.get("/x")
    assert transport.requests == []


async def test_an_error_shows_no_secret() -> None:
    """The error of a wrong secret does not show it."""
    with pytest.raises(errors.ValidationError) as caught:
        AsyncClient("http://a.example", bearer_token="s3cret\r\n")
    assert "s3cret" not in str(caught.value)
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: Response(200))) as client:
        with pytest.raises(errors.ValidationError) as in_call:
            await client.get("/x", headers={"Authorization": "s3cret\r\n"})
    assert "s3cret" not in str(in_call.value)


async def test_the_transport_gets_what_was_meant() -> None:
    """A right request reaches a transport of the caller's own as documented."""
    seen: list[Request] = []

    def handler(request: Request) -> Response:
        seen.append(request)
        return json_response({"ok": True})

    class Body(msgspec.Struct):
        a: int

    async with AsyncClient("http://a.example/base/", transport=MockTransport(handler)) as client:
        assert await client.request("patch", "x y", body=Body(1)) == {"ok": True}
    assert (seen[0].method, str(seen[0].url), seen[0].body) == ("PATCH", "http://a.example/base/x%20y", b'{"a":1}')
