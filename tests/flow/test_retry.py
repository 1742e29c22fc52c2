"""What a `Retry` does with answers and errors: waits, deadlines, keys, and what stands on the error in the end."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gc
import pickle
import time
import weakref
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from yarl import URL

from headrace import AsyncClient, PoolLimits, Retry, errors
from headrace._core.messages import HeaderBlock, Origin, Request
from headrace._core.stats import Stats
from headrace._io.closing import Closing
from headrace._io.flow.retrying import Retrying
from headrace.config import Timeout
from headrace.testing import MockTransport, Response, json_response, sequence, text_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BASE = "http://a.example"
LOST = errors.ConnectionLost("gone")


class Clock:
    """A clock that only moves when someone sleeps or works."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Move on."""
        self.waits.append(seconds)
        self.now += seconds


async def run(
    policy: Retry,
    answers: Iterable[Response | Exception],
    *,
    took: float = 0.0,
    chance: float = 0.0,
    request: Request | None = None,
) -> tuple[Clock, Callable[[], Any], Request]:
    """Prepare a request over a clock of its own; each attempt takes as long as is said."""
    clock = Clock()
    transport = MockTransport(sequence(answers))

    async def send(request: Request) -> Response:
        clock.now += took
        return await transport.send(request)

    retrying = Retrying(
        policy,
        send,
        None,
        Stats(),
        Closing(),
        clock=lambda: clock.now,
        chance=lambda: chance,
        sleep=clock.sleep,
    )
    request = request or Request("GET", Origin(URL(BASE)), "/x?token=s3cret", HeaderBlock([]))
    return clock, lambda: retrying.send(request), request


def busy(retry_after: str | None = None) -> Response:
    """Make a 503."""
    return Response(503, {} if retry_after is None else {"Retry-After": retry_after})


@pytest.mark.parametrize(("chance", "waits"), [(0.0, [0.5, 0.5, 0.5]), (1.0, [1.5, 4.5, 10.0])])
async def test_waits_grow_at_random(chance: float, waits: list[float]) -> None:
    """Each wait lies between the backoff and three times the wait before."""
    clock, send, _ = await run(
        Retry(attempts=4, backoff=0.5, max_backoff=10), [busy(), LOST, busy(), Response(200)], chance=chance
    )
    assert (await send()).status == 200
    assert clock.waits == waits


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("0", 0.5), ("3600", 20.0), ("soon", 0.5), (None, 0.5)])
@pytest.mark.hazard(52)
async def test_retry_after_in_seconds(asked: str | None, waited: float) -> None:
    """What the server asks for is waited for, up to the longest wait and never less than the backoff."""
    clock, send, _ = await run(Retry(max_backoff=20), [busy(asked), Response(200)])
    await send()
    assert clock.waits == [waited]


@pytest.mark.parametrize(("seconds", "least", "most"), [(10, 8, 10), (3600, 20, 20), (-60, 0.5, 0.5)])
@pytest.mark.hazard(52)
async def test_retry_after_as_a_date(seconds: float, least: float, most: float) -> None:
    """A date is as far away as it says, within the same bounds."""
    date = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds), usegmt=True)
    clock, send, _ = await run(Retry(max_backoff=20), [busy(date), Response(200)])
    await send()
    assert least <= clock.waits[0] <= most


async def test_no_wait_goes_past_the_deadline() -> None:
    """When the next wait would end too late, the last answer or error stands at once."""
    policy = Retry(attempts=9, backoff=1, deadline=3)
    clock, send, request = await run(policy, [busy(), busy("2")])
    assert (await send()).status == 503
    assert clock.waits == [1]
    assert [attempt.status for attempt in request.attempts] == [503, 503]
    clock, send, _ = await run(policy, [LOST] * 2, took=1.0)
    with pytest.raises(errors.ConnectionLost) as caught:
        await send()
    assert clock.now == 3.0 - 1.0 + 1.0
    assert len(caught.value.attempts) == 2


async def test_no_wait_goes_past_the_time_of_the_request() -> None:
    """A wait that the request's own timeout would end is not begun either."""
    request = Request("GET", Origin(URL(BASE)), "/", HeaderBlock([]), timeout=Timeout(total=5))
    clock, send, _ = await run(Retry(), [busy("10")], request=request)
    assert (await send()).status == 503
    assert not clock.waits


async def test_every_attempt_stands_on_the_error() -> None:
    """Its number, what happened, when it began, how long it took and how long was waited before."""
    clock, send, _ = await run(
        Retry(attempts=3, backoff=0.5), [LOST, busy("4"), errors.ConnectError("no", maybe_sent=False)], took=0.25
    )
    with pytest.raises(errors.ConnectError) as caught:
        await send()
    assert clock.waits == [0.5, 4.0]
    assert caught.value.attempts == (
        errors.Attempt(1, None, "ConnectionLost: gone", 0.0, 0.25, 0.0),
        errors.Attempt(2, 503, None, 0.75, 0.25, 0.5),
        errors.Attempt(3, None, "ConnectError: no", 5.0, 0.25, 4.0),
    )
    assert caught.value.maybe_sent, "an attempt before the last one may have arrived"


@pytest.mark.parametrize("last", [Response(503), errors.ConnectionLost("gone")])
async def test_attempts_survive_pickling_and_show_no_secret(last: Response | Exception) -> None:
    """They come back from a pickle, and neither they nor the pickle know a secret."""
    transport = MockTransport(sequence([Response(502), last]))
    async with AsyncClient(
        BASE,
        transport=transport,
        retry=Retry(attempts=2, backoff=1e-9),
        bearer_token="s3cret",
        parameters={"token": "s3cret"},
    ) as client:
        with pytest.raises((errors.HTTPError, errors.TransportError)) as caught:
            await client.get("/x")
    dump = pickle.dumps(caught.value)
    again = pickle.loads(dump)
    assert again.attempts == caught.value.attempts  # type: ignore[attr-defined] # of one of two classes
    assert [attempt.number for attempt in again.attempts] == [1, 2]
    assert again.attempts[0].status == 502
    assert b"s3cret" not in dump
    with pytest.raises(AttributeError):
        again.attempts[0].status = 200


async def test_without_retries_there_are_no_attempts_to_tell() -> None:
    """Without a `Retry` the tuple is empty; with one the first attempt stands there, retried or not."""
    for policy, statuses in ((None, []), (Retry(), [404])):
        async with AsyncClient(BASE, transport=MockTransport(lambda _: Response(404)), retry=policy) as client:
            with pytest.raises(errors.HTTPNotFound) as caught:
                await client.get("/x")
        assert [attempt.status for attempt in caught.value.attempts] == statuses


async def test_a_timeout_tells_its_attempts() -> None:
    """When the time of the request ends an attempt, the error tells of it and of those before."""

    async def hang() -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    for policy in (Retry(backoff=1e-9, deadline=0.3), Retry(backoff=1e-9)):
        answers, began = iter([busy()]), time.monotonic()
        transport = MockTransport(lambda _, left=answers: next(left, None) or hang())  # type: ignore[misc] # a default binds it
        async with AsyncClient(BASE, transport=transport, retry=policy, timeout=0.5) as client:
            with pytest.raises(errors.RequestTimeout) as caught:
                await client.get("/x")
        assert [(one.status, one.error) for one in caught.value.attempts] == [(503, None), (None, "cut off")]
        assert caught.value.attempts[1].elapsed <= time.monotonic() - began
        assert client.stats.retries == 1


class Gate:
    """An answer that says when it was asked for, and comes when it is let through."""

    def __init__(self, answer: Response | Exception, *, opened: bool) -> None:
        self._answer = answer
        self._open = asyncio.Event()
        self.asked = asyncio.Event()
        if opened:
            self.open()

    def open(self) -> None:
        """Let it through."""
        self._open.set()

    async def __call__(self, _: Request) -> Response:
        """Answer."""
        self.asked.set()
        await self._open.wait()
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


PATIENT = Retry(max_backoff=3600)


async def test_cancelling_a_wait_leaves_nothing() -> None:
    """A caller that gives up between two attempts is gone at once: no task, no further attempt."""
    gate = Gate(busy("3600"), opened=True)
    transport = MockTransport(gate)
    async with AsyncClient(BASE, transport=transport, retry=PATIENT, timeout=None) as client:
        before = asyncio.all_tasks()
        task = asyncio.ensure_future(client.get("/x"))
        await gate.asked.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == before
        assert len(transport.requests) == 1
        assert client.stats.retries == 0


@pytest.mark.parametrize(
    ("answer", "waiting", "message"), [(busy("3600"), True, "the client was closed"), (LOST, False, "gone")]
)
async def test_closing_ends_a_wait_and_all_further_attempts(
    answer: Response | Exception, waiting: bool, message: str
) -> None:
    """A request that waits for its next attempt fails at once, and one that is under way is not tried again."""
    gate = Gate(answer, opened=waiting)
    transport = MockTransport(gate)
    client = AsyncClient(BASE, transport=transport, retry=PATIENT, timeout=None)
    task = asyncio.ensure_future(client.get("/x"))
    await gate.asked.wait()
    await asyncio.sleep(0)
    await client.close()
    gate.open()
    with pytest.raises(errors.TransportError, match=message) as caught:
        await asyncio.wait_for(task, 5)
    assert len(transport.requests) == len(caught.value.attempts) == 1
    assert caught.value.maybe_sent


async def test_an_error_leaves_no_cycle_behind() -> None:
    """The errors of all attempts are freed with the last one, without the garbage collector."""
    freed: list[weakref.ref[Exception]] = []

    async def lose(_: Request) -> Response:
        error = errors.ConnectionLost("gone")
        freed.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    async with AsyncClient(BASE, transport=MockTransport(lose), retry=Retry(backoff=1e-9)) as client:
        gc.collect()
        gc.disable()
        try:
            with contextlib.suppress(errors.ConnectionLost):
                await client.get("/x")
            await asyncio.sleep(0)
            assert [ref() for ref in freed] == [None] * 3
        finally:
            gc.enable()


async def test_a_retry_passes_the_limiter_anew() -> None:
    """Every attempt is admitted like the first."""

    class Counting:
        started = 0

        async def acquire(self) -> None:
            self.started += 1

    limiter = Counting()
    transport = MockTransport(sequence([busy(), busy(), json_response(1)]))
    async with AsyncClient(BASE, transport=transport, retry=Retry(backoff=1e-9), limiter=limiter) as client:
        assert await client.get("/x") == 1
    assert limiter.started == 3


async def test_the_attempt_timeout_does_not_count_the_limiter() -> None:
    """Waiting for one's turn is no slow answer."""
    transport = MockTransport(lambda _: json_response(1))
    policy = Retry(attempts=1, attempt_timeout=0.02)
    async with AsyncClient(
        BASE, transport=transport, retry=policy, rate_limit=1, rate_limit_interval=0.1, pool=PoolLimits(1)
    ) as client:
        assert [await client.get("/x") for _ in range(2)] == [1, 1]
        assert client.stats.limiter_waits == 1


async def test_a_401_is_renewed_within_retries_and_told() -> None:
    """A renewed token is a request of its own: it begins with all its attempts, and keeps what was told before."""
    tokens = iter(["one", "two"])
    answers = [busy(), Response(401), busy(), text_response("no", 503), Response(503)]
    transport = MockTransport(sequence(answers))
    async with AsyncClient(
        BASE, transport=transport, retry=Retry(backoff=1e-9), bearer_token=lambda: next(tokens)
    ) as client:
        with pytest.raises(errors.HTTPServiceUnavailable) as caught:
            await client.get("/x")
    assert [(one.number, one.status) for one in caught.value.attempts] == [
        (1, 503), (2, 401), (3, 503), (4, 503), (5, 503),
    ]  # fmt: skip
