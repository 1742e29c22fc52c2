"""A journal that is not what was written is an error of one family, and no row is asked for, or written, for it."""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace import Call, errors, sinks
from headrace.bulk import Journal
from headrace.testing import Request, Response, json_response
from tests.kit.bulk import Api, User, paths, read_lines, read_parts

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio"])
COUNT = 40


async def run(folder: Path, *, api: Api | None = None, sink: Any = None, count: int = COUNT) -> Any:
    """Write users into a file beside a journal."""
    api = api or Api({7: 404, 17: 404})
    sink = sinks.NDJSON(folder / "rows.ndjson") if sink is None else sink
    async with api.client() as client:
        return await client.bulk(
            paths(count), response_format=User, sink=sink, journal=folder / "journal", retry=None
        ).run()


def read(path: Path) -> None:
    """Read all of a journal."""
    with Journal(path) as journal:
        for letter in journal.failed():
            _ = letter.call
        list(journal.rejects())
        _ = journal.done


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a journal of several batches, and its rows."""
    folder = tmp_path_factory.mktemp("kept")
    for count in range(8, COUNT + 1, 8):
        asyncio.run(run(folder, count=count))
    return folder


def credentials_in(folder: Path) -> list[str]:
    """Name the files that have a credential in them."""
    return [path.name for path in folder.iterdir() if b"canary" in path.read_bytes()]


async def read_and_run(folder: Path, api: Api) -> None:
    """Read a journal, and go on from it."""
    read(folder / "journal")
    await run(folder, api=api)


@pytest.mark.hazard(72)
@pytest.mark.parametrize("name", ["journal", ".rows.ndjson.mark"])
async def test_whatever_a_disk_makes_of_it(kept: Path, tmp_path: Path, name: str) -> None:
    """Bits that turned, sectors that were lost, a file that was cut: an error, or every row once."""
    chance = random.Random(12)  # noqa: S311 - the same damage each time
    refused = 0
    for number in range(40):
        folder = tmp_path / str(number)
        shutil.copytree(kept, folder)
        path = folder / name
        data = bytearray(path.read_bytes())
        at = chance.randrange(len(data))
        match number % 4:
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at : at + 512] = bytes(len(data[at : at + 512]))
            case 2:
                del data[at:]
            case _:
                data[at : at + 16] = chance.randbytes(len(data[at : at + 16]))
        path.write_bytes(data)
        try:
            read(folder / "journal")
            report = await run(folder)
        except (errors.JournalError, errors.SinkError):
            refused += 1
            continue
        rows = [row["id"] for row in read_lines(folder / "rows.ndjson")]
        assert sorted(rows) == [number for number in range(COUNT) if number not in {7, 17}]
        assert report.calls == COUNT
    assert refused


def spoiled(statement: str) -> Callable[[Path], None]:
    """Change a journal by a statement."""

    def spoil(path: Path) -> None:
        with sqlite3.connect(path) as book:
            book.execute(statement)
        book.close()

    return spoil


@pytest.mark.hazard(72)
@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE batch SET done = zeroblob(length(done)) WHERE number = 2", "batch 2 is not what was written"),
        ("UPDATE batch SET done = x'00' WHERE number = 2", "batch 2 is not what was written"),
        ("DELETE FROM batch WHERE number = 2", "is damaged"),
        ("UPDATE dead SET letter = x'c1'", "is damaged"),
        ("UPDATE dead SET letter = 'text'", "is damaged"),
        ("UPDATE dead SET digest = 'text of sixteen.' WHERE digest IN (SELECT digest FROM dead LIMIT 1)", "is damaged"),
        ("UPDATE dead SET digest = x'c1' WHERE digest IN (SELECT digest FROM dead LIMIT 1)", "is damaged"),
        ("UPDATE job SET value = '5' WHERE name = 'job'", "is damaged"),
        ("UPDATE job SET value = '[' WHERE name = 'token'", "is damaged"),
        ("UPDATE batch SET pending = 1, checksum = 7 WHERE number = (SELECT max(number) FROM batch)", "batch . is not"),
        ("DROP TABLE dead", "no such table"),
        ("DROP TABLE batch", "no such table"),
    ],
)  # fmt: skip
async def test_what_is_wrong_in_it_is_told(kept: Path, tmp_path: Path, statement: str, told: str) -> None:
    """By whoever reads it, and by a run, before anything is asked for."""
    folder = tmp_path / "copy"
    shutil.copytree(kept, folder)
    spoiled(statement)(folder / "journal")
    api = Api()
    with pytest.raises((errors.JournalError, errors.SinkError), match=told):
        await read_and_run(folder, api)
    assert not api.asked
    assert len(read_lines(folder / "rows.ndjson")) == COUNT - 2


@pytest.mark.hazard(72)
async def test_a_file_of_parquet_that_is_gone(tmp_path: Path) -> None:
    """A folder that has less than its journal says is refused, as a file is."""
    await run(tmp_path, sink=sinks.Parquet(tmp_path / "rows", rows_per_file=10))
    (tmp_path / "rows" / "part-000000.parquet").unlink()
    with pytest.raises(errors.JournalError, match=r"lacks rows .*part-000000\.parquet"):
        await run(tmp_path, sink=sinks.Parquet(tmp_path / "rows", rows_per_file=10))


@pytest.mark.hazard(72)
@pytest.mark.parametrize("at", [0, 7, 8, 40])
async def test_rows_of_parquet_that_wait_and_are_damaged(tmp_path: Path, at: int) -> None:
    """They are no rows; the error is one of the sink, also when the run is over."""
    sink = sinks.Parquet(tmp_path / "rows", rows_per_file=1000)
    sink.open(0)
    sink.write([User(1), User(2)])
    sink.commit(1)
    (waiting,) = (tmp_path / "rows").glob(".waiting-*")
    data = bytearray(waiting.read_bytes())
    data[at] ^= 0xFF
    waiting.write_bytes(data)
    with pytest.raises(errors.SinkError, match="cannot be written"):
        sink.close()
    assert read_parts(tmp_path / "rows") == []


BIG = 2**70


async def letters(tmp_path: Path, *calls: Any) -> list[Any]:
    """Let calls fail, and read what is kept of them."""
    api = Api({1: 500})
    async with api.client() as client:
        report = await client.bulk(calls, sink=sinks.Discard(), journal=tmp_path / "journal", retry=None).run()
    assert report.failed == len(calls)
    with Journal(tmp_path / "journal") as journal:
        return list(journal.failed())


async def test_a_large_number_in_a_body_that_failed(tmp_path: Path) -> None:
    """It is kept to the last digit; the run does not end by it."""
    (letter,) = await letters(tmp_path, Call("/users/1", "POST", body={"n": [BIG, -BIG]}))
    assert letter.call.body == {"n": [BIG, -BIG]}


@pytest.mark.parametrize(
    "call",
    [
        {"path": "/x\ud800"}, {"path": "/x", "key": "\ud800"}, {"path": "/x", "parameters": {"a": "\ud800"}},
        {"path": "/x", "data": "\ud800"}, {"path": "/x", "body": {"a": "\ud800"}}, {"path": "/x", "method": 5},
        {"path": 5},
    ],
)  # fmt: skip
async def test_a_call_that_has_no_digest_is_named(tmp_path: Path, call: dict[str, Any]) -> None:
    """It ends the run as any call that is none, with an error that says which it is."""
    async with Api().client() as client:
        with pytest.raises(errors.ValidationError, match=r"^calls\[1\]: "):
            await client.bulk(["/users/1", call], sink=sinks.Discard(), journal=tmp_path / "journal").run()


async def test_contents_of_different_kinds_are_different_calls(tmp_path: Path) -> None:
    """A text that looks like a form is none."""
    calls = [Call("/users/1", "POST", data=data) for data in ({"a": "1"}, "a=1", b"a=1")]
    assert len(await letters(tmp_path, *calls)) == 3


@pytest.mark.hazard(45)
@pytest.mark.parametrize(
    "call",
    [
        Call("/users/1", "POST", data="user=me&password=canary"),
        Call("/users/1", "POST", data=b"user=me&password=canary"),
        Call("/users/1", "POST", data=bytearray(b"user=me&password=canary")),
        Call("/users/1", "POST", data='{"user": {"api_key": "canary"}}'),
        Call("/users/1", "POST", data=b'[{"client_secret":"canary"}]'),
        Call("/users/1", tags={"token": "canary"}),
        Call("/users/1", "POST", body={"deep": [{"passphrase": "canary"}]}),
    ],
)
async def test_a_journal_keeps_no_credentials(tmp_path: Path, call: Call) -> None:
    """Nor where they stand in a content that is sent as it is."""
    (letter,) = await letters(tmp_path, call)
    with pytest.raises(errors.JournalError, match="credentials of its own"):
        _ = letter.call
    assert credentials_in(tmp_path) == []


@pytest.mark.hazard(45)
async def test_an_answer_is_kept_without_what_it_says_of_credentials(tmp_path: Path) -> None:
    """A server may say again what it was given."""

    class Echo(Api):
        async def answer(self, _: Request) -> Response:
            return json_response({"error": "no", "you": [{"password": "canary"}]}, status=401)

    async with Echo().client() as client:
        await client.bulk(["/users/1"], sink=sinks.Discard(), journal=tmp_path / "journal", retry=None).run()
    with Journal(tmp_path / "journal") as journal:
        assert [letter.excerpt for letter in journal.failed()] == ["{'error': 'no', 'you': [{'password': '***'}]}"]
    assert credentials_in(tmp_path) == []
