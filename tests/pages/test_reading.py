"""How pages are asked for: ahead, many at a time, and always in order."""

import asyncio
import random

from hypothesis import given
from hypothesis import strategies as st

from headrace import AsyncClient
from headrace.pages import Offset, PageNumber
from headrace.testing import MockTransport, Request, Response, json_response
from tests.kit.counted import Counted, Row, read, some_steps
from tests.kit.virtual import VirtualLoop, run
from tests.kit.waiting import until


async def test_one_page_is_asked_for_ahead() -> None:
    """While a page is worked on the next one comes, and no more; without `prefetch` none does."""
    for prefetch in (0, 1, 3):
        api = Counted()
        async with api.client() as client, read(client, prefetch=prefetch) as rows:
            assert api.asked == []
            assert (await anext(rows)).id == 0
            await some_steps()
            assert api.asked == [0, 10, 20, 30][: 1 + prefetch]


async def test_many_are_asked_for_at_a_time_and_come_in_order() -> None:
    """Answers that come the last one first are given the first one first; no more wait than `parallel`."""
    api = Counted(count=95)
    api.open = False
    async with api.client() as client, read(client, parallel=4) as rows:
        task = asyncio.ensure_future(rows.collect())
        await until(lambda: api.asked == [0])  # the total is not known before
        api.gate(0).set()
        while not task.done():
            await some_steps()
            waiting = [offset for offset in api.asked if not api.gate(offset).is_set()]
            assert len(waiting) <= 4
            if waiting:
                api.gate(random.choice(waiting)).set()  # noqa: S311 - no secret
        assert [row.id for row in await task] == list(range(95))
    assert api.peak == 4
    assert sorted(api.asked) == list(range(0, 100, 10))


async def test_memory_is_bounded() -> None:
    """However far the total goes: no page is asked for behind those that wait to be read."""
    api = Counted(count=10_000)
    async with api.client() as client, read(client, parallel=5, prefetch=2) as rows:
        await anext(rows)
        await some_steps()
        assert len(api.asked) <= 6
    async with api.client() as client, read(client, prefetch=7) as rows:
        api.asked.clear()
        await anext(rows)
        await some_steps()
        assert len(api.asked) == 8


async def test_a_total_known_before_lets_all_begin_at_once() -> None:
    """With a number for a total, nothing has to be asked first."""
    api = Counted(count=40)
    api.open = False
    pages = Offset(limit=10, total=40)
    async with api.client() as client, read(client, pages=pages, parallel=4) as rows:
        task = asyncio.ensure_future(rows.collect())
        await until(lambda: len(api.asked) == 4)
        for offset in (30, 20, 10, 0):
            api.gate(offset).set()
        assert len(await task) == 40


async def test_a_guess_that_was_wrong_is_thrown_away() -> None:
    """A page that comes short, in the middle, lets the rest be asked for from where it ended: nothing is lost."""

    class Shrinking(Counted):
        async def __call__(self, request: Request) -> Response:
            self.most = 4 if request.url.query["offset"] == "20" else 10
            return await super().__call__(request)

    for parallel in (1, 2, 5):
        api = Shrinking(count=75)
        async with api.client() as client:
            assert [row.id for row in await read(client, parallel=parallel).collect()] == list(range(75))


@given(
    count=st.integers(0, 60),
    size=st.integers(1, 12),
    cap=st.integers(1, 12),
    short=st.integers(0, 3),
    parallel=st.integers(1, 6),
    prefetch=st.integers(0, 4),
    knows=st.booleans(),
    cut=st.integers(0, 70),
    seed=st.integers(0, 1 << 30),
)
def test_whatever_the_sizes_every_row_comes_once(
    count: int, size: int, cap: int, short: int, parallel: int, prefetch: int, knows: bool, cut: int, seed: int
) -> None:
    """Sizes, totals, caps, pages that come short and answers in any order: all rows, in order, across a resume too."""
    chance = random.Random(seed)  # noqa: S311 - no secret

    async def answer(request: Request) -> Response:
        begin = int(request.url.query["offset"])
        most = min(size, cap)
        rows = max(1, most - (chance.randrange(short + 1) if begin else 0))
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        found = [{"id": number} for number in range(begin, min(count, begin + rows))]
        return json_response({"rows": found, "total": count} if knows else {"rows": found})

    async def main(_: VirtualLoop) -> None:
        pages = Offset(limit=size if size <= cap else None, total="total")
        async with AsyncClient("http://a.example", transport=MockTransport(answer), timeout=None) as client:
            rows = read(client, pages=pages, prefetch=prefetch, parallel=parallel)
            handed, done, states = [], 0, {0: rows.state}
            async with rows:
                async for row in rows:
                    handed.append(row.id)
                    states[len(handed)] = state = rows.state
                    done = state["rows"]
                    assert done <= len(handed)
                    if len(handed) == cut:
                        break
            assert handed == list(range(min(count, cut) if cut else count))
            rest = read(client, pages=pages, prefetch=prefetch, parallel=parallel, resume=rows.state)
            assert [row.id for row in await rest.collect()] == list(range(done, count))

    run(main)


@given(count=st.integers(0, 50), size=st.integers(1, 9), parallel=st.integers(1, 5), by_pages=st.booleans())
def test_numbered_pages_lose_nothing(count: int, size: int, parallel: int, by_pages: bool) -> None:
    """By the number of pages or of items, at most the pages that there are (and one) are asked for."""
    asked: list[int] = []

    def answer(request: Request) -> Response:
        begin = (int(request.url.query["page"]) - 1) * size
        asked.append(begin)
        rows = [{"id": number} for number in range(begin, min(count, begin + size))]
        return json_response({"rows": rows, "pages": -(-count // size), "items": count})

    async def main(_: VirtualLoop) -> None:
        pages = PageNumber(total_pages="pages") if by_pages else PageNumber(total_items="items")
        async with AsyncClient("http://a.example", transport=MockTransport(answer), timeout=None) as client:
            rows = client.paginate("/x", response_format=Row, items="rows", pages=pages, parallel=parallel)
            assert [row.id for row in await rows.collect()] == list(range(count))

    run(main)
    assert len(asked) == max(1, -(-count // size))


async def test_most_pages_and_items() -> None:
    """No page is asked for beyond them; a state behind the last whole page goes on there."""
    for parallel in (1, 3):
        api = Counted()
        async with api.client() as client:
            rows = read(client, max_pages=2, parallel=parallel)
            assert len(await rows.collect()) == 20
            assert sorted(api.asked) == [0, 10]
            rest = read(client, resume=rows.state, max_items=15, parallel=parallel)
            assert [row.id for row in await rest.collect()] == list(range(20, 35))
            rest = read(client, resume=rest.state, max_items=10)
            assert [row.id for row in await rest.collect()] == list(range(30, 40))
            assert await read(client, resume=rest.state).collect() == []
            cut = [len(page.items) async for page in read(client, max_items=15).pages()]
            assert cut == [10, 5]
