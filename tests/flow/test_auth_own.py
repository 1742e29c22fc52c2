"""An `Auth` of one's own: what it is asked, what it may send, and what becomes of what it gives."""

import asyncio
from typing import Any

import attrs
import msgspec
import pytest

from headrace import AsyncClient, errors
from headrace._core.request.credentials import Credentials
from headrace.auth import (
    APIKey,
    BasicAuth,
    Send,
)
from headrace.testing import MockTransport, Request, json_response, sequence
from headrace.testing import Response as Answer


def fields(request: Request) -> dict[str, str]:
    """Return the header fields of a request."""
    return dict(request.headers.pairs)


class Counting:
    """An `Auth` that is asked for every number once."""

    def __init__(self, asked: list[Any], **options: Any) -> None:
        self.asked = asked
        self.options = options

    async def credentials(self, refused: Credentials | None, _: Send, /) -> Credentials:
        """Count."""
        self.asked.append(refused)
        await asyncio.sleep(0)
        return Credentials(headers={"X-Key": f"k{len(self.asked)}"}, **self.options)


class Login(msgspec.Struct):
    """What the login of an API answers."""

    session: str


@attrs.define
class SessionAuth:
    """An `Auth` that logs in with a request of its own."""

    password: str = attrs.field(repr=False)

    async def credentials(self, _: Credentials | None, send: Send, /) -> Credentials:
        """Log in."""
        answer = await send("POST", "https://a.example/login", body={"password": self.password}, headers={"X-A": "1"})
        session = msgspec.json.decode(answer.body, type=Login).session
        return Credentials(parameters={"session": session})


async def test_an_auth_of_ones_own_may_send_requests() -> None:
    """A login with JSON, whose session goes in the query and is exchanged there after a 401."""
    sessions = iter(["s 1", "s2"])

    def handler(request: Request) -> Answer:
        if request.target == "/login":
            return json_response({"session": next(sessions)})
        return json_response(request.target) if "session=s2" in request.target else Answer(401)

    transport = MockTransport(handler)
    async with AsyncClient(
        "https://a.example/v1", transport=transport, auth=SessionAuth("pw"), headers={"X-B": "2"}, parameters={"p": 1}
    ) as client:
        assert await client.get("/x?q=1", parameters={"z": 2}) == "/v1/x?q=1&p=1&z=2&session=s2"
    login = transport.requests[0]
    assert (login.method, login.body, login.origin.text) == ("POST", b'{"password":"pw"}', "https://a.example")
    assert fields(login)["Content-Type"] == "application/json"
    assert fields(login)["X-A"] == "1"
    assert "X-B" not in fields(login)
    assert [request.target.partition("?")[0] for request in transport.requests] == ["/login", "/v1/x"] * 2


async def test_a_field_is_exchanged_after_a_401() -> None:
    """The refused value is told, and is nowhere in the request that is sent again."""
    asked: list[Any] = []
    transport = MockTransport(lambda r: json_response(1) if fields(r)["X-Key"] == "k2" else Answer(401))
    async with AsyncClient("http://a.example", transport=transport, auth=Counting(asked)) as client:
        assert await client.post("/x", body={"a": 1}, headers={"X-Call": "1"}) == 1
    assert [fields(r)["X-Key"] for r in transport.requests] == ["k1", "k2"]
    assert [(r.body, fields(r)["X-Call"]) for r in transport.requests] == [(b'{"a":1}', "1")] * 2
    assert asked[0] is None
    assert asked[1].headers == {"X-Key": "k1"}


async def test_the_same_credentials_again_are_not_tried_again() -> None:
    """An `Auth` that returns what was refused has nothing else: the 401 is raised."""

    class Stubborn:
        async def credentials(self, refused: Credentials | None, _: Send, /) -> Credentials:
            return refused or Credentials(headers={"X-Key": "k"})

    transport = MockTransport(lambda _: Answer(401))
    async with AsyncClient("http://a.example", transport=transport, auth=Stubborn()) as client:
        with pytest.raises(errors.HTTPUnauthorized):
            await client.get("/x")
    assert len(transport.requests) == 1


async def test_a_401_of_another_origin_asks_nobody() -> None:
    """Neither a redirect elsewhere nor an absolute URL can make the client renew its credentials."""
    asked: list[Any] = []
    away = Answer(307, {"Location": "https://b.example/x"})
    transport = MockTransport(sequence([away, Answer(401), Answer(401)]))
    async with AsyncClient("https://a.example", transport=transport, auth=Counting(asked)) as client:
        for path in ("/x", "https://b.example/x"):
            with pytest.raises(errors.HTTPUnauthorized):
                await client.get(path)
    assert len(asked) == 1


async def test_a_fixed_credential_is_not_tried_again() -> None:
    """Where there is nobody to ask, a 401 is an answer."""
    for auth in (APIKey("k", query="key"), BasicAuth("u", "p")):
        transport = MockTransport(lambda _: Answer(401))
        async with AsyncClient("http://a.example", transport=transport, auth=auth) as client:
            with pytest.raises(errors.HTTPUnauthorized):
                await client.get("/x")
        assert len(transport.requests) == 1


@pytest.mark.parametrize("call", [{"headers": {"x-key": "mine"}}, {"headers": {"X-Key": None}}])
async def test_a_call_with_a_key_of_its_own_is_left_alone(call: dict[str, Any]) -> None:
    """What did not go with our credentials is not sent again with them."""
    asked: list[Any] = []
    transport = MockTransport(lambda _: Answer(401))
    async with AsyncClient("http://a.example", transport=transport, auth=Counting(asked)) as client:
        with pytest.raises(errors.HTTPUnauthorized):
            await client.get("/x", **call)
    assert (len(asked), len(transport.requests)) == (1, 1)


async def test_what_an_auth_returns_is_checked() -> None:
    """Something else than `Credentials` is an error that says so."""

    class Wrong:
        async def credentials(self, _: Credentials | None, __: Send, /) -> Any:
            return "token"

    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: Answer(200)), auth=Wrong()) as client:
        with pytest.raises(errors.ValidationError, match=r"^auth: credentials\(\) returned str, has to"):
            await client.get("/x")


@pytest.mark.parametrize(
    ("arguments", "options", "names"),
    [
        (("POST", "/login"), {}, "url"),
        (("PO ST", "http://a.example"), {}, "method"),
        (("POST", "http://a.example"), {"body": {}, "data": b""}, "body and data"),
        (("POST", "http://a.example"), {"data": [b"x"]}, "data"),
        (("POST", "http://a.example"), {"headers": {"X": "a\nb"}}, "headers"),
        (("POST", "http://a.example"), {"timeout": 0}, "timeout"),
    ],
)
async def test_a_wrong_request_of_an_auth_is_named(arguments: Any, options: Any, names: str) -> None:
    """The arguments of `send` are checked as those of a call."""

    class Asks:
        async def credentials(self, _: Credentials | None, send: Send, /) -> Credentials:
            await send(*arguments, **options)
            raise AssertionError

    transport = MockTransport(lambda _: Answer(200))
    async with AsyncClient("http://a.example", transport=transport, auth=Asks()) as client:
        with pytest.raises(errors.ValidationError, match=f"^{names}"):
            await client.get("/x")
    assert transport.requests == []


async def test_another_auth_holds_for_the_next_request() -> None:
    """Assigning one forgets the one before, also where that is being asked right now."""
    asked: list[Any] = []
    transport = MockTransport(lambda r: json_response(fields(r).get("X-Key") or fields(r).get("Authorization")))
    async with AsyncClient("http://a.example", transport=transport, auth=Counting(asked)) as client:
        for other, expected in ((Counting([1, 2]), "k3"), (BasicAuth("u", "p"), "Basic dTpw")):
            client.auth = Counting(asked)
            waiting = asyncio.ensure_future(client.get("/x"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            client.auth = other
            assert await waiting == expected
            assert await client.get("/x") == expected
        client.bearer_token = "t"
        assert (await client.get("/x"), client.bearer_token) == ("Bearer t", "t")
        client.auth = APIKey("k", query="key")
        await client.get("/x")
        client.auth = None
        assert (await client.get("/x"), client.bearer_token) == (None, None)
    assert len(asked) == 2
    assert [request.target for request in transport.requests[-3:]] == ["/x", "/x?key=k", "/x"]


async def test_a_clock_of_ones_own_says_when_credentials_run_out() -> None:
    """`expires_at` is a time of the clock of the `Auth`."""
    times = {"now": 0.0}

    class Short(Counting):
        def clock(self) -> float:
            return times["now"]

    asked: list[Any] = []
    transport = MockTransport(lambda r: json_response(fields(r)["X-Key"]))
    async with AsyncClient("http://a.example", transport=transport, auth=Short(asked, expires_at=10.0)) as client:
        for now, key in ((0.0, "k1"), (9.9, "k1"), (10.0, "k2"), (11.0, "k3")):
            times["now"] = now
            assert await client.get("/x") == key
    assert asked == [None] * 3
