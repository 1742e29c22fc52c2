"""How much work a compressed body makes: it grows with its size, and ends where nobody wants the content any more."""

from __future__ import annotations

import asyncio
import gzip
import random
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from headrace import AsyncClient
from headrace._core.http import content_coding
from headrace._core.http.content_coding_streaming import Decoding
from tests.kit.codings import ENCODERS, MIB, NOISE, each_coding, forget
from tests.kit.memory import bounded
from tests.servers.raw import read_request, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Serve


class Counting:
    """Stands for the module of a coding, and counts the bytes that its decoders have to copy or read.

    What a decoder had no room for is given to it again, or kept by it: each call counts all that it was given last.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self.count = 0
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        makers = ("decompressobj", "Decompressor", "ZstdDecompressor")
        return (lambda *args, **options: CountingStream(found(*args, **options), self)) if name in makers else found


class CountingStream:
    """A decoder whose work is counted."""

    def __init__(self, stream: Any, counting: Counting) -> None:
        self._stream = stream
        self._counting = counting
        self._last = 0

    def _counted(self, work: Callable[..., bytes], data: Any, *args: Any, **options: Any) -> bytes:
        self._last = len(data) or self._last
        self._counting.count += self._last
        self._counting.calls += 1
        return work(data, *args, **options)

    def decompress(self, *args: Any) -> bytes:
        """Count."""
        return self._counted(self._stream.decompress, *args)

    def process(self, *args: Any, **options: Any) -> bytes:
        """Count."""
        return self._counted(self._stream.process, *args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@pytest.fixture(params=["isal", "zlib"])
def counting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Counting]]:
    """Count what the decoders of each coding do, with ISA-L and without it."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    forget()
    found = {name: Counting(module) for name, module in content_coding.modules().items()}
    with monkeypatch.context() as patch:
        patch.setattr(content_coding, "modules", lambda: found)
        yield found
    forget()


@each_coding
@pytest.mark.parametrize("at_once", [True, False], ids=["whole", "stream"])
@pytest.mark.hazard(66)
def test_the_work_is_linear(
    name: str, encode: Callable[[bytes], bytes], at_once: bool, counting: dict[str, Counting]
) -> None:
    """Of a body as large as its content no byte is given to the decoder, or kept by it, more than a few times."""
    data = NOISE * 6
    body = encode(random.Random(2).randbytes(len(data)))  # noqa: S311 - no secret
    size = len(content_coding.decode(body, name, None)) if at_once else sum(map(len, Decoding(name).feed(body)))
    assert size == len(data)
    most = 4 if name == "br" else 2  # whose output comes by the block
    assert counting[name].count <= most * len(body) + content_coding.SLICE


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@pytest.mark.hazard(66)
def test_many_members_are_not_copied_each_time(name: str, counting: dict[str, Counting]) -> None:
    """What follows a member is looked at once more, not all that is left."""
    body = ENCODERS[name][1](NOISE[:8000]) * 1000
    assert len(content_coding.decode(body, name, None)) == 8_000_000
    assert counting[name].count <= 2 * len(body) + 1000 * content_coding.SLICE


@each_coding
@pytest.mark.hazard(66)
def test_a_decoder_stops_where_nobody_wants_its_content(
    name: str, encode: Callable[[bytes], bytes], counting: dict[str, Counting]
) -> None:
    """It looks before every step, also where a step brings nothing."""
    body = encode(random.Random(2).randbytes(MIB))  # noqa: S311 - no secret
    answers = iter([False, False, True])
    with pytest.raises(content_coding.Stopped):
        content_coding.decode(body, name, None, lambda: next(answers))
    assert counting[name].calls <= 4


@pytest.mark.hazard(66)
async def test_the_thread_of_a_request_that_was_given_up_ends(
    transport: str, serve: Serve, counting: dict[str, Counting]
) -> None:
    """A request that is cancelled while its body is decompressed leaves no thread that goes on with it."""
    body = gzip.compress(random.Random(2).randbytes(MIB))  # noqa: S311 - no secret

    async def answer(reader: Any, writer: Any, _: int) -> None:
        await read_request(reader)
        writer.write(reply(body, "Content-Encoding: gzip"))
        await writer.drain()
        await reader.read()

    server = await serve(answer)
    loop = asyncio.get_running_loop()
    begun, go_on = asyncio.Event(), threading.Event()
    inner = counting["gzip"].decompressobj

    def waiting(**options: Any) -> Any:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(10)
        return inner(**options)

    counting["gzip"].decompressobj = waiting  # type: ignore[method-assign] # watched for this test
    async with AsyncClient(server.url, transport=transport) as client:
        task = asyncio.create_task(client.get("/", response_format=bytes))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await loop.shutdown_default_executor()
    assert counting["gzip"].calls == 1


@pytest.mark.hazard(66)
def test_empty_content_in_many_codings_leaves_others_their_turn() -> None:
    """A piece that becomes very large inside, and nothing at the end, comes in steps all the same."""
    padding = gzip.compress(b"x") + bytes(8 * MIB)  # zeros behind a member are no content
    steps = list(Decoding("gzip, gzip").feed(gzip.compress(padding)))
    assert b"".join(steps) == b"x"
    assert len(steps) >= 8 * MIB // (256 * 1024)


@pytest.mark.hazard(61)
async def test_a_compressed_body_is_let_go_of(transport: str, serve: Serve) -> None:
    """What was compressed is not held beside its content while that is joined."""
    size = 12 * MIB
    content = random.Random(3).randbytes(size)  # noqa: S311 - no secret
    body = reply(gzip.compress(content, 1), "Content-Encoding: gzip")

    async def answer(reader: Any, writer: Any, _: int) -> None:
        await read_request(reader)
        view = memoryview(body)
        for start in range(0, len(view), 65536):
            writer.write(view[start : start + 65536])
            await writer.drain()
        await reader.read()

    server = await serve(answer)
    async with AsyncClient(server.url, transport=transport, max_response_bytes=size + 65536) as client:
        with bounded(size):
            assert await client.get("/", response_format=bytes) == content
