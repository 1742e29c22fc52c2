"""Downloads whose bytes a thread takes from the socket itself: nothing of that shows but the speed."""

import asyncio
import errno
import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient, Timeout
from headrace._io.answers.part_file import PartFile
from headrace.errors import ConnectionLost, RequestTimeout, TransportError
from tests.conftest import Serve, ServeScript
from tests.servers.nginx import Nginx
from tests.servers.raw import Do, read_request, reply

BODY = os.urandom(3_000_000)  # more than the sockets hold, so that a thread has to come back for it
#: With one, the bytes pass through the process; without one they need not.
with_and_without_checksum = pytest.mark.parametrize(
    "checksum", [None, "sha256:" + hashlib.sha256(BODY).hexdigest()], ids=["no checksum", "checksum"]
)
ANSWER = reply(BODY, 'ETag: "v1"')
HEAD = len(ANSWER) - len(BODY)


def part(folder: Path) -> bytes:
    """Read what there is of an unfinished download."""
    return (folder / ".a.bin.part").read_bytes()


@with_and_without_checksum
async def test_the_connection_serves_again(checksum: str | None, serve_script: ServeScript, tmp_path: Path) -> None:
    """The last byte goes the usual way, so that a body that has ended gives its connection back."""
    server = await serve_script([Do.READ, ANSWER, Do.READ, reply(b"2"), Do.READ, ANSWER, Do.HOLD])
    async with AsyncClient(server.url) as client:
        await client.download("/a", tmp_path / "a.bin")
        assert await client.get("/") == 2
        await client.download("/a", tmp_path / "b.bin", checksum=checksum)
        counts = client.stats.bytes_in
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes() == BODY
    assert len(server.connections) == 1
    assert counts == 2 * len(ANSWER) + len(reply(b"2"))


async def test_bytes_behind_the_body_are_no_answer(serve_script: ServeScript, tmp_path: Path) -> None:
    """What comes behind a body belongs to nobody: it is not written, and its connection serves nobody."""
    server = await serve_script([Do.READ, ANSWER + reply(b"666"), Do.HOLD], [Do.READ, reply(b"2"), Do.HOLD])
    async with AsyncClient(server.url) as client:
        await client.download("/a", tmp_path / "a.bin")
        assert await client.get("/") == 2
    assert (tmp_path / "a.bin").read_bytes() == BODY


@with_and_without_checksum
async def test_drops_are_written_as_they_come(checksum: str | None, serve: Serve, tmp_path: Path) -> None:
    """A server that sends a little at a time is waited for without a thread, and each piece is told of."""
    told: asyncio.Queue[int] = asyncio.Queue()

    async def drip(reader: Any, writer: asyncio.StreamWriter, _: int) -> None:
        await read_request(reader)
        writer.write(ANSWER[:HEAD])
        for begin in range(0, 1000, 100):
            writer.write(BODY[begin : begin + 100])
            while await told.get() < begin + 100:
                pass
        writer.write(BODY[1000:])
        await reader.read()

    server = await serve(drip)
    async with AsyncClient(server.url) as client:
        tell = told.put_nowait
        await client.download("/a", tmp_path / "a.bin", progress=lambda done, _: tell(done), checksum=checksum)
    assert (tmp_path / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize("how", [Do.CLOSE, Do.RESET, Do.END])
@pytest.mark.parametrize("tenths", range(10))
@with_and_without_checksum
async def test_a_body_that_is_cut_off_is_no_file(
    checksum: str | None, tenths: int, how: Do, serve_script: ServeScript, tmp_path: Path
) -> None:
    """Cut off at any tenth, the loss is raised, and the part is a beginning of the file."""
    server = await serve_script([Do.READ, ANSWER[: HEAD + len(BODY) * tenths // 10], how])
    async with AsyncClient(server.url) as client:
        with pytest.raises(ConnectionLost):
            await client.download("/a", tmp_path / "a.bin", checksum=checksum)
    assert not (tmp_path / "a.bin").exists()
    if how is not Do.RESET and tenths:  # a reset may overtake what was sent before it
        assert len(part(tmp_path)) == len(BODY) * tenths // 10
    if (tmp_path / ".a.bin.part").exists():
        assert BODY.startswith(part(tmp_path))


@pytest.mark.parametrize("timeout", [Timeout(total=30, read=0.3), Timeout(total=1)])
async def test_a_stalled_server_is_a_timeout(timeout: Timeout, serve_script: ServeScript, tmp_path: Path) -> None:
    """Silence is bounded, and so is the time of a call that was given one; what has come can be resumed."""
    server = await serve_script([Do.READ, ANSWER[: HEAD + 1_000_000], Do.HOLD])
    async with AsyncClient(server.url) as client:
        with pytest.raises(RequestTimeout):
            await client.download("/a", tmp_path / "a.bin", timeout=timeout)
    assert part(tmp_path) == BODY[:1_000_000]


async def test_a_slow_disk_is_no_silent_server(
    serve_script: ServeScript, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk is waited for, the server is not."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    loop, take = asyncio.get_running_loop(), PartFile.take

    def slow(self: PartFile, pipe: int, count: int) -> None:
        if self.size > 100_000 and not go_on.is_set():
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        take(self, pipe, count)

    monkeypatch.setattr(PartFile, "take", slow)
    server = await serve_script([Do.READ, ANSWER, Do.HOLD])
    async with AsyncClient(server.url, timeout=Timeout(read=0.05)) as client:
        task = asyncio.create_task(client.download("/a", tmp_path / "a.bin"))
        await begun.wait()
        await asyncio.sleep(0.2)  # four times what a silent server is given
        go_on.set()
        await task
    assert (tmp_path / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize("ending", ["cancel", "close"])
async def test_an_end_from_outside_leaves_no_descriptor(ending: str, serve: Serve, tmp_path: Path) -> None:
    """Cancelled, or its client closed, in the middle: the socket is gone at once, and so is the duplicate of it."""
    rest = asyncio.Event()

    async def half(reader: Any, writer: asyncio.StreamWriter, _: int) -> None:
        await read_request(reader)
        writer.write(ANSWER[: HEAD + 2_000_000])
        await rest.wait()

    server = await serve(half)
    client = AsyncClient(server.url)
    arrived = asyncio.Event()
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all that is wanted
    task = asyncio.create_task(
        client.download("/a", tmp_path / "a.bin", progress=lambda done, _: done < 2_000_000 or arrived.set())
    )
    await arrived.wait()
    await asyncio.sleep(0)
    if ending == "cancel":
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        await client.close()
        with pytest.raises(TransportError, match="closed"):
            await task
    async with asyncio.timeout(5):
        await server.connections[0].ended.wait()
    rest.set()
    await client.close()
    assert part(tmp_path) == BODY[:2_000_000]
    assert _sockets(set(os.listdir("/proc/self/fd")) - before) <= 1  # noqa: PTH208 - the server's end


def _sockets(descriptors: set[str]) -> int:
    """Count the sockets among descriptors that are open."""
    links = (Path("/proc/self/fd", each) for each in descriptors)
    return sum(os.path.lexists(link) and str(link.readlink()).startswith("socket:") for link in links)


async def test_a_file_system_without_splice(
    serve_script: ServeScript, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file takes nothing from a pipe, it is written as ever, and no byte is lost on the way."""
    splice = os.splice

    def refuse(source: int, target: int, count: int) -> int:
        if stat.S_ISREG(os.fstat(target).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return splice(source, target, count)

    monkeypatch.setattr(os, "splice", refuse)
    server = await serve_script([Do.READ, ANSWER, Do.HOLD])
    async with AsyncClient(server.url) as client:
        await client.download("/a", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY


async def test_no_pipe_is_no_reason_to_fail(
    serve_script: ServeScript, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no descriptor is left for a pipe, the bytes take the other way."""

    def refuse() -> tuple[int, int]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pipe", refuse)
    server = await serve_script([Do.READ, ANSWER, Do.HOLD])
    async with AsyncClient(server.url) as client:
        await client.download("/a", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY


@with_and_without_checksum
async def test_a_quota_leaves_no_broken_file(checksum: str | None, nginx: Nginx, tmp_path: Path) -> None:
    """Where there is room for a part only, the error of the system is raised, and the part is a beginning."""
    program = """
import asyncio, resource, sys
from headrace import AsyncClient
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
async def main():
    async with AsyncClient(sys.argv[1]) as client:
        try:
            await client.download("/store/quota.bin", sys.argv[2], checksum=sys.argv[3] or None)
        except OSError as error:
            print(error.strerror)
asyncio.run(main())
"""
    async with AsyncClient(nginx.http) as client:
        await client.put("/store/quota.bin", data=BODY)
    command = [sys.executable, "-c", program, nginx.http, str(tmp_path / "a.bin"), checksum or ""]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "File too large\n"
    assert not (tmp_path / "a.bin").exists()
    assert part(tmp_path) == BODY[:1_500_000]
