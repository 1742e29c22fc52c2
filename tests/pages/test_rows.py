"""What becomes of the rows of a page: typed in one pass, out of any place, and those that do not fit."""

from typing import Any

import msgspec
import pydantic
import pytest

from headrace import AsyncClient, BaseModel, Partial, Reject, Response, errors
from headrace.compat import pydantic as compat
from headrace.pages import Cursor, Link, NextUrl, Offset, Page, PageNumber
from headrace.testing import MockTransport, json_response, text_response


class User(msgspec.Struct):
    """A row."""

    id: int


class Stamped(Response):
    """A row that knows where it came from."""

    id: int


class PydanticUser(compat.Response):
    """The same of pydantic's."""

    id: int


class Plain(pydantic.BaseModel):
    """A model without more."""

    id: int


def one(document: Any) -> AsyncClient:
    """Make a client that always gets this document."""
    answer = text_response if isinstance(document, str) else json_response
    return AsyncClient("http://a.example", transport=MockTransport(lambda _: answer(document)))


@pytest.mark.parametrize(
    "model", [User, Stamped, PydanticUser, Plain, pydantic.TypeAdapter(Plain), dict[str, int], None]
)
@pytest.mark.parametrize("on_invalid", ["raise", "skip", "collect"])
@pytest.mark.parametrize(
    ("document", "items"),
    [
        ([{"id": 1}, {"id": 2}], None),
        ([{"id": 1}, {"id": 2}], ""),
        ({"users": [{"id": 1}, {"id": 2}], "n": {"a": [1]}}, None),
        ({"data": {"users": [{"id": 1}, {"id": 2}]}, "x": [], "y": []}, "data.users"),
        ({"a.b": [0, {"rows": [{"id": 1}, {"id": 2}]}]}, ["a.b", 1, "rows"]),
    ],
)
async def test_rows_come_out_of_their_place(model: Any, on_invalid: Any, document: Any, items: Any) -> None:
    """Whatever models them, rows are decoded from where they are."""
    async with one(document) as client:
        pages = client.paginate("/x", response_format=model, items=items, pages=Link(), on_invalid=on_invalid)
        found = await pages.collect()
    ids = [row["id"] if isinstance(row, dict) else row.id for row in found]
    assert ids == [1, 2]
    if isinstance(model, type) and model is not dict:
        assert all(type(row) is model for row in found)
    for row in found:
        assert not isinstance(row, (Stamped, PydanticUser)) or row.base_uri == "http://a.example/x"


@pytest.mark.parametrize("items", [None, "rows"])
@pytest.mark.parametrize("document", [{"rows": [], "next": None}, {"rows": []}])
async def test_a_page_may_be_empty(document: Any, items: Any) -> None:
    """A series without rows is no error."""
    async with one(document) as client:
        assert await client.paginate("/x", response_format=User, items=items, pages=NextUrl("next")).collect() == []


async def test_no_rows_at_all() -> None:
    """Null where rows would be, and a success without a body, are pages without rows."""
    for model in (User, Plain):
        async with one({"rows": None}) as client:
            assert await client.paginate("/x", response_format=model, items="rows", pages=PageNumber()).collect() == []
        async with one("") as client:
            assert await client.paginate("/x", response_format=model, items="rows", pages=PageNumber()).collect() == []


@pytest.mark.parametrize(
    ("document", "items", "says"),
    [
        ({"a": [], "b": []}, None, r"has 2 arrays at its top \(a, b\); items="),
        ({"a": 1}, None, "has no array at its top; items="),
        ({"a": [{"id": 1}]}, "", r"Expected `array"),
        ({"a": {"b": 1}}, "a.b", r"\$\.a\.b"),
        ({"a": 1}, "a.b", r"\$\.a"),
        ({"b": []}, "a", "missing required field `a`"),
        ({"a": [{"id": 1}, {"id": "two"}]}, "a", r"Expected `int`, got `str` - at `\$\.a\[1\]\.id`"),
        ("<html>", "a", "not JSON"),
    ],
)
async def test_a_document_that_does_not_fit_is_told(document: Any, items: Any, says: str) -> None:
    """The error names the request, the place and the reason."""
    async with one(document) as client:
        with pytest.raises(errors.ResponseParseError, match=rf"^GET http://a.example/x: .*{says}"):
            await client.paginate("/x", response_format=User, items=items, pages=Link()).collect()
        assert sum(client.stats.errors.values()) == 1


@pytest.mark.parametrize("model", [User, Plain, pydantic.TypeAdapter(Plain)])
async def test_rows_that_do_not_fit(model: Any) -> None:
    """They raise, or are left out and counted; collected ones have their place in the document, and their bytes."""
    document = '{"a": {"rows": [{"id": 1}, {"id": "x"}, {"id": 3}, null]}, "next": "/y"}'

    def answer(request: Any) -> Any:
        return text_response(document if request.target == "/x" else '{"a": {"rows": [{"id": "y"}]}}')

    pages = NextUrl("next")
    async with AsyncClient("http://a.example", transport=MockTransport(answer)) as client:
        with pytest.raises(errors.ResponseValidationError) as caught:
            await client.paginate("/x", response_format=model, items="a.rows", pages=pages).collect()
        assert caught.value.path == "$.a.rows[1].id"
        rows = client.paginate("/x", response_format=model, items="a.rows", pages=pages, on_invalid="skip")
        assert [row.id async for row in rows] == [1, 3]
        assert rows.rejects == 3
        rows = client.paginate("/x", response_format=model, items="a.rows", pages=pages, on_invalid="collect")
        found: list[Page[Any]] = [page async for page in rows.pages()]
    assert [[row.id for row in page.items] for page in found] == [[1, 3], []]
    assert [[(reject.index, reject.raw) for reject in page.rejects] for page in found] == [
        [(1, b'{"id": "x"}'), (3, b"null")],
        [(0, b'{"id": "y"}')],
    ]
    assert found[0].rejects[0].path == "$.a.rows[1].id"
    assert isinstance(found[0].rejects[0], Reject)
    assert rows.rejects == 3


async def test_an_envelope_is_the_document_without_its_rows() -> None:
    """It has everything but the rows, in its order, and is `None` of a bare array."""
    document = {"n": 1, "a": {"rows": [{"id": 1}], "z": [1.5, None]}, "e": {}}
    async with one(document) as client:
        async for page in client.paginate("/x", items="a.rows", pages=Link()).pages():
            assert page.envelope == {"n": 1, "a": {"z": [1.5, None]}, "e": {}}
            assert page.envelope is page.envelope
            assert (page.number, page.answer.status, page.answer.value) == (1, 200, None)
            match page:
                case Page(items, answer, envelope, number, rejects):
                    assert (items, envelope["n"], number, rejects) == ([{"id": 1}], 1, 1, [])
                    assert answer.method == "GET"
            assert repr(page) == "<Page 1 with 1 items>"
        async for page in client.paginate("/x", items=["a", "z"], pages=Link()).pages():
            assert page.envelope == {"n": 1, "a": {"rows": [{"id": 1}]}, "e": {}}
    async with one([1, 2]) as client:
        assert [page.envelope async for page in client.paginate("/x", pages=Link()).pages()] == [None]


@pytest.mark.parametrize("empty", [{}, {"paging": None}, {"paging": []}, {"paging": ""}, {"paging": {"next": {}}}])
async def test_what_leads_on_may_be_missing_at_any_height(empty: Any) -> None:
    """An API that writes null, an empty array or text where there is nothing to say ends its series with it."""
    async with one({"rows": [{"id": 1}], **empty}) as client:
        pages = Cursor("paging.next.after", parameter="after")
        rows = await client.paginate("/x", response_format=User, items="rows", pages=pages).collect()
    assert rows == [User(1)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"pages": Cursor("rows.next", parameter="c"), "items": "rows"}, "inside the rows"),
        ({"pages": Cursor("a", parameter="c"), "items": "a.rows"}, "where the rows are, or lies around them"),
        ({"pages": Cursor(["a", 0], parameter="c"), "items": "a.rows"}, "an array for one argument"),
        ({"pages": Link(), "items": 5}, "items: got int"),
        ({"pages": Link(), "items": "a..b"}, "items: got"),
        ({"pages": Link(), "response_format": Partial[User]}, "type of one item, not Partial"),
        ({"pages": Link(), "on_invalid": "drop"}, "on_invalid: got 'drop'"),
        ({"pages": Link(), "response_format": User(1)}, "response_format"),
        ({"pages": Offset(), "data": iter([b"x"])}, "data: got"),
    ],
)
async def test_what_does_not_go_together_is_refused(options: Any, says: str) -> None:
    """Before anything is sent."""
    async with one({}) as client:
        with pytest.raises(errors.ValidationError, match=says):
            client.paginate("/x", **options)
        assert client.stats.requests == 0


async def test_models_that_are_pages_are_decoded_whole() -> None:
    """`BaseModel` rows keep their defaults and names."""

    class Row(BaseModel, rename="camel"):
        user_id: int
        nick: str = "none"

    async with one({"rows": [{"userId": 7}]}) as client:
        assert await client.paginate("/x", response_format=Row, pages=Link()).collect() == [Row(7)]
