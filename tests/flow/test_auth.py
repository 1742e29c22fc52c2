"""Credentials of every kind: what is sent, where it goes, what is shown, and how they are configured."""

import asyncio
import logging
import pickle
from typing import Any
from urllib.parse import parse_qsl

import pytest
from pydantic import SecretStr

from headrace import AsyncClient, Response, errors
from headrace.auth import (
    APIKey,
    Auth,
    BasicAuth,
    BearerAuth,
    HeaderAuth,
    OAuth2ClientCredentials,
    OAuth2RefreshToken,
)
from headrace.testing import MockTransport, Request, json_response, sequence
from headrace.testing import Response as Answer
from tests.kit.told import header
from tests.servers.echo import EchoServer

TOKEN_URL = "https://login.example.com/token"


def fields(request: Request) -> dict[str, str]:
    """Return the header fields of a request."""
    return dict(request.headers.pairs)


def to(location: str) -> Answer:
    """Return a redirect."""
    return Answer(307, {"Location": location})


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        (HeaderAuth({"Authorization": "Token abc"}), "Authorization", "Token abc"),
        (HeaderAuth({"X-App": "a", "X-Key": SecretStr("k")}), "X-Key", "k"),
        (BasicAuth("us@er", "pässwörd:"), "Authorization", "Basic dXNAZXI6cMOkc3N3w7ZyZDo="),
        (BasicAuth(SecretStr("sk_live"), ""), "Authorization", "Basic c2tfbGl2ZTo="),
        (BearerAuth("t"), "Authorization", "Bearer t"),
        (BearerAuth(SecretStr("t")), "Authorization", "Bearer t"),
        (BearerAuth(lambda: SecretStr("t")), "Authorization", "Bearer t"),
        (APIKey("k", header="X-API-Key"), "X-API-Key", "k"),
        (APIKey(SecretStr("k"), header="Accept"), "Accept", "k"),
    ],
)
async def test_credentials_are_sent_in_a_header(
    echo: EchoServer, transport: str, auth: Auth, name: str, value: str
) -> None:
    """Every kind ends up in its field, again and again, over a field that is sent anyway."""
    async with AsyncClient(echo.url, transport=transport, auth=auth) as client:
        for _ in range(2):
            assert header(await client.get("/x"), name) == value


@pytest.mark.parametrize("name", ["api_key", "sig", "clé & co"])
async def test_a_key_is_sent_in_the_query(echo: EchoServer, transport: str, name: str) -> None:
    """The key joins the parameters of the client, of the call and of the path; an absolute URL of ours gets it too."""
    auth = APIKey(SecretStr("k/1 &"), query=name)
    async with AsyncClient(echo.url, transport=transport, auth=auth, parameters={"lang": "en"}) as client:
        for path in ("/x?a=1", "/x?a=1", echo.url + "/x?a=1"):
            told = await client.get(path, parameters={"page": 2})
            sent = parse_qsl(told["target"].partition("?")[2])
            assert sorted(sent) == sorted([("a", "1"), (name, "k/1 &"), ("lang", "en"), ("page", "2")])
        assert parse_qsl((await client.get("/x"))["target"].partition("?")[2]) == [(name, "k/1 &"), ("lang", "en")]


async def test_what_a_client_and_a_call_say_wins() -> None:
    """A field or parameter of the same name takes the place of the credential, that of the call above all."""
    transport = MockTransport(lambda _: json_response({}))
    key = APIKey("auth", query="key")
    async with AsyncClient("http://a.example", transport=transport, auth=key) as client:
        client.parameters["key"] = "client"
        await client.get("/x")
        await client.get("/x", parameters={"key": "call"})
        await client.get("/x", parameters={"key": None})
    assert [r.target for r in transport.requests] == ["/x?key=client", "/x?key=call", "/x"]
    transport = MockTransport(lambda _: json_response({}))
    async with AsyncClient("http://a.example", transport=transport, auth=APIKey("auth", header="X-Key")) as client:
        await client.get("/x", headers={"x-key": "call"})
        await client.get("/x", headers={"x-key": None})
        client.headers["x-key"] = "client"
        await client.get("/x")
    assert [fields(r).get("x-key") for r in transport.requests] == ["call", None, "client"]
    assert ["X-Key" in fields(r) for r in transport.requests] == [False] * 3


async def test_userinfo_goes_along_unless_it_is_in_the_way() -> None:
    """User and password of the `uri` give way to other authorization, and join a key in another field."""
    for auth, expected in ((BearerAuth("t"), "Bearer t"), (APIKey("k", header="X-Key"), "Basic dTpw")):
        transport = MockTransport(lambda _: json_response({}))
        async with AsyncClient("http://u:p@a.example", transport=transport, auth=auth) as client:
            await client.get("/x")
        assert fields(transport.requests[0])["Authorization"] == expected


KINDS: list[tuple[Auth, str]] = [
    (APIKey("canary", header="X-Plain"), "X-Plain"),
    (HeaderAuth({"X-Tenant": "canary"}), "X-Tenant"),
    (BasicAuth("canary", "p"), "Authorization"),
]


@pytest.mark.parametrize(("auth", "name"), KINDS)
async def test_a_field_stays_with_its_origin(auth: Auth, name: str) -> None:
    """Whatever its name: within the origin it goes along, elsewhere it does not, and never returns."""
    hops = [to("/there"), to("https://b.example/x"), to("https://a.example/back"), json_response({})]
    transport = MockTransport(sequence([*hops, json_response({})]))
    async with AsyncClient("https://a.example", transport=transport, auth=auth, headers={"X-Other": "o"}) as client:
        await client.get("/x")
        await client.get("https://b.example/x")
    assert [name in fields(request) for request in transport.requests] == [True, True, False, False, False]
    assert all("X-Other" in fields(request) for request in transport.requests)


@pytest.mark.parametrize(
    ("location", "arrives"),
    [
        ("/there", "/there?sig=canary+1"),
        ("/there?sig=canary%201&a=1", "/there?sig=canary%201&a=1"),
        ("/there?a=1", "/there?a=1&sig=canary+1"),
        ("http://a.example/there?a=1&sig=canary%201", "/there?a=1"),
        ("https://b.example/there?sig=canary+1", "/there"),
        ("https://b.example/there?s%69g=%63anary+1&b", "/there?b"),
        ("https://b.example/there?sig=theirs", "/there?sig=theirs"),
        ("https://c.example/there?a=1", "/there?a=1&sig=canary+1"),
    ],
)
async def test_a_key_in_the_query_stays_with_its_origin(location: str, arrives: str) -> None:
    """A redirect within the origin keeps the key; one that copies the query elsewhere loses it."""
    transport = MockTransport(sequence([to(location), json_response({})]))
    async with AsyncClient(
        "https://a.example",
        transport=transport,
        auth=APIKey("canary 1", query="sig"),
        trusted_origins=["https://c.example"],
    ) as client:
        await client.get("/x")
    sent = transport.requests[1]
    assert (sent.target.partition("?")[0], parse_qsl(sent.url.raw_query_string, keep_blank_values=True)) == (
        arrives.partition("?")[0],
        parse_qsl(arrives.partition("?")[2], keep_blank_values=True),
    )


async def test_a_key_in_the_query_never_returns() -> None:
    """It is not added on the way back, nor within another origin that a call or a redirect has gone to."""
    back = [to("https://b.example/x"), to("https://a.example/back"), to("/again"), json_response({})]
    within = [to("/there"), json_response({})]
    transport = MockTransport(sequence([*back, *within]))
    async with AsyncClient("https://a.example", transport=transport, auth=APIKey("canary", query="sig")) as client:
        await client.get("/x")
        await client.get("https://b.example/x")
    targets = ["/x?sig=canary", "/x", "/back", "/again", "/x", "/there"]
    assert [request.target for request in transport.requests] == targets


class Page(Response):
    """A response that knows its URL."""


async def test_a_key_in_the_query_is_masked_whatever_its_name(caplog: pytest.LogCaptureFixture) -> None:
    """Neither a log, an error, a `repr` nor the model of an answer shows it."""
    caplog.set_level(logging.INFO, "headrace.AsyncClient")
    transport = MockTransport(sequence([json_response({}), Answer(404)]))
    async with AsyncClient("http://a.example", transport=transport, auth=APIKey("canary", query="sig")) as client:
        page = await client.get("/x", response_format=Page)
        with pytest.raises(errors.HTTPNotFound) as caught:
            await client.get("/x", parameters={"a": 1})
        assert page.base_uri == "http://a.example/x?sig=***"
        assert caught.value.url == "http://a.example/x?sig=***&a=1"
        assert "sig=***" in str(caught.value)
        assert caplog.messages == ["[GET 200] /x sig=***", "[GET 404] /x sig=***&a=1"]
        shown = [client, client.config, client._auth, client._auth.current, transport.requests, client.parameters]
    assert "canary" not in repr(shown) + repr(pickle.dumps(caught.value))
    assert "sig=canary" in transport.requests[0].target


@pytest.mark.parametrize("path", [None, "/x?token=canary&a=1", "http://me:canary@b.example/x?a=1&key=canary"])
async def test_a_request_that_runs_out_of_time_shows_no_secret(path: str | None) -> None:
    """The error names what the caller gave, without the secrets in it."""

    async def never(_: Request) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    async with AsyncClient("http://a.example/v1?key=canary", transport=MockTransport(never)) as client:
        with pytest.raises(errors.RequestTimeout, match=r"=\*\*\*") as caught:
            await client.get(path, timeout=0.01)
    assert "canary" not in str(caught.value)


ALL: list[Any] = [
    HeaderAuth({"X-Plain": "canary"}),
    BasicAuth("canary", "canary"),
    BearerAuth("canary"),
    APIKey("canary", header="X-Plain"),
    APIKey("canary", query="sig"),
    OAuth2ClientCredentials(TOKEN_URL, "me", "canary", scope="a b", extra={"password": "canary"}),
    OAuth2RefreshToken(TOKEN_URL + "?key=canary", "canary", "me", "canary"),
]


@pytest.mark.parametrize("auth", ALL, ids=lambda auth: type(auth).__name__)
def test_no_kind_shows_its_secret_and_each_can_be_pickled(auth: Any) -> None:
    """The `repr` has no secret, also within a configuration; a configuration takes it to another process."""
    config = AsyncClient("http://a.example", auth=auth).config
    assert "canary" not in repr([auth, config])
    assert isinstance(auth, Auth)
    back = pickle.loads(pickle.dumps(config))
    assert back == config
    assert back.auth == auth
    assert AsyncClient.from_config(back).auth == auth


async def test_the_fields_of_a_request_show_none() -> None:
    """A field is masked that is a credential by its origin, not by its name."""
    transport = MockTransport(lambda _: json_response({}))
    async with AsyncClient("http://a.example", transport=transport, auth=HeaderAuth({"X-Plain": "canary"})) as client:
        await client.get("/x")
    assert "'X-Plain': '***'" in repr(transport.requests[0].headers)
