"""Bearer tokens in all their forms."""

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr

from headrace import AsyncClient, errors
from headrace.testing import MockTransport, Request, Response, json_response
from tests.kit.told import header
from tests.servers.echo import EchoServer


def sent(request: Request) -> str | None:
    """Return the token field of a request."""
    return dict(request.headers.pairs).get("Authorization")


async def coroutine_token() -> str:
    """Return a token after a turn of the loop."""
    await asyncio.sleep(0)
    return "tok"


@pytest.mark.parametrize("given", ["tok", SecretStr("tok"), lambda: "tok", lambda: SecretStr("tok"), coroutine_token])
async def test_every_form_of_token_is_sent(echo: EchoServer, transport: str, given: Any) -> None:
    """Text, a secret, a function and a coroutine function all end up in the same field."""
    async with AsyncClient(echo.url, transport=transport, bearer_token=given) as client:
        assert header(await client.get("/x"), "Authorization") == "Bearer tok"


async def test_userinfo_of_the_uri_is_basic_auth(echo: EchoServer, transport: str) -> None:
    """User and password in the `uri` are sent as `Authorization: Basic`, and in no URL."""
    async with AsyncClient(echo.url.replace("://", "://us%40er:pw@"), transport=transport) as client:
        told = await client.get("/x")
    assert header(told, "Authorization") == "Basic dXNAZXI6cHc="
    assert "pw" not in told["target"]


async def test_a_token_is_asked_for_once_and_kept() -> None:
    """A function is asked at the first request, by however many requests at once, and then no more."""
    asked = 0

    async def ask() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return f"t{asked}"

    transport = MockTransport(lambda _: json_response({}))
    async with AsyncClient("http://a.example", transport=transport, bearer_token=ask) as client:
        await asyncio.gather(*[client.get("/x") for _ in range(20)])
        await client.get("/y")
    assert asked == 1
    assert {sent(request) for request in transport.requests} == {"Bearer t1"}


async def test_concurrent_401s_share_one_refresh() -> None:
    """When the token dies under many requests, one new one is asked for and each request is replayed once."""
    asked = 0

    async def ask() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return f"t{asked}"

    async def handler(request: Request) -> Response:
        await asyncio.sleep(0)
        return json_response({}) if sent(request) == "Bearer t2" else Response(401)

    transport = MockTransport(handler)
    async with AsyncClient("http://a.example", transport=transport, bearer_token=ask) as client:
        await asyncio.gather(*[client.post("/x", body={"n": n}) for n in range(50)])
    assert asked == 2
    assert len(transport.requests) == 100
    assert {request.body for request in transport.requests[50:]} == {b'{"n":%d}' % n for n in range(50)}


async def test_a_second_401_is_raised() -> None:
    """The token is renewed once per request; a server that refuses the new one too is believed."""
    transport = MockTransport(lambda _: Response(401))
    async with AsyncClient("http://a.example", transport=transport, bearer_token=lambda: "t") as client:
        with pytest.raises(errors.HTTPUnauthorized):
            await client.get("/x")
    assert len(transport.requests) == 2


async def test_a_fixed_token_is_not_replayed() -> None:
    """Where there is nobody to ask, a 401 is raised at once."""
    transport = MockTransport(lambda _: Response(401))
    async with AsyncClient("http://a.example", transport=transport, bearer_token="t") as client:
        with pytest.raises(errors.HTTPUnauthorized):
            await client.get("/x")
    assert len(transport.requests) == 1


async def test_a_401_of_another_origin_asks_for_nothing() -> None:
    """Another origin, which got no token, cannot make the client renew it or send it there."""
    asked = 0

    def ask() -> str:
        nonlocal asked
        asked += 1
        return "t"

    transport = MockTransport(lambda _: Response(401))
    async with AsyncClient("http://a.example", transport=transport, bearer_token=ask) as client:
        with pytest.raises(errors.HTTPUnauthorized):
            await client.get("http://b.example/x")
    assert asked == 1
    assert [sent(request) for request in transport.requests] == [None]


async def test_a_caller_that_gives_up_does_not_take_the_token_from_others() -> None:
    """The request that began asking is cancelled; the one that waited with it gets the token."""
    asking, release = asyncio.Event(), asyncio.Event()
    asked = 0

    async def ask() -> str:
        nonlocal asked
        asked += 1
        asking.set()
        await release.wait()
        return "t"

    transport = MockTransport(lambda _: json_response({}))
    async with AsyncClient("http://a.example", transport=transport, bearer_token=ask) as client:
        first = asyncio.ensure_future(client.get("/1"))
        second = asyncio.ensure_future(client.get("/2"))
        await asking.wait()
        first.cancel()
        await asyncio.wait([first])
        release.set()
        assert await second == {}
    assert first.cancelled()
    assert asked == 1


async def test_asking_ends_with_the_last_caller() -> None:
    """A cancelled request leaves no task behind, not even the one that asks for the token."""
    asking = asyncio.Event()

    async def ask() -> str:
        asking.set()
        await asyncio.Event().wait()
        return "never"

    async with AsyncClient(
        "http://a.example", bearer_token=ask, transport=MockTransport(lambda _: Response(200))
    ) as client:
        task = asyncio.ensure_future(client.get("/x"))
        await asking.wait()
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1


async def test_an_error_of_the_token_function_is_the_callers() -> None:
    """What the function raises arrives as it is, and the next request asks again."""
    answers = iter([KeyError("vault"), "t"])

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with AsyncClient(
        "http://a.example", bearer_token=ask, transport=MockTransport(lambda _: Response(200))
    ) as client:
        with pytest.raises(KeyError, match="vault"):
            await client.get("/x")
        assert await client.get("/x") is None


async def test_a_401_that_comes_late_uses_the_token_that_is_there() -> None:
    """A request that was refused with the old token, after another has renewed it, is replayed with the new one."""
    asked = 0
    release = asyncio.Event()

    def ask() -> str:
        nonlocal asked
        asked += 1
        return f"t{asked}"

    async def handler(request: Request) -> Response:
        if sent(request) == "Bearer t2":
            return json_response(request.target)
        if request.target == "/late":
            await release.wait()
        return Response(401)

    async with AsyncClient("http://a.example", transport=MockTransport(handler), bearer_token=ask) as client:
        late = asyncio.ensure_future(client.get("/late"))
        assert await client.get("/early") == "/early"
        release.set()
        assert await late == "/late"
    assert asked == 2


async def test_a_token_of_the_callers_own_is_left_alone() -> None:
    """A call that brings an `Authorization` of its own is not replayed with the client's."""
    transport = MockTransport(lambda _: Response(401))
    async with AsyncClient("http://a.example", transport=transport, bearer_token=lambda: "t") as client:
        with pytest.raises(errors.HTTPUnauthorized):
            await client.get("/x", headers={"Authorization": "Bearer mine"})
    assert [sent(request) for request in transport.requests] == ["Bearer mine"]
