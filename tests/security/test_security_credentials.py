"""Credentials and cookies stay with the origin that they are for, whatever servers answer."""

from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient, errors
from headrace.auth import BearerAuth
from headrace.testing import MockTransport, Request, Response, json_response, sequence
from tests.conftest import MakeProxy, Serve
from tests.kit.credentials import CANARY, CHOSEN_ANEW, KINDS, STATUSES
from tests.kit.recording import serve_all
from tests.kit.told import header
from tests.servers.echo import EchoServer
from tests.servers.raw import reply

HOME = "https://api.example.com"
#: Where a redirect leads, and whether that is the same origin (RFC 6454, section 4).
PLACES: dict[str, tuple[list[str], bool]] = {
    "same origin": ([f"{HOME}/there"], True),
    "port": (["https://api.example.com:8443/there"], False),
    "scheme down": (["http://api.example.com/there"], False),
    "host": (["https://other.example.org/there"], False),
    "subdomain": (["https://cdn.api.example.com/there"], False),
    "parent domain": (["https://example.com/there"], False),
    "IPv4": (["https://192.0.2.7/there"], False),
    "IPv6": (["https://[2001:db8::7]/there"], False),
    "userinfo": (["https://me:pw@other.example.org/there"], False),
    "case and default port": (["HTTPS://API.Example.com:443/there"], True),
    "there and back": (["https://other.example.org/", f"{HOME}/back"], False),
}


def ledger(request: Request) -> str:
    """Write all that goes to the server of a request."""
    return f"{request.url} {request.headers.pairs} {request.body!r}"


@pytest.mark.hazard(
    35, 36, 44, "CVE-2018-20060", "CVE-2023-43804", "CVE-2024-37891", "CVE-2026-44431", "CVE-2026-34518"
)
@pytest.mark.hazard("CVE-2026-47265", "CVE-2014-1829", "CVE-2014-1830", "CVE-2015-2296", "CVE-2018-18074")
@pytest.mark.hazard("CVE-2023-32681", "CVE-2018-1000007", "CVE-2022-27774", "CVE-2022-27776", "CVE-2025-14524")
@pytest.mark.hazard("CVE-2026-3783", "CVE-2022-21712", "CVE-2022-23607", "CVE-2026-54276", "CVE-2026-8924")
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
async def test_no_redirect_takes_credentials_along(place: str, kind: str, status: int) -> None:
    """On every way to another origin no hop has a trace of a credential; within the origin it goes along."""
    (locations, same), (settings, call) = PLACES[place], KINDS[kind]
    answers = [*(Response(status, {"Location": location}) for location in locations), json_response({})]
    transport = MockTransport(sequence(answers))
    async with AsyncClient(HOME, transport=transport, **settings) as client:
        await client.get("/x", **call)
    first, *hops = [ledger(request) for request in transport.requests]
    assert CANARY in first
    assert len(hops) == len(locations)
    assert [CANARY in hop for hop in hops] == [same and kind not in CHOSEN_ANEW] * len(hops)
    assert "me:pw" not in str(hops)


@pytest.mark.hazard(35, "CVE-2020-8169", "CVE-2021-22876", "CVE-2026-9546")
async def test_no_hop_tells_where_it_comes_from() -> None:
    """There is no `Referer`, which could carry a password or the secrets of a query to another site."""
    transport = MockTransport(sequence([Response(302, {"Location": "https://other.example.org/"}), json_response({})]))
    async with AsyncClient(f"https://me:{CANARY}@api.example.com", transport=transport) as client:
        await client.get("/x", parameters={"token": CANARY})
    assert "referer" not in transport.requests[1].headers.names
    assert CANARY not in ledger(transport.requests[1])


@pytest.mark.hazard(35, 38, "CVE-2023-45803", "CVE-2022-32221", "CVE-2023-28322")
@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_body_does_not_follow_a_redirect_that_is_a_get(status: int) -> None:
    """The body of a POST stays behind where the next request is a GET, and so does what described it."""
    transport = MockTransport(
        sequence([Response(status, {"Location": "https://other.example.org/"}), json_response({})])
    )
    async with AsyncClient(HOME, transport=transport) as client:
        await client.post("/x", data=CANARY.encode(), headers={"Content-Encoding": "identity"})
    assert transport.requests[1].method == "GET"
    assert CANARY not in ledger(transport.requests[1])
    assert transport.requests[1].headers.names.isdisjoint({"content-type", "content-encoding"})


@pytest.mark.hazard(44, "CVE-2026-11856", "CVE-2026-7168", "CVE-2026-1965")
@pytest.mark.parametrize("challenge", ["Digest", "Negotiate", "NTLM", "Basic"])
async def test_no_challenge_is_answered_by_itself(challenge: str) -> None:
    """Nothing but the client's own `Auth` answers a 401, and at its own origin alone."""
    asked: list[Request] = []

    def answer(request: Request) -> Response:
        asked.append(request)
        return Response(401, {"WWW-Authenticate": f'{challenge} realm="x", nonce="y"'})

    async with AsyncClient(f"https://me:{CANARY}@api.example.com", transport=MockTransport(answer)) as client:
        for path in ("/x", "https://other.example.org/x"):
            with pytest.raises(errors.HTTPUnauthorized):
                await client.get(path)
    assert len(asked) == 2
    assert CANARY not in ledger(asked[1])
    assert "authorization" not in asked[1].headers.names


@pytest.mark.hazard(35)
async def test_a_renewed_token_stays_at_home(echo: EchoServer, other_origin: EchoServer, transport: str) -> None:
    """A 401 of another origin, behind a redirect or at an absolute URL, gets no token."""
    asked = 0

    def token() -> str:
        nonlocal asked
        asked += 1
        return CANARY

    async with AsyncClient(echo.url, transport=transport, auth=BearerAuth(token)) as client:
        with pytest.raises(errors.HTTPUnauthorized):
            await client.get(f"{other_origin.url}/status/401")
        with pytest.raises(errors.HTTPUnauthorized):
            await client.get("/redirect/307", parameters={"to": f"{other_origin.url}/status/401"})
    assert asked <= 1
    assert CANARY not in str([request.raw_headers for request in other_origin.seen])


@pytest.mark.hazard(35, 42, 43, "CVE-2026-6253", "CVE-2026-9079", "CVE-2023-32681")
@pytest.mark.parametrize("secure", [False, True])
async def test_a_proxys_password_stays_with_the_proxy(
    make_proxy: MakeProxy, serve: Serve, tls: Any, transport: str, secure: bool
) -> None:
    """The origin sees nothing of what the proxy was told, neither before nor after a redirect to another origin."""
    proxy = await make_proxy(credentials=("me", CANARY))

    async def answer(reader: Any, writer: Any, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(b"", f"Location: {second.url}/there", status="302 Found"))

    second = await serve_all(serve)
    first = await serve(answer, ssl=tls.server_context() if secure else None)
    async with AsyncClient(
        first.url, transport=transport, proxy=proxy.url_with_credentials, tls=tls.client_context()
    ) as client:
        await client.get("/x", response_format=bytes)
    received = b"".join(c.received for c in (*first.connections, *second.connections)).lower()
    assert b"proxy-authorization" not in received
    assert CANARY.encode() not in received
    assert second.requests


@pytest.mark.hazard(42, "CVE-2024-11053", "CVE-2025-0167", "CVE-2024-47081", "CVE-2026-6429", "CVE-2026-8926")
async def test_no_netrc_is_read(
    echo: EchoServer, transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passwords in a `.netrc` are sent to nobody."""
    rules = f"machine 127.0.0.1 login me password {CANARY}\ndefault login me password {CANARY}\n"
    for name in (".netrc", "_netrc"):
        (tmp_path / name).write_text(rules)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    async with AsyncClient(echo.url, transport=transport) as client:
        for path in ("/x", "/redirect/302?to=/y", f"{echo.url.replace('//', '//someone@')}/z"):
            told = await client.get(path)
            assert CANARY not in str(told)
            assert "bWU6" not in (header(told, "Authorization") or "")  # "me:" in Base64


@pytest.mark.hazard(42)
async def test_no_proxy_of_the_environment_is_used(
    echo: EchoServer, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the `proxy` of the client is one: what the environment names is not asked."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with AsyncClient(echo.url, transport=transport) as client:
        assert (await client.get("/x"))["target"] == "/x"


@pytest.mark.hazard(43, "CVE-2024-35195", "CVE-2026-54275", "CVE-2022-22576", "CVE-2022-27782")
async def test_a_connection_is_never_shared_between_clients(
    serve: Serve, tls: Any, transport: str, recwarn: pytest.WarningsRecorder
) -> None:
    """What one client does not verify is no reason for another one to trust the server."""
    server = await serve_verified(serve, tls)
    lax = AsyncClient(server.url, transport=transport, tls=False)
    assert any("not verified" in str(warning.message) for warning in recwarn)
    async with lax, AsyncClient(server.url, transport=transport) as strict:
        await lax.get("/x", response_format=bytes)
        with pytest.raises(errors.ConnectError):
            await strict.get("/x", response_format=bytes)
        await lax.get("/y", response_format=bytes)
    assert [request.line for request in server.requests] == ["GET /x HTTP/1.1", "GET /y HTTP/1.1"]


async def serve_verified(serve: Serve, tls: Any) -> Any:
    """Start a server with a certificate that only the tests trust."""
    return await serve_all(lambda handler, **_: serve(handler, ssl=tls.server_context()))


SET: list[tuple[str, str, str, bool]] = [
    # Set-Cookie, the URL that sets it, the URL that is asked next, whether it goes there.
    (f"sid={CANARY}", "http://a.example/", "http://a.example/x", True),
    (f"sid={CANARY}", "http://a.example/", "http://sub.a.example/", False),
    (f"sid={CANARY}; Domain=a.example", "http://a.example/", "http://sub.a.example/", True),
    (f"sid={CANARY}; Domain=b.example", "http://a.example/", "http://b.example/", False),
    (f"sid={CANARY}; Domain=sub.a.example", "http://a.example/", "http://sub.a.example/", False),
    (f"sid={CANARY}; Secure", "https://a.example/", "http://a.example/", False),
    (f"sid={CANARY}; Path=/in", "http://a.example/in/x", "http://a.example/out", False),
    (f"sid={CANARY}", "http://192.0.2.7/", "http://192.0.2.7/x", False),
    (f"sid={CANARY}", "http://[2001:db8::7]/", "http://[2001:db8::7]/x", False),
    (f"sid={CANARY}; Domain=com", "http://a.com/", "http://b.com/", False),
    (f"sid={CANARY}; Domain=localhost", "http://localhost/", "http://localhost/x", True),
    (f"sid={CANARY}; Domain=.com.", "http://a.com/", "http://b.com/", False),
    (f"sid={CANARY}; Max-Age=0", "http://a.example/", "http://a.example/x", False),
    (f"__Host-sid={CANARY}", "http://a.example/", "http://a.example/x", False),
    (f"__Host-sid={CANARY}; Secure; Path=/; Domain=a.example", "https://a.example/", "https://a.example/x", False),
    (f"__Host-sid={CANARY}; Secure; Path=/", "https://a.example/", "https://a.example/x", True),
    (f"__Secure-sid={CANARY}", "https://a.example/", "https://a.example/x", False),
    (f"sid={CANARY}; Secure", "http://a.example/", "https://a.example/x", False),
]


@pytest.mark.hazard(40, "CVE-2022-27779", "CVE-2022-32205", "CVE-2022-35252", "CVE-2023-46218", "CVE-2026-54279")
@pytest.mark.parametrize(("field", "setter", "asked", "goes"), SET)
async def test_a_cookie_stays_where_it_belongs(field: str, setter: str, asked: str, goes: bool) -> None:
    """A cookie of a server goes to its own host, or to those below the domain that it may name (RFC 6265)."""
    transport = MockTransport(sequence([Response(200, {"Set-Cookie": field}), json_response({})]))
    async with AsyncClient("http://elsewhere.example", transport=transport) as client:
        await client.get(setter)
        await client.get(asked)
    assert (CANARY in ledger(transport.requests[1])) is goes


@pytest.mark.hazard(41, "CVE-2025-69230", "CVE-2023-38546")
async def test_floods_of_cookies_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """However many cookies servers set, the field that goes back stays short, and nothing is logged for each."""
    flood = [("Set-Cookie", f"n{number}={'x' * 100}") for number in range(500)]
    transport = MockTransport(lambda _: Response(200, flood))
    async with AsyncClient("http://a.example", transport=transport) as client:
        for _ in range(5):
            await client.get("/x")
    sent = dict(transport.requests[-1].headers.pairs)["Cookie"]
    assert 0 < len(sent) <= 8190
    assert sent.count(";") < 150
    assert len([record for record in caplog.records if record.levelname != "INFO"]) <= 5
