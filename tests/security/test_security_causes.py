"""The causes of an error, and every object that hangs on them, tell no secret either."""

import base64
import gc
import types
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest

from headrace import AiohttpTransport, AsyncClient, Timeout, errors
from headrace._io.frames import chain
from headrace.auth import OAuth2ClientCredentials
from tests.conftest import ServeScript
from tests.kit.streaming import read
from tests.servers.raw import Do, Step, reply

CANARY = "canary-77e2"
WRITTEN = {CANARY, base64.b64encode(f"me:{CANARY}".encode()).decode()}
QUIET = f"/x?token={CANARY}&sig={CANARY}"
#: What a walk does not enter: code, and tracebacks, whose frames are another test's affair.
CLOSED = (
    types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.CodeType, types.FrameType,
    types.TracebackType, type,
)  # fmt: skip


def hanging_on(error: BaseException) -> Iterator[object]:
    """Yield every object that can be reached from an error and what it was raised from."""
    seen: set[int] = set()
    waiting: list[object] = list(chain(error))
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, CLOSED):
            continue
        seen.add(id(each))
        yield each
        waiting += gc.get_referents(each)
        waiting += getattr(each, "args", ())
        if isinstance(each, UnicodeError):  # its text is no referent
            waiting.append(getattr(each, "object", None))


def secrets_in(error: BaseException) -> list[str]:
    """Name what in the objects that hang on an error has a secret in it."""
    found = []
    for each in hanging_on(error):
        text = each.decode("latin-1") if isinstance(each, (bytes, bytearray)) else str(each)
        if any(secret in text for secret in WRITTEN):
            found.append(f"{type(each).__name__}: {text[:200]}")
    for each in chain(error):
        found += [f"{type(each).__name__}: {text}" for text in (repr(each), str(each)) if CANARY in text]
    return found


REFUSALS: dict[str, list[Step]] = {
    "407": [Do.READ, reply(b"", "Connection: close", status="407 Proxy Authentication Required")],
    "407 with a cookie": [Do.READ, reply(b"", f"Set-Cookie: sid={CANARY}", status="407 Proxy Authentication Required")],
    "502 with a body": [Do.READ, reply(b"no", status="502 Bad Gateway")],
    "garbage": [Do.READ, b"\x00\xff\r\n\r\n"],
    "half a head": [Do.READ, b"HTTP/1.1 200 OK\r\nX: y"],
    "an end": [Do.READ, Do.CLOSE],
    "a reset": [Do.READ, Do.RESET],
    "a tunnel without TLS": [Do.READ, b"HTTP/1.1 200 OK\r\n\r\n", b"plain text\r\n"],
    "silence": [Do.READ, Do.HOLD],
}


@pytest.mark.hazard(64)
@pytest.mark.parametrize("refusal", REFUSALS)
async def test_no_cause_tells_a_proxys_password(serve_script: ServeScript, transport: str, refusal: str) -> None:
    """A proxy that opens no tunnel leaves its password in no cause, nor what the request would have gone with."""
    proxy = await serve_script(REFUSALS[refusal])
    async with AsyncClient(
        "https://a.example",
        transport=transport,
        proxy=proxy.url.replace("//", f"//me:{CANARY}@"),
        bearer_token=CANARY,
        timeout=Timeout(connect=0.3 if refusal == "silence" else 30),
    ) as client:
        with pytest.raises(errors.TransportError) as caught:
            await client.get(QUIET, cookies={"sid": CANARY})
    assert b"Proxy-Authorization: Basic " in proxy.connections[0].received
    assert caught.value.__cause__ is not None
    assert secrets_in(caught.value) == []


FAILURES: dict[str, list[Step]] = {
    "a reset": [Do.READ, Do.RESET],
    "an end": [Do.READ, Do.CLOSE],
    "garbage": [Do.READ, b"220 smtp\r\n\r\n"],
    "half a head": [Do.READ, f"HTTP/1.1 200 OK\r\nSet-Cookie: sid={CANARY}\r\nX: y".encode()],
    "half a body": [Do.READ, f"HTTP/1.1 200 OK\r\nSet-Cookie: sid={CANARY}\r\nContent-Length: 9\r\n\r\nabc".encode()],
    "half a chunk": [Do.READ, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"],
    "no chunk": [Do.READ, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n"],
    "silence": [Do.READ, Do.HOLD],
}


@pytest.mark.hazard(64)
@pytest.mark.parametrize("way", ["whole", "stream", "foreign session"])
@pytest.mark.parametrize("failure", FAILURES)
async def test_no_cause_tells_a_credential(serve_script: ServeScript, transport: str, failure: str, way: str) -> None:
    """An exchange that fails leaves nothing of what it went with, and no head of an answer, in what it was raised from.

    A session of the caller's own may have credentials of its own.
    """
    server = await serve_script(FAILURES[failure])
    timeout = Timeout(read=0.3 if failure == "silence" else None)
    options: dict[str, Any] = {"bearer_token": CANARY, "headers": {"X-Api-Key": CANARY}, "timeout": timeout}
    session = aiohttp.ClientSession(headers={"X-Own": CANARY})
    foreign = way == "foreign session"
    async with (
        session,
        AsyncClient(
            server.url.replace("//", f"//me:{CANARY}@"),
            transport=AiohttpTransport(session) if foreign else transport,
            **options,
        ) as client,
    ):
        with pytest.raises(errors.TransportError) as caught:
            await (read(client, QUIET) if way == "stream" else client.get(QUIET))
    assert secrets_in(caught.value) == []


@pytest.mark.hazard(64)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_cause_tells_the_password_of_a_sessions_proxy(serve_script: ServeScript, scheme: str) -> None:
    """A proxy that a foreign session names is as secret as our own."""
    proxy = await serve_script([Do.READ, reply(b"", status="407 Proxy Authentication Required")])
    for url in (proxy.url, "http://127.0.0.1:1"):
        whole = url.replace("//", f"//me:{CANARY}@")
        async with (
            aiohttp.ClientSession(proxy=whole) as session,
            AsyncClient(f"{scheme}://127.0.0.1:1", transport=AiohttpTransport(session)) as client,
        ):
            with pytest.raises((errors.TransportError, errors.HTTPProxyAuthenticationRequired)) as caught:
                await client.get(QUIET)
        assert secrets_in(caught.value) == []


@pytest.mark.hazard(64)
async def test_no_cause_tells_what_nobody_could_be_asked(transport: str) -> None:
    """Neither a port that refuses nor a host that is none."""
    for host in ("127.0.0.1:1", "127.1:1", "a..b", "a" * 70):
        async with AsyncClient(f"http://me:{CANARY}@{host}", transport=transport, bearer_token=CANARY) as client:
            with pytest.raises(errors.ConnectError) as caught:
                await client.get(QUIET)
        assert not caught.value.maybe_sent
        assert secrets_in(caught.value) == []


@pytest.mark.hazard(64)
async def test_a_host_that_idna_cannot_write(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python's own resolver makes of a name that is too long is an error of the connection, too."""
    monkeypatch.setattr("aiohttp.connector.DefaultResolver", aiohttp.ThreadedResolver)
    async with AsyncClient(f"http://{'a' * 70}.example", transport=transport, bearer_token=CANARY) as client:
        with pytest.raises(errors.ConnectError) as caught:
            await client.get(QUIET)
    assert not caught.value.maybe_sent
    assert secrets_in(caught.value) == []


#: An unencoded slash ends the authority early, and yarl says what it then takes for a port.
LAME = "http://me:canary/-77e2@a.example/"
PLACES: dict[str, Callable[[str], Any]] = {
    "uri": AsyncClient,
    "proxy": lambda url: AsyncClient("http://a.example", proxy=url),
    "trusted_origins": lambda url: AsyncClient("http://a.example", trusted_origins=[url]),
    "token_url": lambda url: OAuth2ClientCredentials(url, "me", "word"),
}


@pytest.mark.hazard(64)
@pytest.mark.parametrize(
    "url", [LAME, "http://[]@", "http://me:canary[@a.example/", f"http://me:{CANARY}@a.example:x/"]
)
@pytest.mark.parametrize("place", PLACES)
def test_no_part_of_a_password_is_told(place: str, url: str) -> None:
    """A URL that is none is refused by the name of its argument, with nothing of it in any cause."""
    with pytest.raises(errors.ValidationError, match=place) as caught:
        PLACES[place](url)
    assert all("canary" not in f"{each!r} {each}" and "77e2" not in f"{each!r} {each}" for each in chain(caught.value))


@pytest.mark.hazard(64)
@pytest.mark.parametrize("url", [LAME, "http://[]@", f"http://me:{CANARY}@a.example:x/"])
async def test_no_part_of_a_path_is_told(transport: str, url: str) -> None:
    """The same of an absolute URL in the place of a path."""
    async with AsyncClient("http://a.example", transport=transport) as client:
        with pytest.raises(errors.ValidationError, match="path") as caught:
            await client.get(url)
    assert all("canary" not in f"{each!r} {each}" and "77e2" not in f"{each!r} {each}" for each in chain(caught.value))


@pytest.mark.hazard(64)
@pytest.mark.parametrize(
    "call",
    [
        {"parameters": {"token": f"{CANARY}\ud800"}},
        {"data": {"password": f"{CANARY}\ud800"}},
        {"data": f"{CANARY}\ud800"},
        {"body": {"password": f"{CANARY}\ud800"}},
        {"path": f"/x?token={CANARY}\ud800"},
        {"path": f"http://a.example/?token={CANARY}\ud800"},
        {"path": f"http://me:{CANARY}\ud800@a.example/"},
        {"headers": {"Authorization": f"{CANARY}\ud800"}},
        {"cookies": {"sid": f"{CANARY}\ud800"}},
    ],
    ids=str,
)
async def test_text_that_cannot_be_encoded_is_not_told(transport: str, call: dict[str, Any]) -> None:
    """Python's own error has the whole text in it, and is no cause of ours."""
    async with AsyncClient("http://a.example", transport=transport) as client:
        with pytest.raises(errors.ValidationError) as caught:
            await client.request(**{"method": "POST", "path": "/x", **call})
    assert secrets_in(caught.value) == []


@pytest.mark.hazard(64)
@pytest.mark.parametrize("body", [b'{"access_token": "canary-77e2\xff"}', b'{"access_token": ["canary-77e2"]}'])
async def test_no_cause_tells_a_token(serve_script: ServeScript, transport: str, body: bytes) -> None:
    """An answer of a token endpoint that cannot be read is in no cause."""
    server = await serve_script([Do.READ, reply(body), Do.HOLD])
    auth = OAuth2ClientCredentials(server.url, "me", CANARY)
    async with AsyncClient("http://a.example", transport=transport, auth=auth) as client:
        with pytest.raises(errors.AuthError) as caught:
            await client.get("/x")
    assert secrets_in(caught.value) == []
