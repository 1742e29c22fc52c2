"""Refresh tokens that are good for one time, and bodies that are sent twice."""

import asyncio
import pickle
from typing import Any

import pytest
from aiohttp import web

from headrace import errors
from headrace.auth import OAuth2RefreshToken
from tests.conftest import Connect
from tests.servers.oauth2 import SECRET, OAuth2Server


def rotating(oauth2: OAuth2Server) -> None:
    """Let each refresh token be good for one time, as RFC 9700, section 4.14.2, has it."""
    current = "r0"

    async def answer(request: web.Request) -> web.Response | None:
        nonlocal current
        if oauth2.asked[-1].fields["refresh_token"] != current:
            return web.json_response({"error": "invalid_grant"}, status=400)
        current = f"r{len(oauth2.asked)}"
        oauth2.more = {"expires_in": 3600, "refresh_token": current}
        return None

    oauth2.answer = answer


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_rotated_refresh_token_is_kept_and_told(oauth2: OAuth2Server, connect: Connect, is_async: bool) -> None:
    """The next renewal uses the token that came last; `on_refresh` hears of each before its request goes on."""
    rotating(oauth2)
    told: list[tuple[str, int]] = []

    async def later(token: str) -> None:
        await asyncio.sleep(0)
        told.append((token, len(oauth2.seen)))

    auth = OAuth2RefreshToken(
        oauth2.token_url,
        "r0",
        "me",
        SECRET,
        on_refresh=later if is_async else lambda token: told.append((token, len(oauth2.seen))),
    )
    client = await connect(auth)
    await client.get("/x")
    oauth2.good.clear()
    await client.get("/x")
    assert told == [("r1", 0), ("r2", 2)]
    assert [asked.fields["refresh_token"] for asked in oauth2.asked] == ["r0", "r1"]
    assert auth.refresh_token == "r2"


async def test_a_refresh_token_that_is_not_rotated_stays(oauth2: OAuth2Server, connect: Connect) -> None:
    """A server need not send another one; then nobody is told."""
    told: list[str] = []
    oauth2.more = {"refresh_token": "r0"}
    auth = OAuth2RefreshToken(oauth2.token_url, "r0", "me", on_refresh=told.append)
    client = await connect(auth)
    for more in ({}, {"refresh_token": "r0"}):
        oauth2.more = dict(more)
        oauth2.good.clear()
        await client.get("/x")
    assert [asked.fields["refresh_token"] for asked in oauth2.asked] == ["r0", "r0"]
    assert told == []


async def test_clients_that_share_a_refresh_token_do_not_spend_it_twice(oauth2: OAuth2Server, connect: Connect) -> None:
    """Ten clients of one class renew together: one token request, and one again when it dies."""
    rotating(oauth2)
    auth = OAuth2RefreshToken(oauth2.token_url, "r0", "me")
    clients = [await connect(auth) for _ in range(10)]
    for expected in (1, 2):
        answered = await asyncio.gather(*[client.get("/x") for client in clients])
        assert {answer["token"] for answer in answered} == {f"t{expected}"}
        assert len(oauth2.asked) == expected
        oauth2.good.clear()


async def test_what_on_refresh_raises_is_the_callers(oauth2: OAuth2Server, connect: Connect) -> None:
    """The error arrives as it is; the refresh token that came is not lost."""

    def full(_: str) -> None:
        message = "disk"
        raise OSError(message)

    rotating(oauth2)
    auth = OAuth2RefreshToken(oauth2.token_url, "r0", "me", on_refresh=full)
    client = await connect(auth)
    with pytest.raises(OSError, match="disk"):
        await client.get("/x")
    assert auth.refresh_token == "r1"
    assert (await client.get("/x"))["token"] == "t1"


def test_a_pickle_takes_the_current_refresh_token_along() -> None:
    """Another process goes on with the refresh token that is good, not with one that was spent."""
    auth = OAuth2RefreshToken("https://login.example.com/token", "r0", "me")
    auth._rotation.token = "r5"
    back = pickle.loads(pickle.dumps(auth))
    assert back.refresh_token == "r5"
    assert back == auth
    assert back._rotation.latest is None


async def test_a_body_that_can_be_sent_again_is(oauth2: OAuth2Server, connect: Connect, tmp_path: Any) -> None:
    """Bytes, lists and files arrive whole a second time."""
    client = await connect()
    (tmp_path / "file").write_bytes(b"whole")
    for data in (b"whole", [b"who", b"le"]):
        await client.get("/x")
        oauth2.good.clear()
        assert (await client.post("/x", data=data))["body"] == "whole"
    oauth2.good.clear()
    assert (await client.stream_file(tmp_path / "file", "/x"))["body"] == "whole"
    assert {body for _, _, body in oauth2.seen} == {b"", b"whole"}


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_body_that_cannot_be_sent_again_is_an_error(
    oauth2: OAuth2Server, connect: Connect, is_async: bool
) -> None:
    """A generator that is used up is never sent as an empty body; the token is new for the next request."""

    async def pieces() -> Any:
        yield b"who"
        yield b"le"

    client = await connect()
    await client.get("/first")
    oauth2.good.clear()
    oauth2.seen.clear()
    with pytest.raises(errors.UploadError, match="sent once"):
        await client.post("/x", data=pieces() if is_async else iter([b"who", b"le"]))
    assert oauth2.seen == [("/api/x", "t1", b"whole")]
    assert (await client.get("/next"))["token"] == "t2"
