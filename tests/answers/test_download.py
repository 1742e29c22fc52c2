"""Downloads: whole in their place or not at all, resumed where that is safe, never out of their folder."""

import asyncio
import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient
from headrace.errors import (
    ChecksumError,
    ConnectionLost,
    DownloadError,
)
from tests.conftest import Serve, ServeScript
from tests.kit.downloads import BODY, DIGEST, ETAG, names, partial
from tests.servers.nginx import Nginx
from tests.servers.raw import Do, RawServer, read_request, reply


async def left_behind(client: AsyncClient, server: RawServer, place: Path) -> int:
    """Download from a server that ends the connection too early; return the bytes that are there afterwards."""
    with pytest.raises(ConnectionLost):
        await client.download("/big.bin", place)
    part = place.with_name(f".{place.name}.part")
    return part.stat().st_size if part.exists() else 0


def cut(*headers: str, at: int = 100_000) -> list[Any]:
    """Script an answer that is cut short."""
    whole = reply(BODY, *headers)
    return [Do.READ, whole[: len(whole) - len(BODY) + at], Do.CLOSE]


@pytest.mark.parametrize("chunk_size", [1000, 1 << 20])
@pytest.mark.hazard(55)
async def test_a_file_comes_whole(nginx: Nginx, chunk_size: int, transport: str, tmp_path: Path) -> None:
    """The file has every byte, is told of as it comes, and nothing else is left in the folder."""
    told: list[tuple[int, int | None]] = []
    async with AsyncClient(nginx.http, transport=transport) as client:
        await client.put("/store/whole.bin", data=BODY)
        place = await client.download(
            "/store/whole.bin",
            tmp_path / "a.bin",
            checksum=f"sha256:{DIGEST}",
            chunk_size=chunk_size,
            progress=lambda done, total: told.append((done, total)),
            fsync=True,
        )
    assert place == tmp_path / "a.bin"
    assert place.read_bytes() == BODY
    assert names(tmp_path) == ["a.bin"]
    assert told[0] == (0, len(BODY))
    assert told[-1] == (len(BODY), len(BODY))
    assert told == sorted(told)


async def test_a_cut_download_is_resumed(serve_script: ServeScript, tmp_path: Path) -> None:
    """What has come need not come again: only the rest is asked for, and only if the file has not changed."""
    server = await serve_script(cut(ETAG), [Do.READ, partial(100_000), Do.HOLD])
    place = tmp_path / "a.bin"
    place.write_bytes(b"before")
    async with AsyncClient(server.url) as client:
        assert await left_behind(client, server, place) == 100_000
        assert place.read_bytes() == b"before"
        await client.download("/big.bin", place, checksum=("SHA256", DIGEST.upper()))
    assert place.read_bytes() == BODY
    assert names(tmp_path) == ["a.bin"]
    assert server.requests[0].header("Range") is None
    assert server.requests[0].header("Accept-Encoding") == "identity"
    assert (server.requests[1].header("Range"), server.requests[1].header("If-Range")) == ("bytes=100000-", '"v1"')


async def test_nginx_resumes_and_knows_the_end(nginx: Nginx, transport: str, tmp_path: Path) -> None:
    """A part that is whole already is found to be (416), and one that is not gets its rest."""
    async with AsyncClient(nginx.http, transport=transport) as client:
        await client.put("/store/resumed.bin", data=BODY)
        for have in (len(BODY), 1234):

            class Stop(Exception):
                """Raised by the progress."""

            def stop(done: int, total: int | None) -> None:
                if done == total:
                    raise Stop

            with pytest.raises(Stop):
                await client.download("/store/resumed.bin", tmp_path / "a.bin", progress=stop)
            os.truncate(tmp_path / ".a.bin.part", have)
            await client.download("/store/resumed.bin", tmp_path / "a.bin", checksum=("sha256", DIGEST))
            assert (tmp_path / "a.bin").read_bytes() == BODY
            (tmp_path / "a.bin").unlink()
            assert names(tmp_path) == []


@pytest.mark.parametrize(
    "validator",
    [
        (),
        ('ETag: W/"v1"',),
        ("Last-Modified: Sun, 22 Nov 2026 10:00:00 GMT",),
        ("Last-Modified: Sun, 22 Nov 2026 10:00:00 GMT", "Date: Sun, 22 Nov 2026 10:00:30 GMT"),
        (ETAG, "Accept-Ranges: none"),
    ],
    ids=["none", "weak tag", "date alone", "date too young", "no ranges"],
)
async def test_without_a_strong_validator_nothing_is_resumed(
    validator: tuple[str, ...], serve_script: ServeScript, transport: str, tmp_path: Path
) -> None:
    """A part that cannot be resumed safely is not kept (RFC 9110, section 13.1.5)."""
    server = await serve_script(cut(*validator), [Do.READ, reply(BODY), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        assert await left_behind(client, server, tmp_path / "a.bin") == 0
        assert names(tmp_path) == []
        await client.download("/big.bin", tmp_path / "a.bin")
    assert server.requests[1].header("Range") is None
    assert (tmp_path / "a.bin").read_bytes() == BODY


async def test_a_strong_date_resumes(serve_script: ServeScript, tmp_path: Path) -> None:
    """A `Last-Modified` that is at least a minute older than the answer is strong."""
    modified = "Sun, 22 Nov 2026 10:00:00 GMT"
    dates = (f"Last-Modified: {modified}", "Date: Sun, 22 Nov 2026 10:01:00 GMT")
    server = await serve_script(cut(*dates), [Do.READ, partial(100_000, *dates), Do.HOLD])
    async with AsyncClient(server.url) as client:
        await left_behind(client, server, tmp_path / "a.bin")
        await client.download("/big.bin", tmp_path / "a.bin")
    assert server.requests[1].header("If-Range") == modified
    assert (tmp_path / "a.bin").read_bytes() == BODY


NEW = BODY[::-1]
CHANGES = {
    "200": [reply(NEW, ETAG)],
    "416": [reply(b"", "Content-Range: bytes */50", status="416 Range Not Satisfiable"), reply(NEW)],
    "another range": [partial(99_999, body=BODY), reply(NEW)],
    "another length": [partial(100_000, body=BODY + b"x"), reply(NEW)],
    "another tag": [partial(100_000, 'ETag: "v2"'), reply(NEW)],
    "no range": [reply(BODY[100_000:], ETAG, status="206 Partial Content"), reply(NEW)],
    "compressed": [partial(100_000, ETAG, "Content-Encoding: gzip"), reply(NEW)],
}


@pytest.mark.parametrize("answers", CHANGES.values(), ids=CHANGES)
async def test_whatever_has_changed_is_begun_anew(
    answers: list[bytes], serve_script: ServeScript, tmp_path: Path
) -> None:
    """No answer glues the rest of one file behind the beginning of another."""
    scripts = [[Do.READ, answer, Do.CLOSE] for answer in answers]
    server = await serve_script(cut(ETAG), *scripts)
    async with AsyncClient(server.url) as client:
        assert await left_behind(client, server, tmp_path / "a.bin") == 100_000
        await client.download("/big.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == NEW
    assert names(tmp_path) == ["a.bin"]


async def test_a_server_that_always_refuses_the_rest_ends_it(serve: Serve, tmp_path: Path) -> None:
    """Answers that never fit are an error, not an endless loop."""

    async def strange(reader: Any, writer: asyncio.StreamWriter, number: int) -> None:
        await read_request(reader)
        writer.write(partial(5) if number else reply(BODY, ETAG)[:-1])

    server = await serve(strange)
    async with AsyncClient(server.url) as client:
        await left_behind(client, server, tmp_path / "a.bin")
        with pytest.raises(DownloadError, match="as a whole"):
            await client.download("/big.bin", tmp_path / "a.bin")
    assert names(tmp_path) == []


async def test_a_short_range_is_asked_for_the_rest(serve_script: ServeScript, tmp_path: Path) -> None:
    """A server may send less than was asked for (RFC 9110, section 15.3.7): the next range follows."""
    rest = [Do.READ, partial(100_000, last=199_999), Do.READ, partial(200_000), Do.HOLD]
    server = await serve_script(cut(ETAG), rest)
    async with AsyncClient(server.url) as client:
        await left_behind(client, server, tmp_path / "a.bin")
        await client.download("/big.bin", tmp_path / "a.bin", checksum=("sha256", DIGEST))
    assert [request.header("Range") for request in server.requests] == [None, "bytes=100000-", "bytes=200000-"]


async def test_another_url_does_not_go_on_with_the_part(serve_script: ServeScript, tmp_path: Path) -> None:
    """A part belongs to its URL, whose secrets are not written down."""
    server = await serve_script(cut(ETAG), [Do.READ, reply(BODY), Do.HOLD])
    async with AsyncClient(server.url, parameters={"api_key": "s3cret"}) as client:
        await left_behind(client, server, tmp_path / "a.bin")
        assert "s3cret" not in (tmp_path / ".a.bin.part.json").read_text()
        await client.download("/other.bin", tmp_path / "a.bin")
    assert server.requests[1].header("Range") is None


@pytest.mark.parametrize("note", [b"", b"{", b"[1]", b"\xff" * 10, None])
async def test_a_broken_note_is_no_note(note: bytes | None, serve_script: ServeScript, tmp_path: Path) -> None:
    """Where nothing good says what a part is of, it is begun anew."""
    (tmp_path / ".a.bin.part").write_bytes(b"garbage")
    if note is not None:
        (tmp_path / ".a.bin.part.json").write_bytes(note)
    server = await serve_script([Do.READ, reply(BODY), Do.HOLD])
    async with AsyncClient(server.url) as client:
        await client.download("/big.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert names(tmp_path) == ["a.bin"]


async def test_a_wrong_checksum_leaves_nothing(serve_script: ServeScript, transport: str, tmp_path: Path) -> None:
    """A file that is not the expected one is thrown away, and what was there before stays."""
    (tmp_path / "a.bin").write_bytes(b"before")
    server = await serve_script([Do.READ, reply(BODY, ETAG), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(ChecksumError) as caught:
            await client.download("/big.bin", tmp_path / "a.bin", checksum=f"sha256:{'0' * 64}")
    assert caught.value.actual == DIGEST
    assert (tmp_path / "a.bin").read_bytes() == b"before"
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.hazard(54, "CVE-2020-8177")
async def test_the_name_comes_from_the_server_or_the_url(serve_script: ServeScript, tmp_path: Path) -> None:
    """Into a folder, a file has the name that the server offers, made harmless, or the last part of the URL's path."""
    evil = 'Content-Disposition: attachment; filename="../../etc/passwd"'
    star = "Content-Disposition: attachment; filename=x; filename*=UTF-8''na%C3%AFve%2F..%2Fplan.txt"
    server = await serve_script(
        [Do.READ, reply(BODY, evil), Do.READ, reply(BODY, star), Do.READ, reply(BODY), Do.READ, reply(BODY, evil)]
    )
    folder = tmp_path / "in"
    folder.mkdir()
    async with AsyncClient(server.url) as client:
        assert await client.download("/big", folder) == folder / "passwd"
        assert await client.download("/big", folder) == folder / "plan.txt"
        assert await client.download("/a/my%20file.bin?x=/y", folder) == folder / "my file.bin"
        with pytest.raises(DownloadError, match="overwrites nothing"):
            await client.download("/big", folder)
    assert names(tmp_path) == ["in"]
    assert names(folder) == ["my file.bin", "passwd", "plan.txt"]
    assert {path.read_bytes() for path in folder.iterdir()} == {BODY}


@pytest.mark.hazard(54, "CVE-2023-32001", "CVE-2025-11563")
async def test_a_link_in_the_place_of_the_part_is_not_followed(serve_script: ServeScript, tmp_path: Path) -> None:
    """Nobody else decides which file is written."""
    (tmp_path / "victim").write_bytes(b"before")
    (tmp_path / ".a.bin.part").symlink_to(tmp_path / "victim")
    server = await serve_script([Do.READ, reply(BODY), Do.HOLD])
    async with AsyncClient(server.url) as client:
        with pytest.raises(OSError, match="symbolic"):
            await client.download("/big.bin", tmp_path / "a.bin")
    assert (tmp_path / "victim").read_bytes() == b"before"


async def test_a_server_that_compresses_nevertheless(serve_script: ServeScript, transport: str, tmp_path: Path) -> None:
    """The file has the content, and a part of it is not resumed."""
    server = await serve_script([Do.READ, reply(gzip.compress(BODY), ETAG, "Content-Encoding: gzip"), Do.HOLD])
    async with AsyncClient(server.url, transport=transport) as client:
        await client.download("/big.bin", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize("checked", [False, True])
async def test_a_body_without_a_length_over_tls_needs_a_checksum(
    checked: bool, serve_script: ServeScript, nginx: Nginx, tmp_path: Path
) -> None:
    """Where nobody can tell a cut connection from the end, the file is taken only if its checksum is right."""
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + BODY
    server = await serve_script([Do.READ, answer, Do.CLOSE], ssl=nginx.tls.server_context())
    async with AsyncClient(server.url, tls=nginx.client_context) as client:
        if checked:
            await client.download("/big.bin", tmp_path / "a.bin", checksum=("sha256", DIGEST))
        else:
            with pytest.raises(DownloadError, match="checksum"):
                await client.download("/big.bin", tmp_path / "a.bin")
    assert names(tmp_path) == (["a.bin"] if checked else [])
