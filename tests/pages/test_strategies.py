"""Every way to a next page: what is sent, what ends a series, and what makes no sense."""

from collections.abc import Callable
from typing import Any

import pytest
from yarl import URL

from headrace import BaseModel, errors
from headrace.pages import Cursor, HeaderCursor, Link, NextUrl, Offset, Page, PageNumber
from headrace.testing import Request, json_response
from tests.kit.counted import Api, ids, into


async def test_a_token_goes_along_as_it_is() -> None:
    """Numbers, booleans and lists are tokens like text; null, text without a character and nothing at all end."""
    tokens = [0, False, "a b&c", [1, 2], 12345678901234567890]
    for end in (None, "", [], {}, ...):

        def answer(_: Request, number: int, end: Any = end) -> Any:
            following = [*tokens, end][number]
            return {"rows": [{"id": number}]} | ({} if following is ... else {"next": following})

        api = Api(answer)
        async with api.client() as client:
            pages = Cursor("next", parameter="cursor")
            assert await ids(client.paginate("/x", items="rows", pages=pages, parameters={"q": 1})) == list(range(6))
        sent = [request.target for request in api.requests]
        assert sent[:4] == ["/x?q=1", "/x?q=1&cursor=0", "/x?q=1&cursor=false", "/x?q=1&cursor=a%20b%26c"]
        assert sent[4:] == ["/x?q=1&cursor=1&cursor=2", "/x?q=1&cursor=12345678901234567890"]


async def test_a_token_in_the_body_leaves_the_rest_of_it() -> None:
    """It is put at its place, of whatever the body was; the caller's own stays as it was."""

    class Query(BaseModel):
        text: str
        page: dict[str, Any]

    given = {"text": "mill", "page": {"size": 3}}
    for body in (given, Query("mill", {"size": 3})):
        api = Api(lambda _, number: {"rows": [], "next": {"x": number} if number < 2 else None})
        async with api.client() as client:
            pages = Cursor("next", body="page.after")
            await client.paginate("/x", method="POST", body=body, items="rows", pages=pages).collect()
        bodies = [request.body for request in api.requests]
        assert bodies == [
            b'{"text":"mill","page":{"size":3}}',
            b'{"text":"mill","page":{"size":3,"after":{"x":0}}}',
            b'{"text":"mill","page":{"size":3,"after":{"x":1}}}',
        ]
    assert given == {"text": "mill", "page": {"size": 3}}
    api = Api(lambda _, number: {"rows": [], "next": None if number else "a"})
    async with api.client() as client:
        await client.paginate("/x", method="POST", items="rows", pages=Cursor("next", body="after")).collect()
    assert [request.body for request in api.requests][1] == b'{"after":"a"}'


async def test_a_token_in_a_header_field() -> None:
    """Missing or empty, it ends."""
    for end in ({}, {"X-Next": ""}):
        api = Api(lambda _, n, end=end: json_response([{"id": n}], headers={"X-Next": f"t{n}"} if n < 2 else end))
        async with api.client() as client:
            assert await ids(client.paginate("/x", pages=HeaderCursor("x-next", parameter="c"))) == [0, 1, 2]
        assert api.queries() == [{}, {"c": "t0"}, {"c": "t1"}]


async def test_numbers_end_at_an_empty_page_and_never_at_a_short_one() -> None:
    """Rows that lack at the end of a page are no end."""
    api = Api(lambda request, _: api.page(3 * int(request.url.query["p"]))[: 2 if request.url.query["p"] == "0" else 3])
    async with api.client() as client:
        assert await ids(client.paginate("/x", pages=PageNumber("p", first=0, size=3))) == [0, 1, 3, 4, 5, 6]
    assert api.queries() == [{"p": "0"}, {"p": "1"}, {"p": "2"}, {"p": "3"}]


@pytest.mark.parametrize("parallel", [1, 2, 8])
@pytest.mark.parametrize(
    ("pages", "requests"),
    [
        (PageNumber(total_pages="meta.pages"), 3),
        (PageNumber(total_items="meta.total"), 3),
        (PageNumber(total_items=7, size=3, size_parameter="n"), 3),
        (PageNumber(total_pages=3), 3),
        (Offset(total="meta.total"), 3),
        (Offset(limit=3, limit_parameter="limit", total=7), 3),
    ],
)
async def test_counted_pages_end_at_the_total(pages: Any, requests: int, parallel: int) -> None:
    """No request is made behind it, however many at a time."""

    def answer(request: Request, _: int) -> Any:
        query = request.url.query
        begin = 3 * (int(query["page"]) - 1) if "page" in query else int(query["offset"])
        return {"rows": api.page(begin), "meta": {"pages": 3, "total": "7"}}

    api = Api(answer)
    async with api.client() as client:
        rows = client.paginate("/x", items="rows", pages=pages, parallel=parallel)
        assert await ids(rows) == list(range(7))
        assert rows.total in (3, 7)
    assert len(api.requests) == requests


async def test_sizes_and_numbers_in_the_body() -> None:
    """`body=` puts the number there, and the size beside it."""
    api = Api(lambda _, n: [{"id": n}] if n < 1 else [])
    async with api.client() as client:
        number = PageNumber(body="page.number", size=1, size_parameter="page.size")
        await client.paginate("/x", method="POST", pages=number).collect()
        await client.paginate("/x", method="POST", pages=Offset(body="from")).collect()
    bodies = [request.body for request in api.requests]
    assert bodies == [b'{"page":{"number":1,"size":1}}', b'{"page":{"number":2,"size":1}}', b'{"from":0}']


async def test_a_flag_ends_a_series() -> None:
    """`more` that is false is the last page, whatever leads on; that says more, with nothing to go on, an error."""
    for pages in (
        Cursor("next", parameter="c", more="more"),
        Cursor(last="id", parameter="c", more="more"),
        NextUrl("url", more="more"),
        PageNumber(more="more"),
        Offset(more="more"),
    ):
        api = Api(lambda _, n: {"rows": [{"id": n}], "next": n, "url": f"/x?{n}", "more": n < 2})
        async with api.client() as client:
            assert await ids(client.paginate("/x", items="rows", pages=pages)) == [0, 1, 2]
    api = Api(lambda *_: {"rows": [], "more": True})
    async with api.client() as client:
        with pytest.raises(errors.PaginationError, match=r"\$\.more says that there are more pages"):
            await client.paginate("/x", items="rows", pages=Cursor("next", parameter="c", more="more")).collect()


async def test_a_url_has_its_own_parameters() -> None:
    """The parameters of the first page are not sent again beside those of the URL; the client's own are, once."""
    api = Api(lambda _, n: {"rows": [], "next": ["?page=2&q=1&k=2", {"href": "/y?page=3"}, None][n]})
    async with api.client(parameters={"k": 1}) as client:
        await client.paginate("/x/", items="rows", pages=NextUrl("next"), parameters={"q": 1}).collect()
    assert [str(request.url) for request in api.requests] == [
        "http://a.example/x/?k=1&q=1",
        "http://a.example/x/?page=2&q=1&k=2",
        "http://a.example/y?page=3&k=1",
    ]


async def test_secrets_stay_at_home() -> None:
    """A URL that leads to another origin gets neither the client's credentials nor those of the call."""
    api = Api(lambda _, n: {"rows": [], "next": ["https://b.example/x", "/y", "http://a.example/z", None][n]})
    secrets = {"headers": {"Authorization": "s", "X-Api-Key": "s", "X-Kept": "k"}, "cookies": {"sid": "s"}}
    async with api.client(bearer_token="t", headers={"X-Secret": "s"}) as client:
        await client.paginate("/x", items="rows", pages=NextUrl("next"), **secrets).collect()
    for request, at_home in zip(api.requests, [True, False, False, True], strict=True):
        names = {name.lower() for name, _ in request.headers.pairs}
        assert {"authorization", "x-api-key", "cookie", "x-secret"} & names == (
            {"authorization", "x-api-key", "cookie", "x-secret"} if at_home else set()
        )
        assert "x-kept" in names


@pytest.mark.parametrize(
    ("pages", "answers"),
    [
        (NextUrl("next"), [{"next": "/x"}]),
        (NextUrl("next"), [{"next": "/y"}, {"next": "/z"}, {"next": "/y"}]),
        (NextUrl("next"), [{"next": "/y"}, {"next": "/x"}]),
        (Cursor("next", parameter="c"), [{"next": "a"}, {"next": "a"}]),
        (Cursor("next", parameter="c"), [{"next": 1}, {"next": 2}, {"next": 1}]),
        (lambda page: {"parameters": {"c": page.envelope["next"]}}, [{"next": 1}, {"next": 2}, {"next": 1}]),
    ],
)
async def test_a_circle_is_an_error(pages: Any, answers: list[Any]) -> None:
    """A page that names itself, or one before it, ends the series with an error behind its rows, and no loop."""
    api = Api(lambda _, n: {"rows": [{"id": n}], **answers[n]})
    async with api.client() as client:
        rows = client.paginate("/x", items="rows", pages=pages)
        found: list[Any] = []
        with pytest.raises(errors.PaginationError, match=r"^GET http://a.example/\S*: page \d leads to itself"):
            await into(found, rows)
    assert [row["id"] for row in found] == list(range(len(answers)))


async def test_a_circle_behind_the_last_page_that_is_wanted_is_none() -> None:
    """Whoever wants no more than the pages before it hears nothing of it."""
    for most in ({"max_pages": 2}, {"max_items": 2}):
        api = Api(lambda _, n: {"rows": [{"id": n}], "next": "a"})
        async with api.client() as client:
            pages = Cursor("next", parameter="c")
            assert await ids(client.paginate("/x", items="rows", pages=pages, **most)) == [0, 1]


async def test_a_token_that_the_call_begins_at_counts_as_seen() -> None:
    """A server that names the token that it was given leads in a circle at once."""
    api = Api(lambda *_: {"rows": [{"id": 1}], "next": "a"})
    async with api.client() as client:
        pages = Cursor("next", parameter="c")
        with pytest.raises(errors.PaginationError, match="page 1 leads to itself"):
            await client.paginate("/x", items="rows", pages=pages, parameters={"c": "a"}).collect()


@pytest.mark.parametrize("pages", [PageNumber(), Offset(), PageNumber(total_items="n")])
async def test_a_server_that_repeats_a_page_is_found_out(pages: Any) -> None:
    """One that does not know the parameter gives the first page for ever; its rows are given once."""
    api = Api(lambda *_: {"rows": [{"id": 1}], "n": 100})
    async with api.client() as client:
        rows, found = client.paginate("/x", items="rows", pages=pages), list[Any]()
        with pytest.raises(errors.PaginationError, match="the one before it, byte for byte"):
            await into(found, rows)
    assert found == [{"id": 1}]


@pytest.mark.parametrize(
    ("pages", "document", "says"),
    [
        (NextUrl("next"), {"next": 5}, r"\$\.next is no http\(s\) URL: got int"),
        (NextUrl("next"), {"next": "ftp://a.example"}, "is no http"),
        (Cursor(last="key", parameter="c"), {}, r"the last item of the page has nothing at \$\.key"),
        (PageNumber(total_items="next"), {"next": "many"}, r"the total at \$\.next is no whole number: got str"),
        (PageNumber(total_pages="next", size=3), {"next": 2}, "the first page has 1 items where size=3"),
        (PageNumber(total_items="next", size=3), {"next": 2}, "the first page has 1 items where size=3"),
        (lambda _: 5, {}, r"the function returned int \(5\); takes options"),
        (lambda _: {"params": {}}, {}, "the function returned the option 'params'"),
        (lambda _: {}, {}, "the function returned no option"),
    ],
)
async def test_what_makes_no_sense_is_told(pages: Any, document: Any, says: str) -> None:
    """The error names the request, and what is wrong in its answer."""
    api = Api(lambda *_: {"rows": [{"id": 1}], **document})
    async with api.client() as client:
        with pytest.raises(errors.PaginationError, match=rf"^GET http://a.example/x\S*: .*{says}"):
            await client.paginate("/x", items="rows", pages=pages).collect()


async def test_a_function_says_what_changes() -> None:
    """It is given each page; mappings are laid over those of the call, all else takes its place."""
    seen: list[Page[Any]] = []

    def following(page: Page[Any]) -> Any:
        seen.append(page)
        changes = [
            {"path": "/y"},
            {"parameters": {"a": None, "c": 3}, "headers": {"x-h": "2"}},
            {"body": {"n": 2}},
            None,
        ]
        return changes[page.number - 1]

    api = Api(lambda _, n: {"rows": [{"id": n}], "n": n})
    async with api.client() as client:
        rows = client.paginate(
            "/x?z=0", method="POST", items="rows", pages=following, parameters={"a": 1, "b": 2}, headers={"X-H": "1"}
        )
        assert await ids(rows) == [0, 1, 2, 3]
    assert [page.envelope["n"] for page in seen] == [0, 1, 2, 3]
    assert [request.target for request in api.requests] == ["/x?z=0&a=1&b=2", "/y", "/x?z=0&b=2&c=3", "/x?z=0&a=1&b=2"]
    assert [
        dict(request.headers.pairs).get("X-H") or dict(request.headers.pairs)["x-h"] for request in api.requests
    ] == [
        "1",
        "1",
        "2",
        "1",
    ]
    assert api.requests[3].body == b'{"n":2}'


async def test_what_a_function_raises_is_the_callers() -> None:
    """It comes where the next page would have come, as it is."""

    def broken(_: Page[Any]) -> Any:
        raise LookupError("mine")

    async with Api(lambda *_: [{"id": 1}]).client() as client:
        rows = client.paginate("/x", pages=broken)
        assert await anext(rows) == {"id": 1}
        with pytest.raises(LookupError, match="mine"):
            await anext(rows)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Cursor("a"), "parameter, body: give one of them"),
        (lambda: Cursor("a", parameter="b", body="c"), "parameter, body: give one of them"),
        (lambda: Cursor(parameter="b"), "place, last: give one of them"),
        (lambda: Cursor("a", last="b", parameter="c"), "place, last: give one of them"),
        (lambda: HeaderCursor("X"), "parameter, body"),
        (lambda: HeaderCursor("", parameter="b"), "header: got"),
        (lambda: NextUrl("a..b"), "place: got 'a..b'"),
        (lambda: NextUrl(5), "place: got int"),  # type: ignore[arg-type] # that is the test
        (lambda: PageNumber(first=-1), "first: got int"),
        (lambda: PageNumber(size=0), "size: got int"),
        (lambda: PageNumber(size_parameter="n"), "size: is needed"),
        (lambda: PageNumber(total_items="a", total_pages="b"), "total_pages, total_items: give one of them"),
        (lambda: PageNumber(total_items=-1), "total_items: got int"),
        (lambda: PageNumber(filtered=1), "filtered: got"),  # type: ignore[arg-type] # that is the test
        (lambda: Offset(limit=True), "limit: got"),
        (lambda: Offset(filtered=True), "limit: is needed with filtered=True"),
        (lambda: Offset(limit_parameter="limit"), "limit: is needed"),
        (lambda: Link(""), "rel: got"),
        (lambda: Link(more=3), "more: got int"),  # type: ignore[arg-type] # that is the test
    ],
)
def test_a_wrong_strategy_is_refused(make: Callable[[], Any], says: str) -> None:
    """When it is made, by the name of the argument."""
    with pytest.raises(errors.ValidationError, match=says):
        make()


@pytest.mark.parametrize(
    ("path", "options", "says"),
    [
        ("/x?page=2", {"pages": PageNumber()}, "path: its query has 'page'"),
        ("/x", {"pages": PageNumber(), "parameters": {"page": 2}}, "parameters: 'page' is set by PageNumber"),
        ("/x", {"pages": PageNumber(body="page"), "data": b"x"}, "data: pages that send something in the body"),
        ("/x", {"pages": PageNumber(body="page"), "body": [1]}, "body: is no object"),
        ("/x", {"pages": "next"}, "pages: got str"),
        ("/x", {"pages": Link}, "pages: got the class Link"),
        ("/x", {"pages": Link(), "prefetch": -1}, "prefetch: got int"),
        ("/x", {"pages": Link(), "max_pages": 0}, "max_pages: got int"),
        ("/x", {"pages": Link(), "max_items": "1"}, "max_items: got str"),
        ("/x", {"pages": Link(), "timeout": "1"}, "timeout: got str"),
        ("/x", {"pages": PageNumber(), "parallel": 2}, "pages by PageNumber without a total cannot be counted"),
        ("/x", {"pages": Cursor("a", parameter="b"), "parallel": 2}, "pages by Cursor cannot be counted"),
        ("/x", {"pages": lambda _: None, "parallel": 2}, "pages by Called cannot be counted"),
        ("ftp://a", {"pages": Link()}, "ftp:// is not a scheme"),
        ("/x", {"resume": 5, "pages": Link()}, "resume: got int"),
        ("/x", {"resume": {"version": 1, "pages": "Cursor"}, "pages": Link()}, "resume: is of a series by 'Cursor'"),
        ("/x", {"resume": {"version": 1, "pages": "Link"}, "pages": Link()}, "resume: got a mapping with other keys"),
    ],
)
def test_wrong_arguments_are_refused(path: str, options: Any, says: str) -> None:
    """Before anything is sent, by the name of the argument."""
    with pytest.raises(errors.ValidationError, match=says):
        Api(lambda *_: []).client().paginate(URL(path) if path.startswith("x") else path, **options)
