"""A request that is cancelled, and cancelled again while it puts its things away, has put all of them away."""

import asyncio
import itertools
import os
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient
from headrace.testing import MockTransport, Request, Response, stream_response
from tests.conftest import Serve
from tests.kit.descriptors import is_connected
from tests.kit.downloads import BODY, DIGEST, names
from tests.kit.waiting import until
from tests.servers.raw import read_request, reply
from tests.servers.tls import TlsMaterial

_SPLIT = 100_000
_WORK_TAKES = 3  # steps of the loop


class Held(ThreadPoolExecutor):
    """Threads that are none: their work takes some steps of the loop, always the same ones."""

    def __init__(self) -> None:
        super().__init__(1)
        self._waiting: deque[Callable[[], None]] = deque()
        self._steps = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Take work."""
        future: Future[Any] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:  # noqa: BLE001 - for whoever waits
                    future.set_exception(error)

        self._waiting.append(work)
        return future

    def step(self) -> None:
        """Let a step of the loop have passed; do what has waited longest when its time is over."""
        self._steps = self._steps + 1 if self._waiting else 0
        if self._steps > _WORK_TAKES:
            self._steps = 0
            self._waiting.popleft()()


async def ended(work: Awaitable[object], held: Held, cancel: set[int]) -> int:
    """Let a task run, cancelling it at some steps; return the step at which it had ended."""
    task = asyncio.ensure_future(work)
    for step in itertools.count():
        if step in cancel:
            task.cancel()
        await asyncio.sleep(0)
        held.step()
        if task.done():
            if cancel and min(cancel) <= step:
                assert task.cancelled() or task.exception() is None, task
            else:
                task.result()
            return step
    raise AssertionError


def open_files() -> set[str]:
    """Name what this process has open."""
    found = set()
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are all that is wanted
        try:
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")  # noqa: PTH115 - as above
        except FileNotFoundError:
            continue  # what has listed them
    return found


def answer(request: Request) -> Response:
    """Give what is asked for, in pieces."""
    first = int(dict(request.headers.pairs).get("Range", "bytes=0-")[6:-1])
    headers = {"ETag": '"v1"', "Content-Length": str(len(BODY) - first)}
    if first:
        headers["Content-Range"] = f"bytes {first}-{len(BODY) - 1}/{len(BODY)}"
    pieces = (BODY[at : at + _SPLIT] for at in range(first, len(BODY), _SPLIT))
    return stream_response(pieces, 206 if first else 200, headers)


async def at_every_pair_of_steps(make: Callable[[], Awaitable[object]], held: Held, check: Callable[[], Any]) -> None:
    """Cancel a request at each of its steps, and again at each step that it takes from there to its end."""
    last = await ended(make(), held, set())
    await check()
    pairs = 0
    for first in range(last + 1):
        end = await ended(make(), held, {first})
        await check()
        for second in range(first + 1, end + 1):
            await ended(make(), held, {first, second})
            await check()
            pairs += 1
    assert pairs > 10


@pytest.fixture
def held() -> Held:
    """Threads whose work the test lets go on."""
    return Held()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.hazard(68)
async def test_a_download(held: Held, tmp_path: Path) -> None:
    """The place is free again at once, no descriptor is left, and the next download is right."""
    asyncio.get_running_loop().set_default_executor(held)
    place = tmp_path / "a.bin"
    async with AsyncClient("http://a.example", transport=MockTransport(answer)) as client:

        def make() -> Awaitable[object]:
            return client.download("/big", place, chunk_size=2 * _SPLIT, checksum=f"sha256:{DIGEST}")

        async def check() -> None:
            assert open_files() == before
            assert not place.exists() or place.read_bytes() == BODY
            await ended(make(), held, set())
            assert place.read_bytes() == BODY
            assert names(tmp_path) == ["a.bin"]
            place.unlink()
            assert open_files() == before

        before = open_files()
        await at_every_pair_of_steps(make, held, check)


@pytest.mark.hazard(57, 68)
@pytest.mark.parametrize("steps", range(1, 5))
async def test_a_client_that_is_being_closed(steps: int, serve: Serve, tls: TlsMaterial, transport: str) -> None:
    """Who is cancelled while a peer is waited for to end its TLS does not wait, and leaves no socket open."""

    async def answer_and_stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await read_request(reader)
        writer.write(reply(b"1"))
        stalled.append(writer.transport)
        writer.transport.pause_reading()  # type: ignore[attr-defined] # it reads, too
        await asyncio.Event().wait()

    stalled: list[asyncio.WriteTransport] = []
    server = await serve(answer_and_stall, ssl=tls.server_context())
    client = AsyncClient(server.url, transport=transport, tls=tls.trusting)
    assert await client.get() == 1
    port = stalled[0].get_extra_info("peername")[1]
    assert is_connected(port)
    closing = asyncio.create_task(client.close())
    for _ in range(steps):
        await asyncio.sleep(0)
    while not closing.done():
        closing.cancel()
        await asyncio.sleep(0)
    await until(lambda: not is_connected(port))
    await client.close()
    stalled[0].abort()
