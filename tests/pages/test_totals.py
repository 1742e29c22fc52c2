"""Totals that stand in header fields, as many REST frameworks write them."""

from typing import Any

import pytest

from headrace import AsyncClient, errors
from headrace.pages import Header, Link, Offset, PageNumber
from headrace.testing import MockTransport, json_response
from headrace.transports import Request, Response


def client_of(asked: list[int], total: Any) -> AsyncClient:
    """Make a client of an API that has 25 rows, ten a page."""

    def answer(request: Request) -> Response:
        page = int(request.url.query.get("page", 1))
        asked.append(page)
        rows = [{"id": number} for number in range(10 * page - 9, min(10 * page, 25) + 1)]
        return json_response(rows, headers={"X-Total-Count": str(total), "X-Total-Pages": "3"})

    return AsyncClient("http://a.example", transport=MockTransport(answer))


@pytest.mark.parametrize("total", [{"total_items": Header("x-total-count")}, {"total_pages": Header("X-Total-Pages")}])
@pytest.mark.parametrize("parallel", [1, 4])
async def test_a_series_ends_at_the_total_of_a_field(total: dict[str, Any], parallel: int) -> None:
    """No page is asked for behind it, and pages can be asked for at once."""
    asked: list[int] = []
    async with client_of(asked, 25) as client:
        pages = client.paginate("/x", pages=PageNumber(size=10, **total), parallel=parallel)
        assert [row["id"] for row in await pages.collect()] == list(range(1, 26))
    assert sorted(asked) == [1, 2, 3]
    assert pages.total == (25 if "total_items" in total else 3)


async def test_a_total_that_is_none() -> None:
    """What is no number is an error, and a field that is not there says nothing."""
    async with client_of([], "many") as client:
        with pytest.raises(errors.PaginationError, match="the total in X-Total-Count is no whole number: got str"):
            await client.paginate("/x", pages=PageNumber(size=10, total_items=Header("X-Total-Count"))).collect()
        pages = client.paginate("/x", pages=Link(total=Header("X-Nothing")))
        assert len(await pages.collect()) == 10
        assert pages.total is None


def test_a_field_has_a_name() -> None:
    """And a total is a place, a field or a number."""
    with pytest.raises(errors.ValidationError, match="name: got str"):
        Header("")
    with pytest.raises(errors.ValidationError, match="total: got float, takes names with dots"):
        Offset(total=1.5)  # type: ignore[arg-type]
