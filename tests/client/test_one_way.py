"""Every call takes one way: what a subclass does in `request` holds for all of them, and a `Call` is its one value."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient, Call, errors
from headrace.auth import Credentials
from headrace.testing import MockTransport, json_response, stream_response
from headrace.transports import Request, Response
from tests.kit.told import header
from tests.servers.echo import EchoServer

SECRET = "canary-4711"


class Traced(AsyncClient):
    """Gives every request a field of its own, and notes what was asked for."""

    def __post_init__(self, *_: Any, **__: Any) -> None:
        """Begin with nothing noted."""
        self.asked: list[tuple[str, Any]] = []

    async def request(self, method: str, path: Any = None, **options: Any) -> Any:  # type: ignore[override] # overloads there
        """Send a request with the field."""
        self.asked.append((method, path))
        options["headers"] = {**(options.get("headers") or {}), "X-Trace": "7"}
        return await super().request(method, path, **options)


async def test_an_own_request_is_asked_for_everything(echo: EchoServer, transport: str, tmp_path: Path) -> None:
    """Verbs, uploads, streams and downloads all pass a subclass's `request`, and go as it sends them."""
    source = tmp_path / "source"
    source.write_bytes(b"0123456789")
    async with Traced(echo.url, transport=transport) as client:
        told = [await client.get("/a"), await client.post("/b", body={"x": 1}), await client.delete("/c")]
        told += [await client.stream_file(source, "/d"), await client.upload_file(source, "/e")]
        async with client.stream("GET", "/f") as answer:
            told.append(await anext(answer.aiter_items(format="ndjson")))
        place = await client.download("/g", tmp_path / "copy")
        assert [header(one, "X-Trace") for one in told] == ["7"] * 6
        assert b'"7"' in place.read_bytes()
        assert [path for _, path in client.asked] == ["/a", "/b", "/c", "/d", "/e", "/f", "/g"]


async def test_a_request_that_hands_on_no_stream_is_told_so() -> None:
    """A `request` that returns something else for a stream gets an error that says what to return."""

    class Eager(AsyncClient):
        async def request(self, *_: Any, **__: Any) -> Any:
            return {}

    async with Eager("http://localhost") as client:
        with pytest.raises(errors.AsyncClientError, match=r"Eager\.request\(\) returned dict for a stream"):
            async with client.stream("GET", "/x"):
                pass


async def test_a_closed_client_refuses_a_stream_and_warns_of_a_call(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is sent; where `None` can stand for that it is returned, else it is an error."""
    client = AsyncClient("http://localhost", transport=MockTransport(lambda _: json_response(1)))
    await client.close()
    with caplog.at_level(logging.WARNING, "headrace.AsyncClient"):
        assert await client.get("/x") is None
    assert "AsyncClient is closed; nothing was sent" in caplog.text
    with pytest.raises(errors.AsyncClientError, match="nothing was sent"):
        async with client.stream("GET", "/x"):
            pass


def test_a_call_shows_no_secret() -> None:
    """Its repr has the method and the path, and what is secret in the path is masked."""
    call = Call(f"/x?token={SECRET}&a=1", headers={"Authorization": SECRET}, body={"password": SECRET}, data=None)
    assert repr(call) == "<Call GET /x?token=***&a=1>"
    assert SECRET not in repr(Call(f"https://me:{SECRET}@host/", cookies={"sid": SECRET}))


def test_a_call_is_one_value() -> None:
    """Calls of the same arguments are equal, and none can be changed."""
    assert Call("/x", "POST", body={"a": 1}) == Call("/x", "POST", body={"a": 1})
    assert Call("/x") != Call("/y")
    with pytest.raises(AttributeError):
        Call("/x").path = "/y"  # type: ignore[misc] # that is the test


@pytest.mark.parametrize("verb", ["get", "head", "options", "delete", "post", "put", "patch", "request"])
async def test_an_unknown_keyword_names_the_verb(verb: str) -> None:
    """A slip of the pen is a `TypeError` that says where."""
    client = AsyncClient("http://localhost")
    arguments = ("GET", "/x") if verb == "request" else ("/x",)
    with pytest.raises(TypeError, match=rf"{verb}\(\) got an unexpected keyword argument 'heders'"):
        await getattr(client, verb)(*arguments, heders={})


async def test_a_request_is_frozen_and_its_delivery_tells_what_happened() -> None:
    """What a transport is given cannot be changed; what happens to it stands beside it."""
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        return json_response(1, status=302, headers={"Location": "/b"}) if request.target == "/a" else json_response(2)

    async with AsyncClient("http://localhost", transport=MockTransport(answer)) as client:
        assert await client.get("/a") == 2
    with pytest.raises(AttributeError):
        seen[0].target = "/c"  # type: ignore[misc] # that is the test
    assert [request.delivery.follows for request in seen] == [False, True]
    assert seen[0].delivery.sent


async def test_a_stream_that_fails_leaves_nothing_behind() -> None:
    """A stream whose answer is an error is closed like any other call, and its errors are counted once."""
    ended = asyncio.Event()

    async def pieces() -> Any:
        try:
            yield b"no"
        finally:
            ended.set()

    async with AsyncClient(
        "http://localhost", transport=MockTransport(lambda _: stream_response(pieces(), status=404))
    ) as client:
        with pytest.raises(errors.HTTPNotFound):
            async with client.stream("GET", "/x"):
                pass
        assert client.stats.errors == {"HTTPNotFound": 1}
        assert client.stats.requests == 1
    assert ended.is_set()


async def test_a_transport_may_give_one_answer_twice() -> None:
    """A call has its own request in its error, and sends its own again, whatever the answer was made for before."""

    class Renewing:
        """Gives new credentials each time."""

        count = 0

        async def credentials(self, _refused: Any, _send: Any, /) -> Credentials:
            """Make up a token."""
            self.count += 1
            return Credentials(headers={"Authorization": f"Bearer {self.count}"})

    refused = json_response({}, 401)
    transport = MockTransport(lambda _: refused)
    async with AsyncClient("http://a.example", transport=transport, auth=Renewing()) as client:
        for method, path in (("POST", "/pay"), ("GET", "/harmless")):
            with pytest.raises(errors.HTTPUnauthorized) as caught:
                await client.request(method, path)
            assert (caught.value.method, caught.value.url) == (method, f"http://a.example{path}")
    assert [request.method for request in transport.requests] == ["POST", "POST", "GET", "GET"]
