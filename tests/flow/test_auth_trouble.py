"""Token endpoints in trouble: clear errors without secrets, and no request that waits for ever."""

import asyncio
import base64
import gzip
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from headrace import AsyncClient, PoolLimits, errors
from headrace.auth import OAuth2ClientCredentials
from tests.conftest import Connect, ServeScript
from tests.servers.oauth2 import ENCODED, SECRET, Gate, OAuth2Server, answers
from tests.servers.raw import Do


async def in_flight(client: AsyncClient, count: int) -> list[Any]:
    """Post so many requests at once; return what became of each."""
    requests = [client.post(f"/{number}", body=[number]) for number in range(count)]
    return await asyncio.gather(*requests, return_exceptions=True)


@pytest.mark.parametrize("connections", [100, 10])
async def test_a_failed_refresh_fails_all_that_wait_and_the_next_request_asks_again(
    oauth2: OAuth2Server, connect: Connect, connections: int
) -> None:
    """A hundred requests share one failure, also those that are refused after it; then a token comes again."""
    client = await connect(pool=PoolLimits(max_connections=connections))
    await client.get("/first")
    oauth2.good.clear()
    oauth2.answer = answers(web.json_response({"error": "temporarily_unavailable"}, status=503))
    answered = await in_flight(client, 100)
    assert {type(answer) for answer in answered} == {errors.AuthError}
    assert len(oauth2.asked) == 2
    assert client.stats.errors["AuthError"] == 100
    assert (await client.get("/next"))["token"] == "t3"
    assert ("/api/next", "t1") not in [(path, token) for path, token, _ in oauth2.seen]


JUNK: list[tuple[int, bytes, str]] = [
    (200, b"", "no token: "),
    (200, b"<html>", "no token: JSON is malformed"),
    (200, b"[]", "no token: Expected `object`"),
    (200, b"{}", "has no access_token"),
    (200, b'{"access_token": null}', "has no access_token"),
    (200, b'{"access_token": ""}', "has no access_token"),
    (200, b'{"access_token": 7}', "no token: Expected `str | null`"),
    (200, b'{"access_token": "a\\r\\nX: y"}', "a character that no token may have"),
    (200, "{“access_token”: “ü”}".encode(), "JSON is malformed"),
    (200, '{"access_token": "ü"}'.encode(), "a character that no token may have"),
    (200, b'{"access_token": "canary", "token_type": "mac"}', "has the type 'mac'"),
    (200, b'{"access_token": "canary", "expires_in": "soon"}', "`$.expires_in`"),
    (200, b'{"error": "bad_verification_code"}', "200 bad_verification_code"),
    (200, b"access_token=canary", "no token: JSON is malformed"),
    (204, b"", "no token: "),
    (307, b"", "307"),
    (400, b'{"error": "invalid_grant", "error_description": "it\\nhas expired"}', "400 invalid_grant: it has expired"),
    (400, b'{"error": {"code": 7}}', "400"),
    (401, b'{"error": "invalid_client"}', "401 invalid_client"),
    (404, b"<html>", "404"),
    (500, b"", "500"),
    (503, b'{"message": "canary"}', "503"),
]


@pytest.mark.parametrize(("status", "body", "says"), JUNK)
async def test_what_is_no_token_is_a_clear_error(
    oauth2: OAuth2Server, connect: Connect, status: int, body: bytes, says: str
) -> None:
    """The error names the endpoint and what it said, nothing is sent to the API, and the next request asks again."""
    headers = {"Location": "/token"} if status == 307 else {}
    oauth2.answer = answers(web.Response(status=status, body=body or None, headers=headers))
    client = await connect()
    with pytest.raises(errors.AuthError) as caught:
        await client.get("/x")
    assert str(caught.value).startswith(f"GET {caught.value.url}: no token from {oauth2.token_url}: ")
    assert caught.value.url.endswith("/x")
    assert says in str(caught.value)
    assert "canary" not in shown_of(caught.value)
    assert (caught.value.endpoint, caught.value.status_code) == (oauth2.token_url, status)
    assert vars(pickle.loads(pickle.dumps(caught.value))) == vars(caught.value)
    assert (len(oauth2.asked), oauth2.seen) == (1, [])
    assert (await client.get("/x"))["token"] == "t2"


def shown_of(error: BaseException) -> str:
    """Write everything that an error may show, the variables of its traceback included."""
    assert error.__traceback__ is not None
    below_the_test = error.__traceback__.tb_next
    told = traceback.TracebackException(type(error), error, below_the_test, capture_locals=True)
    return "\n".join([str(error), repr(error), repr(vars(error)), repr(pickle.dumps(error)), *told.format()])


async def test_what_the_endpoint_says_is_shown_without_our_secrets(oauth2: OAuth2Server, connect: Connect) -> None:
    """A description that repeats the secrets, as they are or encoded, is masked, and cut where it is long."""
    basic = base64.b64encode(f"me:{ENCODED}".encode()).decode()
    said = f"{SECRET} {ENCODED} {basic} p@ss is wrong" + "!" * 1000
    body = {"error": "invalid_client", "error_description": said}
    oauth2.answer = answers(web.json_response(body, status=401))
    client = await connect(grant={"extra": {"password": SecretStr("p@ss")}})
    with pytest.raises(errors.AuthError) as caught:
        await client.get("/x")
    assert caught.value.error == "invalid_client"
    assert caught.value.error_description.startswith("*** *** *** *** is wrong!!!")  # type: ignore[union-attr] # it is text
    assert len(str(caught.value)) < 400
    assert not [secret for secret in (SECRET, ENCODED, basic, "p@ss") if secret in shown_of(caught.value)]


async def test_an_endpoint_that_hangs_is_given_up(oauth2: OAuth2Server, connect: Connect) -> None:
    """The token request has a time of its own, shorter than that of the requests that wait for it."""

    async def never(_: web.Request) -> None:
        await asyncio.Event().wait()

    oauth2.answer = never
    client = await connect(grant={"timeout": 0.05}, timeout=None)
    with pytest.raises(errors.AuthError, match=r"no token from .*/token: did not end within 0\.05 s") as caught:
        await client.get("/x")
    assert isinstance(caught.value.__cause__, errors.RequestTimeout)
    assert caught.value.status_code is None


@pytest.mark.parametrize("steps", [[Do.READ, Do.RESET], [Do.READ, b"nonsense\r\n\r\n"], [Do.READ, Do.CLOSE]])
async def test_an_endpoint_that_breaks_off_is_a_clear_error(
    oauth2: OAuth2Server, connect: Connect, serve_script: ServeScript, steps: list[Any]
) -> None:
    """What goes wrong below is the cause of the error."""
    broken = await serve_script(steps)
    client = await connect(OAuth2ClientCredentials(broken.url, "me", SECRET))
    with pytest.raises(errors.AuthError, match=f"no token from {broken.url}/?: ") as caught:
        await client.get("/x")
    assert isinstance(caught.value.__cause__, errors.TransportError)
    assert oauth2.seen == []


async def test_an_endpoint_that_nobody_serves_is_a_clear_error(oauth2: OAuth2Server, connect: Connect) -> None:
    """A refused connection is an error about the token, not about the API."""
    client = await connect(OAuth2ClientCredentials("http://127.0.0.1:1/token", "me", SECRET))
    with pytest.raises(errors.AuthError, match=r"no token from http://127\.0\.0\.1:1/token") as caught:
        await client.get("/x")
    assert isinstance(caught.value.__cause__, errors.ConnectError)


async def test_an_endless_answer_is_cut_off(oauth2: OAuth2Server, connect: Connect) -> None:
    """A token is short; what is not is no token."""
    oauth2.answer = answers(web.Response(body=gzip.compress(b" " * (4 << 20)), headers={"Content-Encoding": "gzip"}))
    client = await connect()
    with pytest.raises(errors.AuthError, match="no token from") as caught:
        await client.get("/x")
    assert isinstance(caught.value.__cause__, errors.ResponseTooLarge)


async def test_the_first_asker_may_give_up(oauth2: OAuth2Server, connect: Connect) -> None:
    """The request that began the renewal is cancelled; the one that waits with it gets the token."""
    gate = Gate()

    async def slowly(_: web.Request) -> None:
        await gate.wait()

    oauth2.answer = slowly
    client = await connect()
    first, second = (asyncio.ensure_future(client.get(path)) for path in ("/1", "/2"))
    await gate.arrived(1)
    first.cancel()
    await asyncio.wait([first])
    gate.open()
    assert (await second)["token"] == "t1"
    assert first.cancelled()
    assert len(oauth2.asked) == 1


async def test_whoever_comes_when_the_last_asker_has_given_up_asks_anew(oauth2: OAuth2Server, connect: Connect) -> None:
    """A request is not cancelled with a renewal that others have given up."""
    gate = Gate()

    async def slowly(_: web.Request) -> None:
        if len(oauth2.asked) == 1:
            await gate.wait()

    oauth2.answer = slowly
    client = await connect()
    first = asyncio.ensure_future(client.get("/1"))
    await gate.arrived(1)
    second: list[asyncio.Future[Any]] = []
    first.add_done_callback(lambda _: second.append(asyncio.ensure_future(client.get("/2"))))
    first.cancel()
    await asyncio.wait([first])
    assert (await second[0])["token"] == "t2"


async def test_a_request_that_waits_for_a_token_runs_out_of_time(oauth2: OAuth2Server, connect: Connect) -> None:
    """The time of a request includes its wait, and the renewal ends with the last that waits."""

    async def never(_: web.Request) -> None:
        await asyncio.Event().wait()

    oauth2.answer = never
    client = await connect()
    with pytest.raises(errors.RequestTimeout):
        await client.get("/x", timeout=0.05)
    oauth2.answer = None
    assert (await client.get("/x"))["token"] == "t2"


async def test_closing_ends_the_wait_for_a_token(oauth2: OAuth2Server, connect: Connect) -> None:
    """A request that waits for a token fails when the client is closed, as every other does."""
    gate = Gate()

    async def slowly(_: web.Request) -> None:
        await gate.wait()

    oauth2.answer = slowly
    client = await connect()
    waiting = asyncio.ensure_future(client.get("/x"))
    await gate.arrived(1)
    await client.close()
    with pytest.raises(errors.TransportError, match="closed"):
        await waiting


async def test_an_error_that_many_get_is_each_one_s_own(oauth2: OAuth2Server, connect: Connect, tmp_path: Path) -> None:
    """A failed renewal is every waiting call's own error: what one clears of it, another still needs."""
    gate = Gate()

    async def fail(_: web.Request) -> web.Response:
        await gate.wait()
        return web.Response(status=500)

    oauth2.answer = fail
    client = await connect()
    calls = [asyncio.ensure_future(client.download("/x", tmp_path / f"{number}")) for number in range(4)]
    calls += [asyncio.ensure_future(client.get("/y")) for _ in range(4)]  # type: ignore[list-item] # gathered with the others
    await gate.arrived(1)
    gate.open()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in found] == [errors.AuthError] * 8
    assert len(set(map(id, found))) == len({error.args for error in found if isinstance(error, Exception)}) * 8
    oauth2.answer = None
    for number in range(4):  # no destination is held by a download that could not end
        await client.download("/x", tmp_path / f"{number}")
