"""What a file may be that is sent: plain, made up as it is read, or an open pipe; a path is that of a file."""

import asyncio
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headrace import AsyncClient
from headrace.errors import ValidationError
from tests.conftest import Serve
from tests.kit.descriptors import is_open
from tests.kit.waiting import until
from tests.servers.raw import WAIT_SECONDS, RawServer, reply


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
async def test_a_pipe_is_sent_as_it_is_written(serve: Serve, transport: str, tmp_path: Path) -> None:
    """A pipe has no length and no start: what is in it is sent at once, up to its end."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    seen = asyncio.Event()
    bodies = []

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        bodies.append(await reader.readuntil(b"first\r\n"))
        seen.set()
        bodies.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(reply(b'"done"'))

    server = await serve(read)
    async with AsyncClient(server.url, transport=transport) as client:
        end = os.open(path, os.O_RDWR)  # which waits for no other end
        with path.open("rb") as pipe:
            request = asyncio.create_task(client.stream_file(pipe))
            os.write(end, b"first")
            await asyncio.wait_for(seen.wait(), WAIT_SECONDS)
            os.write(end, b"second")
            os.close(end)
            assert await asyncio.wait_for(request, WAIT_SECONDS) == "done"
    assert b"second" in bodies[1]


async def test_a_cancelled_opening_leaves_no_file_open(client: AsyncClient, small: Path) -> None:
    """A request that is cancelled while its file is being opened returns at once, and the file is closed after all."""
    go = threading.Event()
    threads = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(threads)
    threads.submit(go.wait)
    request = asyncio.create_task(client.stream_file(small))
    await asyncio.sleep(0)
    request.cancel()
    await asyncio.wait([request])
    assert request.cancelled()
    go.set()  # only now can it be opened
    await asyncio.to_thread(int)
    await until(lambda: not is_open(small))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("method", ["stream_file", "upload_file"])
@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
async def test_a_path_that_is_no_file(
    server: RawServer, client: AsyncClient, tmp_path: Path, method: str, kind: str
) -> None:
    """What opening may have to wait for is refused by its name, and nothing is sent."""
    path = Path(os.devnull) if kind == "device" else tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(path)
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "socket":
            listener.bind(str(path))
        with pytest.raises(ValidationError, match="open it yourself") as caught:
            await getattr(client, method)(path)
    assert str(path) in str(caught.value)
    assert not server.requests


async def test_a_folder_is_no_file(server: RawServer, client: AsyncClient, tmp_path: Path) -> None:
    """A folder is the `OSError` that opening it is."""
    with pytest.raises(IsADirectoryError):
        await client.stream_file(tmp_path)
    assert not server.requests


#: Of the one no size is told, of the other that of a page.
_MADE_UP = [Path("/proc/version"), Path("/sys/kernel/mm/transparent_hugepage/enabled")]


def read(path: Path) -> bytes:
    """Read a file."""
    return path.read_bytes()


@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=pytest.mark.skipif(not path.exists(), reason="is Linux's")) for path in _MADE_UP]
)
async def test_a_file_whose_size_is_not_that_of_its_content(
    server: RawServer, client: AsyncClient, path: Path, *, opened: bool
) -> None:
    """What is made as it is read is read to its end, and goes in chunks; in a form, too."""
    content = read(path)
    assert content
    with path.open("rb") as file:
        await client.stream_file(file if opened else path)
        file.seek(0)
        await client.upload_file(file if opened else path)
        file.seek(0)
        await client.put(data=file)
    assert [server.requests[number].body for number in (0, 2)] == [content] * 2
    assert content in server.requests[1].body
    assert {request.header("Transfer-Encoding") for request in server.requests} == {"chunked"}


async def test_a_file_that_is_all_hole(server: RawServer, client: AsyncClient, tmp_path: Path) -> None:
    """A file that takes no room on its disk has its size all the same."""
    path = tmp_path / "hole"
    path.touch()
    os.truncate(path, 5000)
    await client.stream_file(path)
    assert server.requests[0].body == bytes(5000)
    assert server.requests[0].header("Content-Length") == "5000"


@pytest.mark.parametrize("method", ["stream_file", "upload_file"])
async def test_a_closed_file(server: RawServer, client: AsyncClient, tmp_path: Path, method: str) -> None:
    """A file that is closed is refused by its argument, and nothing is sent."""
    (tmp_path / "x").write_bytes(b"x")
    with (tmp_path / "x").open("rb") as file:
        pass
    with pytest.raises(ValidationError, match=r"the file is closed, takes an open one"):
        await getattr(client, method)(file)
    assert not server.requests
