"""A plain call goes by the lane, and nobody can tell: it ends as the same call does in the pipeline."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from headrace import AsyncClient, RateLimiter, Retry, Timeout
from headrace._client.pipeline import Pipeline
from headrace.errors import AsyncClientError, RequestTimeout
from headrace.testing import Request, Response
from tests.conftest import ServeScript
from tests.kit.lane import ENDS, NEXT, OK, WARM, User
from tests.servers.raw import Do, RawServer, Step

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
SETTINGS: dict[str, dict[str, Any]] = {
    "bare": {},
    "full": {
        "limiter": RateLimiter,
        "retry": Retry(attempts=2, backoff=1e-6, budget=None),
        "headers": {"X-A": "1"},
        "cookies": {"c": "d"},
        "parameters": {"p": 1},
        "bearer_token": "t",
        "timeout": Timeout(total=30, read=20),
    },
}


class Ran:
    """How many calls have gone by the pipeline."""

    calls = 0


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Count the calls of the pipeline."""
    ran = Ran()
    run = Pipeline.run

    async def counted(self: Pipeline, call: Any) -> Any:
        ran.calls += 1
        return await run(self, call)

    monkeypatch.setattr(Pipeline, "run", counted)
    return ran


def client_of(server: RawServer, settings: dict[str, Any]) -> AsyncClient:
    """Make a client; its limiter is its own."""
    own = {**settings, "limiter": RateLimiter(1000)} if "limiter" in settings else settings
    return AsyncClient(f"{server.url}/v1?q=1", **own)


async def plainly(client: AsyncClient, method: str) -> Any:
    """Make a plain call by its verb."""
    body = {"body": {"id": 5}} if method in {"POST", "PUT", "PATCH"} else {}
    return await getattr(client, method.lower())("/users/1", response_format=User, **body)


async def warmed(client: AsyncClient, method: str) -> None:
    """Bind the client, and let it make what it makes once."""
    for _ in range(2):
        await plainly(client, method)


def told(outcome: Any) -> Any:
    """Tell what a caller sees of an outcome."""
    if not isinstance(outcome, Exception):
        return outcome
    facts = {key: value for key, value in vars(outcome).items() if key not in {"attempts", "headers", "model_error"}}
    attempts = [(each.number, each.status, each.error) for each in getattr(outcome, "attempts", ())]
    return type(outcome), facts, attempts


async def seen(
    serve_script: ServeScript,
    ends: Sequence[Sequence[Step]],
    settings: dict[str, Any],
    method: str,
    ran: Ran,
    *,
    lane: bool,
) -> tuple[Any, ...]:
    """Make a call in one of both ways; tell all that a user, or the server, can see of it."""
    server = await serve_script([*WARM, *ends[0]], *ends[1:])
    async with client_of(server, settings) as client:
        await warmed(client, method)
        before = ran.calls
        if lane:
            outcome = (await asyncio.gather(plainly(client, method), return_exceptions=True))[0]
            assert ran.calls == before
        else:
            body = {"body": {"id": 5}} if method in {"POST", "PUT", "PATCH"} else {}
            call = client.request(method, "/users/1", response_format=User, **body)
            outcome = (await asyncio.gather(call, return_exceptions=True))[0]
            assert ran.calls == before + 1
        stats = repr(client.stats)
    wire = [(each.line, sorted(each.headers), each.body) for each in server.requests]
    origin = server.url
    return str(told(outcome)).replace(origin, ""), str(wire).replace(origin.partition("//")[2], ""), stats


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_the_same_comes_of_it(serve_script: ServeScript, ran: Ran, method: str, end: str, settings: str) -> None:
    """Value or error, its text and facts, the bytes on the wire, and what is counted."""
    ends = ENDS[end]
    one, other = [await seen(serve_script, ends, SETTINGS[settings], method, ran, lane=lane) for lane in (True, False)]
    assert one == other


@pytest.mark.parametrize("end", ["a success", "no answer", "not found", "busy"])
@pytest.mark.parametrize("method", [method for method in METHODS if method not in {"GET", "PUT"}])
async def test_every_verb(serve_script: ServeScript, ran: Ran, method: str, end: str) -> None:
    """Whether a method is safe to repeat, and what it says of a body."""
    if method == "HEAD":
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"
        scripts: list[list[Step]] = [[Do.READ, head, Do.READ, head, Do.READ, head, Do.HOLD]]
        server = await serve_script(*scripts)
        async with client_of(server, {}) as client:
            await warmed(client, method)
            assert await plainly(client, method) is None
            assert ran.calls == 2
        return
    one, other = [await seen(serve_script, ENDS[end], {}, method, ran, lane=lane) for lane in (True, False)]
    assert one == other


async def test_what_the_lane_does_not_take(serve_script: ServeScript, ran: Ran) -> None:
    """A path to encode, an option, another format, a body that is large or wrong: the pipeline has them."""
    server = await serve_script([*WARM, *[Do.READ, OK] * 9, Do.HOLD])
    async with AsyncClient(server.url) as client:
        await warmed(client, "GET")
        for count, call in enumerate(
            (
                lambda: client.get("/a b"),
                lambda: client.get("/a", headers={"X": "1"}),
                lambda: client.get("/a", parameters={"x": 1}),
                lambda: client.get("/a?x=1"),
                lambda: client.get(None),
                lambda: client.get("/a", response_format=str),
                lambda: client.post("/a", body={"x": "y" * 70_000}),
                lambda: client.post("/a", data=b"x"),
                lambda: client.get(f"{server.url}/a"),
            )
        ):
            await call()
            assert ran.calls == 3 + count
        with pytest.raises(ValueError, match="body"):
            await client.post("/a", body=object())
        with pytest.raises(ValueError, match="response_format"):
            await client.get("/a", response_format=5)
    assert len(server.requests) == 11


async def test_settings_hold_for_the_next_request(serve_script: ServeScript) -> None:
    """What the lane keeps is made anew when a setting changes."""
    server = await serve_script([*WARM, *[Do.READ, OK] * 6, Do.HOLD])
    async with AsyncClient(server.url) as client:
        await warmed(client, "GET")
        client.headers["X-A"] = "1"
        await plainly(client, "GET")
        await plainly(client, "GET")
        client.parameters["p"] = 2
        await plainly(client, "GET")
        client.cookies["c"] = "d"
        client.bearer_token = "t"
        await plainly(client, "GET")
        del client.headers["X-A"]
        await plainly(client, "GET")
        await plainly(client, "GET")
    fields = [(each.header("X-A"), each.header("Cookie"), each.header("Authorization")) for each in server.requests[2:]]
    assert fields == [("1", None, None)] * 3 + [("1", "c=d", "Bearer t")] + [(None, "c=d", "Bearer t")] * 2
    assert [each.line.split()[1] for each in server.requests[2:]] == ["/users/1"] * 2 + ["/users/1?p=2"] * 4


async def test_a_time_that_is_over_and_a_caller_that_leaves(serve_script: ServeScript, ran: Ran) -> None:
    """The connection is not used again, and the error says which request."""
    server = await serve_script([*WARM, Do.READ, Do.HOLD], [*WARM, Do.READ, Do.HOLD], NEXT)
    async with AsyncClient(server.url, timeout=0.2) as client:
        await warmed(client, "GET")
        with pytest.raises(RequestTimeout, match=r"GET .*/users/1.* within 0\.2 s") as caught:
            await plainly(client, "GET")
        assert caught.value.maybe_sent
        await warmed(client, "GET")
        task = asyncio.ensure_future(plainly(client, "GET"))
        while len(server.requests) < 6:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        before = ran.calls
        assert await plainly(client, "GET") == User(1)
        assert ran.calls == before + 1  # no connection lay idle
        assert client.stats.connections_opened == 3


async def test_a_limiter_counts_each_start_once(serve_script: ServeScript, ran: Ran) -> None:
    """A start by the lane counts; where there is none left, the call waits as ever."""
    server = await serve_script([*WARM, Do.READ, OK, Do.HOLD])
    limiter = RateLimiter(3, 3600)
    async with AsyncClient(server.url, limiter=limiter) as client:
        await warmed(client, "GET")
        await plainly(client, "GET")
        assert ran.calls == 2
        assert not limiter.try_acquire()
        waiting = asyncio.ensure_future(plainly(client, "GET"))
        await asyncio.sleep(0)
        assert (limiter.waiting, ran.calls) == (1, 3)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert len(server.requests) == 3


async def test_who_has_a_request_of_its_own_or_is_closed(serve_script: ServeScript) -> None:
    """A subclass's `request` is asked for plain calls too, and a closed client sends nothing."""
    asked = []

    class Own(AsyncClient):
        async def request(self, method: str, path: Any = None, **options: Any) -> Any:
            asked.append((method, path))
            return await super().request(method, path, **options)

    server = await serve_script([*WARM, Do.READ, OK, Do.HOLD], [*WARM, Do.HOLD])
    async with Own(server.url) as own:
        for _ in range(3):
            await plainly(own, "GET")
    assert asked == [("GET", "/users/1")] * 3
    client = AsyncClient(server.url)
    await warmed(client, "GET")
    await client.close()
    assert await plainly(client, "GET") is None
    with pytest.raises(AsyncClientError, match="closed"):
        async with client.stream("GET", "/x"):
            pass


async def test_a_mock_transport_has_no_lane() -> None:
    """Every transport but our own is asked in the pipeline."""
    seen: list[Request] = []

    class Mine:
        async def send(self, request: Request) -> Response:
            seen.append(request)
            return Response(200, (), b'{"id":1}')

        async def close(self) -> None:
            """Nothing is open."""

    async with AsyncClient("http://a.example", transport=Mine()) as client:
        for _ in range(3):
            assert await plainly(client, "GET") == User(1)
    assert len(seen) == 3
