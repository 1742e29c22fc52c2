"""Calls that change, iterators and sinks that raise anything, and who gives up at any step: nothing is lost."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient, Call, sinks
from headrace.bulk import Journal
from headrace.errors import AsyncClientError, SinkError, ValidationError
from headrace.testing import MockTransport, Request, Response, json_response
from tests.kit.bulk import Api, User, paths

CANARY = "canary-4711"


def client_of(sent: list[Request], status: int = 200) -> AsyncClient:
    """Make a client whose server keeps what it was asked."""

    async def answer(request: Request) -> Response:
        await asyncio.sleep(0)
        sent.append(request)
        return json_response({"id": 1}, status=status)

    return AsyncClient("http://a.example", transport=MockTransport(answer))


@pytest.mark.parametrize("kind", [dict, Call])
@pytest.mark.parametrize("journal", [False, True])
async def test_a_call_is_read_when_it_is_pulled(tmp_path: Path, kind: type, *, journal: bool) -> None:
    """Whoever makes calls may use the same mappings for all of them: each is sent as it was handed in."""
    body: dict[str, Any] = {"deep": [{"n": 0}]}
    parameters: dict[str, Any] = {}
    headers: dict[str, str] = {}

    def calls() -> Iterator[Any]:
        for number in range(50):
            body["deep"][0]["n"] = parameters["n"] = number
            headers["X-N"] = str(number)
            yield kind(path="/x", method="POST", body=body, parameters=parameters, headers=headers)

    sent: list[Request] = []
    place = tmp_path / "journal" if journal else None
    async with client_of(sent, 500) as client:
        outcomes = [each async for each in client.bulk(calls(), in_flight=8, retry=None, journal=place)]
    assert sorted(each.body for each in sent if isinstance(each.body, bytes)) == sorted(
        b'{"deep":[{"n":%d}]}' % number for number in range(50)
    )
    assert {each.target for each in sent} == {f"/x?n={number}" for number in range(50)}
    assert sorted(each.call.body["deep"][0]["n"] for each in outcomes) == list(range(50))
    if place is not None:
        with Journal(place) as kept:
            assert sorted(letter.call.body["deep"][0]["n"] for letter in kept.failed()) == list(range(50))


async def test_a_body_that_holds_itself_fails_alone() -> None:
    """It has no JSON text; the others do."""
    endless: dict[str, Any] = {}
    endless["me"] = endless
    calls: list[Any] = [Call("/x", "POST", body=each) for each in ({"a": 1}, endless, {"b": 2})]
    sent: list[Request] = []
    async with client_of(sent) as client:
        bulk = client.bulk(calls, retry=None)
        assert [type(each).__name__ async for each in bulk].count("Err") == 1
    assert len(sent) == 2


async def test_the_journal_is_let_go_of_by_who_gives_up_at_any_step(tmp_path: Path) -> None:
    """Iterating, too: while it is opened, the next run would find it in use."""
    api = Api()
    async with api.client() as client:
        for steps in range(0, 40, 5):
            place = tmp_path / f"journal-{steps}"
            found: list[int] = []

            async def read(place: Path = place, found: list[int] = found) -> None:
                async with client.bulk(paths(4), response_format=User, journal=place) as outcomes:
                    async for outcome in outcomes:
                        found.append(outcome.value.id)  # noqa: PERF401 - what came before counts

            reading = asyncio.ensure_future(read())
            for _ in range(steps):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait([reading])
            await read()
            assert set(found) == set(range(4))


async def test_a_bulk_is_read_by_one_task_at_a_time() -> None:
    """The second hears of it, and does not wait beside the first for ever."""
    async with Api().client() as client, client.bulk(paths(20), in_flight=2) as outcomes:
        first = asyncio.ensure_future(anext(outcomes))
        await asyncio.sleep(0)
        with pytest.raises(AsyncClientError, match="by one task at a time"):
            await anext(outcomes)
        await first
        assert len([each async for each in outcomes]) == 19


class Raises:
    """A sink one of whose steps raises."""

    def __init__(self, step: str, error: BaseException) -> None:
        self._step = step
        self._error = error
        self.rows: list[Any] = []

    def _do(self, step: str) -> None:
        if step == self._step:
            raise self._error

    def open(self, batch: int, /) -> int:
        """Open it."""
        self._do("open")
        return batch

    def write(self, rows: Any, /) -> None:
        """Take rows."""
        self._do("write")
        self.rows += rows

    def commit(self, _: int, /) -> None:
        """Keep them."""
        self._do("commit")

    def close(self) -> None:
        """Let go."""
        self._do("close")


@pytest.mark.parametrize("step", ["open", "write", "commit", "close"])
@pytest.mark.parametrize(
    "error",
    [RuntimeError("x"), StopIteration(), GeneratorExit(), asyncio.CancelledError(), OSError(28, "full")],
    ids=repr,
)
async def test_whatever_a_sink_raises_is_an_error_of_the_sink(step: str, error: BaseException) -> None:
    """A run ends with it, and never waits for a thread that cannot say what has happened."""
    async with Api().client() as client:
        with pytest.raises(SinkError, match=r"Raises failed: ") as caught:
            await client.bulk(paths(5), response_format=User, sink=Raises(step, error)).run()
        assert caught.value.__cause__ is error


async def test_an_iterator_of_calls_raises_what_looks_like_an_end() -> None:
    """It is no end."""

    class Calls:
        def __iter__(self) -> "Calls":
            return self

        def __next__(self) -> str:
            raise StopAsyncIteration

    async with Api().client() as client:
        with pytest.raises(RuntimeError, match="StopAsyncIteration"):
            _ = [each async for each in client.bulk(Calls())]


@pytest.mark.hazard(45)
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("wrong", [{"bogus": 1}, {"data": iter([b""])}, {"key": 5}])
async def test_no_frame_keeps_what_a_wrong_call_holds(
    tmp_path: Path, wrong: dict[str, Any], *, asynchronous: bool
) -> None:
    """Nobody who shows the variables of frames sees a credential of it."""

    def given() -> Iterator[Any]:
        return iter([{"path": "/users/1", "headers": {"Authorization": CANARY}, "cookies": {"a": CANARY}, **wrong}])

    async def later() -> AsyncIterator[Any]:
        for each in given():
            yield each

    async with Api().client() as client:
        bulk = client.bulk(later() if asynchronous else given(), sink=sinks.Discard(), journal=tmp_path / "j")
        with pytest.raises(ValidationError, match=r"calls\[0\]") as caught:
            await bulk.run()
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    told = [line for line in frames.format() if "test_bulk_hostile" not in line]
    assert CANARY not in "".join(told)


async def test_a_bulk_that_was_never_made_can_be_shown() -> None:
    """Trackers of errors show what stands in the frames of a constructor."""
    async with Api().client() as client:
        for options in ({"in_flight": 0}, {"retry": 5}, {"expected": 5}, {"sink": 5}, {"progress": 5}):
            with pytest.raises(ValidationError) as caught:
                client.bulk(paths(1), **options)  # type: ignore[call-overload] # as it says
            traceback.TracebackException.from_exception(caught.value, capture_locals=True)
