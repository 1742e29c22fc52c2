"""Models of pages that drive themselves."""

import json
from typing import Any

import pytest

from headrace import AsyncClient, PaginatedResponse, errors
from headrace.compat import pydantic as compat
from headrace.testing import MockTransport, Request, Response, json_response
from tests.kit.counted import Row


class Numbered(PaginatedResponse):
    """A page that drives itself."""

    page: int
    rows: list[int]

    def is_paginating(self) -> bool:
        """Tell."""
        return self.page < 4

    def next(self) -> Any:
        """Lead on: by parameters, a path, a URL."""
        return [{"page": 2}, "/y?page=3", "http://a.example/z?page=4"][self.page - 1]

    def previous(self) -> Any:
        """Not asked for."""

    start = end = previous


class OfPydantic(compat.PaginatedResponse):
    """The same of pydantic's."""

    page: int
    rows: list[int]

    is_paginating = Numbered.is_paginating
    next = Numbered.next
    previous = start = end = Numbered.previous


@pytest.mark.parametrize("model", [Numbered, OfPydantic])
async def test_a_model_of_a_page_drives_itself(model: Any) -> None:
    """Its items are the pages, which know where they came from; `items` and `on_invalid` have no meaning there."""

    def answer(request: Request) -> Response:
        number = int(request.url.query.get("page", 1))
        return json_response({"page": number, "rows": [number]})

    transport = MockTransport(answer)
    async with AsyncClient("http://a.example", transport=transport) as client:
        pages = client.paginate("/x", response_format=model, parameters={"q": 1})
        found = [page async for page in pages]
        assert [type(page) for page in found] == [model] * 4
        assert [page.base_uri for page in found] == [
            "http://a.example/x?q=1", "http://a.example/x?q=1&page=2", "http://a.example/y?page=3",
            "http://a.example/z?page=4",
        ]  # fmt: skip
        half = client.paginate("/x", response_format=model)
        assert [(await anext(half)).page for _ in range(2)] == [1, 2]
        state = json.loads(json.dumps(half.state))
        await half.aclose()
        rest = client.paginate("/x", response_format=model, resume=state)
        assert [page.page for page in await rest.collect()] == [3, 4]
        with pytest.raises(errors.ValidationError, match="items: is not taken with"):
            client.paginate("/x", response_format=model, items="rows")
        with pytest.raises(errors.ValidationError, match="on_invalid"):
            client.paginate("/x", response_format=model, on_invalid="skip")
        with pytest.raises(errors.ValidationError, match=r"pages: is needed.*detect"):
            client.paginate("/x", response_format=Row)
        async for page in client.paginate("/x", response_format=model, max_pages=1).pages():
            assert page.envelope == {"page": 1, "rows": [1]}


async def test_a_model_that_leads_nowhere_is_told() -> None:
    """What its `next` returns has to be something to go on with."""

    class Odd(Numbered):
        def next(self) -> Any:
            return 5

    transport = MockTransport(lambda _: json_response({"page": 1, "rows": []}))
    async with AsyncClient("http://a.example", transport=transport) as client:
        with pytest.raises(errors.PaginationError, match=r"Odd.next\(\) returned int"):
            await client.paginate("/x", response_format=Odd).collect()
