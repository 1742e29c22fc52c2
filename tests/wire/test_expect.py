"""`Expect: 100-continue` (RFC 9110, section 10.1.1): the body waits for a server that wants it, but not for ever."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace import AsyncClient
from headrace._io.session import transport as aiohttp_transport
from headrace._io.wire import uploading
from headrace.errors import HTTPExpectationFailed, HTTPRequestEntityTooLarge, HTTPUnauthorized
from tests.conftest import Serve
from tests.kit.descriptors import is_open
from tests.kit.waiting import ended
from tests.servers.nginx import Nginx
from tests.servers.raw import WAIT_SECONDS, read_request, reply

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No body is sent before a 100, however long it takes."""
    for module in (uploading, aiohttp_transport):
        monkeypatch.setattr(module, "CONTINUE_SECONDS", 60.0)


@pytest.mark.parametrize("method", ["stream_file", "upload_file"])
async def test_the_body_waits_for_the_100(
    serve: Serve, transport: str, small: Path, patient: None, method: str
) -> None:
    """Nothing of the body comes before the 100, all of it after, and the connection serves again."""
    early = []

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        for _ in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"\r\nexpect: 100-continue\r\n" in head.lower()
            await asyncio.sleep(0.02)
            early.append(len(connection().received) - len(head))
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + CONTINUE)
            size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(size)
            assert b"0123456789" in body
            writer.write(reply(b'"done"'))
            del connection().reader.received[:]

    def connection() -> object:
        return server.connections[0]

    server = await serve(ask)
    async with AsyncClient(server.url, transport=transport) as client:
        for _ in range(2):
            assert await asyncio.wait_for(getattr(client, method)(small, expect=True), WAIT_SECONDS) == "done"
    assert early == [0, 0]
    assert len(server.connections) == 1


async def test_a_server_that_never_says_100(
    serve: Serve, transport: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The body is sent after a while all the same."""
    for module in (uploading, aiohttp_transport):
        monkeypatch.setattr(module, "CONTINUE_SECONDS", 0.02)

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        server.requests.append(await read_request(reader))
        writer.write(reply(b'"done"'))

    server = await serve(read)
    async with AsyncClient(server.url, transport=transport) as client:
        assert await asyncio.wait_for(client.stream_file(small, expect=True), WAIT_SECONDS) == "done"
    assert server.requests[0].body == b"0123456789"


@pytest.mark.parametrize(
    ("status", "error"),
    [("413 Content Too Large", HTTPRequestEntityTooLarge), ("401 Unauthorized", HTTPUnauthorized)],
)
async def test_a_refusal_instead_of_the_100(
    serve: Serve, transport: str, small: Path, patient: None, status: str, error: type[Exception]
) -> None:
    """A final answer is raised, not a byte of the body is sent, and the connection is closed."""
    left = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(b'"no"', status=status))
        left.append(await reader.read())

    server = await serve(refuse)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(error):
            await asyncio.wait_for(client.stream_file(small, expect=True), WAIT_SECONDS)
        await ended(server)
        assert not is_open(small)
    assert left == [b""]


@pytest.mark.parametrize("again", ["200 OK", "417 Expectation Failed"])
async def test_a_417_is_asked_again_without(serve: Serve, transport: str, patient: None, again: str) -> None:
    """A server that does not know `Expect` gets the request once more without it, its body unspent, and only once."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        if not number:
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"100-continue" in head
            writer.write(reply(status="417 Expectation Failed"))
            assert not await reader.read()
            return
        server.requests.append(await read_request(reader))
        writer.write(reply(b'"done"', status=again))

    async def once() -> AsyncIterator[bytes]:
        yield b"01234"
        yield b"56789"

    server = await serve(refuse)
    async with AsyncClient(server.url, transport=transport) as client:
        request = client.stream_file(once(), expect=True)
        if again == "200 OK":
            assert await asyncio.wait_for(request, WAIT_SECONDS) == "done"
        else:
            with pytest.raises(HTTPExpectationFailed):
                await asyncio.wait_for(request, WAIT_SECONDS)
    (request_again,) = server.requests
    assert request_again.body == b"0123456789"
    assert request_again.header("Expect") is None


async def test_a_redirect_instead_of_the_100_leaves_the_body_unspent(
    serve: Serve, transport: str, patient: None
) -> None:
    """An iterator that was not begun is sent to where the server points, which is asked as well."""

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"100-continue" in head
        if not number:
            writer.write(reply(b"", "Location: /there", status="307 Temporary Redirect"))
            assert not await reader.read()
            return
        writer.write(CONTINUE)
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(reply(b'"there"'))

    server = await serve(lead)
    async with AsyncClient(server.url, transport=transport) as client:
        answer = await asyncio.wait_for(client.stream_file(iter([b"once"]), expect=True), WAIT_SECONDS)
    assert answer == "there"
    assert b"once" in server.connections[1].received


async def test_no_expectation_without_a_body(serve: Serve, transport: str, tmp_path: Path) -> None:
    """An empty file is sent without the field: there is nothing to wait for."""
    path = tmp_path / "empty"
    path.touch()

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        server.requests.append(await read_request(reader))
        writer.write(reply(b'"done"'))

    server = await serve(read)
    async with AsyncClient(server.url, transport=transport) as client:
        assert await client.stream_file(path, expect=True) == "done"
    assert server.requests[0].header("Expect") is None


async def test_nginx_says_100(nginx: Nginx, transport: str, tmp_path: Path, patient: None) -> None:
    """A server that nobody here wrote asks for the body, and counts it."""
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(3_000_000))
    async with AsyncClient(nginx.http, transport=transport) as client:
        answer = await asyncio.wait_for(client.stream_file(path, "/upload", expect=True), WAIT_SECONDS)
    assert answer["content_length"] == 3_000_000
