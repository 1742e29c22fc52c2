"""A secret is told to nobody but its server: not in a repr, an error, a pickle, a log, a count or a traceback."""

import asyncio
import copy
import logging
import pickle
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient, Retry, Timeout, errors
from headrace.auth import APIKey, BasicAuth
from headrace.testing import MockTransport, Response, json_response
from tests.conftest import MakeProxy, ServeScript
from tests.kit import ROOT
from tests.kit.ids import same_everywhere
from tests.kit.streaming import read
from tests.servers.raw import Do, reply

CANARY = "canary-77e2"
TESTS = str(ROOT / "tests")
QUIET = f"/x?token={CANARY}&sig={CANARY}&appid={CANARY}&accessKey={CANARY}&X-Amz-Security-Token={CANARY}"


def told(error: BaseException) -> str:
    """Write all that a tracker of errors may keep: the traceback with the variables of every frame but the tests'."""
    texts = [repr(error), str(error), repr(vars(error)) if not isinstance(error, errors.HTTPError) else ""]
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or each in seen:
            continue
        seen.append(each)
        waiting += [each.__cause__, each.__context__]
        trace = each.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(TESTS):
            trace = trace.tb_next
        shown = traceback.TracebackException(type(each), each, trace, capture_locals=True, compact=False)
        texts += shown.format()
    return "".join(texts)


#: What servers do, and what comes of it.
SERVERS: dict[str, tuple[list[Any], type[errors.FrameworkException]]] = {
    "no answer": ([Do.READ, Do.HOLD], errors.RequestTimeout),
    "reset": ([Do.READ, Do.RESET], errors.ConnectionLost),
    "half an answer": ([Do.READ, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"], errors.ConnectionLost),
    "no HTTP": ([Do.READ, b"220 smtp\r\n\r\n", Do.HOLD], errors.ProtocolError),
    "too large": ([Do.READ, reply(b"x" * 5000), Do.HOLD], errors.ResponseTooLarge),
    "no JSON": ([Do.READ, reply(b"{"), Do.HOLD], errors.ResponseParseError),
    "no model": ([Do.READ, reply(b"[]"), Do.HOLD], errors.ResponseValidationError),
    "error": ([Do.READ, reply(b"{}", status="500 No"), Do.HOLD], errors.HTTPInternalServerError),
    "redirect": ([Do.READ, reply(b"", "Location: ftp://a/", status="302 No"), Do.HOLD], errors.HTTPFound),
    "unauthorized": ([Do.READ, reply(b"", status="401 No"), Do.HOLD], errors.HTTPUnauthorized),
    "bad coding": ([Do.READ, reply(b"xyz", "Content-Encoding: gzip"), Do.HOLD], errors.ProtocolError),
}
SETTINGS: dict[str, Any] = {
    "headers": {"X-Api-Key": CANARY},
    "cookies": {"sid": CANARY},
    "parameters": {"apiKey": CANARY},
}
CALLS: dict[str, Callable[[AsyncClient], Any]] = {
    "get": lambda client: client.get(QUIET, response_format=dict[str, int]),
    "post": lambda client: client.request(
        "POST",
        "/x",
        body={"password": CANARY},
        headers={"Authorization": CANARY, "X-Auth-Token": CANARY},
        cookies={"session": CANARY},
        parameters={"client_secret": CANARY},
        response_format=dict[str, int],
    ),
    "stream": lambda client: read(client, QUIET, headers={"Authorization": CANARY}, cookies={"sid": CANARY}),
    "upload": lambda client: client.upload_file(
        [CANARY_FILE], QUIET, headers={"X-Auth-Token": CANARY}, response_format=dict[str, int]
    ),
}
CANARY_FILE = Path(__file__)


async def outcome(call: Any) -> BaseException | None:
    """Tell what a call raises, if anything."""
    try:
        await call
    except errors.FrameworkException as error:
        return error
    return None


@pytest.fixture
async def logged(caplog: pytest.LogCaptureFixture) -> AsyncIterator[pytest.LogCaptureFixture]:
    """Everything that is logged, by anybody, whatever its level."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


@pytest.mark.hazard(45)
@pytest.mark.parametrize("call", ["get", "post", "stream", "upload"])
@pytest.mark.parametrize("server", SERVERS)
async def test_no_failure_tells_a_secret(
    serve_script: ServeScript, transport: str, logged: pytest.LogCaptureFixture, server: str, call: str
) -> None:
    """Whatever goes wrong: no error, pickle, traceback with its variables, log or count has a secret in it."""
    script, kind = SERVERS[server]
    running = await serve_script(script)
    uri = running.url.replace("//", f"//me:{CANARY}@")
    # The limit of a silence begins when the request is sent, however busy the machine is.
    timeout = Timeout(total=10, read=0.2 if kind is errors.RequestTimeout else None)
    client = AsyncClient(uri, transport=transport, timeout=timeout, max_response_bytes=1000, **SETTINGS)
    async with client:
        error = await outcome(CALLS[call](client))
        assert isinstance(error, kind) or (error is None and call == "stream")
        if error is not None:
            assert CANARY not in told(error)
            assert CANARY not in told(pickle.loads(pickle.dumps(error)))
        assert CANARY not in f"{client!r} {client.stats!r} {client.config!r} {client.headers!r} {client.cookies!r}"
        assert CANARY not in f"{client.parameters!r} {client.auth!r} {client.transport!r} {client.uri!r}"
    assert CANARY not in logged.text
    connection = await running.accepted(1)
    async with asyncio.timeout(10):
        await connection.ended.wait()
    assert CANARY.encode() in connection.received


@pytest.mark.hazard(45)
@pytest.mark.parametrize(
    "call",
    [
        {"headers": {"Authorization": f"{CANARY}\r\n"}},
        {"cookies": {"sid": f"{CANARY};"}},
        {"body": {"password": CANARY, "other": object()}},
        {"data": b"x", "body": {"password": CANARY}},
        {"path": f"/x?token={CANARY}\0"},
        {"path": f"ftp://me:{CANARY}@a.example/"},
        {"path": f"http://me:{CANARY}@a.example:x/"},
        {"headers": CANARY},
        {"cookies": CANARY},
        {"parameters": CANARY},
        {"timeout": "soon", "body": {"password": CANARY}},
        {"error_responses": {"teapot": dict}, "headers": {"Authorization": CANARY}},
        {"response_format": "User", "cookies": {"sid": CANARY}},
        {"on_invalid": "wait", "parameters": {"token": CANARY}},
    ],
    ids=same_everywhere,
)
async def test_no_refusal_tells_a_secret(call: dict[str, Any]) -> None:
    """An argument that is refused is named, and its value is in no frame of ours."""
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: Response(200)), **SETTINGS) as client:
        with pytest.raises(errors.FrameworkException) as caught:
            await client.request(**{"method": "POST", "path": "/x", **call})
        assert CANARY not in told(caught.value)
        if "response_format" in call or "on_invalid" in call:
            return  # a stream has none
        with pytest.raises(errors.ValidationError) as caught:
            await read(client, **{"path": "/x", **call})
        assert CANARY not in told(caught.value)


@pytest.mark.hazard(45)
async def test_what_cannot_be_reached_tells_no_secret(make_proxy: MakeProxy, transport: str) -> None:
    """Neither a port that refuses nor a proxy that does makes an error with a secret in it."""
    async with AsyncClient(f"http://me:{CANARY}@127.0.0.1:1", transport=transport, **SETTINGS) as client:
        with pytest.raises(errors.ConnectError) as refused:
            await client.get(QUIET, headers={"Authorization": CANARY})
    proxy = f"http://me:{CANARY}@127.0.0.1:1"
    async with AsyncClient("https://a.example", transport=transport, proxy=proxy, **SETTINGS) as client:
        with pytest.raises(errors.ConnectError) as unreachable:
            await client.get(QUIET, headers={"Authorization": CANARY})
    assert CANARY not in told(refused.value) + told(unreachable.value)


@pytest.mark.hazard(45)
async def test_a_cancellation_tells_no_secret(serve_script: ServeScript, transport: str) -> None:
    """The traceback of a caller that gave up has no secret in the variables of our frames."""
    server = await serve_script([Do.READ, Do.HOLD])
    async with AsyncClient(server.url, transport=transport, **SETTINGS) as client:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.1):
                await client.post(QUIET, body={"password": CANARY}, headers={"Authorization": CANARY})
    assert CANARY not in told(caught.value)


@pytest.mark.hazard(45)
async def test_retries_tell_no_secret(
    serve_script: ServeScript, transport: str, logged: pytest.LogCaptureFixture
) -> None:
    """The attempts on an error, and what is logged of them, have no secret in them."""
    server = await serve_script([Do.READ, reply(b"", status="503 No")] * 3)
    async with AsyncClient(
        server.url, transport=transport, retry=Retry(attempts=3, backoff=1e-3), auth=BasicAuth("me", CANARY), **SETTINGS
    ) as client:
        with pytest.raises(errors.HTTPServiceUnavailable) as caught:
            await client.get(QUIET)
    assert len(caught.value.attempts) == 3
    assert CANARY not in told(caught.value) + repr(caught.value.attempts) + logged.text


@pytest.mark.hazard(45)
async def test_a_pickled_error_masks_the_secrets_of_its_headers() -> None:
    """`headers` are all there while the error lives; a pickle of it has cookies, tokens and secret URLs masked."""
    fields = {
        "Set-Cookie": f"sid={CANARY}",
        "X-Auth-Token": CANARY,
        "Location": f"https://me:{CANARY}@a.example/?sig={CANARY}#access_token={CANARY}",
        "WWW-Authenticate": 'Basic realm="all"',
        "Retry-After": "5",
    }
    async with AsyncClient(
        "http://a.example", transport=MockTransport(lambda _: Response(503, fields, b'{"why": 1}'))
    ) as client:
        with pytest.raises(errors.HTTPServiceUnavailable) as caught:
            await client.get("/x")
    error = caught.value
    assert error.headers["set-cookie"] == f"sid={CANARY}"
    assert CANARY not in repr(error)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert dict(again.headers) == {
            "Set-Cookie": "***",
            "X-Auth-Token": "***",
            "Location": "https://a.example/?sig=***",
            "WWW-Authenticate": 'Basic realm="all"',
            "Retry-After": "5",
        }
        assert (again.response, again.status_code, again.retry_after) == ({"why": 1}, 503, 5.0)
    assert CANARY.encode() not in pickle.dumps(error)


@pytest.mark.hazard(4, 45)
@pytest.mark.parametrize("auth", [BasicAuth("me", CANARY), APIKey(CANARY, header="X-Own"), APIKey(CANARY, query="own")])
async def test_logs_and_reprs_of_a_success_tell_no_secret(auth: Any, logged: pytest.LogCaptureFixture) -> None:
    """A request that goes well is logged at every level, and shown, without what it went with."""
    transport = MockTransport(lambda _: json_response({}, headers={"Set-Cookie": f"sid={CANARY}"}))
    async with AsyncClient("http://a.example", transport=transport, auth=auth, **SETTINGS) as client:
        for _ in range(2):
            await client.get(QUIET, headers={"X-Auth-Token": CANARY})
            await client.get("/x")
        shown = f"{client!r} {client.stats!r} {client.auth!r} {client.config!r}"
    assert CANARY not in shown + logged.text + repr(transport.requests) + repr([r.headers for r in transport.requests])
    assert "/x token=***" in logged.text


@pytest.mark.hazard(45)
async def test_a_misspelt_argument_tells_no_secret() -> None:
    """What else was given to a call with an argument that nobody knows is in no frame of ours."""
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: Response(200)), **SETTINGS) as client:
        wrong: Any = {"headers": {"Authorization": CANARY}, "paramaters": {}}
        for call in (client.get, client.post):
            with pytest.raises(TypeError, match="paramaters") as caught:
                await call("/x", **wrong)
            assert CANARY not in told(caught.value)


@pytest.mark.hazard(45)
async def test_a_request_out_of_time_tells_no_secret() -> None:
    """A request that did not end in time: neither its path nor its cookies are in a frame."""
    never = MockTransport(lambda _: asyncio.get_running_loop().create_future())
    async with AsyncClient("http://a.example", transport=never, **SETTINGS) as client:
        with pytest.raises(errors.RequestTimeout) as caught:
            await client.get(f"/x?key={CANARY}", cookies={"session": CANARY}, timeout=0.01)
        assert CANARY not in told(caught.value)


@pytest.mark.hazard(45)
@pytest.mark.parametrize("secret", [f"{CANARY}/pw", f"pw/{CANARY}"])
async def test_a_password_with_slashes_is_not_shown(secret: str) -> None:
    """Whatever a URL with a password is refused for, and whatever the password has in it, it is not shown."""
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: Response(200))) as client:
        with pytest.raises(errors.FrameworkException) as caught:
            await client.get(f"http://u:{secret}@a.example/")
        assert CANARY not in told(caught.value)
