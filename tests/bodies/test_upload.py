"""Uploads as their callers see them: sources, lengths, forms of several files, progress, and what is closed."""

import asyncio
import gc
import gzip
import io
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import AsyncClient, FilePart
from headrace._io.bodies.multipart import BytesPart, MultipartBody
from headrace._io.wire.connection import Connection
from headrace.errors import ValidationError
from tests.conftest import Serve, ServeScript
from tests.kit.descriptors import is_open
from tests.kit.multipart import LARGE, content, field, parts
from tests.kit.waiting import ended
from tests.servers.raw import WAIT_SECONDS, Do, RawServer, SeenRequest, read_request, reply
from tests.servers.tls import TlsMaterial


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of 5 MB."""
    path = tmp_path / "large.bin"
    path.write_bytes(LARGE)
    return path


def as_generator() -> Iterator[bytes]:
    """Give out ten bytes in two pieces."""
    yield b"01234"
    yield b"56789"


async def as_async_generator() -> AsyncIterator[bytes]:
    """Give out ten bytes in two pieces, with a wait between."""
    yield b"01234"
    await asyncio.sleep(0)
    yield b"56789"


@pytest.mark.parametrize(
    "make",
    [as_generator, as_async_generator, lambda: [b"01234", b"56789"]],
    ids=["generator", "async generator", "list"],
)
@pytest.mark.parametrize("size", [0, 100_000])
async def test_an_iterable_is_streamed_in_chunks(
    server: RawServer, client: AsyncClient, make: Callable[[], Any], size: int
) -> None:
    """`stream_file` takes pieces, whose length nobody knows: they go chunked, large ones and small ones."""
    source = make() if not size else [bytes(size), b"x" * size]
    await client.stream_file(source, method="PUT")
    (request,) = server.requests
    assert request.line == "PUT / HTTP/1.1"
    assert request.body == (b"0123456789" if not size else bytes(size) + b"x" * size)
    assert request.header("Transfer-Encoding") == "chunked"
    assert request.header("Content-Type") == "application/octet-stream"


async def test_a_read_is_of_two_mebibytes_where_nothing_is_said(client: AsyncClient) -> None:
    """As the documentation has it; what comes of it are as few steps as there can be."""
    sizes: set[int | None] = set()

    class Recording(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            sizes.add(size)
            return super().read(size)

    await client.stream_file(Recording(b"0123456789"))
    assert sizes == {2 << 20}


@pytest.mark.parametrize("chunk_size", [1, 7, 65_536, 1 << 20, None])
async def test_the_size_of_a_chunk_changes_no_byte(
    server: RawServer, client: AsyncClient, large: Path, small: Path, chunk_size: int | None
) -> None:
    """Whatever the size of a read, the same bytes arrive, by path, from the middle, and through a file object."""
    if chunk_size is not None and chunk_size < 1000:
        await client.stream_file(small, chunk_size=chunk_size)
        await client.stream_file(io.BytesIO(b"0123456789"), chunk_size=chunk_size)
        expected = [b"0123456789", b"0123456789"]
    else:
        await client.stream_file(large, chunk_size=chunk_size)
        with large.open("rb") as file:
            file.seek(1_000_001)
            await client.stream_file(file, chunk_size=chunk_size)
            assert file.tell() == len(LARGE)
        await client.stream_file(io.BytesIO(LARGE), chunk_size=chunk_size)
        expected = [LARGE, LARGE[1_000_001:], LARGE]
    assert [request.body for request in server.requests] == expected
    assert {request.header("Transfer-Encoding") for request in server.requests} == {None}
    assert len(server.connections) == 1


async def test_a_large_file_over_tls(serve_script: ServeScript, tls: TlsMaterial, transport: str, large: Path) -> None:
    """Bytes that have to be encrypted arrive as well."""
    server = await serve_script([Do.READ, reply(b'"one"'), Do.HOLD], ssl=tls.server_context())
    async with AsyncClient(server.url, transport=transport, tls=tls.client_context()) as client:
        await client.stream_file(large)
    assert server.requests[0].body == LARGE


async def test_a_slow_reader_gets_every_byte(serve: Serve, transport: str, large: Path) -> None:
    """A server that reads a little at a time, with pauses, gets the file whole, in a form with another file."""
    got: list[SeenRequest] = []

    async def sip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        got.append(await read_request(reader))
        writer.write(reply(b'"done"'))

    server = await serve(sip)
    async with AsyncClient(server.url, transport=transport) as client:
        request = asyncio.create_task(client.upload_file([large, large], chunk_size=300_000))
        connection = await server.accepted(1)
        for _ in range(3):
            connection.writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's transport reads, too
            await asyncio.sleep(0.03)  # longer than a thread waits for a full socket
            connection.writer.transport.resume_reading()  # type: ignore[attr-defined] # the same
            await asyncio.sleep(0)
        assert await asyncio.wait_for(request, WAIT_SECONDS) == "done"
    assert [content(part) for part in parts(got[0])] == [LARGE, LARGE]


async def test_a_compressed_file_is_sent_as_what_it_reads(
    server: RawServer, client: AsyncClient, tmp_path: Path
) -> None:
    """A `GzipFile` gives its content, though it has the descriptor of the compressed file; its path gives that."""
    path = tmp_path / "notes.txt.gz"
    with gzip.open(path, "wb") as packed:
        packed.write(b"0123456789" * 1000)
    with gzip.open(path) as unpacked:
        await client.stream_file(unpacked)  # type: ignore[arg-type] # a file for binary reading, if not an IO[bytes]
    await client.stream_file(path)
    assert server.requests[0].body == b"0123456789" * 1000
    assert server.requests[0].header("Content-Length") == "10000"
    assert server.requests[1].body == path.read_bytes()
    assert server.requests[1].header("Content-Type") == "application/gzip"


async def test_a_temporary_file_with_unwritten_bytes(server: RawServer, client: AsyncClient) -> None:
    """What was written to a file and is still in its buffer belongs to it."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(b"0123456789")
        file.seek(0)
        file.read(1)
        await client.stream_file(file)  # type: ignore[arg-type] # the same
    with tempfile.TemporaryFile() as nameless:
        nameless.write(b"0123456789")
        nameless.seek(2)
        nameless.write(b"ab")
        nameless.seek(0)
        await client.stream_file(nameless)
    assert [request.body for request in server.requests] == [b"123456789", b"01ab456789"]
    assert server.requests[0].header("Content-Type") == "text/csv"


async def test_an_object_that_can_only_be_read(server: RawServer, client: AsyncClient) -> None:
    """`read` is all that a file needs: without a start and an end it goes chunked, and once."""

    class Source:
        def __init__(self) -> None:
            self._left = io.BytesIO(b"0123456789")

        def read(self, count: int) -> bytes:
            return self._left.read(min(count, 3))

    await client.stream_file(Source())  # type: ignore[arg-type] # no whole IO[bytes]
    assert server.requests[0].body == b"0123456789"
    assert server.requests[0].header("Transfer-Encoding") == "chunked"


async def test_a_form_of_several_files_and_fields(
    server: RawServer, client: AsyncClient, small: Path, large: Path
) -> None:
    """Fields come first, then the files in their order; the length of all of it is announced."""
    await client.upload_file(
        {"avatar": small, "scans": [FilePart(large, "scan.png"), FilePart(b"raw", "a.csv", "text/plain")]},
        "/upload",
        fields={"name": "Ada", "tags": ["a", "b"], "raw": b"\xff\x00", "note": "two\nlines", "age": 36},
        method="PUT",
    )
    request = server.requests[0]
    assert request.line == "PUT /upload HTTP/1.1"
    assert request.header("Content-Length") == str(len(request.body))
    found = [(field(part), part.get_filename(), content(part)) for part in parts(request)]
    assert found == [
        ("name", None, b"Ada"),
        ("tags", None, b"a"),
        ("tags", None, b"b"),
        ("raw", None, b"\xff\x00"),
        ("note", None, b"two\nlines"),
        ("age", None, b"36"),
        ("avatar", "small.txt", b"0123456789"),
        ("scans", "scan.png", LARGE),
        ("scans", "a.csv", b"raw"),
    ]
    types = [part["Content-Type"] for part in parts(request)][-3:]
    assert [str(kind) for kind in types] == ["text/plain", "image/png", "text/plain"]
    assert not is_open(small)


async def test_a_form_with_an_iterable_goes_chunked(server: RawServer, client: AsyncClient, small: Path) -> None:
    """One part without a length makes the whole form one."""
    await client.upload_file([small, FilePart(as_async_generator(), "log.json")], field="both")
    request = server.requests[0]
    assert request.header("Transfer-Encoding") == "chunked"
    found = [(field(part), part.get_filename(), content(part)) for part in parts(request)]
    assert found == [("both", "small.txt", b"0123456789"), ("both", "log.json", b"0123456789")]


async def test_a_name_and_a_type_for_the_only_file(server: RawServer, client: AsyncClient, small: Path) -> None:
    """`filename` and `content_type` take the place of what the file suggests."""
    await client.upload_file(small, filename="other.csv", content_type="text/x-own")
    (part,) = parts(server.requests[0])
    assert (part.get_filename(), part.get_content_type()) == ("other.csv", "text/x-own")


@given(
    st.lists(st.tuples(st.text(), st.text(), st.binary()), min_size=1, max_size=3),
    st.dictionaries(st.text(), st.text()),
)
def test_no_name_breaks_out_of_its_line(files: list[tuple[str, str, bytes]], fields: dict[str, str]) -> None:
    """Whatever fields and files are called: every part has the two lines that it should have, and no quote too many."""
    lines = [(name, value.encode()) for name, value in fields.items() if name.isprintable() and value.isprintable()]
    made = MultipartBody(lines, [(name, BytesPart(data, file, "a/b")) for name, file, data in files])
    heads = [part for part in made._parts if isinstance(part, bytes) and b"Content-Disposition" in part]
    for head in heads[len(lines) :]:
        boundary, disposition, kind, end = head.split(b"\r\n", 3)
        assert boundary.startswith(b"--")
        assert disposition.count(b'"') == 4
        assert disposition.isascii() or disposition.decode()
        assert not set(b"\r\n") & set(disposition)
        assert (kind, end) == (b"Content-Type: a/b", b"\r\n")


def test_names_are_escaped_as_browsers_do() -> None:
    """HTML says what becomes of line ends and quotes; a line end in the name of a field is CRLF."""
    made = MultipartBody([('a"\n', b"1")], [("b\r", BytesPart(b"", 'c"\r\nd\\é', "a/b"))])
    field_part, file_part = made._parts[0], made._parts[1]
    assert b'; name="a%22%0D%0A"\r\n' in field_part
    assert '; name="b%0D%0A"; filename="c%22%0D%0Ad\\é"\r\n'.encode() in file_part


@pytest.mark.parametrize(
    ("method", "named", "options"),
    [
        ("stream_file", "chunk_size", {"chunk_size": 0}),
        ("stream_file", "chunk_size", {"chunk_size": 1.5}),
        ("upload_file", "chunk_size", {"chunk_size": True}),
        ("stream_file", "progress", {"progress": 5}),
        ("upload_file", "progress", {"progress": "bar"}),
        ("upload_file", "field", {"field": 5}),
        ("upload_file", "filename", {"filename": b"a"}),
        ("upload_file", "content_type", {"content_type": "text/plain\r\nX: y"}),
        ("upload_file", "content_type", {"content_type": 5}),
        ("upload_file", "fields", {"fields": 5}),
        ("upload_file", "fields", {"fields": {"a": object()}}),
        ("stream_file", "method", {"method": "NO SUCH"}),
        ("stream_file", "headers", {"headers": 5, "expect": True}),
    ],
)
async def test_wrong_arguments(
    server: RawServer, client: AsyncClient, small: Path, method: str, named: str, options: dict[str, Any]
) -> None:
    """A wrong argument is a `ValidationError` that names it; nothing is sent, and no file stays open."""
    with pytest.raises(ValidationError, match=named):
        await getattr(client, method)(small, **options)
    assert not is_open(small)
    assert server.connections == []


@pytest.mark.parametrize("wrong", [b"bytes", bytearray(b"bytes"), {"a": b"bytes"}, [], {}, [5], [b"bytes"], [None]])
async def test_what_is_no_file_of_a_form(server: RawServer, client: AsyncClient, small: Path, wrong: Any) -> None:
    """What cannot be a file is refused, and the files before it are closed."""
    with pytest.raises(ValidationError, match="file"):
        await client.upload_file(wrong)
    with pytest.raises(ValidationError, match="file"):
        await client.upload_file([small, wrong])
    with pytest.raises(ValidationError, match="filename"):
        await client.upload_file([small, small], filename="one")
    assert not is_open(small)
    assert server.connections == []


@pytest.mark.parametrize("method", ["stream_file", "upload_file"])
async def test_progress_counts_the_bytes_of_the_body(
    server: RawServer, client: AsyncClient, large: Path, method: str
) -> None:
    """Progress begins with 0, never falls, is told in chunks, and ends with the whole length."""
    told: list[tuple[int, int | None]] = []
    await getattr(client, method)(large, chunk_size=1_000_000, progress=lambda done, total: told.append((done, total)))
    size = len(server.requests[0].body)
    assert told[0] == (0, size)
    assert told[-1] == (size, size)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert len(told) >= 6


async def test_progress_without_a_length(server: RawServer, client: AsyncClient) -> None:
    """Where the length is unknown the total is `None`."""
    told: list[tuple[int, int | None]] = []
    await client.stream_file(as_generator(), progress=lambda *how_far: told.append(how_far))
    assert told == [(0, None), (5, None), (10, None)]


class OwnError(Exception):
    """What a caller's own function may raise."""


@pytest.mark.parametrize("at", [0, 1, 5_000_001])
async def test_an_error_in_progress_fails_the_request(serve: Serve, transport: str, large: Path, at: int) -> None:
    """The error of a progress function comes out as it is, the file is closed and so is the connection."""

    async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await read_request(reader)
        if at == 0:
            writer.write(reply())

    def tell(done: int, total: int | None) -> None:
        if done >= at:
            raise OwnError(total)

    server = await serve(read)
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(OwnError):
            await asyncio.wait_for(client.stream_file(large, progress=tell), WAIT_SECONDS)
        await ended(server)
        assert not is_open(large)


@pytest.mark.parametrize("size", [65_535, 65_536])
async def test_small_fields_go_out_together(size: int) -> None:
    """They are collected until there are 64 KiB of them: there is no write for each, and no copy of all."""

    class Writer:
        async def write(self, piece: bytes) -> None:
            written.append(len(piece))

    written: list[int] = []
    empty = len(MultipartBody([("a", b"")], [])._parts[0])
    form = MultipartBody([("a", b"x" * (size - empty)), ("b", b"")], [])
    await form.write(Writer())
    assert written[0] == (size if size == 65_536 else size + empty)
    assert sum(written) == form.size


@pytest.mark.skipif(sys.platform != "linux", reason="needs sendfile")
@pytest.mark.asyncio(loop_factories=["asyncio"])  # uvloop does not tell its limits
async def test_a_connection_that_a_file_went_past_is_left_as_it_was(server: RawServer, large: Path) -> None:
    """Its transport lets as much wait for the socket as before."""
    async with AsyncClient(server.url, transport="wire") as client:
        await client.get()
        (connection,) = (each for each in gc.get_objects() if type(each) is Connection and each.key == server.url)
        before = connection._transport.get_write_buffer_limits()
        await client.stream_file(large)
        assert connection._transport.get_write_buffer_limits() == before
    assert len(server.connections) == 1
