"""`SyncClient.bulk`: calls, functions and sinks run in the thread that waits, the requests on the client's loop."""

import asyncio
import gc
import itertools
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace import Call, Incremental, SyncClient, errors, sinks
from headrace.bulk import Err, Journal, Ok
from headrace.pages import Cursor
from headrace.testing import MockTransport, json_response
from headrace.transports import Request, Response
from tests.kit.bulk import Api, Event, Feed, Lists, User, paths, read_lines
from tests.servers.raw import WAIT_SECONDS


def client_of(answer: Any, kind: type[SyncClient] = SyncClient, **options: Any) -> SyncClient:
    """Make a client of a transport."""
    return kind("https://api.example.com/v1", transport=MockTransport(answer), **options)


class Mine:
    """A sink of one's own, which lets no other thread than its own in, as SQLite's connections do."""

    def __init__(self) -> None:
        self.book: sqlite3.Connection | None = None
        self.threads: set[int] = set()
        self.rows: list[int] = []

    def open(self, batch: int, /) -> int:
        """Open it."""
        self.threads.add(threading.get_ident())
        self.book = sqlite3.connect(":memory:")
        self.book.execute("CREATE TABLE rows (id INTEGER)")
        return batch

    def write(self, rows: Sequence[Any], /) -> None:
        """Take rows."""
        assert self.book is not None
        self.threads.add(threading.get_ident())
        self.book.executemany("INSERT INTO rows VALUES (?)", [(row.id,) for row in rows])

    def commit(self, batch: int, /) -> None:
        """Keep them."""
        assert self.book is not None
        assert batch > 0
        self.book.commit()

    def close(self) -> None:
        """Close it."""
        if self.book is not None:
            self.rows = [number for (number,) in self.book.execute("SELECT id FROM rows ORDER BY id")]
            self.book.close()
            self.book = None


def test_all_that_is_given_runs_in_the_thread_that_waits() -> None:
    """The iterable, the transform, the progress and the sink."""
    seen: dict[str, set[int]] = {"calls": set(), "transform": set(), "progress": set()}
    sink = Mine()

    def calls() -> Iterator[str]:
        for number in range(1000):
            seen["calls"].add(threading.get_ident())
            yield f"/users/{number}"

    def transform(user: User) -> User:
        seen["transform"].add(threading.get_ident())
        return user

    def progress(_: object) -> None:
        seen["progress"].add(threading.get_ident())

    with client_of(Api({7: 404}).answer) as client:
        bulk = client.bulk(calls(), response_format=User, sink=sink, transform=transform, progress=progress)
        report = bulk.run()
        assert type(bulk).__name__ == "SyncBulk"
        assert bulk.report is report
    assert (report.done, report.failed, report.rows) == (999, 1, 999)
    assert sink.rows == [number for number in range(1000) if number != 7]
    here = threading.get_ident()
    assert [*seen.values(), sink.threads] == [{here}] * 4


@pytest.mark.parametrize("ordered", [True, False])
def test_outcomes_are_iterated(ordered: bool) -> None:
    """With the words of an async one, and as typed."""
    with client_of(Api({3: 403}).answer) as client:
        found, failed = [], []
        with client.bulk(paths(200), response_format=User, ordered=ordered) as outcomes:
            for outcome in outcomes:
                match outcome:
                    case Ok(user):
                        found.append(user.id)
                    case Err(error):
                        failed.append(type(error))
        assert outcomes.report.calls == 200
        assert failed == [errors.HTTPForbidden]
        wanted = [number for number in range(200) if number != 3]
        assert found == wanted if ordered else sorted(found) == wanted


def test_calls_are_pulled_lazily_and_may_be_endless() -> None:
    """A bulk that is left early has pulled no more than there is room for, and its client goes on."""
    pulled = []

    def calls() -> Iterator[str]:
        for number in itertools.count():
            pulled.append(number)
            yield f"/users/{number}"

    with client_of(Api().answer) as client:
        with client.bulk(calls(), in_flight=4) as outcomes:
            for _ in range(20):
                next(outcomes)
        assert len(pulled) < 500
        assert client.get("/users/1") == {"id": 1, "name": "user 1"}


def test_an_iterable_that_raises() -> None:
    """What came before is handed out, then its error is raised as it is."""

    def calls() -> Iterator[str]:
        yield from paths(5)
        raise ZeroDivisionError("mine")

    with client_of(Api().answer) as client:
        bulk = client.bulk(calls(), response_format=User)
        found = [next(bulk) for _ in range(5)]
        assert sorted(each.value.id for each in found if type(each) is Ok) == [0, 1, 2, 3, 4]
        with pytest.raises(ZeroDivisionError, match="mine"):
            next(bulk)
        with pytest.raises(errors.ValidationError, match=r"calls\[1\]: got int"):
            client.bulk(["/users/1", 7], sink=sinks.Discard()).run()


def test_a_transform_that_raises_ends_the_run(tmp_path: Path) -> None:
    """What came before it is kept, and the error says which call it was."""
    path = tmp_path / "rows.ndjson"

    def transform(user: User) -> User:
        if user.id == 6:
            raise KeyError("mine")
        return user

    with client_of(Api().answer) as client:
        given: dict[str, Any] = {"response_format": User, "sink": sinks.NDJSON(path), "in_flight": 1}
        with pytest.raises(KeyError) as caught:
            client.bulk(paths(9), transform=transform, **given).run()
    assert "transform: of a row of <Call GET /users/6>" in caught.value.__notes__
    assert [row["id"] for row in read_lines(path)][:6] == [0, 1, 2, 3, 4, 5]


def test_a_client_may_be_used_in_a_function_of_the_bulk() -> None:
    """By the thread that waits for the bulk: nobody waits for ever."""
    with client_of(Api().answer) as client:

        def transform(user: User) -> User:
            return client.get(f"/users/{user.id + 100}", response_format=User)

        sink = Mine()
        client.bulk(paths(10), response_format=User, sink=sink, transform=transform).run()
        assert sink.rows == list(range(100, 110))


def test_a_journal_goes_on(tmp_path: Path) -> None:
    """With a sink, and without one: an outcome is done when the next is asked for, and not before."""
    path = tmp_path / "rows.ndjson"
    api = Api({4: 403})
    with client_of(api.answer) as client:
        given: dict[str, Any] = {"response_format": User, "sink": sinks.NDJSON(path), "journal": True}
        assert client.bulk(paths(9), **given).run().failed == 1
        api.refused.clear()
        report = client.bulk(paths(9), **given).run()
        assert (report.skipped, report.done) == (8, 1)
        assert sorted(row["id"] for row in read_lines(path)) == list(range(9))
        given = {"response_format": User, "journal": tmp_path / "journal", "ordered": True}
        with client.bulk(paths(9), **given) as outcomes:
            assert [next(outcomes).value.id for _ in range(3)] == [0, 1, 2]  # type: ignore[union-attr]
        with Journal(tmp_path / "journal") as journal:
            assert journal.done == 2
        assert [each.value.id for each in client.bulk(paths(9), **given)] == list(range(2, 9))  # type: ignore[union-attr]


def test_series_and_new_rows(tmp_path: Path) -> None:
    """`pages` and `incremental` are what they are for an async one."""
    lists, feed = Lists(), Feed()
    after = Cursor("next", parameter="cursor")
    with client_of(lists.answer) as client:
        given: dict[str, Any] = {"response_format": User, "items": "data", "pages": after, "ordered": True}
        bulk = client.bulk([f"/lists/{n}" for n in range(3)], **given)
        assert [row.id for each in bulk for row in each.value] == lists.all(0, 1, 2)  # type: ignore[union-attr]
    feed.put("a", (1, 1), (2, 2))
    with client_of(feed.answer) as client:
        given = {"response_format": Event, "items": "data", "pages": after, "journal": True}
        given |= {"incremental": Incremental("at", "since"), "sink": sinks.NDJSON(tmp_path / "rows.ndjson")}
        assert client.bulk("/feed/a", **given).run().rows == 2
        feed.put("a", (3, 2))
        assert client.bulk("/feed/a", **given).run().rows == 1


def test_stop_lets_what_is_in_flight_end() -> None:
    """It may be called by a function of the bulk."""
    with client_of(Api().answer) as client:

        def transform(user: User) -> User:
            if user.id == 50:
                bulk.stop()
            return user

        calls = (f"/users/{number}" for number in itertools.count())
        bulk = client.bulk(calls, response_format=User, sink=sinks.Discard(), transform=transform, in_flight=4)
        report = bulk.run()
    assert report.stopped
    assert report.rows == report.done >= 50


def test_ctrl_c_in_a_function_keeps_what_came(tmp_path: Path) -> None:
    """The run ends with it, what came before is committed, and the next run goes on."""
    path = tmp_path / "rows.ndjson"
    interrupts = True

    def transform(user: User) -> User:
        if user.id == 300 and interrupts:
            raise KeyboardInterrupt
        return user

    with client_of(Api().answer) as client:
        given: dict[str, Any] = {"response_format": User, "sink": sinks.NDJSON(path), "journal": True, "in_flight": 4}
        with pytest.raises(KeyboardInterrupt):
            client.bulk(paths(600), transform=transform, **given).run()
        interrupts = False
        report = client.bulk(paths(600), transform=transform, **given).run()
        assert report.done + report.skipped == 600
        assert client.get("/users/1")["id"] == 1
    assert sorted(row["id"] for row in read_lines(path)) == list(range(600))


def test_many_threads_have_bulks_of_one_client() -> None:
    """Each has its functions run in itself."""
    with client_of(Api().answer) as client:
        found: dict[int, Mine] = {}
        all_ran = threading.Barrier(4)  # a thread that has ended may leave its number to the next

        def run(index: int) -> None:
            found[index] = sink = Mine()
            client.bulk(paths(50, 100 * index), response_format=User, sink=sink).run()
            all_ran.wait(WAIT_SECONDS)

        threads = [threading.Thread(target=run, args=(index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)
    for index, sink in found.items():
        assert sink.rows == list(range(100 * index, 100 * index + 50))
        assert len(sink.threads) == 1
    assert len({number for sink in found.values() for number in sink.threads}) == 4


def test_a_request_of_ones_own_is_asked_in_the_thread_that_waits() -> None:
    """For every call of the bulk, whose retries it has."""
    seen: list[int] = []
    failing = {2}

    class Own(SyncClient):
        """Notes who asks."""

        def request(self, method: str, path: Any = None, **options: Any) -> Any:
            """Note it."""
            seen.append(threading.get_ident())
            return super().request(method, path, **options)

    def answer(request: Request) -> Response:
        number = int(request.target.rpartition("/")[2])
        if number in failing:
            failing.discard(number)
            return json_response({}, status=503, headers={"Retry-After": "0"})
        return json_response({"id": number})

    with client_of(answer, Own) as client:
        sink = Mine()
        report = client.bulk(paths(5), response_format=User, sink=sink).run()
    assert report.ok
    assert sink.rows == [0, 1, 2, 3, 4]
    assert set(seen) == {threading.get_ident()}
    assert len(seen) == 5


def test_errors_speak_of_this_client() -> None:
    """What is no use of it is a `SyncClientError`, and words are checked at once."""
    client = client_of(Api().answer)
    with client:
        bulk = client.bulk(paths(2), sink=sinks.Discard())
        bulk.run()
        with pytest.raises(errors.SyncClientError, match="this bulk was used before"):
            bulk.run()
        with pytest.raises(errors.ValidationError, match="in_flight"):
            client.bulk(paths(2), in_flight=0)
        with pytest.raises(TypeError, match="bulk"):
            client.bulk(paths(2), nothing=1)  # type: ignore[call-overload]
    with pytest.raises(errors.SyncClientError, match="the client is closed"):
        client.bulk(paths(2), sink=sinks.Discard()).run()


def test_one_that_is_left_open_ends_with_its_collection() -> None:
    """Nothing of it is left on the client's loop, and the client goes on."""

    async def tasks() -> int:
        return len(asyncio.all_tasks())

    with client_of(Api().answer) as client:
        bulk = client.bulk((f"/users/{number}" for number in itertools.count()), in_flight=4)
        next(bulk)
        del bulk
        while client._loop_thread.run(tasks()) != 2:  # the thread's own, and the one that counts
            gc.collect()
            client.get("/users/1")


def test_its_name() -> None:
    """It is public, and loaded when it is asked for."""
    with client_of(Api().answer) as client:
        assert isinstance(client.bulk([Call("/users/1")]), headrace.SyncBulk)
