"""Answers that are read while they arrive: whole, in order, at the reader's pace, and never a shorter success."""

import asyncio
import gzip
from typing import Any

import pytest

from headrace import AsyncClient, CircuitBreaker, PoolLimits, Retry
from headrace.errors import (
    AsyncClientError,
    ConnectionLost,
    HTTPMultipleChoices,
    HTTPNotFound,
    HTTPServiceUnavailable,
    ProtocolError,
    ResponseTooLarge,
    ValidationError,
)
from headrace.testing import MockTransport, Request, Response, stream_response
from tests.conftest import Serve, ServeScript
from tests.servers.echo import EchoServer
from tests.servers.raw import Do, reply

BODY = bytes(range(256)) * 400  # 100 KiB: more than any piece that arrives with its head
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks(body: bytes, size: int = 7000) -> bytes:
    """Write a body in the chunked coding."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


FRAMED = {
    "counted": HEAD + BODY, "in many digits": HEAD.replace(b"Length: ", b"Length: 000000000000") + BODY,
    "chunked": CHUNKED + chunks(BODY), "to the end": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
}  # fmt: skip


@pytest.mark.parametrize("answer", FRAMED.values(), ids=FRAMED)
async def test_a_body_arrives_whole(answer: bytes, serve_script: ServeScript, transport: str) -> None:
    """Whatever the framing and the pieces, all bytes come, in their order, and the facts of the head before them."""
    go = asyncio.Event()
    server = await serve_script([Do.READ, answer[:200], go, answer[200:60000], answer[60000:], Do.CLOSE])
    async with (
        AsyncClient(server.url, transport=transport) as client,
        client.stream("GET", "/big", parameters={"a": 1}) as response,
    ):
        assert response.status == 200
        assert str(response.url) == f"{server.url}/big?a=1"
        assert response.content_length == (len(BODY) if b"Content-Length" in answer else None)
        go.set()
        assert b"".join([piece async for piece in response.aiter_bytes()]) == BODY


async def test_trailers_come_with_the_end(serve_script: ServeScript, transport: str) -> None:
    """The fields behind a chunked body can be read when the body was, and are no header fields."""
    go = asyncio.Event()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"
    server = await serve_script([Do.READ, head, go, b"0\r\nX-Sum: 9\r\nX-Sum: 10\r\n\r\n", Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client, client.stream("GET") as response:
        pieces = response.aiter_bytes()
        assert await anext(pieces) == b"one"
        assert not response.trailers
        go.set()
        assert [piece async for piece in pieces] == []
        assert response.trailers.getall("x-sum") == ["9", "10"]
        assert "X-Sum" not in response.headers


async def test_pieces_come_before_the_end(serve_script: ServeScript, transport: str) -> None:
    """A piece can be read while the server still waits to send the next one."""
    next_one = asyncio.Event()
    server = await serve_script([Do.READ, CHUNKED, b"3\r\none\r\n", next_one, b"3\r\ntwo\r\n0\r\n\r\n", Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client, client.stream("GET") as response:
        pieces = response.aiter_bytes()
        assert await anext(pieces) == b"one"
        next_one.set()
        assert [piece async for piece in pieces] == [b"two"]


@pytest.mark.parametrize("size", [1, 4096, 70_000, 10**6])
async def test_chunks_have_the_size_that_was_asked_for(size: int, serve_script: ServeScript, transport: str) -> None:
    """Every chunk but the last has exactly `chunk_size` bytes."""
    body = BODY[:5000] if size == 1 else BODY
    server = await serve_script([Do.READ, reply(body), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client, client.stream("GET") as response:
        pieces = [piece async for piece in response.aiter_bytes(size)]
    assert b"".join(pieces) == body
    assert {len(piece) for piece in pieces[:-1]} <= {size}
    assert 0 < len(pieces[-1]) <= size


async def test_chunks_are_cut_across_pieces(serve_script: ServeScript, transport: str) -> None:
    """What is left of a piece begins the next chunk, and what is whole is given before more has come."""
    go = asyncio.Event()
    server = await serve_script([Do.READ, reply(b"0123456789abcdefg")[:-7], go, b"abcdefg", Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client, client.stream("GET") as response:
        chunks_of_4 = response.aiter_bytes(4)
        assert [await anext(chunks_of_4) for _ in range(2)] == [b"0123", b"4567"]
        go.set()
        assert [chunk async for chunk in chunks_of_4] == [b"89ab", b"cdef", b"g"]


async def test_content_is_decompressed_and_raw_is_not(serve_script: ServeScript, transport: str) -> None:
    """`aiter_bytes` and `aread` give the content, `aiter_raw` what came over the wire."""
    packed = gzip.compress(BODY, mtime=0)
    answer = CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n" + chunks(packed, 100)
    server = await serve_script([Do.READ, answer, Do.READ, answer, Do.READ, answer, Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        async with client.stream("GET") as response:
            assert b"".join([piece async for piece in response.aiter_raw()]) == packed
        async with client.stream("GET") as response:
            assert b"".join([piece async for piece in response.aiter_bytes()]) == BODY
        async with client.stream("GET") as response:
            assert await response.aread() == await response.aread() == BODY
    assert len(server.connections) == 1


async def _gather(client: AsyncClient, got: list[bytes]) -> None:
    """Keep the pieces of a body."""
    async with client.stream("GET") as response:
        async for piece in response.aiter_bytes():
            got.append(piece)  # noqa: PERF401 - what came before an error counts


@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.parametrize("coded", [False, True], ids=["plain", "gzip"])
async def test_a_body_that_is_cut_short_is_an_error(
    tenth: int, coded: bool, serve_script: ServeScript, transport: str
) -> None:
    """Cut off at any tenth, what came can be read, and then the loss is raised instead of an end."""
    body = gzip.compress(BODY, 0, mtime=0) if coded else BODY
    head = reply(body, *(["Content-Encoding: gzip"] if coded else []))[: -len(body)]
    server = await serve_script([Do.READ, head, body[: len(body) * tenth // 10], Do.CLOSE])
    got: list[bytes] = []
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(ConnectionLost):
            await _gather(client, got)
    assert BODY.startswith(b"".join(got))
    assert len(b"".join(got)) < len(BODY)


async def test_a_truncated_gzip_in_a_whole_body_is_an_error(serve_script: ServeScript, transport: str) -> None:
    """A stream that ends early inside a body of the right length is refused at its end."""
    body = gzip.compress(BODY)[:-9]
    server = await serve_script([Do.READ, reply(body, "Content-Encoding: gzip"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client, client.stream("GET") as response:
        with pytest.raises(ProtocolError, match="cut short"):
            await response.aread()


async def test_a_slow_reader_makes_the_server_wait(serve: Serve, transport: str) -> None:
    """While nobody reads, a server of an endless body can push no more than the buffers hold."""
    pushed = 0
    stuck = asyncio.Event()

    async def endless(reader: Any, writer: asyncio.StreamWriter, _: int) -> None:
        nonlocal pushed
        writer.transport.set_write_buffer_limits(0)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            try:
                async with asyncio.timeout(0.5):
                    await writer.drain()
            except TimeoutError:
                stuck.set()
                await writer.drain()
            pushed += 65536

    server = await serve(endless)
    async with AsyncClient(server.url, transport=transport) as client, client.stream("GET") as response:
        pieces = response.aiter_bytes()
        await anext(pieces)
        await stuck.wait()
        assert pushed < 64 << 20  # the kernel's socket buffers are most of it, and how large they are is its affair
        before, read = pushed, 0
        while read < 2 * before:
            read += len(await anext(pieces))
        await pieces.aclose()
    assert pushed > before


@pytest.mark.hazard(49)
async def test_leaving_early_gives_the_slot_back(serve: Serve, transport: str) -> None:
    """A block that is left early closes its connection, and the only slot of the pool serves the next request."""

    async def big(reader: Any, writer: asyncio.StreamWriter, _: int) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD + BODY[:-1])
            await writer.drain()
            await reader.read(1)
            writer.write(BODY[-1:])

    server = await serve(big)
    pool = PoolLimits(max_connections=1)
    async with AsyncClient(server.url, transport=transport, pool=pool, timeout=5) as client:
        for number in range(1, 4):
            async with client.stream("GET") as response:
                await anext(response.aiter_bytes())
            assert len(server.connections) == number
        async with asyncio.timeout(5):
            await server.connections[-1].ended.wait()
        assert not server.open_connections


async def test_a_body_that_was_read_leaves_its_connection_for_the_next(
    serve_script: ServeScript, transport: str
) -> None:
    """Bodies that are read to their ends share one connection, which is paused for none of them."""
    server = await serve_script([Do.READ, HEAD, BODY] * 5 + [Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        for _ in range(4):
            async with client.stream("GET") as response:
                assert await response.aread() == BODY
        assert await client.get(response_format=bytes) == BODY
    assert len(server.connections) == 1


async def test_an_unread_body_that_has_arrived_needs_no_reader(serve_script: ServeScript) -> None:
    """A connection is free as soon as the body has ended on the wire, read or not."""
    done = asyncio.Event()
    server = await serve_script([Do.READ, HEAD, BODY, done, Do.READ, reply(b"{}"), Do.HOLD])
    async with AsyncClient(server.url) as client, client.stream("GET") as response:
        while client.stats.bytes_in < len(HEAD + BODY):  # noqa: ASYNC110 - the count is all that tells
            await asyncio.sleep(0)
        done.set()
        assert await client.get() == {}
        assert await response.aread() == BODY
    assert len(server.connections) == 1


@pytest.mark.parametrize(("status", "error"), [(300, HTTPMultipleChoices), (404, HTTPNotFound)])
async def test_no_success_raises_on_entry(echo: EchoServer, transport: str, status: int, error: Any) -> None:
    """The block is not entered when the status is an error, whose body is decoded as ever."""
    async with AsyncClient(echo.url, transport=transport) as client:
        with pytest.raises(error) as caught:
            async with client.stream(
                "GET", f"/status/{status}", parameters={"body": '{"why": 1}', "type": "text/json"}
            ):
                pytest.fail("the block was entered")
        assert caught.value.response == {"why": 1}
        assert client.stats.errors == {error.__name__: 1}


async def test_an_error_body_is_bounded(serve_script: ServeScript, transport: str) -> None:
    """Only the body of a success has no limit."""
    server = await serve_script([Do.READ, reply(BODY, status="404 Not Found"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport, max_response_bytes=1000) as client:
        with pytest.raises(ResponseTooLarge):
            async with client.stream("GET"):
                pytest.fail("the block was entered")


async def test_only_aread_is_bounded(serve_script: ServeScript, transport: str) -> None:
    """`max_response_bytes` bounds what is held in memory, not what passes through."""
    server = await serve_script([Do.READ, HEAD, BODY] * 2 + [Do.HOLD])
    async with AsyncClient(server.url, transport=transport, max_response_bytes=1000) as client:
        async with client.stream("GET") as response:
            assert sum([len(piece) async for piece in response.aiter_bytes()]) == len(BODY)
        async with client.stream("GET") as response:
            with pytest.raises(ResponseTooLarge):
                await response.aread()


async def test_redirects_cookies_and_bodies_are_as_ever(echo: EchoServer, transport: str) -> None:
    """A stream is redirected as any request, with the cookies that were set, and carries a body."""
    async with (
        AsyncClient(echo.url, transport=transport, cookies={"a": "b"}) as client,
        client.stream("POST", "/redirect/307", body={"x": 1}, parameters={"to": "/there"}) as response,
    ):
        told = await response.aread()
    assert b'"target": "/there"' in told
    assert b'{\\"x\\":1}' in told
    assert b"a=b" in told


async def test_retries_go_on_until_the_head_has_come(serve_script: ServeScript, transport: str) -> None:
    """A 503 and a lost connection are tried again; a body that is cut off is not."""
    server = await serve_script(
        [Do.READ, reply(status="503 Service Unavailable"), Do.READ, Do.CLOSE], [Do.READ, HEAD, BODY[:100], Do.CLOSE]
    )
    retry = Retry(attempts=3, backoff=0.001, attempt_timeout=5.0)
    async with AsyncClient(server.url, transport=transport, retry=retry, circuit_breaker=CircuitBreaker()) as client:
        async with client.stream("GET") as response:
            with pytest.raises(ConnectionLost):
                await response.aread()
        assert client.stats.retries == 1  # the connection that was lost had served before: that is no retry
    assert len(server.requests) == 3


async def test_a_body_is_read_once_and_inside_its_block(serve_script: ServeScript, transport: str) -> None:
    """A second reading, a reading after the block, and a wrong size of chunks are refused with a reason."""
    server = await serve_script([Do.READ, HEAD, BODY] * 2 + [Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        async with client.stream("GET") as response:
            with pytest.raises(ValidationError, match="chunk_size"):
                response.aiter_bytes(0)
            await anext(response.aiter_raw())
            with pytest.raises(AsyncClientError, match="once"):
                await response.aread()
        assert response.closed
        async with client.stream("GET") as response:
            pass
        with pytest.raises(AsyncClientError, match="inside its"):
            await response.aread()


async def test_two_readers_at_once_are_refused(serve_script: ServeScript) -> None:
    """The second task that waits for the same body is told, and the first one goes on."""
    go = asyncio.Event()
    server = await serve_script([Do.READ, HEAD, go, BODY, Do.HOLD])
    async with AsyncClient(server.url) as client, client.stream("GET") as response:
        source = response._request.sink.source  # type: ignore[union-attr] # white box: the API allows one reader only
        assert source is not None
        first = asyncio.ensure_future(source.read())
        await asyncio.sleep(0)
        with pytest.raises(AsyncClientError, match="one task"):
            await source.read()
        go.set()
        assert BODY.startswith(await first)


async def test_answers_without_a_body_are_empty(serve_script: ServeScript, transport: str) -> None:
    """A 204, a HEAD and an empty body are streams without a piece."""
    server = await serve_script(
        [Do.READ, b"HTTP/1.1 204 No Content\r\n\r\n", Do.READ, HEAD, Do.READ, reply(b""), Do.HOLD]
    )
    async with AsyncClient(server.url, transport=transport) as client:
        for method in ("GET", "HEAD", "GET"):
            async with client.stream(method) as response:
                assert await response.aread() == b""
    assert len(server.connections) == 1


async def test_a_transport_that_cannot_stream_is_as_good() -> None:
    """Where a transport answers with the whole body, that is what is read."""
    transport = MockTransport(lambda _: Response(200, {"Content-Encoding": "gzip"}, gzip.compress(BODY)))
    async with AsyncClient("http://a.example", transport=transport) as client, client.stream("GET") as response:
        assert await response.aread() == BODY


async def test_the_mock_streams() -> None:
    """`stream_response` arrives piece by piece, raises what its iterator raises, and is whole for other requests."""

    def pieces() -> Any:
        yield b'{"a":'
        yield b" 1}"

    def broken() -> Any:
        yield b"x"
        message = "made up"
        raise ConnectionLost(message)

    def handler(request: Request) -> Response:
        if request.target == "/error":
            return stream_response(pieces(), 503)
        return stream_response(broken() if request.target == "/broken" else pieces())

    async with AsyncClient("http://a.example", transport=MockTransport(handler)) as client:
        async with client.stream("GET") as response:
            assert [piece async for piece in response.aiter_bytes()] == [b'{"a":', b" 1}"]
        async with client.stream("GET", "/broken") as response:
            with pytest.raises(ConnectionLost, match="made up"):
                await response.aread()
        with pytest.raises(HTTPServiceUnavailable) as caught:
            async with client.stream("GET", "/error"):
                pytest.fail("the block was entered")
        assert caught.value.response == {"a": 1}
        assert await client.get() == {"a": 1}


async def test_a_success_that_is_tried_again_is_put_away() -> None:
    """A success that a `Retry` counts as a failure gives its body back before the next one comes."""
    closed = []

    class Source:
        async def read(self) -> bytes:
            return b""

        def close(self) -> None:
            closed.append(1)

    def handler(request: Request) -> Response:
        assert request.sink is not None
        request.sink.attach(Source())
        return Response(200 if len(transport.requests) > 1 else 202)

    transport = MockTransport(handler)
    policy = Retry(attempts=2, backoff=0.001, statuses=frozenset({202}))
    async with AsyncClient("http://a.example", transport=transport, retry=policy) as client:
        async with client.stream("GET") as response:
            assert response.status == 200
            assert closed == [1]
        assert closed == [1, 1]
