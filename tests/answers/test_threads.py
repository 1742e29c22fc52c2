"""Nobody leaves while a thread still uses their file: a cancellation waits for it, and only then is anything closed."""

import asyncio
import io
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient
from headrace._io import threads
from headrace._io.answers.part_file import PartFile
from tests.conftest import Serve, ServeScript
from tests.kit.descriptors import is_open
from tests.kit.downloads import BODY, ETAG
from tests.servers.raw import WAIT_SECONDS, Do, reply

_STEPS = 30


class Gate:
    """Work in a thread that stands still until the test lets it go on.

    Attributes:
        reached: Set in the loop when a thread has come to it.
    """

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._open = threading.Event()

    def open(self) -> None:
        """Let everybody pass."""
        self._open.set()

    def wait(self) -> None:
        """Stand still, in a thread."""
        self._loop.call_soon_threadsafe(self.reached.set)
        assert self._open.wait(WAIT_SECONDS)

    def before(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Put it before some work."""

        def held(*arguments: Any) -> Any:
            self.wait()
            return work(*arguments)

        return held


async def cancelled(task: asyncio.Task[Any], gate: Gate, in_use: Callable[[], bool], times: int) -> None:
    """Cancel a task whose thread stands still: it does not end, nor close anything, before the thread does."""
    await asyncio.wait_for(gate.reached.wait(), WAIT_SECONDS)
    for step in range(_STEPS):
        if step < times:
            task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        assert in_use()
    gate.open()
    await asyncio.wait([task], timeout=WAIT_SECONDS)
    assert task.cancelled()
    assert not in_use()


async def swallow(reader: asyncio.StreamReader, _: asyncio.StreamWriter, __: int) -> None:
    """Read whatever comes, and answer nothing."""
    while await reader.read(65536):
        pass


TIMES = pytest.mark.parametrize("times", [1, 2, _STEPS])


@TIMES
@pytest.mark.hazard(68)
async def test_a_path_that_is_being_read(
    times: int, serve: Serve, transport: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The descriptor is open as long as a thread reads it, so that its number cannot be another file's."""
    gate = Gate()
    monkeypatch.setattr(os, "pread", gate.before(os.pread))
    server = await serve(swallow)
    async with AsyncClient(server.url, transport=transport) as client:
        await cancelled(asyncio.create_task(client.stream_file(small)), gate, lambda: is_open(small), times)


@TIMES
@pytest.mark.hazard(68)
async def test_an_open_file_that_is_the_data(
    times: int, serve: Serve, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner, who may close it at once, gets it back when no thread reads it any more."""
    gate, reading = Gate(), threading.Event()
    read = gate.before(os.pread)

    def pread(descriptor: int, count: int, at: int) -> bytes:
        reading.set()
        try:
            piece: bytes = read(descriptor, count, at)
        finally:
            reading.clear()
        return piece

    monkeypatch.setattr(os, "pread", pread)
    server = await serve(swallow)
    with small.open("rb") as file:
        async with AsyncClient(server.url) as client:
            await cancelled(asyncio.create_task(client.put(data=file)), gate, reading.is_set, times)


@TIMES
@pytest.mark.hazard(68)
async def test_a_file_object_that_is_being_read(times: int, serve: Serve, transport: str) -> None:
    """Its owner gets it back when no thread reads it any more."""
    gate, reading = Gate(), threading.Event()

    class Source(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reading.set()
            gate.wait()
            try:
                return super().read(size)
            finally:
                reading.clear()

    server = await serve(swallow)
    async with AsyncClient(server.url, transport=transport) as client:
        await cancelled(asyncio.create_task(client.stream_file(Source(BODY))), gate, reading.is_set, times)


@TIMES
@pytest.mark.hazard(68)
@pytest.mark.parametrize("method", ["write", "take", "begin_anew"])
async def test_a_part_that_is_being_written(
    times: int, method: str, serve_script: ServeScript, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part is open, and its place taken, as long as a thread writes to it."""
    if method == "write":
        monkeypatch.setattr(PartFile, "takes_pipes", property(lambda _: False))
    gate = Gate()
    monkeypatch.setattr(PartFile, method, gate.before(getattr(PartFile, method)))
    large = bytes(3_000_000)  # more than comes with the head
    server = await serve_script([Do.READ, reply(large, ETAG), Do.HOLD])
    part = tmp_path / ".a.bin.part"
    async with AsyncClient(server.url) as client:
        task = asyncio.create_task(client.download("/a", tmp_path / "a.bin"))
        await cancelled(task, gate, lambda: part.exists() and is_open(part), times)
    assert not (tmp_path / "a.bin").exists()


@TIMES
@pytest.mark.hazard(68)
async def test_batches_that_are_being_written(
    times: int, serve_script: ServeScript, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where the loop gathers what a thread writes, which goes on beside it."""
    gate, write = Gate(), PartFile.write

    def held(self: PartFile, pieces: Sequence[bytes]) -> None:
        gate.wait()
        write(self, pieces)

    monkeypatch.setattr(PartFile, "write", held)
    server = await serve_script([Do.READ, reply(BODY, ETAG)[:-10], Do.HOLD])
    part = tmp_path / ".a.bin.part"
    async with AsyncClient(server.url, transport="aiohttp") as client:
        task = asyncio.create_task(client.download("/a", tmp_path / "a.bin", chunk_size=1))
        await cancelled(task, gate, lambda: part.exists() and is_open(part), times)


@TIMES
async def test_work_that_is_undone(times: int) -> None:
    """What nobody is there to take is undone, once, behind the end of the work."""
    gate, done = Gate(), []
    task = asyncio.create_task(threads.run(gate.before(int), "5", undo=done.append))
    await cancelled(task, gate, lambda: not done, times)
    assert done == [5]
    assert await threads.run(int, "6", undo=done.append) == 6
    assert done == [5]


async def test_work_that_fails_behind_a_cancellation() -> None:
    """An error that nobody waits for any more is none, and there is nothing to undo."""
    gate, heard = Gate(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    task = asyncio.create_task(threads.run(gate.before(int), "x", undo=heard.append))
    await asyncio.wait_for(gate.reached.wait(), WAIT_SECONDS)
    task.cancel()
    gate.open()
    await asyncio.wait([task])
    del task
    assert heard == []
