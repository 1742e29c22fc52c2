"""The life of a client and of a request: closing, loops, timeouts, cancellation, retries, limits, logs, counts."""

import asyncio
import logging
import pickle
from collections.abc import AsyncIterator

import pytest

import headrace
from headrace import AsyncClient, RateLimiter, Retry, errors
from headrace.testing import MockTransport, Request, Response, json_response, sequence, text_response
from tests.conftest import Serve, ServeScript
from tests.kit.virtual import VirtualLoop, run
from tests.kit.waiting import under_a_timeout
from tests.servers.echo import EchoServer
from tests.servers.raw import Do


async def test_closed_client_sends_nothing(echo: EchoServer, transport: str, caplog: pytest.LogCaptureFixture) -> None:
    """A closed client logs a warning and returns `None`; closing twice is fine."""
    client = AsyncClient(echo.url, transport=transport)
    await client.get("/x")
    await client.close()
    await client.close()
    assert client.closed
    assert await client.get("/y") is None
    assert [record.levelname for record in caplog.records if record.name == "headrace.AsyncClient"] == ["WARNING"]
    assert len(echo.seen) == 1


def test_run_runs_a_coroutine_on_the_fastest_loop() -> None:
    """`headrace.run` is `asyncio.run`, on uvloop where that is installed."""
    uvloop = pytest.importorskip("uvloop", reason="there is no uvloop for this platform")

    async def main() -> str:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        return "done"

    assert headrace.run(main()) == "done"


async def test_unclosed_client_warns() -> None:
    """A client that was used and forgotten says so when it goes."""
    client = AsyncClient("http://a.example", transport=MockTransport(lambda _: json_response(1)))
    await client.get("/x")
    clients = [client]
    del client
    with pytest.warns(ResourceWarning, match="unclosed <AsyncClient http://a.example"):
        clients.clear()


async def test_timeout_covers_the_limiter_and_leaves_nothing(transport: str) -> None:
    """The total time counts while a request waits for its turn, and its place goes to nobody."""
    async with AsyncClient("http://127.0.0.1:1", transport=transport, rate_limit=1, rate_limit_interval=3600) as client:
        with pytest.raises(errors.ConnectError):
            await client.get("/first")
        with pytest.raises(errors.RequestTimeout) as caught:
            await client.get("/second", timeout=0.02)
    assert isinstance(caught.value, TimeoutError)
    assert client.stats.errors == {"ConnectError": 1, "RequestTimeout": 1}


async def test_outer_timeout_and_cancellation_are_not_swallowed(serve_script: ServeScript, transport: str) -> None:
    """`asyncio.timeout` around a request raises its own error, and `cancel()` cancels."""
    server = await serve_script([Do.READ, Do.HOLD])
    async with AsyncClient(server.url, transport=transport, timeout=30) as client:
        with pytest.raises(TimeoutError) as caught:
            await under_a_timeout(server, client.get("/x"))
        assert not isinstance(caught.value, errors.RequestTimeout)
        task = asyncio.ensure_future(client.get("/x"))
        await server.accepted(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert asyncio.all_tasks() >= {asyncio.current_task()}


async def test_logs_one_line_a_request(caplog: pytest.LogCaptureFixture) -> None:
    """The line has method, status, path and query; secret parameters are masked."""
    transport = MockTransport(sequence([json_response({}), Response(404)]))
    async with AsyncClient("http://a.example/v1", transport=transport, parameters={"apiKey": "s3cret"}) as client:
        with caplog.at_level(logging.INFO, "headrace.AsyncClient"):
            await client.get("/users", parameters={"p": 1})
            with pytest.raises(errors.HTTPNotFound):
                await client.get("/none")
    assert caplog.messages == ["[GET 200] /v1/users apiKey=***&p=1", "[GET 404] /v1/none apiKey=***"]


async def test_nothing_is_formatted_when_the_level_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a listener no log line is made."""
    monkeypatch.setattr("headrace._core.values.answer.log_line", lambda *_: pytest.fail("a line was formatted"))
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: json_response(1))) as client:
        assert await client.get("/x") == 1


def test_waiting_for_the_limiter_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """A request that has to wait says so once, and the time is counted."""

    async def main(loop: VirtualLoop) -> None:
        transport, limiter = MockTransport(lambda _: json_response(1)), RateLimiter(1, 2.0, clock=loop.time)
        async with AsyncClient("http://a.example", transport=transport, limiter=limiter) as client:
            await client.get("/x")
            await client.get("/x")
        assert client.stats.limiter_waits == 1
        assert client.stats.limiter_seconds == 2.0

    with caplog.at_level(logging.INFO, "headrace.AsyncClient"):
        run(main)
    assert caplog.messages.count("Waiting for rate limit: 2 s until the next start") == 1


async def test_retry_sends_again_and_then_gives_up() -> None:
    """Statuses and lost connections are tried again as often as the policy says."""
    policy = Retry(attempts=3, backoff=1e-9)
    lost = errors.ConnectionLost("gone")
    transport = MockTransport(sequence([Response(503), lost, json_response("third")]))
    async with AsyncClient("http://a.example", transport=transport, retry=policy) as client:
        assert await client.get("/x") == "third"
    assert (client.stats.requests, client.stats.attempts, client.stats.retries) == (1, 3, 2)
    transport = MockTransport(lambda _: Response(503))
    async with AsyncClient("http://a.example", transport=transport, retry=policy) as client:
        with pytest.raises(errors.HTTPServiceUnavailable):
            await client.get("/x")
    assert len(transport.requests) == 3


async def test_retry_never_repeats_what_may_have_happened() -> None:
    """A POST whose connection was lost is not sent again; one that never left is."""
    policy = Retry(attempts=2, backoff=1e-9)
    transport = MockTransport(sequence([errors.ConnectionLost("gone")]))
    async with AsyncClient("http://a.example", transport=transport, retry=policy) as client:
        with pytest.raises(errors.ConnectionLost):
            await client.post("/x", body={})
    transport = MockTransport(sequence([errors.ConnectError("refused", maybe_sent=False), json_response(1)]))
    async with AsyncClient("http://a.example", transport=transport, retry=policy) as client:
        assert await client.post("/x", body={}) == 1


async def test_stats_count_what_happened(echo: EchoServer) -> None:
    """Requests, errors by kind, bytes and connections are counted."""
    async with AsyncClient(echo.url) as client:
        for _ in range(3):
            await client.get("/x")
        with pytest.raises(errors.HTTPNotFound):
            await client.get("/status/404")
    stats = client.stats
    assert (stats.requests, stats.attempts, stats.connections_opened, stats.connections_reused) == (4, 4, 1, 3)
    assert stats.errors == {"HTTPNotFound": 1}
    assert stats.bytes_in > 400
    assert stats.bytes_out > 400


async def test_stats_count_bodies_and_connections_of_either_transport(echo: EchoServer, transport: str) -> None:
    """A body that is sent, and one that is received, are among the bytes, however much else is."""
    async with AsyncClient(echo.url, transport=transport) as client:
        for _ in range(2):
            await client.post("/x", data=b"x" * 5000, response_format=bytes)
        stats = client.stats
        assert (stats.connections_opened, stats.connections_reused) == (1, 1)
        assert 10_000 <= stats.bytes_out < 12_000
        assert stats.bytes_in > 0


async def test_errors_are_readable_and_survive_pickling() -> None:
    """`str()` tells status, method and URL without secrets; every attribute comes back."""
    transport = MockTransport(lambda _: text_response("slow down", 429, {"Retry-After": "7", "X-A": "1"}))
    async with AsyncClient("http://u:s3cret@a.example", transport=transport, parameters={"token": "s3cret"}) as client:
        with pytest.raises(errors.HTTPTooManyRequests) as caught:
            await client.get("/x")
    error = pickle.loads(pickle.dumps(caught.value))
    for one in (caught.value, error):
        assert str(one) == "429 Too Many Requests: GET http://a.example/x?token=*** - slow down"
        assert (one.status_code, one.retry_after, one.response) == (429, 7.0, "slow down")
        assert one.headers["x-a"] == "1"
    assert type(error) is errors.HTTPTooManyRequests


async def test_error_functions_decide_what_is_raised() -> None:
    """A function of the JSON gives the `response`, or the exception that is raised; a call's lie over the client's."""

    class QuotaGone(Exception):
        pass

    def quota(problem: dict[str, int]) -> Exception:
        return QuotaGone(problem["left"])

    transport = MockTransport(lambda _: json_response({"left": 0}, 429))
    async with AsyncClient("http://a.example", transport=transport, error_responses={429: quota}) as client:
        with pytest.raises(QuotaGone, match="0"):
            await client.get("/x")
        with pytest.raises(errors.HTTPTooManyRequests) as caught:
            await client.get("/x", error_responses={429: lambda problem: problem["left"] + 41})
    assert caught.value.response == 41


async def test_overriding_request_sees_every_verb() -> None:
    """A subclass that overrides `request` is asked for all verbs."""
    seen: list[str] = []

    class Watched(AsyncClient, uri="http://a.example"):
        def request(self, method: str, path: object = None, **options: object) -> object:  # type: ignore[override]
            seen.append(method)
            return super().request(method, path, **options)  # type: ignore[arg-type]

    def handler(request: Request) -> Response:
        return json_response(request.method)

    async with Watched(transport=MockTransport(handler)) as client:
        for verb in ("get", "head", "options", "delete", "post", "put", "patch"):
            assert await getattr(client, verb)("/x") == verb.upper()
    assert seen == ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT", "PATCH"]


async def test_closing_ends_requests_that_wait_for_their_turn() -> None:
    """A request that waits for the limiter or for its next attempt fails at once when the client is closed."""
    transport = MockTransport(lambda _: Response(503))
    limited = AsyncClient("http://a.example", transport=transport, rate_limit=1, rate_limit_interval=3600)
    patient = AsyncClient(
        "http://a.example",
        transport=MockTransport(lambda _: Response(503)),
        retry=Retry(backoff=3600, max_backoff=3600),
        timeout=None,  # no wait is begun that a timeout would end
    )
    with pytest.raises(errors.HTTPServiceUnavailable):
        await limited.get("/first")
    waiting = [asyncio.ensure_future(client.get("/x")) for client in (limited, patient)]
    await asyncio.sleep(0)
    await limited.close()
    await patient.close()
    for task in waiting:
        with pytest.raises(errors.TransportError, match="closed"):
            await task


async def test_a_generator_ends_with_its_request(serve: Serve, transport: str) -> None:
    """After an early answer the rest of an async generator is not left to the garbage collector."""
    ended = False

    async def endless() -> AsyncIterator[bytes]:
        nonlocal ended
        try:
            while True:
                yield b"x" * 65536
        finally:
            ended = True

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"xxx")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        while await reader.read(1 << 20):
            pass

    server = await serve(refuse)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(errors.HTTPRequestEntityTooLarge):
            await client.post("/x", data=endless())
        assert ended


async def test_a_request_outside_a_task_is_refused() -> None:
    """Stepping the coroutine by hand, outside a task, is an error that says so."""
    client = AsyncClient("http://a.example", transport=MockTransport(lambda _: json_response(1)))
    found: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def outside() -> None:
        try:
            client.get("/x").send(None)
        except errors.AsyncClientError as error:
            found.set_exception(error)

    asyncio.get_running_loop().call_soon(outside)
    with pytest.raises(errors.AsyncClientError, match="inside a task"):
        await found
