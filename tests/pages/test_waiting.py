"""Series of pages for code that is not async."""

import json
from typing import Any

import pytest

from headrace import SyncClient, SyncPages, errors
from headrace.pages import Cursor, Offset
from headrace.testing import MockTransport, Request, Response, json_response

OFFSET = Offset(total="total")


def answer(request: Request) -> Response:
    """Answer with ten of 45 rows."""
    begin = int(request.url.query["offset"])
    return json_response({"rows": list(range(begin, min(45, begin + 10))), "total": 45})


def client() -> SyncClient:
    """Make a client of them."""
    return SyncClient("http://a.example", transport=MockTransport(answer))


@pytest.mark.parametrize("options", [{}, {"prefetch": 0}, {"parallel": 3}])
def test_a_thread_reads_all_rows(options: Any) -> None:
    """As an iterator, by pages, whole, and on from a state."""
    with client() as api:
        with api.paginate("/x", items="rows", pages=OFFSET, **options) as rows:
            assert isinstance(rows, SyncPages)
            assert [next(rows) for _ in range(15)] == list(range(15))
            assert rows.total == 45
            state = json.loads(json.dumps(rows.state))
        rest = api.paginate("/x", items="rows", pages=OFFSET, resume=state, **options)
        assert rest.collect() == list(range(10, 45))
        pages = api.paginate("/x", items="rows", pages=OFFSET, **options).pages()
        assert [len(page.items) for page in pages] == [10, 10, 10, 10, 5]


def test_an_error_reaches_the_thread() -> None:
    """It is the one of an async series."""
    transport = MockTransport(lambda _: json_response({"rows": [], "next": "a"}))
    with SyncClient("http://a.example", transport=transport) as api:
        rows = api.paginate("/x", items="rows", pages=Cursor("next", parameter="c"))
        with pytest.raises(errors.PaginationError, match="leads to itself"):
            rows.collect()
        with pytest.raises(errors.ValidationError, match="parallel"):
            api.paginate("/x", pages=Cursor("next", parameter="c"), parallel=2)
