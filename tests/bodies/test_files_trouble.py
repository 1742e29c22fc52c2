"""Uploads that go wrong, or another way than planned: never cut in silence, never sent on without need."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from headrace import AsyncClient
from headrace.errors import (
    ConnectionLost,
    HTTPRequestEntityTooLarge,
    RequestTimeout,
    UploadError,
    ValidationError,
)
from tests.conftest import Serve, ServeScript
from tests.kit.descriptors import is_connected, is_open
from tests.kit.multipart import parts
from tests.kit.waiting import ended, until
from tests.servers.raw import WAIT_SECONDS, Do, RawServer, read_request, reply, reset

MOVED = reply(b"", "Location: /there", status="307 Temporary Redirect")
TOO_LARGE = reply(b'"too large"', status="413 Content Too Large")


class Meddler:
    """A limiter that does something to the file between its measuring and its sending."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        self._meddle = meddle

    async def acquire(self) -> None:
        """Let every request pass."""
        self._meddle()


@pytest.fixture
async def moved(serve: Serve) -> RawServer:
    """A server that sends everybody from `/here` to `/there`."""

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            request = await read_request(reader)
            server.requests.append(request)
            writer.write(MOVED if request.line.split()[1] == "/here" else reply(b'"there"'))

    server = await serve(lead)
    return server


class GeneratorBrokeError(Exception):
    """What a caller's own generator may raise."""


async def endless() -> AsyncIterator[bytes]:
    """Give out pieces for ever."""
    while True:
        yield bytes(65536)


async def answer_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
    """Refuse a request on sight of its head, and read on only to see what still comes."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(TOO_LARGE)
    while await reader.read(65536):
        pass


async def test_no_more_is_taken_of_a_body_than_the_server_reads(serve: Serve, transport: str) -> None:
    """A body waits for the socket: what has been taken of it, and is not read, fits into the system's buffers."""
    piece, most_ahead = 1 << 17, 0
    taken = received = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal taken, most_ahead
        for _ in range(512):
            taken += piece
            most_ahead = max(most_ahead, taken - received)
            yield bytes(piece)

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        nonlocal received
        await reader.readuntil(b"\r\n\r\n")
        tail = b""
        while not tail.endswith(b"0\r\n\r\n"):
            data = await reader.read(1 << 16)
            received += len(data)
            tail = (tail + data)[-5:]
        writer.write(reply(b"1"))

    server = await serve(read)
    async with AsyncClient(server.url, transport=transport) as client:
        assert await client.post(data=pieces()) == 1
    assert taken == 512 * piece
    assert most_ahead < taken / 2


async def test_an_early_answer_ends_an_endless_body(serve: Serve, transport: str) -> None:
    """An answer that comes while the body is still being sent is raised, though the body never ends."""
    server = await serve(answer_early)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(HTTPRequestEntityTooLarge) as caught:
            await asyncio.wait_for(client.post(data=endless()), WAIT_SECONDS)
        assert caught.value.response == "too large"
        await ended(server)


@pytest.mark.parametrize("method", ["stream_file", "upload_file"])
async def test_an_early_answer_ends_a_file(serve: Serve, transport: str, huge: Path, method: str) -> None:
    """After an early answer the rest of the file is not pushed, the file is closed and so is the connection."""
    answered = asyncio.Event()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(TOO_LARGE if number == 0 else reply(b'"next"'))
        await answered.wait()
        while await reader.read(65536):
            pass

    server = await serve(stall)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(HTTPRequestEntityTooLarge):
            await asyncio.wait_for(getattr(client, method)(huge), WAIT_SECONDS)
        assert not is_open(huge)
        answered.set()
        await ended(server)
        assert await client.get() == "next"
    assert len(server.connections[0].received) < 32 << 20
    assert len(server.connections) == 2


async def test_an_early_answer_leaves_no_socket_behind(serve: Serve, transport: str, huge: Path) -> None:
    """A server that refuses a body and never reads it cannot keep our socket open, not even after `close()`."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(TOO_LARGE)
        await asyncio.Event().wait()

    server = await serve(refuse)
    client = AsyncClient(server.url, transport=transport)
    with pytest.raises(HTTPRequestEntityTooLarge):
        await asyncio.wait_for(client.stream_file(huge), WAIT_SECONDS)
    port = server.connections[0].writer.get_extra_info("peername")[1]
    assert is_connected(server.port)
    await client.close()
    await until(lambda: not is_connected(port))


async def test_a_cancelled_upload(serve: Serve, transport: str, huge: Path) -> None:
    """Cancelling a request whose body the server does not take closes the file and leaves no task behind."""

    async def stall(_: asyncio.StreamReader, __: asyncio.StreamWriter, ___: int) -> None:
        await asyncio.Event().wait()

    server = await serve(stall)
    async with AsyncClient(server.url, transport=transport) as client:
        before = asyncio.all_tasks()
        request = asyncio.create_task(client.stream_file(huge))
        connection = await server.accepted(1)
        await until(lambda: len(connection.received) > 1 << 20)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert not is_open(huge)
        assert asyncio.all_tasks() - before <= {connection.task}


async def test_a_cancellation_while_a_generator_cleans_up(serve: Serve, transport: str) -> None:
    """A request that is cancelled while its body is being put away after an early answer still is cancelled."""
    cleaning, clean = asyncio.Event(), asyncio.Event()

    async def slow_to_end() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await clean.wait()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"x\r\n")
        writer.write(TOO_LARGE)
        await reader.read()

    server = await serve(answer)
    async with AsyncClient(server.url, transport=transport) as client:
        request = asyncio.create_task(client.post(data=slow_to_end()))
        await asyncio.wait_for(cleaning.wait(), WAIT_SECONDS)
        request.cancel()
        clean.set()
        await asyncio.wait([request])
        assert request.cancelled()


async def test_the_whole_time_covers_the_end_of_a_generator(serve: Serve, transport: str) -> None:
    """A generator that does not end when it is told to cannot hold its request beyond the total time."""

    async def never_ends() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readuntil(b"x\r\n")
        writer.write(TOO_LARGE)
        await reader.read()

    server = await serve(answer)
    async with AsyncClient(server.url, transport=transport) as client:
        request = asyncio.create_task(client.post(data=never_ends(), timeout=0.1))
        done, _ = await asyncio.wait([request], timeout=1)
        for task in asyncio.all_tasks() - {asyncio.current_task()} - {one.task for one in server.connections}:
            task.cancel()
        await asyncio.wait([request])
        assert done
        assert isinstance(request.exception(), RequestTimeout | HTTPRequestEntityTooLarge)


async def test_a_server_that_takes_no_more(serve: Serve, transport: str, huge: Path) -> None:
    """A server that stops reading in the middle of a body is given up when the whole time is over."""

    async def stall(_: asyncio.StreamReader, __: asyncio.StreamWriter, ___: int) -> None:
        await asyncio.Event().wait()

    server = await serve(stall)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(RequestTimeout):
            await client.stream_file(huge, timeout=0.3)
        assert not is_open(huge)


async def test_a_connection_that_breaks_under_a_body(serve: Serve, transport: str, huge: Path) -> None:
    """A server that hangs up in the middle of a body makes a `ConnectionLost`, of idempotent requests too."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.readexactly(1 << 20)
        reset(writer)

    server = await serve(hang_up)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(ConnectionLost) as caught:
            await client.stream_file(huge)
        assert caught.value.maybe_sent
        assert not is_open(huge)
        with huge.open("rb") as file, pytest.raises(ConnectionLost):
            await client.put(data=file)


@pytest.mark.parametrize("kind", ["file", "list", "generator"])
async def test_a_body_is_never_repeated_in_part(serve: Serve, transport: str, small: Path, kind: str) -> None:
    """Whether or not a lost PUT is sent again: the server never gets less than the whole body for it."""

    async def drop_the_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        server.requests.append(await read_request(reader))
        if number:
            writer.write(reply())

    server = await serve(drop_the_first)
    allowed = (ConnectionLost, UploadError) if kind == "generator" else (ConnectionLost,)
    with small.open("rb") as file:
        data = {"file": file, "list": [b"01234", b"56789"], "generator": iter([b"01234", b"56789"])}[kind]
        async with AsyncClient(server.url, transport=transport) as client:
            with suppress(*allowed):
                await client.put(data=data)
    assert {request.body for request in server.requests} == {b"0123456789"}


@pytest.mark.parametrize("sent", [0, 1])
@pytest.mark.parametrize("plain", [False, True])
async def test_a_generator_that_raises(serve_script: ServeScript, transport: str, sent: int, *, plain: bool) -> None:
    """The error of a caller's generator comes out as it is, and its half-sent request ends the connection."""

    def broken() -> Iterator[bytes]:
        for _ in range(sent):
            yield b"some"
        raise GeneratorBrokeError("in the middle")

    async def broken_async() -> AsyncIterator[bytes]:
        for piece in broken():
            yield piece

    server = await serve_script(
        [Do.READ, reply(b"first"), Do.READ, reply(b"wrong")], [Do.READ, reply(b"next"), Do.HOLD]
    )
    async with AsyncClient(server.url, transport=transport) as client:
        await client.get(response_format=str)
        with pytest.raises(GeneratorBrokeError, match="in the middle"):
            await client.post(data=broken() if plain else broken_async())
        await ended(server)
        assert await client.get(response_format=str) == "next"
    assert b"0\r\n\r\n" not in server.connections[0].received


async def test_pieces_that_are_no_bytes(serve_script: ServeScript, transport: str) -> None:
    """An iterable that gives out text is a `ValidationError`, not an endless wait for the rest."""
    server = await serve_script([Do.READ, reply(b"wrong")])
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(ValidationError, match="data"):
            await asyncio.wait_for(client.post(data=["text"]), WAIT_SECONDS)


@pytest.mark.parametrize("size", [0, 4, 2_000_000])
async def test_a_redirect_replays_a_file(moved: RawServer, transport: str, tmp_path: Path, size: int) -> None:
    """A 307 gets the file again from where it stood at first, raw and in a form."""
    path = tmp_path / "file.txt"
    body = bytes(range(250)) * (size // 250) + b"x" * (size % 250)
    path.write_bytes(b"skipped" + body)
    async with AsyncClient(moved.url, transport=transport) as client:
        with path.open("rb") as file:
            file.seek(7)
            assert await client.stream_file(file, "/here") == "there"
            file.seek(7)
            assert await client.upload_file(file, "/here") == "there"
    assert [request.line.split()[1] for request in moved.requests] == ["/here", "/there"] * 2
    assert [request.body for request in moved.requests[:2]] == [body, body]
    forms = [parts(request)[0].get_payload(decode=True) for request in moved.requests[2:]]
    assert forms == [body, body]
    assert {request.header("Content-Type") for request in moved.requests[:2]} == {"text/plain"}


async def test_a_redirect_replays_a_list(moved: RawServer, transport: str) -> None:
    """A list of pieces can be sent twice."""
    async with AsyncClient(moved.url, transport=transport) as client:
        assert await client.post("/here", data=[b"one ", b"two"]) == "there"
    assert [request.body for request in moved.requests] == [b"one two"] * 2


async def test_a_redirect_cannot_replay_a_generator(moved: RawServer, transport: str) -> None:
    """A generator is used up: its second sending is an `UploadError`, never an empty body."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"once"

    async with AsyncClient(moved.url, transport=transport) as client:
        with pytest.raises(UploadError, match="iterator"):
            await client.post("/here", data=pieces())
    assert [request.body for request in moved.requests] == [b"once"]


@pytest.mark.parametrize("method", ["stream_file", "upload_file"])
@pytest.mark.parametrize("content", [b"", b"01234", b"0123456789and more", bytes(3 << 20)])
async def test_a_file_that_changes(serve: Serve, transport: str, small: Path, method: str, content: bytes) -> None:
    """A file that shrank or grew after it was measured is an `UploadError`, never cut or padded to the old length."""
    whole = []

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        whole.append(await read_request(reader))
        writer.write(reply(b'"taken"'))

    server = await serve(read)
    meddler = Meddler(lambda: small.write_bytes(content))
    async with AsyncClient(server.url, transport=transport, limiter=meddler) as client:
        with pytest.raises(UploadError, match="announced"):
            await asyncio.wait_for(getattr(client, method)(small), WAIT_SECONDS)
        await ended(server)
        assert not is_open(small)
    assert whole == []
