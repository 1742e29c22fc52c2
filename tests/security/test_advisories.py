"""What has gone wrong in other clients around an answer: in names, connections, credentials, streams and files."""

import ast
import base64
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient, errors
from headrace._core.values.array import ArrayParser
from headrace._core.values.lines import LineParser
from headrace._core.values.partial import Rows
from headrace._core.values.sse import EventParser
from headrace.testing import MockTransport, Response
from headrace.testing import Request as Sent
from tests.conftest import Serve, ServeScript
from tests.kit import ROOT
from tests.kit.house import modules
from tests.kit.recording import serve_all
from tests.kit.told import header
from tests.servers.echo import EchoServer
from tests.servers.raw import Do, read_request, reply

CANARY = "canary-5b1e"
#: The first version of what is installed beside us that has not the fault, and the fault.
FLOORS = {
    "aiohttp": ((3, 14, 5), "CVE-2026-34513, CVE-2026-69244 and CVE-2026-54275, among others"),
    "multidict": ((6, 9, 1), "CVE-2026-104874"),
    "brotli": ((1, 2, 0), "CVE-2025-6176"),
    "httptools": ((0, 9, 0), "llhttp before 9.4.3"),
}


@pytest.mark.hazard(27, "CVE-2026-104874", "CVE-2026-34513", "CVE-2026-69244", "CVE-2025-6176")
@pytest.mark.parametrize("package", FLOORS)
def test_no_version_with_a_known_fault_is_asked_for(package: str) -> None:
    """A fault in what is written in C, or in what dials for us, is kept out by the version that is asked for."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (floor,) = re.findall(rf'"{package}>=([\d.]+)["; ]', text)
    assert tuple(map(int, floor.split("."))) >= FLOORS[package][0]


@pytest.mark.hazard("CVE-2026-34513")
async def test_what_is_kept_of_an_origin_ends_with_its_connections(transport: str) -> None:
    """A program that asks for ever new hosts, none of which answers, does not grow: nothing is kept of them."""
    async with AsyncClient("http://127.0.0.1:1", transport=transport) as client:
        for number in range(50):
            with pytest.raises(errors.ConnectError):
                await client.get(f"http://127.0.{number}.1:1/x")
        assert "127.0" not in repr(client.transport)


#: What goes to another machine of one's own is tried out here: what is read was written in the line before, if any is;
#: and the workshop of Structs has the name of the error from there, with which it refuses.
_PICKLES = ("bulk.shards", "ray._cluster", "compat._structify.workshop")


@pytest.mark.hazard("CVE-2026-34993")
def test_nothing_is_unpickled_by_us() -> None:
    """No cookie, note or token is read by a module that runs what it reads."""
    unsafe = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
    files = modules()
    assert len(files) > 100
    for path in (path for name, path in files.items() if name not in _PICKLES):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
            names |= {node.module or ""} if isinstance(node, ast.ImportFrom) else set()
            assert unsafe.isdisjoint(names), path


@pytest.mark.hazard("CVE-2026-84381", "CVE-2026-59881")
@pytest.mark.parametrize("setting", ["uri", "proxy"])
@pytest.mark.parametrize("scheme", ["ws", "wss", "socks4", "socks5", "socks5h", "ftp", "file"])
def test_a_scheme_that_is_not_spoken_is_refused(scheme: str, setting: str) -> None:
    """Where http and https alone are spoken, nothing goes unprotected under the name of another scheme."""
    with pytest.raises(errors.ValidationError, match=setting):
        AsyncClient(**{"uri": "https://api.example.com", setting: f"{scheme}://a.example/"})


@pytest.mark.hazard(37, "CVE-2025-50181")
async def test_no_transport_follows_a_redirect(echo: EchoServer, other_origin: EchoServer, transport: str) -> None:
    """Who is asked next is decided in one place: a transport hands on a redirect as any other answer."""
    async with AsyncClient(echo.url, transport=transport) as client:
        await client.get("/x")
        request = MockTransport(lambda _: Response(200))
        async with AsyncClient(echo.url, transport=request) as other:
            await other.get("/redirect/302", parameters={"to": f"{other_origin.url}/there"}, response_format=bytes)
        answer = await client.transport.send(request.requests[0])
    assert answer.status == 302
    assert other_origin.seen == []


@pytest.mark.hazard(43, "CVE-2026-97687")
@pytest.mark.parametrize("trusted", [True, False])
async def test_a_proxy_over_tls_proves_who_it_is(serve: Serve, tls: Any, transport: str, trusted: bool) -> None:
    """The `tls` of a client is for its proxy too: one that proves nothing gets no password and no request."""
    proxy = await serve_all(lambda handler, **_: serve(handler, ssl=tls.server_context()))
    address = proxy.url.replace("//", f"//me:{CANARY}@")
    options: dict[str, Any] = {"tls": tls.client_context()} if trusted else {}
    async with AsyncClient("http://api.example.com", transport=transport, proxy=address, **options) as client:
        if trusted:
            await client.get("/x", response_format=bytes)
        else:
            with pytest.raises(errors.ConnectError) as caught:
                await client.get("/x")
            assert not caught.value.maybe_sent
    assert [request.line for request in proxy.requests] == ["GET http://api.example.com/x HTTP/1.1"] * trusted


@pytest.mark.hazard("CVE-2026-25645")
async def test_no_file_is_made_where_others_may_make_it_first(
    serve_script: ServeScript, transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is being downloaded lies beside its place, not under a name to be guessed in a folder that all write to."""
    shared, own = tmp_path / "tmp", tmp_path / "own"
    shared.mkdir()
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    seen: set[str] = set()
    server = await serve_script([Do.READ, reply(b"whole", 'ETag: "1"'), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        await client.download(
            "/a.bin",
            own / "a.bin",
            progress=lambda *_: seen.update(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")),
        )
    assert seen == {"own/.a.bin.part", "own/.a.bin.part.json"}
    assert [path.name for path in own.iterdir()] == ["a.bin"]
    assert list(shared.iterdir()) == []


@pytest.mark.hazard(54, "CVE-2022-32207")
@pytest.mark.parametrize("mode", [0o600, 0o640])
async def test_a_download_is_read_by_nobody_new(
    serve_script: ServeScript, transport: str, tmp_path: Path, mode: int
) -> None:
    """A file that takes the place of another has its permissions, and while it is not whole nobody else may read it."""
    place, part = tmp_path / "a.bin", tmp_path / ".a.bin.part"
    place.write_bytes(b"before")
    place.chmod(mode)
    seen: set[int] = set()
    server = await serve_script([Do.READ, reply(b"after"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        await client.download("/a.bin", place, progress=lambda *_: seen.add(part.stat().st_mode & 0o777))
    assert seen == {0o600}
    assert place.read_bytes() == b"after"
    assert place.stat().st_mode & 0o777 == mode


@pytest.mark.hazard(54, "CVE-2022-27778")
async def test_a_download_that_fails_removes_no_file_but_its_own(
    serve_script: ServeScript, transport: str, tmp_path: Path
) -> None:
    """A file that was there is neither overwritten under a name of the server's, nor removed when that is an error."""
    (tmp_path / "a.bin").write_bytes(b"before")
    (tmp_path / "a.bin.part").write_bytes(b"another's")
    server = await serve_script(
        [Do.READ, reply(b"after", 'Content-Disposition: attachment; filename="a.bin"'), Do.HOLD]
    )
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(errors.DownloadError, match="overwrites nothing"):
            await client.download("/x", tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == b"before"
    assert (tmp_path / "a.bin.part").read_bytes() == b"another's"


PIECE = b"x" * 8
#: Parsers that hold what has no end yet, and how what they hold begins.
HOLDING: dict[str, tuple[Callable[[], Any], bytes, bytes]] = {
    "an event": (EventParser, b"data: ", PIECE),
    "lines of an event": (EventParser, b"data: x\n", b"data:x\n"),
    "a line": (LineParser, b"", PIECE),
    "an item": (lambda: ArrayParser(Rows(None, on_invalid="raise")), b'["', PIECE),
}


@pytest.mark.hazard("CVE-2026-84378")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", HOLDING)
def test_what_drips_in_costs_no_square(what: str) -> None:
    """8 MiB that come in a million pieces without an end are held, where copying them each time would never end."""
    make, begin, piece = HOLDING[what]
    parser = make()
    assert not parser.feed(begin)
    for _ in range((8 << 20) // len(piece)):
        if parser.feed(piece):
            pytest.fail("there was an end")
    assert parser.failure is None


@pytest.mark.hazard(35, 43, "GHSA-pw6j-qg29-8w7f", "CVE-2026-5545", "CVE-2026-8927")
async def test_nothing_of_a_call_stays_for_the_next_one(echo: EchoServer, transport: str) -> None:
    """Credentials of a call are gone with it, though client and connection stay."""
    async with AsyncClient(echo.url, transport=transport) as client:
        first = await client.get(
            "/x",
            headers={"Authorization": CANARY, "X-Api-Key": CANARY},
            cookies={"sid": CANARY},
            parameters={"k": CANARY},
        )
        second = await client.get("/x")
        assert client.stats.connections_opened == 1
    assert str(first).count(CANARY) >= 4
    assert CANARY not in str(second)
    assert header(second, "Authorization") is None


@pytest.mark.hazard(43, "CVE-2026-3784", "CVE-2026-8458")
async def test_a_connection_to_a_proxy_serves_one_password(serve: Serve, transport: str) -> None:
    """Who has another password for the same proxy, or none, does not come through on another client's connection."""
    password = "Basic " + base64.b64encode(f"me:{CANARY}".encode()).decode()
    lines = []

    async def answer(reader: Any, writer: Any, _: int) -> None:
        known = False  # one who came through once on a connection, as proxies with NTLM have it, always does
        while True:
            request = await read_request(reader)
            known = known or request.header("Proxy-Authorization") == password
            lines.append((known, request.line.split()[1]))
            writer.write(reply(b"", status="200 OK" if known else "407 Proxy Authentication Required"))

    proxy = (await serve(answer)).url
    mine, theirs = proxy.replace("//", f"//me:{CANARY}@"), proxy.replace("//", "//me:wrong@")
    async with (
        AsyncClient("http://a.example", transport=transport, proxy=mine) as known,
        AsyncClient("http://a.example", transport=transport, proxy=theirs) as unknown,
        AsyncClient("http://a.example", transport=transport, proxy=proxy) as nobody,
    ):
        await known.get("/x")
        for client in (unknown, nobody):
            with pytest.raises(errors.HTTPProxyAuthenticationRequired):
                await client.get("/y")
        await known.get("/z")
        assert known.stats.connections_opened == 1
    assert lines == [
        (who, f"http://a.example/{path}") for who, path in ((True, "x"), (False, "y"), (False, "y"), (True, "z"))
    ]


@pytest.mark.hazard(43, "CVE-2026-4873", "CVE-2026-8932")
async def test_a_plain_connection_never_serves_https(serve: Serve, transport: str) -> None:
    """An idle connection without TLS to the same host and port is not taken for a request to https."""

    async def answer(reader: Any, writer: Any, _: int) -> None:
        if await reader.readexactly(1) == b"\x16":  # a handshake, which is not answered
            writer.close()
            return
        while True:
            await read_request(reader)
            writer.write(reply(b"plain"))

    server = await serve(answer)
    secure = server.url.replace("http", "https", 1)
    async with AsyncClient(server.url, transport=transport) as client:
        assert await client.get("/x", response_format=bytes) == b"plain"
        with pytest.raises(errors.ConnectError):
            await client.get(f"{secure}/x", headers={"X-Api-Key": CANARY})
        assert await client.get("/x", response_format=bytes) == b"plain"
    assert len(server.connections) == 2
    assert CANARY.encode() not in b"".join(connection.received for connection in server.connections)


@pytest.mark.hazard(12, 43, "CVE-2022-27775")
async def test_zones_of_an_address_are_origins_of_their_own() -> None:
    """The same link-local address on another interface is another host: it has its own connections, no credentials."""
    asked: list[Sent] = []

    def answer(request: Sent) -> Response:
        asked.append(request)
        return Response(200)

    async with AsyncClient("http://[fe80::1%25eth0]", transport=MockTransport(answer), bearer_token=CANARY) as client:
        await client.get("/x", response_format=bytes)
        await client.get("http://[fe80::1%25eth1]/x", response_format=bytes)
    assert asked[0].origin.text != asked[1].origin.text
    assert [CANARY in str(request.headers.pairs) for request in asked] == [True, False]
