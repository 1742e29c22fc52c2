"""What lies beside a download's place: no link is followed, only plain files of our own are used, nobody else reads."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace import AsyncClient
from headrace.errors import DownloadError
from tests.conftest import ServeScript
from tests.kit.descriptors import is_open
from tests.kit.downloads import BODY, ETAG, names, partial
from tests.servers.raw import Do, RawServer, reply

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
PRECIOUS = b"precious"


@pytest.fixture
async def server(serve_script: ServeScript) -> RawServer:
    """A server that gives the whole, in a way that could be resumed."""
    return await serve_script([Do.READ, reply(BODY, ETAG), Do.CLOSE])


@pytest.fixture
async def client(server: RawServer, transport: str) -> AsyncClient:
    """A client of that server."""
    return AsyncClient(server.url, transport=transport)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to which somebody else may write, too."""
    made = tmp_path / "shared"
    made.mkdir()
    return made


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file that is not to be touched."""
    made = tmp_path / "victim"
    made.write_bytes(PRECIOUS)
    made.chmod(0o644)
    return made


def plant(kind: str, path: Path, victim: Path) -> None:
    """Put something where a file of ours is to be."""
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "dangling link":
        path.symlink_to(victim.with_name("new"))
    elif kind == "second name":
        path.hardlink_to(victim)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(PRECIOUS)
        os.chown(path, 12345, 12345)


AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away and makes devices")
KINDS = [
    "link", "dangling link", "second name", "pipe",
    pytest.param("another's", marks=AS_ROOT),
]  # fmt: skip


def inode(path: Path) -> int:
    """Tell which file a path leads to."""
    return path.stat().st_ino


def untouched(victim: Path) -> bool:
    """Tell whether nothing has happened to a file."""
    return (victim.read_bytes(), victim.stat().st_mode & 0o777) == (PRECIOUS, 0o644)


@pytest.mark.hazard(67)
@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_lies_in_the_place_of_the_note(
    kind: str, client: AsyncClient, folder: Path, victim: Path
) -> None:
    """A note is a new file each time: what was there under its name is not written to."""
    plant(kind, folder / ".a.bin.part.json", victim)
    async with client:
        await client.download("/a", folder / "a.bin")
    assert untouched(victim)
    assert (folder / "a.bin").read_bytes() == BODY
    assert names(folder) == ["a.bin"]
    assert names(folder.parent) == ["shared", "victim"]


@pytest.mark.hazard(67)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_note_that_is_not_ours_is_not_believed(
    kind: str, serve_script: ServeScript, transport: str, folder: Path, victim: Path
) -> None:
    """A note behind a link, or of somebody else, says nothing: the part is begun anew."""
    server = await serve_script(
        [Do.READ, reply(BODY, ETAG)[:-100_000], Do.CLOSE], [Do.READ, reply(BODY, ETAG), Do.CLOSE]
    )
    part, note = folder / ".a.bin.part", folder / ".a.bin.part.json"
    async with AsyncClient(server.url, transport="wire") as torn:
        with pytest.raises(ConnectionError):
            await torn.download("/a", folder / "a.bin")
    text = note.read_bytes()
    note.unlink()
    plant(kind, note, victim)
    if kind != "dangling link" and not note.is_fifo():
        note.write_bytes(text)
    assert part.stat().st_size == 200_000
    async with AsyncClient(server.url, transport=transport) as client:
        await client.download("/a", folder / "a.bin")
    assert server.requests[1].header("Range") is None
    assert (folder / "a.bin").read_bytes() == BODY


@pytest.mark.hazard(67)
@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_lies_in_the_place_of_the_part(
    kind: str, client: AsyncClient, folder: Path, victim: Path
) -> None:
    """Links and pipes are an error that names them; files that are not ours alone are not written to."""
    part = folder / ".a.bin.part"
    plant(kind, part, victim)
    async with client:
        if "link" in kind or kind == "pipe":
            with pytest.raises(DownloadError if kind == "pipe" else OSError, match=r"\.a\.bin\.part"):
                await client.download("/a", folder / "a.bin")
            part.unlink()
        await client.download("/a", folder / "a.bin")
    assert untouched(victim)
    assert (folder / "a.bin").read_bytes() == BODY
    assert names(folder) == ["a.bin"]


@pytest.mark.hazard(67)
async def test_a_link_in_the_place_of_the_file_is_replaced(client: AsyncClient, folder: Path, victim: Path) -> None:
    """The file takes the place of the link, and nothing happens to what that leads to."""
    (folder / "a.bin").symlink_to(victim)
    async with client:
        await client.download("/a", folder / "a.bin")
    assert untouched(victim)
    assert (folder / "a.bin").read_bytes() == BODY
    assert not (folder / "a.bin").is_symlink()


@pytest.mark.hazard(67)
async def test_a_link_under_a_name_of_the_server_s(
    serve_script: ServeScript, transport: str, folder: Path, victim: Path
) -> None:
    """A link that leads nowhere is overwritten as little as a file is."""
    (folder / "b.bin").symlink_to(victim.with_name("new"))
    server = await serve_script([Do.READ, reply(BODY, "Content-Disposition: attachment; filename=b.bin"), Do.CLOSE])
    async with AsyncClient(server.url, transport=transport) as client:
        with pytest.raises(DownloadError, match="overwrites nothing"):
            await client.download("/a", folder)
    assert names(folder) == ["b.bin"]
    assert names(folder.parent) == ["shared", "victim"]


@pytest.mark.hazard(67)
async def test_a_part_that_is_exchanged_is_not_published(client: AsyncClient, folder: Path, victim: Path) -> None:
    """What somebody has put in the place of the part meanwhile is neither taken for it nor removed."""
    part = folder / ".a.bin.part"

    def exchange(done: int, total: int | None) -> None:
        if done == total:
            part.unlink()
            part.write_bytes(b"evil")

    async with client:
        with pytest.raises(DownloadError, match="taken"):
            await client.download("/a", folder / "a.bin", progress=exchange)
    assert not (folder / "a.bin").exists()
    assert part.read_bytes() == b"evil"
    assert untouched(victim)


@pytest.fixture(params=[0o022, 0o027, 0o077])
def allowed(request: pytest.FixtureRequest) -> Iterator[int]:
    """The permissions of new files, by the umask of the process."""
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


@pytest.mark.hazard(67)
async def test_nobody_else_reads_what_is_not_whole(client: AsyncClient, folder: Path, allowed: int) -> None:
    """A part and its note are for their user alone; the whole has the permissions of any new file."""
    seen: dict[str, int] = {}

    def look(*_: object) -> None:
        seen.update({path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()})
        assert not is_open(folder / ".a.bin.part.json")  # which would keep its descriptor for ever

    async with client:
        await client.download("/a", folder / "a.bin", progress=look)
    assert seen == {".a.bin.part": 0o600, ".a.bin.part.json": 0o600}
    assert (folder / "a.bin").stat().st_mode & 0o777 == allowed
    assert names(folder) == ["a.bin"]


@pytest.mark.hazard(67)
async def test_a_part_that_others_could_read_is_theirs_no_more(
    serve_script: ServeScript, transport: str, folder: Path
) -> None:
    """A part of an older version is resumed, and closed to others first."""
    server = await serve_script(
        [Do.READ, reply(BODY, ETAG)[:-100_000], Do.CLOSE], [Do.READ, partial(200_000), Do.CLOSE]
    )
    part, seen = folder / ".a.bin.part", set()
    async with AsyncClient(server.url, transport="wire") as torn:
        with pytest.raises(ConnectionError):
            await torn.download("/a", folder / "a.bin")
    part.chmod(0o644)
    async with AsyncClient(server.url, transport=transport) as client:
        await client.download("/a", folder / "a.bin", progress=lambda *_: seen.add(part.stat().st_mode & 0o777))
    assert seen == {0o600}
    assert server.requests[1].header("Range") == "bytes=200000-"
    assert (folder / "a.bin").read_bytes() == BODY


@pytest.mark.hazard(55)
@pytest.mark.parametrize("fsync", [True, False])
async def test_the_disk_has_the_file_before_its_name(
    fsync: bool, client: AsyncClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `fsync` the disk has every byte, and the permissions, then the name, and then the folder that holds it."""
    steps: list[tuple[str, object]] = []
    sync, replace = os.fsync, os.replace

    def record_sync(file: int) -> None:
        found = os.fstat(file)
        is_file = stat.S_ISREG(found.st_mode)
        steps.append(("file", (found.st_size, found.st_mode & 0o777)) if is_file else ("folder", found.st_ino))
        sync(file)

    def record_replace(source: Path, target: Path) -> None:
        steps.append(("name", Path(target).name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "replace", record_replace)
    (folder / "a.bin").write_bytes(b"before")
    (folder / "a.bin").chmod(0o640)
    async with client:
        await client.download("/a", folder / "a.bin", fsync=fsync)
    whole = [("file", (len(BODY), 0o640)), ("name", "a.bin"), ("folder", inode(folder))]
    assert steps == (whole if fsync else whole[1:2])


@pytest.mark.hazard(67)
@pytest.mark.parametrize("kind", ["pipe", "socket", pytest.param("device", marks=AS_ROOT)])
async def test_what_is_no_file_is_not_replaced(kind: str, server: RawServer, client: AsyncClient, folder: Path) -> None:
    """A device, a pipe or a socket at the destination stays there, and nothing is asked for."""
    place = folder / "a.bin"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "device":
        os.mknod(place, 0o600 | stat.S_IFCHR, os.makedev(1, 3))  # another /dev/null
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "socket":
            listener.bind(str(place))
        before = place.lstat()
        async with client:
            with pytest.raises(DownloadError, match=r"a\.bin' is a device, a pipe or a socket"):
                await client.download("/a", place)
    assert (place.lstat().st_ino, place.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert names(folder) == ["a.bin"]
    assert not server.requests
