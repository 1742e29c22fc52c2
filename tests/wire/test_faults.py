"""Servers that break, hang and lie: each fault is its own error, never early, and the next request is right."""

import asyncio
import datetime as dt
import itertools
import ssl
import time
from typing import Any

import pytest
import trustme

from headrace import AsyncClient, Timeout, errors
from tests.conftest import Serve, ServeScript
from tests.servers.raw import Do, Step, read_request, reply
from tests.servers.tls import TlsMaterial

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.hazard(43)
@pytest.mark.parametrize("fault", ["expired", "not yet valid", "self-signed", "another name"])
async def test_a_certificate_that_proves_nothing(
    serve_script: ServeScript, tls: TlsMaterial, transport: str, fault: str
) -> None:
    """No request goes to a server whose certificate is out of date, its own, or another's: it is a `ConnectError`."""
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    names = ("elsewhere.example",) if fault == "another name" else ("127.0.0.1", "localhost")
    ca = trustme.CA() if fault == "self-signed" else tls.ca
    until = now - day if fault == "expired" else now + 9 * day
    since = now + day if fault == "not yet valid" else now - 9 * day
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(*names, not_before=since, not_after=until).configure_cert(context)
    server = await serve_script([Do.READ, reply(b"impostor"), Do.HOLD], ssl=context)
    async with AsyncClient(server.url, transport=transport, tls=tls.client_context()) as client:
        with pytest.raises(errors.ConnectError) as caught:
            await client.get("/x")
    assert not caught.value.maybe_sent
    assert server.requests == []


@pytest.mark.hazard(50)
@pytest.mark.parametrize("timeout", [0.3, Timeout(total=0.3, read=5)], ids=["seconds", "total"])
@pytest.mark.parametrize("what", ["head", "body"])
async def test_a_server_that_drips(serve: Serve, transport: str, what: str, timeout: Any) -> None:
    """A byte every few milliseconds is no silence, yet keeps no request alive beyond its total."""

    async def answer(reader: Any, writer: Any, _: int) -> None:
        await read_request(reader)
        writer.write(HEAD if what == "body" else HEAD[:20])
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.005)

    server = await serve(answer)
    loop = asyncio.get_running_loop()
    async with AsyncClient(server.url, transport=transport) as client:
        begun = loop.time()
        with pytest.raises(errors.RequestTimeout, match=r"0\.3 s"):
            await client.get("/x", timeout=timeout)
        assert loop.time() - begun >= 0.299


@pytest.mark.hazard(50)
@pytest.mark.parametrize("what", ["head", "body"])
async def test_a_server_that_drips_and_falls_silent(serve: Serve, transport: str, what: str) -> None:
    """What is measured by `read` is the silence: it begins anew with every byte, and ends a request once none comes."""
    loop = asyncio.get_running_loop()
    moments: list[float] = [loop.time()]

    async def answer(reader: Any, writer: Any, _: int) -> None:
        await read_request(reader)
        writer.write(HEAD if what == "body" else HEAD[:20])
        for _each in range(60):  # for as long as the silence that is allowed, or longer
            writer.write(b"x")
            moments.append(loop.time())
            await asyncio.sleep(0.005)
        await reader.read()

    server = await serve(answer)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(errors.RequestTimeout):
            await client.get("/x", timeout=Timeout(total=None, read=0.3))
    # A busy machine may hold up the server: then that was the silence.
    assert max(after - before for before, after in itertools.pairwise([*moments, loop.time()])) >= 0.299


@pytest.mark.hazard(23)
@pytest.mark.parametrize(
    "script",
    [
        [Do.READ, HEAD + b"half", Do.RESET],
        [Do.READ, HEAD + b"half", Do.CLOSE],
        [Do.READ, HEAD + b"half", Do.END, Do.HOLD],
        [Do.READ, HEAD[:20], Do.RESET],
        [Do.READ, HEAD[:20], Do.END, Do.HOLD],
    ],
    ids=[
        "reset in the body",
        "end in the body",
        "half-close in the body",
        "reset in the head",
        "half-close in the head",
    ],
)
async def test_half_an_answer_is_none(serve_script: ServeScript, transport: str, script: list[Step]) -> None:
    """An answer that is cut is an error that may have had an effect; the next request is right, on a new connection."""
    server = await serve_script(script, [Do.READ, reply(b"whole"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(errors.TransportError) as caught:
            await client.post("/x", data=b"1", response_format=str)
        assert caught.value.maybe_sent
        assert await client.get("/y", response_format=str) == "whole"
    assert len(server.connections) == 2


@pytest.mark.hazard(50, 53)
@pytest.mark.parametrize("years", [-1, 1])
async def test_the_wall_clock_may_jump(
    serve_script: ServeScript, transport: str, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    """A year forth or back in the time of day ends no request, no connection and no wait for the limiter."""
    wall = time.time
    server = await serve_script([Do.READ, reply(b"1"), Do.READ, reply(b"2"), Do.READ, reply(b"3"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport, timeout=5, rate_limit=2, rate_limit_interval=0.1) as client:
        assert await client.get("/x") == 1
        monkeypatch.setattr(time, "time", lambda: wall() + years * 365 * 86400)
        assert await client.get("/x") == 2
        assert await client.get("/x") == 3
    assert len(server.connections) == 1


@pytest.mark.hazard(50)
async def test_a_name_that_nobody_knows(transport: str) -> None:
    """A host without an address is a `ConnectError`, and nothing was sent."""
    async with AsyncClient("http://no-such-host.invalid", transport=transport) as client:
        with pytest.raises(errors.ConnectError) as caught:
            await client.get("/x")
    assert not caught.value.maybe_sent
