"""One exchange after the other with servers that are correct, slow, broken or rude."""

import asyncio
import gzip
import zlib
from collections.abc import Callable

import pytest

from headrace import AsyncClient, Timeout
from headrace._core.http import content_coding
from headrace.errors import (
    ConnectionLost,
    HTTPBadRequest,
    HTTPNotModified,
    ProtocolError,
    RequestTimeout,
    ResponseTooLarge,
)
from tests.conftest import Serve, ServeScript
from tests.kit.mill import silent
from tests.kit.waiting import ended, under_a_timeout
from tests.servers.raw import WAIT_SECONDS, Do, Step, read_request, reply

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CUT_SHORT = [
    pytest.param(b"", "before any byte", id="nothing"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", "before the head", id="in the head"),
    pytest.param(HEAD + b"Content-Length: 10\r\n\r\n1234", "6 bytes before the end of the body", id="counted"),
    pytest.param(CHUNKED + b"5\r\nhel", "in the middle of the body", id="in a chunk"),
    pytest.param(CHUNKED + b"5\r\nhello\r\n", "in the middle of the body", id="no last chunk"),
]


def bare_deflate(data: bytes) -> bytes:
    """Compress without zlib's header, as some servers do under the name `deflate`."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def encoders() -> dict[str, Callable[[bytes], bytes]]:
    """Find a compressor for every coding that the client offers."""
    found: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
    if "br" in content_coding.decoders():
        import brotli

        found["br"] = brotli.compress
    if "zstd" in content_coding.decoders():
        try:
            from compression import zstd
        except ImportError:
            from backports import zstd
        found["zstd"] = zstd.compress
    return found


async def test_a_body_that_ends_with_the_connection(serve_script: ServeScript, transport: str) -> None:
    """Without a length the end of the connection is the end of the body, and the next request dials anew."""
    old: list[Step] = [Do.READ, HEAD + b"\r\nall ", b"of it", Do.CLOSE]
    server = await serve_script(old)
    async with AsyncClient(server.url, transport=transport) as client:
        assert await client.get(response_format=str) == "all of it"
        assert await client.get(response_format=str) == "all of it"
    assert len(server.connections) == 2


async def test_a_chunked_body(serve_script: ServeScript, transport: str) -> None:
    """Chunks are joined, extensions and trailers are no part of the body, and the connection is used again."""
    go = asyncio.Event()
    pieces: list[Step] = [
        CHUNKED + b"3;a=b\r\nall\r",
        b"\n4\r\n of ",
        go,
        b"\r\n2\r\nit\r\n0\r\nX-Trailer: yes\r\n\r",
        b"\n",
    ]
    server = await serve_script([Do.READ, *pieces, Do.READ, reply(b"next"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        request = asyncio.create_task(client.get(response_format=str))
        await server.accepted(1)
        go.set()
        assert await request == "all of it"
        assert await client.get(response_format=str) == "next"
    assert len(server.connections) == 1


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_000])
async def test_bodies_of_any_size(serve_script: ServeScript, transport: str, size: int) -> None:
    """A body arrives byte for byte; an empty one is `None`."""
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    server = await serve_script([Do.READ, reply(body), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        assert await client.get(response_format=bytes) == (body or None)


async def test_answers_without_a_body(serve_script: ServeScript, transport: str) -> None:
    """HEAD, 204 and 304 have no body whatever their fields announce, and the connection goes on."""
    script: list[Step] = [
        Do.READ, HEAD + b"Content-Length: 5\r\n\r\n",
        Do.READ, b"HTTP/1.1 204 No Content\r\n\r\n",
        Do.READ, b'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: "a"\r\n\r\n',
        Do.READ, reply(b"end"), Do.HOLD,
    ]  # fmt: skip
    server = await serve_script(script)
    async with AsyncClient(server.url, transport=transport) as client:
        assert await client.head() is None
        assert await client.get() is None
        with pytest.raises(HTTPNotModified) as caught:
            await client.get()
        assert caught.value.headers["ETag"] == '"a"'
        assert await client.get(response_format=str) == "end"
    assert len(server.connections) == 1


@pytest.mark.parametrize(("answer", "missing"), CUT_SHORT)
async def test_an_early_end_is_an_error(serve_script: ServeScript, transport: str, answer: bytes, missing: str) -> None:
    """An answer that was cut short is never a shorter success; over the wire the message tells what is missing."""
    server = await serve_script([Do.READ, answer, Do.CLOSE])
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(ConnectionLost) as caught:
            await client.post(data=b"x", response_format=bytes)
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.maybe_sent
    if transport == "wire":
        assert missing in str(caught.value)


@pytest.mark.parametrize(("answer", "missing"), CUT_SHORT)
async def test_a_reset_is_an_error(serve_script: ServeScript, transport: str, answer: bytes, missing: str) -> None:
    """A reset at any point of an answer is a `ConnectionLost`."""
    server = await serve_script([Do.READ, answer, Do.RESET])
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(ConnectionLost):
            await client.post(data=b"x", response_format=bytes)


async def test_a_reset_does_not_end_a_body(serve_script: ServeScript) -> None:
    """Only an end in good order completes a body without a length."""
    server = await serve_script([Do.READ, HEAD + b"\r\nsome of it", Do.RESET])
    async with AsyncClient(server.url) as client:
        with pytest.raises(ConnectionLost):
            await client.get(response_format=str)


@pytest.mark.parametrize(
    "banner",
    [b"220 mail.example ESMTP ready\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x50"],
    ids=["smtp", "ssh", "tls alert"],
)
@pytest.mark.parametrize("asked", [False, True])
async def test_a_peer_that_speaks_something_else(
    serve_script: ServeScript, transport: str, banner: bytes, *, asked: bool
) -> None:
    """What is not HTTP is a `ProtocolError` at once, though the peer keeps the connection open."""
    before: list[Step] = [Do.READ] if asked else []
    server = await serve_script([*before, banner, Do.HOLD])
    # aiohttp may close a connection that spoke too early before it has looked at what was said.
    expected = (ProtocolError, ConnectionLost) if transport == "aiohttp" and not asked else ProtocolError
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(expected):
            await asyncio.wait_for(client.get(), WAIT_SECONDS)
        await ended(server)


async def test_interim_answers_are_passed_over(serve_script: ServeScript, transport: str) -> None:
    """Any 1xx before the answer is read and forgotten."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    server = await serve_script([Do.READ, interim, b"HTTP/1.1 102 Processing\r\n\r\n", reply(b"final"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        assert await client.get(response_format=str) == "final"


@pytest.mark.parametrize(
    "answer", [reply(b"ok", "Connection: close"), b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"]
)
async def test_a_connection_that_will_close_is_not_used_again(
    serve_script: ServeScript, transport: str, answer: bytes
) -> None:
    """`Connection: close`, or HTTP/1.0 without keep-alive, ends a connection from our side too."""
    server = await serve_script([Do.READ, answer, Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        assert await client.get(response_format=str) == "ok"
        await ended(server, 0)
        assert await client.get(response_format=str) == "ok"
    assert len(server.connections) == 2


@pytest.mark.parametrize(
    "answer",
    [
        reply(b"right") + reply(b"poison"),
        reply(b"right") + b"\r\n",
        CHUNKED + b"5\r\nright\r\n0\r\n\r\n" + reply(b"poison"),
        CHUNKED + b"5\r\nright\r\n0\r\n\r\njunk",
    ],
    ids=["an answer", "a line end", "an answer behind chunks", "junk behind chunks"],
)
async def test_bytes_behind_an_answer_end_the_connection(serve_script: ServeScript, answer: bytes) -> None:
    """What follows an answer unasked is never the answer to the next request."""
    server = await serve_script([Do.READ, answer, Do.HOLD], [Do.READ, reply(b"next"), Do.HOLD])
    async with AsyncClient(server.url) as client:
        assert await client.get(response_format=str) == "right"
        assert await client.get(response_format=str) == "next"
    assert len(server.connections) == 2


async def test_bytes_behind_an_answer_to_head_end_the_connection(serve_script: ServeScript) -> None:
    """A server that sends a body with its answer to HEAD cannot smuggle it into the next answer."""
    server = await serve_script([Do.READ, reply(b"poison"), Do.HOLD], [Do.READ, reply(b"next"), Do.HOLD])
    async with AsyncClient(server.url) as client:
        await client.head()
        assert await client.get(response_format=str) == "next"
    assert len(server.connections) == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([HEAD + b"Content-Length: 1001\r\n\r\n", bytes(1001)], id="counted"),
        pytest.param([CHUNKED, b"200\r\n" + bytes(0x200) + b"\r\n", b"200\r\n" + bytes(0x200) + b"\r\n"], id="chunked"),
        pytest.param([HEAD + b"\r\n", bytes(1001)], id="until the end"),
        pytest.param([reply(gzip.compress(bytes(1_000_000))[:900], "Content-Encoding: gzip")], id="gzip, cut short"),
        pytest.param([reply(gzip.compress(bytes(100_000)), "Content-Encoding: gzip")], id="gzip"),
    ],
)
async def test_a_body_that_is_too_large(serve_script: ServeScript, transport: str, answer: list[bytes]) -> None:
    """More than `max_response_bytes`, on the wire or after decompression, is refused without waiting for the rest."""
    server = await serve_script([Do.READ, *answer, Do.HOLD])
    async with AsyncClient(server.url, transport=transport, max_response_bytes=1000) as client:
        with pytest.raises(ResponseTooLarge, match="1000 "):
            await asyncio.wait_for(client.get(response_format=bytes), WAIT_SECONDS)


async def test_a_body_of_just_the_size_that_is_allowed(serve_script: ServeScript, transport: str) -> None:
    """The limit itself is allowed, in every framing; `None` lifts it."""
    body = bytes(1000)
    packed = reply(gzip.compress(body), "Content-Encoding: gzip")
    chunked = CHUNKED + b"3e8\r\n" + body + b"\r\n0\r\n\r\n"
    server = await serve_script([Do.READ, reply(body), Do.READ, chunked, Do.READ, packed, Do.READ, packed, Do.HOLD])
    async with AsyncClient(server.url, transport=transport, max_response_bytes=1000) as client:
        for _ in range(3):
            assert await client.get(response_format=bytes) == body
    async with AsyncClient(server.url, transport=transport, max_response_bytes=None) as client:
        assert await client.get(response_format=bytes) == body


@pytest.mark.hazard(28)
async def test_an_error_with_a_bomb_in_its_body(serve_script: ServeScript, transport: str) -> None:
    """The status still counts when the body of an error is too large to unpack."""
    bomb = reply(gzip.compress(bytes(1_000_000)), "Content-Encoding: gzip", status="400 Bad Request")
    server = await serve_script([Do.READ, bomb, Do.HOLD])
    async with AsyncClient(server.url, transport=transport, max_response_bytes=10_000) as client:
        with pytest.raises(HTTPBadRequest) as caught:
            await client.get()
    assert isinstance(caught.value.model_error, ResponseTooLarge)


@pytest.mark.parametrize("size", [10, 3_000_000])
@pytest.mark.hazard(32)
async def test_compressed_bodies(serve_script: ServeScript, transport: str, size: int) -> None:
    """Every coding that the client offers is undone, also of bodies that are unpacked off the loop."""
    body = bytes(range(250)) * (size // 250 + 1)
    codings = {**encoders(), "identity": bytes, "x-gzip": gzip.compress}
    script: list[Step] = []
    for name, encode in codings.items():
        script += [Do.READ, reply(encode(body), f"Content-Encoding: {name}")]
    twice = reply(gzip.compress(zlib.compress(body)), "Content-Encoding: deflate", "Content-Encoding: gzip")
    bare = reply(bare_deflate(body), "Content-Encoding: deflate")
    server = await serve_script([*script, Do.READ, twice, Do.READ, bare, Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        for name in (*codings, "deflate and gzip", "bare deflate"):
            assert await client.get(response_format=bytes) == body, name
    assert set((server.requests[0].header("Accept-Encoding") or "").split(", ")) == set(encoders())


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"this is not gzip", "gzip"),
        (gzip.compress(b"hello" * 100)[:-9], "gzip"),
        (gzip.compress(b"hello" * 100)[:-8] + bytes(8), "gzip"),
        (gzip.compress(b"hello" * 100) + b"more", "gzip"),
        (b"\xff\xff", "deflate"),
        (b"hello", "rot13"),
    ],
    ids=["not gzip", "cut short", "wrong checksum", "bytes behind", "not deflate", "unknown"],
)
async def test_corrupt_compression(serve_script: ServeScript, transport: str, body: bytes, name: str) -> None:
    """A body that is not what its coding promises is a `ProtocolError` that names the coding."""
    server = await serve_script([Do.READ, reply(body, f"Content-Encoding: {name}"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(ProtocolError, match=name):
            await client.get(response_format=bytes)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", HEAD + b"Content-Length: 9\r\n\r\nsome"])
async def test_silence(serve_script: ServeScript, transport: str, answer: bytes) -> None:
    """A server that stops sending is given up after `Timeout.read`, and its connection is closed."""
    server = await serve_script([Do.READ, answer, Do.HOLD])
    async with AsyncClient(server.url, transport=transport, timeout=Timeout(read=0.05)) as client:
        with pytest.raises(RequestTimeout) as caught:
            await client.get()
        assert caught.value.maybe_sent
        await ended(server)


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
    """Answer without end, a few bytes at a time."""
    await read_request(reader)
    writer.write(CHUNKED)
    while True:
        writer.write(b"1\r\nx\r\n")
        await asyncio.sleep(0.005)


@pytest.mark.hazard(50)
async def test_the_whole_time(serve: Serve, transport: str) -> None:
    """A server that keeps sending does not outlast the total time, whose end is also a `TimeoutError`."""
    server = await serve(drip)
    async with AsyncClient(server.url, transport=transport, timeout=Timeout(total=0.2, read=5)) as client:
        with pytest.raises(TimeoutError, match=r"0\.2 s") as caught:
            await client.get()
        assert isinstance(caught.value, RequestTimeout)
        await ended(server)


async def test_a_timeout_of_the_call(serve: Serve, transport: str) -> None:
    """A number is the total in seconds, and that of a call goes before the client's; the task goes on unharmed."""
    server = await serve(silent)
    async with AsyncClient(server.url, transport=transport, timeout=None) as client:
        with pytest.raises(RequestTimeout, match=r"0\.3 s"):
            await client.get(timeout=0.3)
        await ended(server)
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


async def test_a_cancellation_from_outside(serve: Serve, transport: str) -> None:
    """Who cancels the task of a request gets a `CancelledError`, not one of ours."""
    server = await serve(silent)
    async with AsyncClient(server.url, transport=transport) as client:
        request = asyncio.create_task(client.get())
        await server.accepted(1)
        request.cancel("from outside")
        with pytest.raises(asyncio.CancelledError):
            await request
        assert request.cancelled()
        await ended(server)


async def test_a_timeout_around_a_request(serve: Serve, transport: str) -> None:
    """`asyncio.timeout` around a request ends it with asyncio's own `TimeoutError`."""
    server = await serve(silent)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(TimeoutError) as caught:
            await under_a_timeout(server, client.get())
        assert type(caught.value) is TimeoutError
        await ended(server)


async def test_a_group_around_requests(serve: Serve, serve_script: ServeScript, transport: str) -> None:
    """When one request of a `TaskGroup` fails, the others are cancelled and only the failure is raised."""
    server, broken = await serve(silent), await serve_script([Do.READ, Do.CLOSE])
    client = AsyncClient(server.url, transport=transport)
    tasks = []

    async def use() -> None:
        async with client, asyncio.TaskGroup() as group:
            tasks.append(group.create_task(client.get()))
            await server.accepted(1)
            tasks.append(group.create_task(client.post(f"{broken.url}/", data=b"x")))

    with pytest.raises(ExceptionGroup) as caught:
        await use()
    assert [type(error) for error in caught.value.exceptions] == [ConnectionLost]
    assert tasks[0].cancelled()
