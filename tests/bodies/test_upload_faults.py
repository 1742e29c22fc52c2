"""Uploads in trouble: files that change, servers that answer early, stop, or hang up, and what a retry sends."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from headrace import AsyncClient, Retry, Timeout
from headrace._io.wire import sendfile as pushing
from headrace.errors import (
    ConnectionLost,
    HTTPRequestEntityTooLarge,
    HTTPUnauthorized,
    RequestTimeout,
    TransportError,
    UploadError,
)
from tests.conftest import Serve
from tests.kit.descriptors import is_open
from tests.kit.waiting import ended, until
from tests.servers.raw import WAIT_SECONDS, read_request, reply, reset

SIZE = 6_000_000
METHODS = ["stream_file", "upload_file"]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of 6 MB: a few chunks, and more than the sockets hold."""
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def expected(large: Path) -> bytes:
    """What is in that file."""
    return large.read_bytes()


@pytest.fixture(params=["sendfile", "read"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways that a file takes to a plain socket: past our memory, and through it."""
    name: str = request.param
    monkeypatch.setattr(pushing, "AVAILABLE", name == "sendfile" and pushing.AVAILABLE)
    return name


def grow(path: Path) -> None:
    """Add a byte."""
    with path.open("ab") as file:
        file.write(b"x")


def shrink(path: Path) -> None:
    """Take half of it away."""
    os.truncate(path, SIZE // 2)


def empty(path: Path) -> None:
    """Take all of it away."""
    os.truncate(path, 0)


@pytest.mark.parametrize("change", [grow, shrink, empty])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.hazard(8, 56)
async def test_a_file_that_changes_while_it_is_sent(
    serve: Serve, transport: str, way: str, large: Path, change: Callable[[Path], None], method: str
) -> None:
    """A file that grows or shrinks under way is an `UploadError` that says so, and no server takes it for whole."""
    whole = []

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        whole.append(await read_request(reader))
        writer.write(reply(b'"taken"'))

    def meddle(done: int, _: int | None) -> None:
        if 0 < done < SIZE // 3:
            change(large)

    server = await serve(read)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(UploadError, match=r"large.bin.*6000000 bytes were announced") as caught:
            await asyncio.wait_for(
                getattr(client, method)(large, progress=meddle, chunk_size=500_000, timeout=WAIT_SECONDS), WAIT_SECONDS
            )
        assert caught.value.maybe_sent
        await ended(server)
        assert not is_open(large)
    assert whole == []


async def test_an_empty_file_that_grows(serve: Serve, transport: str, tmp_path: Path) -> None:
    """A file that was empty when it was measured is not sent as empty when it is not."""
    path = tmp_path / "log"
    path.touch()

    class Meddler:
        async def acquire(self) -> None:
            path.write_bytes(b"late")

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await read_request(reader)
        writer.write(reply(b'"taken"'))

    server = await serve(read)
    async with AsyncClient(server.url, transport=transport, limiter=Meddler()) as client:
        with pytest.raises(UploadError, match="has grown"):
            await client.stream_file(path)
    assert not any(connection.received for connection in server.connections)


@pytest.mark.parametrize("way_out", ["keeps reading", "stops reading", "closes", "resets"])
@pytest.mark.parametrize("status", ["413 Content Too Large", "401 Unauthorized"])
@pytest.mark.hazard(47)
async def test_an_early_answer_is_heard(
    serve: Serve,
    transport: str,
    way: str,
    huge: Path,
    way_out: str,
    status: str,
) -> None:
    """Whatever a server does behind its early answer: that is raised, and the connection serves no other request."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        if number:
            await read_request(reader)
            writer.write(reply(b'"next"'))
            return
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(3 << 20)
        writer.write(reply(b'"no"', status=status))
        await writer.drain()
        if way_out in ("closes", "resets"):
            await asyncio.sleep(0.05)  # or the answer itself may be lost on its way (RFC 9112, section 9.6)
        if way_out == "closes":
            return
        if way_out == "resets":
            reset(writer)
        while way_out == "keeps reading" and await reader.read(65536):
            pass
        await asyncio.Event().wait()

    server = await serve(refuse)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises((HTTPRequestEntityTooLarge, HTTPUnauthorized)) as caught:
            await asyncio.wait_for(client.stream_file(huge), WAIT_SECONDS)
        assert caught.value.response == "no"
        assert not is_open(huge)
        assert await client.get() == "next"
    assert len(server.connections) == 2
    assert len(server.connections[0].received) < 48 << 20


@pytest.mark.parametrize("tenth", range(10))
async def test_a_connection_cut_at_every_tenth(serve: Serve, transport: str, way: str, large: Path, tenth: int) -> None:
    """Wherever the connection breaks, it is a `ConnectionLost`, and the file is closed."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(SIZE // 10 * tenth)
        reset(writer)

    server = await serve(cut)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(ConnectionLost) as caught:
            await asyncio.wait_for(client.stream_file(large), WAIT_SECONDS)
        assert caught.value.maybe_sent
        assert not is_open(large)


@pytest.mark.parametrize("limits", [Timeout(total=0.3), Timeout(read=0.3)], ids=["total", "read"])
async def test_a_stalled_server(serve: Serve, way: str, huge: Path, limits: Timeout) -> None:
    """A server that stops reading is given up, after the whole time or after that of a silence."""

    async def stall(reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: int) -> None:
        await reader.readexactly(1 << 20)
        await asyncio.Event().wait()

    server = await serve(stall)
    async with AsyncClient(server.url) as client:
        with pytest.raises(RequestTimeout):
            await asyncio.wait_for(client.stream_file(huge, timeout=limits), WAIT_SECONDS)
        assert not is_open(huge)


@pytest.mark.parametrize("step", range(12))
async def test_a_cancellation_at_any_time(serve: Serve, transport: str, way: str, large: Path, step: int) -> None:
    """Wherever a cancellation strikes, the request is cancelled, the file closed, and the next request works."""

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await read_request(reader)
        writer.write(reply(b'"done"'))

    server = await serve(read)
    async with AsyncClient(server.url, transport=transport) as client:
        seen = 0
        reached = asyncio.Event()

        def tell(_: int, __: int | None) -> None:
            nonlocal seen
            seen += 1
            if seen >= step - 5:
                reached.set()

        request = asyncio.create_task(client.stream_file(large, progress=tell, chunk_size=500_000))
        if step <= 5:
            for _ in range(step):
                await asyncio.sleep(0)
        else:
            await asyncio.wait_for(reached.wait(), WAIT_SECONDS)
        request.cancel()
        await asyncio.wait([request], timeout=WAIT_SECONDS)
        assert request.cancelled()
        await until(lambda: not is_open(large))
        assert await client.stream_file(large) == "done"


async def test_nothing_is_left_open_after_many_uploads(serve: Serve, way: str, large: Path) -> None:
    """No descriptor stays behind, neither of the files nor of the sockets, and connections are used again."""

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            await read_request(reader)
            writer.write(reply(b'"done"'))

    server = await serve(read)
    async with AsyncClient(server.url) as client:
        await client.stream_file(large)
        before = len(os.listdir("/dev/fd"))  # noqa: PTH208 - names of descriptors, no paths
        for _ in range(5):
            await client.stream_file(large)
            await client.upload_file(large)
        assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208 - the same
    assert len(server.connections) == 1


@pytest.mark.parametrize("method", METHODS)
async def test_a_retry_sends_a_path_from_its_start(
    serve: Serve, transport: str, large: Path, expected: bytes, method: str
) -> None:
    """Every attempt gets the whole file; progress begins anew with each."""

    async def fail_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        server.requests.append(await read_request(reader))
        writer.write(reply(b'"done"') if number else reply(status="503 Service Unavailable"))

    told: list[int] = []
    server = await serve(fail_once)
    policy = Retry(attempts=2, backoff=0.001)
    async with AsyncClient(server.url, transport=transport, retry=policy) as client:
        send = getattr(client, method)
        assert await send(large, method="PUT", progress=lambda done, _: told.append(done)) == "done"
    one, other = server.requests
    assert one.body == other.body
    assert one.body.count(expected) == 1
    assert told.count(0) == 2
    assert told.count(len(one.body)) == 2


async def test_a_retry_refuses_a_spent_iterator(serve: Serve, transport: str) -> None:
    """What came from an iterator is not sent in part: the second attempt is an `UploadError`."""

    async def fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        server.requests.append(await read_request(reader))
        writer.write(reply(status="503 Service Unavailable"))

    server = await serve(fail)
    policy = Retry(attempts=3, backoff=0.001)
    async with AsyncClient(server.url, transport=transport, retry=policy) as client:
        with pytest.raises(UploadError, match="iterator"):
            await client.stream_file(iter([b"once"]), method="PUT")
    assert [request.body for request in server.requests] == [b"once"]


async def test_a_server_that_reads_slowly_holds_up_no_thread(
    serve: Serve,
    huge: Path,
    echo_once: Callable[[], Awaitable[str]],
) -> None:
    """More stalled uploads than there are threads: another one goes through all the same."""

    async def stall(_: asyncio.StreamReader, __: asyncio.StreamWriter, ___: int) -> None:
        await asyncio.Event().wait()

    server = await serve(stall)
    async with AsyncClient(server.url) as client:
        stalled = [asyncio.create_task(client.stream_file(huge)) for _ in range(40)]
        await server.accepted(40)
        await until(lambda: all(len(connection.received) > 1 << 20 for connection in server.connections))
        assert await asyncio.wait_for(echo_once(), WAIT_SECONDS) == "done"
        for task in stalled:
            task.cancel()
        await asyncio.wait(stalled)


@pytest.fixture
def echo_once(serve: Serve, tmp_path: Path) -> Callable[[], Awaitable[str]]:
    """A function that uploads a small file to a server of its own."""

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await read_request(reader)
        writer.write(reply(b'"done"'))

    async def upload() -> str:
        path = tmp_path / "note"
        path.write_bytes(b"note")
        server = await serve(read)
        async with AsyncClient(server.url) as client:
            answer: str = await client.stream_file(path)
        return answer

    return upload


@pytest.mark.skipif(not pushing.AVAILABLE, reason="needs sendfile")
async def test_a_file_system_without_sendfile(
    serve: Serve, large: Path, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system cannot send a file past our memory, even in its middle, the rest goes through it."""
    calls = 0
    sendfile = os.sendfile

    def refuse_later(out: int, source: int, at: int, count: int) -> int:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise OSError(22, "Invalid argument")
        return sendfile(out, source, at, count)

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        server.requests.append(await read_request(reader))
        writer.write(reply(b'"done"'))

    monkeypatch.setattr(os, "sendfile", refuse_later)
    server = await serve(read)
    async with AsyncClient(server.url) as client:
        assert await client.stream_file(large) == "done"
    assert calls > 2
    assert server.requests[0].body == expected


async def test_closing_the_client_ends_an_upload(serve: Serve, transport: str, way: str, huge: Path) -> None:
    """`close()` fails what is being uploaded at once, and the server sees the connection end."""

    async def stall(reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: int) -> None:
        await reader.readexactly(1 << 20)
        await reader.read()

    server = await serve(stall)
    client = AsyncClient(server.url, transport=transport)
    request = asyncio.create_task(client.stream_file(huge))
    connection = await server.accepted(1)
    await until(lambda: len(connection.received) > 1 << 20)
    await client.close()
    with pytest.raises(TransportError):
        await asyncio.wait_for(request, WAIT_SECONDS)
    assert not is_open(huge)
    await ended(server)
