"""How a request's time ends, on a loop whose time is made up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace._io.deadline import Deadlines
from tests.kit.virtual import VirtualLoop, run, until


def current() -> asyncio.Task[Any]:
    """Return the task that runs."""
    task = asyncio.current_task()
    assert task is not None
    return task


async def bounded(loop: VirtualLoop, deadlines: Deadlines, seconds: float, work: float | None) -> str:
    """Work for some time, or forever, within a deadline, as a request does."""
    deadline = deadlines.begin(seconds, current())
    try:
        await (loop.create_future() if work is None else until(loop, loop.time() + work))
    except asyncio.CancelledError:
        if deadline.is_mine():
            return f"expired at {loop.time():g}"
        raise
    else:
        return f"done at {loop.time():g}"
    finally:
        deadline.end()


def test_a_request_has_its_time_and_no_more() -> None:
    """Work that is done in time is left alone, and work that is not is ended on the moment."""

    async def main(loop: VirtualLoop) -> list[str]:
        deadlines = Deadlines(loop)
        return [await bounded(loop, deadlines, 2, work) for work in (1, None, 1.5, 2.5)]

    assert run(main) == ["done at 1", "expired at 3", "done at 4.5", "expired at 6.5"]


def test_requests_expire_in_the_order_of_their_ends() -> None:
    """Whenever they began and however long they may take, those end first whose time is over first."""

    async def main(loop: VirtualLoop) -> list[tuple[int, float]]:
        deadlines = Deadlines(loop)
        ended: list[tuple[int, float]] = []

        async def request(number: int, begin: float, seconds: float) -> None:
            await until(loop, begin)
            assert (await bounded(loop, deadlines, seconds, None)).startswith("expired")
            ended.append((number, loop.time()))

        await asyncio.gather(request(1, 1, 5), request(2, 2, 1), request(3, 2, 5), request(4, 4, 0.5), request(5, 5, 1))
        return ended

    assert run(main) == [(2, 3), (4, 4.5), (1, 6), (5, 6), (3, 7)]


@settings(max_examples=60)
@given(
    requests=st.lists(
        st.tuples(st.integers(0, 20), st.integers(1, 80), st.none() | st.integers(0, 40)), min_size=1, max_size=120
    )
)
def test_any_requests_end_in_time(requests: list[tuple[int, int, int | None]]) -> None:
    """With however many different lengths at once, each request ends when its work or its time is over."""

    async def main(loop: VirtualLoop) -> list[str]:
        deadlines = Deadlines(loop)

        async def request(begin: int, seconds: int, work: int | None) -> str:
            await until(loop, begin)
            return await bounded(loop, deadlines, seconds, work)

        ended = await asyncio.gather(*(request(*each) for each in requests))
        # Each number of seconds once more: a length that was forgotten works like a new one.
        again = {seconds for _, seconds, _ in requests}
        began = loop.time()
        texts = await asyncio.gather(*(bounded(loop, deadlines, seconds, None) for seconds in again))
        assert list(texts) == [f"expired at {began + seconds:g}" for seconds in again]
        return ended

    for text, (begin, seconds, work) in zip(run(main), requests, strict=True):
        in_time = work is not None and work < seconds
        exactly = work == seconds
        expected = {f"done at {begin + (work or 0)}"} if in_time else {f"expired at {begin + seconds}"}
        assert text in expected | ({f"done at {begin + seconds}"} if exactly else set())


def test_a_cancellation_from_outside_is_not_swallowed() -> None:
    """Who cancels a request gets it cancelled, before its time is over."""

    async def main(loop: VirtualLoop) -> tuple[bool, float]:
        task = asyncio.ensure_future(bounded(loop, Deadlines(loop), 5, None))
        await until(loop, 1)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled(), loop.time()

    assert run(main) == (True, 1)


@pytest.mark.parametrize("outer_first", [False, True])
def test_a_cancellation_at_the_same_moment_is_not_swallowed(outer_first: bool) -> None:
    """Where a request is cancelled as its time ends, it is cancelled: the outer will is done."""

    async def main(loop: VirtualLoop) -> bool:
        deadlines = Deadlines(loop)
        task = asyncio.ensure_future(bounded(loop, deadlines, 5, None))
        if outer_first:
            loop.call_at(5, task.cancel)
            await until(loop, 0)
        else:
            await until(loop, 0)
            loop.call_at(5, task.cancel)
        await asyncio.wait([task])
        return task.cancelled()

    assert run(main) is True


@pytest.mark.parametrize(("outer", "inner", "expected"), [(2, 5, "outer at 2"), (5, 2, "expired at 2"), (2, 2, None)])
def test_it_nests_in_a_timeout_of_asyncio(outer: float, inner: float, expected: str | None) -> None:
    """Inside `asyncio.timeout` the earlier of the two ends the work, and each knows its own."""

    async def main(loop: VirtualLoop) -> str:
        try:
            async with asyncio.timeout(outer):
                return await bounded(loop, Deadlines(loop), inner, None)
        except TimeoutError:
            return f"outer at {loop.time():g}"

    assert run(main) in ({expected} if expected else {"outer at 2", "expired at 2"})


def test_a_task_goes_on_after_its_deadline() -> None:
    """An expired deadline leaves no cancellation behind: the task may wait and be cancelled as before."""

    async def main(loop: VirtualLoop) -> tuple[str, int, float, bool]:
        deadlines = Deadlines(loop)

        async def several() -> tuple[str, int, float]:
            text = await bounded(loop, deadlines, 1, None)
            task = asyncio.current_task()
            assert task is not None
            await until(loop, loop.time() + 2)
            return text, task.cancelling(), loop.time()

        first = await several()
        task = asyncio.ensure_future(several())
        await until(loop, 4.5)
        task.cancel()
        await asyncio.wait([task])
        return *first, task.cancelled()

    assert run(main) == ("expired at 1", 0, 3, True)


def test_deadlines_of_one_task_may_nest() -> None:
    """A request inside a request, as a token's renewal is, has a time of its own."""

    async def main(loop: VirtualLoop) -> list[str]:
        deadlines = Deadlines(loop)
        outer = deadlines.begin(10, current())
        inner = [await bounded(loop, deadlines, 1, None), await bounded(loop, deadlines, 3, 2)]
        outer.end()
        await until(loop, 20)
        return inner

    assert run(main) == ["expired at 1", "done at 3"]


def test_a_request_that_has_ended_is_never_cancelled() -> None:
    """Behind `end` the time means nothing any more, also where the task lives on."""

    async def main(loop: VirtualLoop) -> float:
        deadlines = Deadlines(loop)
        for _ in range(3):
            deadline = deadlines.begin(1, current())
            deadline.end()
            deadline.end()
        await until(loop, 5)
        return loop.time()

    assert run(main) == 5


def test_one_timer_serves_all_requests_of_a_length() -> None:
    """A thousand requests of the same length need one timer, and one for those that came later."""

    async def main(loop: VirtualLoop) -> int:
        asked: list[float] = []
        call_at = loop.call_at

        def counting(when: float, *arguments: Any, **options: Any) -> asyncio.TimerHandle:
            asked.append(when)
            return call_at(when, *arguments, **options)

        deadlines = Deadlines(loop)
        early = [asyncio.ensure_future(bounded(loop, deadlines, 5, None)) for _ in range(500)]
        await until(loop, 1)
        late = [asyncio.ensure_future(bounded(loop, deadlines, 5, None)) for _ in range(500)]
        loop.call_at = counting  # type: ignore[method-assign]
        assert set(await asyncio.gather(*early, *late)) == {"expired at 5", "expired at 6"}
        return len(asked)

    assert run(main) == 1


def test_nothing_is_left_behind() -> None:
    """Stopped deadlines leave no timer in the loop, and no task ever."""

    async def main(loop: VirtualLoop) -> set[asyncio.Task[Any]]:
        deadlines = Deadlines(loop)
        for seconds in range(1, 200):
            assert await bounded(loop, deadlines, seconds * 1000, 1) == f"done at {seconds}"
        deadlines.stop()
        deadlines.stop()
        task = asyncio.current_task()
        return asyncio.all_tasks() - {task} if task else set()

    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(main(loop)) == set()
        ended = loop.time()
        # On this loop time passes only for the sake of a timer.
        with pytest.raises(RuntimeError, match="nothing will ever happen"):
            runner.run(_forever(loop))
        assert loop.time() == ended


async def _forever(loop: VirtualLoop) -> None:
    await loop.create_future()


def test_a_time_begins_anew_where_the_timers_were_stopped() -> None:
    """Whoever is given its time behind that has it, and no more."""

    async def main(loop: VirtualLoop) -> list[str]:
        deadlines = Deadlines(loop)
        first = await bounded(loop, deadlines, 2, 1)
        deadlines.stop()
        return [first, await bounded(loop, deadlines, 2, None)]

    assert run(main) == ["done at 1", "expired at 3"]
