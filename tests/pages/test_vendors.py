"""The pages of real APIs, from servers that act as their vendors document it."""

import json
from typing import Any

import pytest

from headrace import Answer, AsyncClient, errors
from headrace.pages import Offset, PageNumber, detect
from tests.kit.shapes import SHAPES, Numbered, Shape
from tests.servers.vendors import ROWS, VendorServer

PARALLEL = [{}, {"prefetch": 0}, {"prefetch": 4}]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_all_rows_come_once_and_in_order(shape: Shape, vendors: VendorServer, transport: str) -> None:
    """Every row, typed, in the order of the pages; the total where the API tells it."""
    async with AsyncClient(vendors.url, transport=transport) as client:
        rows = client.paginate(shape.path, response_format=shape.row, **shape.options)
        async with rows:
            found = [row async for row in rows]
    assert all(type(row) is shape.row for row in found)
    assert [shape.name(row) for row in found] == shape.expected()
    assert rows.total == (ROWS if shape.counts else None)
    assert rows.rejects == 0


@pytest.mark.parametrize("ahead", PARALLEL, ids=str)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_a_series_goes_on_from_every_state(shape: Shape, vendors: VendorServer, ahead: dict[str, Any]) -> None:
    """From the state behind each page, out of JSON, the rest comes, and nothing twice; from the last state, nothing."""
    async with AsyncClient(vendors.url) as client:
        whole = client.paginate(shape.path, response_format=shape.row, **shape.options, **ahead)
        behind, states = [0], [whole.state]
        async for page in whole.pages():
            behind.append(behind[-1] + len(page.items))
            states.append(whole.state)
        assert behind[-1] == ROWS
        for count, state in zip(behind, states, strict=True):
            kept = json.loads(json.dumps(state))
            rest = client.paginate(shape.path, response_format=shape.row, resume=kept, **shape.options, **ahead)
            assert [shape.name(row) for row in await rest.collect()] == shape.expected()[count:]
        vendors.asked.clear()
        assert await client.paginate(shape.path, pages=shape.options["pages"], resume=states[-1]).collect() == []
    assert vendors.asked == []


@pytest.mark.parametrize("name", SHAPES)
async def test_how_to_go_on_is_found_in_an_answer(name: str, vendors: VendorServer) -> None:
    """What `detect` finds in the first page reads all of them; it tells what it saw."""
    shape = SHAPES[name]
    call = {key: value for key, value in shape.options.items() if key in ("method", "body", "parameters")}
    async with AsyncClient(vendors.url) as client:
        answer = await client.request(call.pop("method", "GET"), shape.path, response_format=Answer, **call)
        found = detect(answer)
        assert found is not None
        assert found.evidence
        items = shape.options.get("items") and found.items
        again = {key: value for key, value in shape.options.items() if key in ("method", "body", "parameters")}
        rows = client.paginate(shape.path, response_format=shape.row, items=items, pages=found.pages, **again)
        assert [shape.name(row) for row in await rows.collect()] == shape.expected()


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_nothing_is_found_in_a_single_page(shape: Shape, vendors: VendorServer) -> None:
    """An answer with all rows in it leads nowhere, and `detect` makes nothing up."""
    async with AsyncClient(vendors.url) as client:
        rows = client.paginate(shape.path, response_format=shape.row, **shape.options)
        pages = [page async for page in rows.pages()]
        url = pages[-1].answer.url
        if shape.options.get("method") != "POST" and shape.path != "/elasticsearch/logs/_search":
            assert detect(await client.get(url, response_format=Answer)) is None


@pytest.mark.parametrize("parallel", [1, 4])
async def test_a_server_that_gives_fewer_than_asked_for_loses_nothing(vendors: VendorServer, parallel: int) -> None:
    """A size that is cut in silence is an error where a total shows it, and else every row comes all the same."""
    jira = SHAPES["jira"]
    async with AsyncClient(vendors.url) as client:
        capped = Offset("startAt", limit=15, limit_parameter="maxResults", total="total")
        with pytest.raises(errors.PaginationError, match=r"GET http\S+: the first page has 10 items where limit=15"):
            await client.paginate(jira.path, items="issues", pages=capped, parallel=parallel).collect()
        unseen = Offset("startAt", limit=15, limit_parameter="maxResults")
        rows = await client.paginate(jira.path, response_format=jira.row, items="issues", pages=unseen).collect()
        assert [row.id for row in rows] == jira.expected()
        pagy = client.paginate("/pagy/rows", response_format=Numbered, pages=PageNumber(size=20, size_parameter="per"))
        assert [row.id for row in await pagy.collect()] == list(range(ROWS))


@pytest.mark.parametrize("parallel", [1, 3])
async def test_pages_that_leave_rows_out_are_no_shorter_ones(vendors: VendorServer, parallel: int) -> None:
    """Where a server leaves rows out behind its limit, `filtered=True` counts what was asked for."""
    async with AsyncClient(vendors.url) as client:
        asked = {"limit": 6, "limit_parameter": "limit", "total": "total_count"}
        with pytest.raises(errors.PaginationError, match="filtered=True"):
            await client.paginate("/box/2.0/folders/0/items", items="entries", pages=Offset(**asked)).collect()  # type: ignore[arg-type] # a mapping of many types
        offset = Offset(**asked, filtered=True)  # type: ignore[arg-type] # as above
        rows = client.paginate("/box/2.0/folders/0/items", items="entries", pages=offset, parallel=parallel)
        assert [row["id"] async for row in rows] == [str(number) for number in range(ROWS) if number % 5]
