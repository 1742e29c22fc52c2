"""Downloads in trouble: two at once, a full disk, a cancellation, wrong arguments; no broken file is left."""

import asyncio
import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient
from headrace._io.answers.part_file import PartFile
from headrace.errors import (
    AsyncClientError,
    DownloadError,
    HTTPNotFound,
    HTTPRequestedRangeNotSatisfiable,
    ValidationError,
)
from headrace.testing import MockTransport, Request, Response, stream_response
from tests.conftest import ServeScript
from tests.kit.downloads import BODY, DIGEST, ETAG, names, partial
from tests.servers.nginx import Nginx
from tests.servers.raw import Do, reply


async def test_two_at_once_to_one_place_are_refused(serve_script: ServeScript, tmp_path: Path) -> None:
    """The second is told, the first goes on, and afterwards the place is free again."""
    go = asyncio.Event()
    answer = reply(BODY)
    server = await serve_script([Do.READ, answer[:1000], go, answer[1000:], Do.READ, answer, Do.HOLD])
    async with AsyncClient(server.url) as client:
        first = asyncio.create_task(client.download("/big.bin", tmp_path / "a.bin"))
        while not server.requests:  # noqa: ASYNC110 - the list is all that tells
            await asyncio.sleep(0.001)
        with pytest.raises(DownloadError, match="under way"):
            await client.download("/big.bin", tmp_path / "." / "a.bin")
        go.set()
        await first
        await client.download("/big.bin", tmp_path / "a.bin")


async def test_another_process_is_refused(tmp_path: Path) -> None:
    """The lock holds between processes, too."""
    part = PartFile(tmp_path / "a.bin", None)
    code = """
import sys, pathlib
from headrace._io.answers.part_file import PartFile
from headrace.errors import DownloadError
try:
    PartFile(pathlib.Path(sys.argv[1]), None)
except DownloadError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "a.bin")]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    part.close()
    assert b"under way" in output
    assert names(tmp_path) == []


@pytest.mark.hazard(55)
async def test_a_full_disk_leaves_no_broken_file(
    serve_script: ServeScript, transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ENOSPC` is raised as it is; the part has what there was room for, and can be resumed when there is more."""
    write, room = os.writev, 50_000

    def full(file: int, views: Any) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(file, [views[0][:room]])
        room -= written
        return written

    server = await serve_script([Do.READ, reply(BODY, ETAG), Do.CLOSE], [Do.READ, partial(50_000), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        with monkeypatch.context() as patch:
            patch.setattr(os, "writev", full)
            patch.setattr(PartFile, "takes_pipes", property(lambda _: False))
            with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
                await client.download("/big.bin", tmp_path / "a.bin")
        assert names(tmp_path) == [".a.bin.part", ".a.bin.part.json"]
        await client.download("/big.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize("steps", range(0, 60, 3))
async def test_a_cancellation_anywhere_leaves_what_can_be_resumed(steps: int, tmp_path: Path) -> None:
    """Cancelled at whatever step, the place is empty or whole, no lock stays, and the next run gets the whole."""

    def handler(request: Request) -> Response:
        first = int(dict(request.headers.pairs).get("Range", "bytes=0-")[6:-1])
        headers = {"ETag": '"v1"', "Content-Length": str(len(BODY) - first)}
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(BODY) - 1}/{len(BODY)}"
        pieces = (BODY[at : at + 10_000] for at in range(first, len(BODY), 10_000))
        return stream_response(pieces, 206 if first else 200, headers)

    place = tmp_path / "a.bin"
    async with AsyncClient("http://a.example", transport=MockTransport(handler)) as client:
        task = asyncio.create_task(client.download("/big", place, chunk_size=20_000))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert not place.exists() or place.read_bytes() == BODY
        await client.download("/big", place, checksum=f"sha256:{DIGEST}")
    assert place.read_bytes() == BODY
    assert names(tmp_path) == ["a.bin"]


async def test_errors_leave_nothing_behind(nginx: Nginx, serve_script: ServeScript, tmp_path: Path) -> None:
    """An error status, a success without a file, and a progress that raises are raised; no file appears."""
    server = await serve_script([Do.READ, b"HTTP/1.1 204 No Content\r\n\r\n", Do.HOLD])
    async with AsyncClient(nginx.http) as client:
        with pytest.raises(HTTPNotFound):
            await client.download("/nothing", tmp_path / "a.bin")
        with pytest.raises(ZeroDivisionError):
            await client.download("/users/1", tmp_path / "a.bin", resume=False, progress=lambda done, _: 1 // done)
        with pytest.raises(DownloadError, match="204"):
            await client.download(server.url, tmp_path / "a.bin")
        with pytest.raises(FileNotFoundError):
            await client.download("/users/1", tmp_path / "no" / "a.bin")
    assert names(tmp_path) == []


async def test_a_416_to_the_whole_is_raised(serve_script: ServeScript, tmp_path: Path) -> None:
    """A server that refuses a range that nobody asked for is not asked again."""
    server = await serve_script([Do.READ, reply(status="416 Range Not Satisfiable"), Do.HOLD])
    async with AsyncClient(server.url) as client:
        with pytest.raises(HTTPRequestedRangeNotSatisfiable):
            await client.download("/big.bin", tmp_path / "a.bin")


class PathInBytes:
    """A path as the system has it, which may be no text."""

    def __fspath__(self) -> bytes:
        """Write it."""
        return b"x"


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("dest", 3),
        ("dest", b"x"),
        ("dest", PathInBytes()),
        ("dest", "a\0b"),
        ("checksum", "sha256"),
        ("checksum", "sha256:12"),
        ("checksum", "nonsense:00"),
        ("checksum", ("shake_128", "00")),
        ("checksum", 5),
        ("progress", "x"),
        ("chunk_size", 0),
        ("headers", {"range": "bytes=0-1"}),
    ],
)
async def test_wrong_arguments_are_named(argument: str, value: Any, tmp_path: Path) -> None:
    """A wrong argument is refused by its name before anything is sent or written."""
    transport = MockTransport(lambda _: Response(200))
    async with AsyncClient("http://a.example", transport=transport) as client:
        with pytest.raises(ValidationError, match=argument):
            await client.download("/x", **{"dest": tmp_path / "a", argument: value})
    assert not transport.requests
    assert names(tmp_path) == []


async def test_a_closed_client_downloads_nothing(tmp_path: Path) -> None:
    """There is no file to return, so it is an error."""
    client = AsyncClient("http://a.example", transport=MockTransport(lambda _: Response(200)))
    await client.close()
    with pytest.raises(AsyncClientError, match="closed"):
        await client.download("/x", tmp_path / "a")
