"""The journal: what is done is skipped, what failed is asked again, and nothing in it is a secret."""

import asyncio
import os
import random
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient, Call, errors, sinks
from headrace.bulk import Err, Journal, Ok
from headrace.bulk.keys import Digests, digest
from headrace.testing import MockTransport, json_response
from tests.kit.bulk import Api, User, paths, read_lines

SECRET = "canary-4711"


async def run(client: AsyncClient, calls: Any, folder: Path, **options: Any) -> Any:
    """Run calls into a file of lines with a journal beside it."""
    sink = sinks.NDJSON(folder / "rows.ndjson")
    return await client.bulk(calls, response_format=User, sink=sink, journal=True, **options).run()


async def test_what_is_done_is_skipped(tmp_path: Path) -> None:
    """A second run asks only for what failed, and for what is new; the file holds every row once."""
    api = Api({5: 404, 6: 403})
    async with api.client() as client:
        report = await run(client, paths(10), tmp_path, expected={404})
        assert (report.done, report.failed, report.expected, report.skipped) == (8, 1, 1, 0)
        api.refused.clear()
        report = await run(client, paths(12), tmp_path, expected={404})
        assert (report.done, report.failed, report.skipped, report.rows) == (3, 0, 9, 3)
        report = await run(client, paths(12), tmp_path)
        assert (report.done, report.skipped) == (0, 12)
    assert sorted(row["id"] for row in read_lines(tmp_path / "rows.ndjson")) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert set(api.asked.values()) == {1, 2}
    assert [target for target, count in api.asked.items() if count == 2] == ["/v1/users/6"]
    assert stat.S_IMODE((tmp_path / "rows.ndjson.journal").stat().st_mode) == 0o600


async def test_failures_stay_where_they_are_if_asked_to(tmp_path: Path) -> None:
    """With `retry_failed=False` they are skipped."""
    api = Api({5: 403})
    async with api.client() as client:
        await run(client, paths(10), tmp_path)
        report = await run(client, paths(10), tmp_path, retry_failed=False)
        assert (report.skipped, report.failed) == (10, 0)
    assert api.asked["/v1/users/5"] == 1


async def test_a_key_twice_runs_once(tmp_path: Path) -> None:
    """The same call, however it is written, is asked once and counted; `key=` says what is the same."""
    api = Api()
    calls = ["/users/1", "users/1", Call("/users/1"), {"path": "/users/1"}, "https://api.example.com/v1/users/1"]
    calls += [Call("/users/1", parameters={"a": 1}), Call("/users/1", key="x"), Call("/users/2", key="x")]
    async with api.client() as client:
        report = await run(client, calls, tmp_path)
    assert (report.done, report.duplicates, report.rows) == (3, 5, 3)


def test_a_digest_is_of_what_the_call_names() -> None:
    """Each part makes another one; credentials make none, nor does the writing."""

    def place(path: Any) -> str:
        return f"/v1{path}"

    parts: list[dict[str, Any]] = [
        {},
        {"method": "POST"},
        {"parameters": {"a": 1}},
        {"parameters": {"a": 2}},
        {"body": {"a": 1}},
        {"body": {"a": 2}},
        {"data": b"x"},
        {"data": {"x": "y"}},
        {"headers": {"X-A": "1"}},
        {"headers": {"X-A": "2"}},
        {"key": "x"},
    ]
    found = [digest(Call("/x", **part), place) for part in parts]
    assert len(set(found)) == len(parts)
    assert {len(each) for each in found} == {16}
    assert digest(Call("/x", headers={"Authorization": SECRET, "x-a": "1"}), place) == found[8]
    assert digest(Call("/x", cookies={"sid": SECRET}), place) == found[0]
    assert digest(Call("/x", method="post"), place) == found[1]
    with pytest.raises(errors.ValidationError, match="key: is needed where data is a list_iterator"):
        digest(Call("/x", data=iter([b"x"])), place)
    assert digest(Call("/x", data=iter([b"x"]), key="x"), place) == found[10]


def test_many_digests_are_told_apart() -> None:
    """A set of them holds what was put in, and nothing that only looks like it."""
    digests = [os.urandom(16) for _ in range(3000)] + [bytes(16), b"\0\0" + bytes(range(14))]
    found = Digests(digests[::2])
    assert len(found) == len(digests[::2])
    assert all(each in found for each in digests[::2])
    assert not any(each in found for each in digests[1::2] if each not in digests[::2])
    packed = Digests()
    packed.load(b"".join(digests))
    assert all(each in packed for each in digests)
    assert not packed.add(digests[7])
    packed.discard(digests[7])
    assert digests[7] not in packed
    assert packed.add(digests[7])
    # Two that stand side by side hold the bytes of a third across their border.
    one, two = b"ab" + b"0" * 9 + b"ab123", b"ab" + b"2" * 14
    across = (one + two)[11:27]
    assert across[:2] == b"ab"
    packed = Digests()
    packed.load(one + two)
    assert across not in packed
    assert packed.add(across)
    assert across in packed


def test_digests_that_become_many_are_packed() -> None:
    """None is lost or doubled on the way, and none weighs what an object does."""
    chance = random.Random(7)  # noqa: S311 - no secret
    digests = [chance.randbytes(16) for _ in range(100_000)]
    found = Digests()
    for number, each in enumerate(digests):
        assert found.add(each)
        assert len(found) == number + 1
        if number % 50 == 0:
            assert not found.add(digests[number // 2])
            found.discard(digests[number // 3])
            assert digests[number // 3] not in found
            assert found.add(digests[number // 3])
    assert all(each in found for each in digests)
    assert len(found) == 100_000
    assert not found._few


async def test_an_outcome_is_done_when_the_next_is_asked_for(tmp_path: Path) -> None:
    """Without a sink, what a consumer was given last is given again if it did not come back for more."""
    path = tmp_path / "journal"
    api = Api({2: 403})
    async with api.client() as client:
        async with client.bulk(paths(6), response_format=User, ordered=True, in_flight=1, journal=path) as outcomes:
            seen = []
            async for outcome in outcomes:
                seen.append(outcome.call.path)
                if len(seen) == 4:
                    break
        assert seen == paths(4)
        with Journal(path) as journal:
            assert journal.done == 2
            assert [letter.status for letter in journal.failed()] == [403]
        again = client.bulk(paths(6), response_format=User, ordered=True, in_flight=1, journal=path)
        assert [outcome.call.path async for outcome in again] == ["/users/2", "/users/3", "/users/4", "/users/5"]
        assert again.report.skipped == 2


async def test_dead_letters_can_be_asked_again(tmp_path: Path) -> None:
    """A journal is read while it stands; its calls run as they are, and one that succeeds is a dead letter no more."""
    refused = True

    def answer(_: Any) -> Any:
        return json_response({"why": "x" * 2000}, status=503) if refused else json_response({"id": 1})

    calls = [
        Call("/a", "POST", body={"n": [1, 2]}, parameters={"q": ["x", "y"]}, headers={"X-A": "1"}, tags={"t": 1}),
        Call("/b", "PUT", data=b"\xff", key="b"),
    ]
    transport = MockTransport(answer)
    async with AsyncClient("http://a.example", transport=transport) as client:
        await run(client, calls, tmp_path, retry=None)
        first = transport.requests[:2]
        with Journal(tmp_path / "rows.ndjson.journal") as journal:
            letters = sorted(journal.failed(), key=lambda letter: letter.key != "b")
            assert [(each.status, each.attempts, each.kind) for each in letters] == [
                (503, 1, "503 HTTPServiceUnavailable")
            ] * 2
            assert letters[0].key == "b"
            assert letters[0].error == "503 Service Unavailable: PUT http://a.example/b"
            assert len(letters[0].excerpt) == 500
            refused = False
            report = await run(client, (letter.call for letter in journal.failed()), tmp_path)
            assert (report.done, report.rows) == (2, 2)
            assert list(journal.failed()) == []
        again = transport.requests[2:]
        for one, two in zip(sorted(first, key=str), sorted(again, key=str), strict=True):
            assert (one.method, one.target, one.body) == (two.method, two.target, two.body)
        assert sorted(row["t"] for row in read_lines(tmp_path / "rows.ndjson") if "t" in row) == [1]


@pytest.mark.parametrize(
    "own",
    [
        {"headers": {"Authorization": SECRET}},
        {"cookies": {"a": SECRET}},
        {"parameters": {"api_key": SECRET}},
        {"path": f"/x?access_token={SECRET}"},
        {"path": f"https://me:{SECRET}@api.example.com/v1/x"},
        {"body": {"user": {"password": SECRET}}},
        {"data": {"client_secret": SECRET}},
    ],
    ids=["headers", "cookies", "parameters", "path", "userinfo", "body", "data"],
)
async def test_no_credential_is_kept(own: dict[str, Any], tmp_path: Path) -> None:
    """Neither the client's nor a call's own is in the journal, the sink or the report; such a call is not stored."""
    transport = MockTransport(lambda _: json_response({"no": 1}, status=403))
    options: dict[str, Any] = {
        "bearer_token": f"{SECRET}-bearer",
        "headers": {"X-Api-Key": f"{SECRET}-header"},
        "cookies": {"sid": f"{SECRET}-cookie"},
        "parameters": {"apiKey": f"{SECRET}-parameter"},
    }
    async with AsyncClient(
        f"https://u:{SECRET}-user@api.example.com/v1?key={SECRET}-uri", transport=transport, **options
    ) as client:
        call = Call(**{"path": "/x", "method": "POST", **own})
        report = await run(client, [call, "/y"], tmp_path, retry=None)
    assert SECRET in "".join(map(repr, [request.headers.pairs for request in transport.requests]))
    assert report.failed == 2
    assert SECRET not in f"{report} {report!r} {report.failures!r}"
    for path in list(tmp_path.iterdir()):  # noqa: ASYNC240 - nothing else runs
        assert SECRET.encode() not in path.read_bytes(), path
    with Journal(tmp_path / "rows.ndjson.journal") as journal:
        letters = list(journal.failed())
        assert SECRET not in repr(letters)
        (plain,) = (letter for letter in letters if not letter.why)
        (own_letter,) = (letter for letter in letters if letter.why)
        assert plain.call == Call("/y")
        with pytest.raises(errors.JournalError, match="credentials of its own"):
            _ = own_letter.call


async def test_rejects_are_kept(tmp_path: Path) -> None:
    """Rows that did not fit stand in the journal with their bytes."""
    document = {"data": [{"id": 1}, {"id": "two"}]}
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: json_response(document))) as client:
        await run(client, [Call("/a", key="a")], tmp_path, items="data")
    with Journal(tmp_path / "rows.ndjson.journal") as journal:
        (reject,) = journal.rejects()
    assert (reject.key, reject.index, reject.path, reject.raw) == ("a", 1, "$.data[1].id", b'{"id":"two"}')


async def test_a_journal_is_of_one_job(tmp_path: Path) -> None:
    """Another base, format, place of rows or sink is refused, and says what differs."""
    api = Api()
    path = tmp_path / "journal"

    async def ask(client: AsyncClient, **options: Any) -> None:
        options = {"response_format": User, "sink": sinks.NDJSON(tmp_path / "rows.ndjson"), **options}
        await client.bulk(paths(2), journal=path, **options).run()

    class Other(User):
        more: int = 0

    async with api.client() as client:
        await ask(client)
        for options, told in (
            ({"response_format": Other}, "its format was User"),
            ({"items": "data"}, "its items was the document, and is data"),
            (
                {"sink": sinks.NDJSON(tmp_path / "others.ndjson")},
                "its sink was NDJSON rows.ndjson, and is NDJSON others",
            ),
        ):
            with pytest.raises(errors.JournalError, match=told):
                await ask(client, **options)
        await ask(client)
    async with AsyncClient("https://other.example", transport=MockTransport(api.answer)) as other:
        with pytest.raises(errors.JournalError, match=r"its uri was https://api.example.com/v1, and is https://other"):
            await ask(other)
    assert len(read_lines(tmp_path / "rows.ndjson")) == 2
    assert not (tmp_path / "others.ndjson").exists()


async def test_a_foreign_file_is_left_alone(tmp_path: Path) -> None:
    """What is no journal, or one of another format, is refused and stays as it is."""
    text, base, newer = tmp_path / "text", tmp_path / "base", tmp_path / "newer"
    text.write_bytes(b"these are notes, and no database at all" * 100)
    with sqlite3.connect(base) as book:
        book.execute("CREATE TABLE mine (x)")
    book.close()
    async with Api().client() as client:
        await client.bulk(paths(1), sink=sinks.Discard(), journal=newer).run()
        with sqlite3.connect(newer) as book:
            book.execute("PRAGMA user_version=99")
        book.close()
        for path, told in ((text, "not a database"), (base, "is no journal"), (newer, "has format 99")):
            before = path.read_bytes()
            with pytest.raises(errors.JournalError, match=told):
                await client.bulk(paths(1), sink=sinks.Discard(), journal=path).run()
            with pytest.raises(errors.JournalError, match=told):
                list(Journal(path).failed())
            assert path.read_bytes() == before
        for path in (tmp_path / "no" / "folder", tmp_path):
            with pytest.raises(errors.JournalError, match="cannot be used"):
                await client.bulk(paths(1), sink=sinks.Discard(), journal=path).run()
        with pytest.raises(errors.JournalError, match="there is no file"):
            list(Journal(tmp_path / "nowhere").failed())


@pytest.mark.hazard(75)
async def test_there_is_one_writer_and_any_number_of_readers(tmp_path: Path) -> None:
    """A second writer is refused while the first is at work; who reads is not."""
    path = tmp_path / "journal"
    api = Api()
    async with api.client() as client:
        first = client.bulk(paths(10), in_flight=1, journal=path)
        await anext(first)
        with pytest.raises(errors.JournalError, match="is being written by another run"):
            await anext(client.bulk(paths(10), journal=path))
        with Journal(path) as one, Journal(path) as two:
            assert (one.done, list(two.failed())) == (0, [])
        await first.aclose()
        assert len([outcome async for outcome in client.bulk(paths(10), journal=path)]) == 10


async def test_a_journal_of_ones_own_stays_open(tmp_path: Path) -> None:
    """Who opened it closes it; it reads what the run has written."""
    with Journal(tmp_path / "journal") as journal:
        async with Api({1: 403}).client() as client:
            await client.bulk(paths(3), sink=sinks.Discard(), journal=journal).run()
        assert (journal.done, len(list(journal.failed()))) == (2, 1)
        assert repr(journal) == f"<Journal {tmp_path / 'journal'}>"


async def test_a_call_without_a_key_is_named_by_its_index(tmp_path: Path) -> None:
    """A body that is read once needs a key; the calls before it are kept."""

    def calls() -> Iterator[Any]:
        yield from paths(3)
        yield Call("/x", "POST", data=iter([b"x"]))

    async with Api().client() as client:
        with pytest.raises(errors.ValidationError, match=r"calls\[3\]: key: is needed"):
            await run(client, calls(), tmp_path)
    assert len(read_lines(tmp_path / "rows.ndjson")) == 3


async def test_a_journal_is_small(tmp_path: Path) -> None:
    """A call that is done takes 60 bytes at most, an answer's row aside."""
    path = tmp_path / "journal"
    count = 20_000
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: json_response(1))) as client:
        report = await client.bulk(paths(count), sink=sinks.Discard(), journal=path).run()
        assert report.done == count
        assert path.stat().st_size / count <= 60
        again = await client.bulk(paths(count), sink=sinks.Discard(), journal=path).run()
        assert (again.skipped, again.done) == (count, 0)


async def test_a_run_that_skips_lets_others_have_their_turn(tmp_path: Path) -> None:
    """While thousands of calls are skipped, other tasks of the loop go on."""
    path = tmp_path / "journal"
    async with AsyncClient("http://a.example", transport=MockTransport(lambda _: json_response(1))) as client:
        await client.bulk(paths(5000), sink=sinks.Discard(), journal=path).run()
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        outcomes = [each async for each in client.bulk(paths(3), journal=tmp_path / "other")]
        assert [type(each) for each in outcomes] == [Ok] * 3
        assert Err not in map(type, outcomes)
        before = turns
        await client.bulk(paths(5000), sink=sinks.Discard(), journal=path).run()
        assert turns - before >= 9
        counting.cancel()
