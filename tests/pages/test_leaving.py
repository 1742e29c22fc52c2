"""Nothing is left of a series that is left early, and misuse is told."""

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

from headrace import AsyncClient, errors
from tests.kit.counted import Counted, ours, read
from tests.kit.shapes import SHAPES
from tests.kit.waiting import until
from tests.servers.vendors import ROWS, VendorServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.mark.parametrize("options", [{}, {"prefetch": 0}, {"prefetch": 3}, {"parallel": 4}], ids=str)
async def test_a_cancellation_leaves_nothing(options: Any, vendors: VendorServer, transport: str) -> None:
    """Cancelled after any number of steps, no task is left, no connection is in use, and the state is good."""
    shape = SHAPES["jira"]
    async with AsyncClient(vendors.url, transport=transport) as client:
        finished = False
        steps = 0
        while not finished:
            rows = client.paginate(shape.path, response_format=shape.row, **shape.options, **options)
            task = asyncio.ensure_future(rows.collect())
            for _ in range(steps):
                await asyncio.sleep(0)
                if task.done():
                    break
            finished = task.done()
            task.cancel()
            await asyncio.wait([task])
            assert ours() == []
            begun = rows.state["rows"]
            rest = client.paginate(shape.path, response_format=shape.row, resume=rows.state, **shape.options)
            assert len(await rest.collect()) == ROWS - begun
            steps += 1 if steps < 40 else 13
    assert steps > 3


@pytest.mark.parametrize("options", [{"prefetch": 0}, {"prefetch": 3}, {"parallel": 4}], ids=str)
async def test_leaving_early_stops_all(options: Any) -> None:
    """What is under way ends with the block, also where answers never come."""
    api = Counted()
    async with api.client() as client:
        async with read(client, **options) as rows:
            await anext(rows)
            api.open = False
            async for row in rows:
                if row.id == 5:
                    break
        assert ours() == []
        assert api.now == 0
        assert [row async for row in rows] == []
        await rows.aclose()


async def test_left_open_it_ends_when_it_is_collected() -> None:
    """Without `async with`, a series that is dropped half-way stops its requests, and warns."""
    api = Counted()
    async with api.client() as client:
        rows = read(client)
        await anext(rows)
        api.open = False
        with pytest.warns(ResourceWarning, match=r"unclosed <Pages by Offset, 0 handed out>"):
            del rows
        await until(lambda: ours() == [])
        never_begun = read(client)
        del never_begun
        finished = read(client, max_pages=1)
        api.open = True
        assert len([row async for row in finished]) == 10
        del finished
        gc.collect()


async def test_pages_and_items_share_one_pass() -> None:
    """Whole pages go on behind the last item; a page that is half handed out cannot be given as a whole."""
    api = Counted(count=30)
    async with api.client() as client, read(client) as rows:
        first = [(await anext(rows)).id for _ in range(10)]
        assert first == list(range(10))
        pages: AsyncIterator[Any] = rows.pages()
        assert [row.id for row in (await anext(pages)).items] == list(range(10, 20))
        await anext(rows)
        with pytest.raises(errors.AsyncClientError, match="half handed out"):
            rows.pages()


async def test_two_readers_at_once_are_refused() -> None:
    """The second one is told."""
    api = Counted()
    api.open = False
    async with api.client() as client, read(client) as rows:
        first = asyncio.ensure_future(anext(rows))
        await until(lambda: api.asked == [0])
        with pytest.raises(errors.AsyncClientError, match="one task at a time"):
            await anext(rows)
        api.gate(0).set()
        assert (await first).id == 0


async def test_closing_wakes_a_reader() -> None:
    """A task that waits for a page whose series is closed sees its end."""
    api = Counted()
    api.open = False
    async with api.client() as client, read(client) as rows:
        task = asyncio.ensure_future(rows.collect())
        await until(lambda: api.asked == [0])
        await rows.aclose()
        assert await task == []


async def test_misuse_explains_itself() -> None:
    """`for` and `await` say what to write."""
    async with Counted().client() as client:
        rows: Any = read(client)
        with pytest.raises(TypeError, match="async for"):
            list(rows)
        with pytest.raises(TypeError, match="collect"):
            await rows
        with pytest.raises(TypeError, match=r"paginate\(\) got an unexpected keyword argument 'params'.*parameters"):
            client.paginate("/x", params={})
