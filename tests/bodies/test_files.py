"""Files as bodies: every byte arrives, whatever the file is called and however it was given."""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from headrace import AsyncClient
from headrace.errors import HTTPInternalServerError, ValidationError
from tests.conftest import ServeScript
from tests.kit.descriptors import is_open
from tests.kit.multipart import LARGE, content, field, parts
from tests.servers.nginx import Nginx
from tests.servers.raw import Do, RawServer, reply


@pytest.fixture
async def server(serve_script: ServeScript) -> RawServer:
    """A server that takes two requests a connection."""
    return await serve_script([Do.READ, reply(b'"one"'), Do.READ, reply(b'"two"'), Do.HOLD])


@pytest.mark.parametrize("kind", [str, Path])
async def test_a_path_is_streamed(server: RawServer, client: AsyncClient, small: Path, kind: type) -> None:
    """A file given by its path is the body as it stands, with its length and the type that its name suggests."""
    assert await client.stream_file(kind(small), "/files") == "one"
    request = server.requests[0]
    assert request.line == "POST /files HTTP/1.1"
    assert request.body == b"0123456789"
    assert request.header("Content-Length") == "10"
    assert request.header("Transfer-Encoding") is None
    assert request.header("Content-Type") == "text/plain"
    assert not is_open(small)


async def test_an_open_file_is_streamed_from_where_it_stands(
    server: RawServer, client: AsyncClient, small: Path
) -> None:
    """An open file is sent from its position to its end, and stays open: who opened it closes it."""
    with small.open("rb") as file:
        file.seek(4)
        await client.stream_file(file)
        assert not file.closed
    await client.stream_file(io.BytesIO(b"in memory"))
    assert [request.body for request in server.requests] == [b"456789", b"in memory"]
    assert [request.header("Content-Length") for request in server.requests] == ["6", "9"]
    assert server.requests[1].header("Content-Type") == "application/octet-stream"


async def test_an_empty_file(server: RawServer, client: AsyncClient, tmp_path: Path) -> None:
    """An empty file is a body of no bytes, and an empty part of a form."""
    path = tmp_path / "empty"
    path.touch()
    await client.stream_file(path)
    await client.upload_file(path)
    assert server.requests[0].header("Content-Length") == "0"
    assert server.requests[0].header("Content-Type") == "application/octet-stream"
    (part,) = parts(server.requests[1])
    assert (field(part), part.get_filename(), content(part)) == ("file", "empty", b"")


async def test_a_large_file(server: RawServer, client: AsyncClient, tmp_path: Path) -> None:
    """5 MB arrive byte for byte, raw and in a form."""
    path = tmp_path / "large.bin"
    path.write_bytes(LARGE)
    await client.stream_file(path)
    assert server.requests[0].body == LARGE
    assert server.requests[0].header("Content-Length") == str(len(LARGE))
    await client.upload_file(path)
    (part,) = parts(server.requests[1])
    assert content(part) == LARGE


async def test_a_large_file_to_nginx(nginx: Nginx, transport: str, tmp_path: Path) -> None:
    """A server that nobody here wrote counts the same number of bytes."""
    path = tmp_path / "large.bin"
    path.write_bytes(LARGE)
    async with AsyncClient(nginx.http, transport=transport) as client:
        answer = await client.stream_file(path, "/upload")
    assert (answer["method"], answer["content_length"]) == ("POST", len(LARGE))


async def test_headers_of_the_call_go_before_guesses(server: RawServer, client: AsyncClient, small: Path) -> None:
    """A Content-Type of the call replaces the guessed one; other options hold as for every request."""
    await client.stream_file(small, headers={"Content-Type": "text/x-log"}, parameters={"a": 1})
    assert server.requests[0].line == "POST /?a=1 HTTP/1.1"
    assert server.requests[0].header("Content-Type") == "text/x-log"


async def test_a_file_is_uploaded_as_a_form(server: RawServer, client: AsyncClient, small: Path) -> None:
    """A form has one part, the field `file`, with the file's name, type and bytes; its length is announced."""
    assert await client.upload_file(small, "/upload") == "one"
    request = server.requests[0]
    (part,) = parts(request)
    assert request.line == "POST /upload HTTP/1.1"
    assert (field(part), part.get_filename(), part.get_content_type()) == ("file", "small.txt", "text/plain")
    assert content(part) == b"0123456789"
    assert request.header("Content-Length") == str(len(request.body))
    assert request.header("Transfer-Encoding") is None
    assert not is_open(small)


async def test_an_open_file_is_uploaded_from_where_it_stands(
    server: RawServer, client: AsyncClient, small: Path
) -> None:
    """An open file is a part with what is left of it, under the field that the caller names."""
    with small.open("rb") as file:
        file.seek(7)
        await client.upload_file(file, field="attachment")
        assert not file.closed
    await client.upload_file(io.BytesIO(b"abc"))
    (first,), (second,) = parts(server.requests[0]), parts(server.requests[1])
    assert (field(first), first.get_filename(), content(first)) == ("attachment", "small.txt", b"789")
    assert (field(second), second.get_filename(), content(second)) == ("file", "file", b"abc")


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids such names")
@pytest.mark.parametrize("name", ['a"b.txt', "a\r\nX-Injected: yes\r\n\r\n.txt", "a\\b;c=d.txt", "größe 1.txt"])
async def test_names_of_files_cannot_break_out(
    server: RawServer, client: AsyncClient, tmp_path: Path, name: str
) -> None:
    """Quotes, line ends and the like in a file's name are encoded: the form has one part, and that is the file."""
    path = tmp_path / name
    path.write_bytes(b"abc")
    await client.upload_file(path)
    request = server.requests[0]
    (part,) = parts(request)
    assert {key.lower() for key in part} <= {"content-type", "content-disposition", "content-length"}
    assert part["Content-Disposition"].params.keys() == {"name", "filename"}
    assert (field(part), content(part)) == ("file", b"abc")
    assert "X-Injected" not in part
    assert part["Content-Disposition"].count('"') == 4
    assert request.header("Content-Length") == str(len(request.body))


async def test_a_field_cannot_break_out(server: RawServer, client: AsyncClient, small: Path) -> None:
    """Line ends and quotes in the name of a field are no way into the head of a part either."""
    with suppress(ValidationError):  # refusing it is as good
        await client.upload_file(small, field='a"\r\nX-Injected: yes\r\n\r\n')
    assert all(b"\r\nX-Injected" not in request.body for request in server.requests)


async def pieces() -> AsyncIterator[bytes]:
    """Give out three pieces, one of them empty: an empty chunk would end the body."""
    for piece in (b"one ", b"", b"two"):
        await asyncio.sleep(0)
        yield piece


def plain_pieces() -> Iterator[bytes]:
    """Give out two pieces."""
    yield b"one "
    yield b"two"


@pytest.mark.parametrize(
    "make",
    [pieces, plain_pieces, lambda: [b"one ", b"two"], lambda: (bytearray(b"one "), memoryview(b"two"))],
    ids=["async generator", "generator", "list", "tuple of buffers"],
)
async def test_pieces_go_chunked(server: RawServer, client: AsyncClient, make: Any) -> None:
    """A body whose length nobody knows goes in chunks, all of them, and the connection is used again."""
    await client.put(data=make())
    await client.put(data=make())
    for request in server.requests:
        assert request.body == b"one two"
        assert request.header("Transfer-Encoding") == "chunked"
        assert request.header("Content-Length") is None
        assert request.header("Content-Type") == "application/octet-stream"
    assert len(server.connections) == 1


async def test_an_open_file_as_data(server: RawServer, client: AsyncClient, small: Path) -> None:
    """`data=` takes an open file, with any method, from where it stands."""
    with small.open("rb") as file:
        file.seek(5)
        await client.put(data=file)
    assert server.requests[0].body == b"56789"
    assert server.requests[0].header("Content-Length") == "5"
    assert server.requests[0].header("Content-Type") == "text/plain"


async def test_a_form_of_aiohttp(server: RawServer, client: AsyncClient, small: Path) -> None:
    """An `aiohttp.FormData` is sent as aiohttp would: urlencoded, or multipart where it has a file."""
    form = aiohttp.FormData({"a": "1 2"})
    await client.post(data=form)
    assert server.requests[0].body == b"a=1+2"
    assert (server.requests[0].header("Content-Type") or "").startswith("application/x-www-form-urlencoded")
    with small.open("rb") as file:
        form = aiohttp.FormData()
        form.add_field("text", "hello")
        form.add_field("file", file, filename="other.csv", content_type="text/csv")
        await client.post(data=form)
    text, file_part = parts(server.requests[1])
    assert (field(text), content(text)) == ("text", b"hello")
    assert (field(file_part), file_part.get_filename(), content(file_part)) == ("file", "other.csv", b"0123456789")
    assert file_part.get_content_type() == "text/csv"


async def test_a_mapping_with_a_file(server: RawServer, client: AsyncClient, small: Path) -> None:
    """A mapping that holds an open file is a multipart form of all its fields."""
    with small.open("rb") as file:
        await client.post(data={"text": "hello", "file": file})
    text, file_part = parts(server.requests[0])
    assert (field(text), content(text)) == ("text", b"hello")
    assert (field(file_part), file_part.get_filename(), content(file_part)) == ("file", "small.txt", b"0123456789")


@pytest.mark.parametrize("method", ["stream_file", "upload_file"])
async def test_a_missing_file(server: RawServer, client: AsyncClient, tmp_path: Path, method: str) -> None:
    """A file that cannot be opened is the `OSError` of opening it, before any connection is made."""
    with pytest.raises(FileNotFoundError):
        await getattr(client, method)(tmp_path / "missing")
    assert server.connections == []


@pytest.mark.parametrize("method", ["stream_file", "upload_file"])
async def test_what_is_no_binary_file(server: RawServer, client: AsyncClient, small: Path, method: str) -> None:
    """A file in text mode, or what is no file at all, is a `ValidationError` that names the argument."""
    with small.open() as text:
        for wrong in (text, io.StringIO("text"), 5, None):
            with pytest.raises(ValidationError, match="file"):
                await getattr(client, method)(wrong)
    assert server.connections == []


@pytest.mark.parametrize("method", ["stream_file", "upload_file"])
async def test_a_file_is_closed_after_an_error(
    serve_script: ServeScript, transport: str, small: Path, method: str
) -> None:
    """A file that was opened here is closed when the request fails, whether it was answered or never sent."""
    failing = await serve_script([Do.READ, reply(b"{}", status="500 Internal Server Error"), Do.HOLD])
    async with AsyncClient(failing.url, transport=transport) as client:
        with pytest.raises(HTTPInternalServerError):
            await getattr(client, method)(small)
        assert not is_open(small)
        with pytest.raises(ValidationError):
            await getattr(client, method)(small, headers=5)
        assert not is_open(small)
