"""OAuth 2.0 over real servers: what is asked, and once, however many requests need it."""

import asyncio
import base64
import gzip
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from headrace import AsyncClient, PoolLimits, RateLimiter, errors
from headrace.auth import OAuth2RefreshToken
from tests.conftest import Connect
from tests.servers.oauth2 import ENCODED, SECRET, Clock, Gate, OAuth2Server, answers


async def in_flight(client: AsyncClient, count: int) -> list[Any]:
    """Post so many requests at once; return what became of each."""
    requests = [client.post(f"/{number}", body=[number]) for number in range(count)]
    return await asyncio.gather(*requests, return_exceptions=True)


async def test_client_credentials_ask_as_the_rfc_says(oauth2: OAuth2Server, connect: Connect) -> None:
    """The token request is a form with the grant and the scope; id and secret are encoded Basic authorization."""
    client = await connect(grant={"scope": ["read", "write"], "extra": {"audience": SecretStr("api")}})
    assert (await client.get("/x"))["token"] == "t1"
    (asked,) = oauth2.asked
    assert asked.fields == {"grant_type": "client_credentials", "scope": "read write", "audience": "api"}
    assert asked.authorization == "Basic " + base64.b64encode(f"me:{ENCODED}".encode()).decode()
    assert client.bearer_token == "t1"


async def test_id_and_secret_may_go_in_the_body(oauth2: OAuth2Server, connect: Connect) -> None:
    """For servers that read no Basic authorization, both are form fields."""
    client = await connect(grant={"client_auth": "body"})
    await client.get("/x")
    fields = {"grant_type": "client_credentials", "client_id": "me", "client_secret": SECRET}
    assert (oauth2.asked[0].fields, oauth2.asked[0].authorization) == (fields, None)


async def test_a_refresh_token_asks_as_the_rfc_says(oauth2: OAuth2Server, connect: Connect) -> None:
    """A client without a secret names itself in the body."""
    client = await connect(OAuth2RefreshToken(oauth2.token_url, SecretStr("r0"), "me", scope="read"))
    await client.get("/x")
    fields = {"grant_type": "refresh_token", "refresh_token": "r0", "client_id": "me", "scope": "read"}
    assert (oauth2.asked[0].fields, oauth2.asked[0].authorization) == (fields, None)


async def test_the_limiter_is_for_the_api_alone(oauth2: OAuth2Server, connect: Connect) -> None:
    """A token request takes no place of the limiter."""
    client = await connect(limiter=RateLimiter(1, 3600))
    assert (await client.get("/x"))["token"] == "t1"
    assert client.stats.limiter_waits == 0


async def test_a_compressed_answer_is_read(oauth2: OAuth2Server, connect: Connect) -> None:
    """The answer of a token endpoint may be compressed, and its number be text."""
    oauth2.good.add("zipped")
    body = gzip.compress(b'{"access_token": "zipped", "token_type": "bearer", "expires_in": "60"}')
    oauth2.answer = answers(web.Response(body=body, headers={"Content-Encoding": "gzip"}))
    clock = Clock()
    client = await connect(grant={"clock": clock})
    assert (await client.get("/x"))["token"] == "zipped"
    clock.now = 31.0
    assert (await client.get("/x"))["token"] == "t2"


async def test_a_token_is_renewed_before_it_expires(oauth2: OAuth2Server, connect: Connect) -> None:
    """The next request after the leeway has begun asks first; no request is refused."""
    clock = Clock()
    client = await connect(grant={"clock": clock, "leeway": 30.0})
    for now, token in ((0.0, "t1"), (3569.9, "t1"), (3570.0, "t2"), (7139.0, "t2"), (7140.0, "t3")):
        clock.now = now
        assert (await client.get("/x"))["token"] == token
    assert [token for _, token, _ in oauth2.seen] == ["t1", "t1", "t2", "t2", "t3"]


async def test_an_expired_token_is_renewed_once_by_all(oauth2: OAuth2Server, connect: Connect) -> None:
    """Five hundred requests that begin after the token ran out ask once."""
    clock = Clock()
    client = await connect(grant={"clock": clock})
    await client.get("/x")
    clock.now = 3600.0
    answered = await in_flight(client, 500)
    assert {answer["token"] for answer in answered} == {"t2"}
    assert len(oauth2.asked) == 2


@pytest.mark.parametrize("more", [{}, {"expires_in": 0}, {"expires_in": -5}, {"expires_in": None}])
async def test_a_token_without_a_life_is_kept_until_it_is_refused(
    oauth2: OAuth2Server, connect: Connect, more: dict[str, Any]
) -> None:
    """Where nobody says how long a token lives, a 401 does."""
    oauth2.more = more
    clock = Clock()
    client = await connect(grant={"clock": clock})
    await client.get("/x")
    clock.now = 1e9
    assert (await client.get("/x"))["token"] == "t1"
    oauth2.good.clear()
    assert (await client.get("/x"))["token"] == "t2"


@pytest.mark.parametrize("connections", [500, 20])
async def test_500_in_flight_when_the_token_dies_refresh_once(
    oauth2: OAuth2Server, connect: Connect, connections: int
) -> None:
    """Exactly one token request; each request is sent with the dead token, and again with the new one."""
    client = await connect(pool=PoolLimits(max_connections=connections))
    await client.get("/first")
    gate = Gate()

    async def wait(path: str, token: str) -> None:
        if token == "t1":
            await gate.wait()

    oauth2.before = wait
    oauth2.seen.clear()
    requests = asyncio.ensure_future(in_flight(client, 500))
    await gate.arrived(connections)
    oauth2.good.clear()
    gate.open()
    answered = await requests
    assert [(answer["token"], answer["body"]) for answer in answered] == [("t2", f"[{n}]") for n in range(500)]
    assert len(oauth2.asked) == 2
    assert sorted(token for _, token, _ in oauth2.seen) == ["t1"] * 500 + ["t2"] * 500


async def test_a_late_401_takes_the_token_that_is_there(oauth2: OAuth2Server, connect: Connect) -> None:
    """A request that is refused after another has renewed the token is replayed without asking again."""
    client = await connect()
    await client.get("/first")
    gate = Gate()

    async def hold(path: str, token: str) -> None:
        if (path, token) == ("/api/late", "t1"):
            await gate.wait()

    oauth2.before = hold
    late = asyncio.ensure_future(client.get("/late"))
    await gate.arrived(1)
    oauth2.good.clear()
    assert (await client.get("/early"))["token"] == "t2"
    gate.open()
    assert (await late)["token"] == "t2"
    assert len(oauth2.asked) == 2


async def test_two_requests_with_two_refused_tokens_wait_for_the_third(oauth2: OAuth2Server, connect: Connect) -> None:
    """The one with the older token is not sent with one that is refused at the same moment."""
    client = await connect()
    await client.get("/first")
    first, second, asking = Gate(), Gate(), Gate()

    async def hold(path: str, token: str) -> None:
        gates = {("/api/one", "t1"): first, ("/api/two", "t2"): second}
        if (path, token) in gates:
            await gates[path, token].wait()

    oauth2.before = hold
    one = asyncio.ensure_future(client.get("/one"))
    await first.arrived(1)
    oauth2.good.clear()
    assert (await client.get("/renews"))["token"] == "t2"
    two = asyncio.ensure_future(client.get("/two"))
    await second.arrived(1)
    oauth2.good.clear()

    async def slowly(_: web.Request) -> None:
        await asking.wait()

    oauth2.answer = slowly
    second.open()
    await asking.arrived(1)
    first.open()
    fresh = asyncio.ensure_future(client.get("/fresh"))
    async with asyncio.timeout(10):
        while client._auth._asking is None or client._auth._asking.askers < 3:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    asking.open()
    assert [answer["token"] for answer in await asyncio.gather(one, two, fresh)] == ["t3"] * 3
    assert len(oauth2.asked) == 3
    assert [token for path, token, _ in oauth2.seen if path == "/api/one"] == ["t1", "t3"]
    assert [token for path, token, _ in oauth2.seen if path == "/api/fresh"] == ["t3"]


async def test_the_new_token_is_refused_too(oauth2: OAuth2Server, connect: Connect) -> None:
    """There is one replay; then the 401 is the answer."""
    client = await connect()
    oauth2.answer = answers(*[web.json_response({"access_token": f"bad{n}"}) for n in range(2)])
    with pytest.raises(errors.HTTPUnauthorized) as caught:
        await client.get("/x")
    assert caught.value.response == {"code": "expired"}
    assert (len(oauth2.asked), len(oauth2.seen)) == (2, 2)
