"""A server that pages may say anything: what comes of it is a page, or an error of one family."""

import json
from typing import Any

import pytest

from headrace import AsyncClient, errors
from headrace.pages import Cursor, HeaderCursor, Link, NextUrl, PageNumber
from headrace.testing import MockTransport, Request, Response, json_response
from tests.kit.counted import Api, ids

BIG = 10**60


@pytest.mark.hazard(65)
@pytest.mark.parametrize("where", [{"parameter": "c"}, {"body": "q.c"}])
@pytest.mark.parametrize("token", [2**64, BIG, [BIG], {"a": {"b": BIG}}])
async def test_a_token_that_is_a_large_number(token: Any, where: dict[str, str]) -> None:
    """It goes along as it is, to the last digit, and so does a state that holds it."""
    api = Api(lambda _, number: {"rows": [{"id": number}], "next": [token, None][number]})
    async with api.client() as client:
        options: dict[str, Any] = {"items": "rows", "pages": Cursor("next", **where), "method": "POST"}
        async with client.paginate("/x", **options) as rows:
            assert [await anext(rows)] == [{"id": 0}]
            state = json.loads(json.dumps(rows.state))
        assert state["position"] == token
        again = Api(lambda *_: {"rows": [{"id": 1}], "next": None})
        async with again.client() as other:
            assert await ids(other.paginate("/x", resume=state, **options)) == [1]
    sent = again.requests[0]
    assert str(token if isinstance(token, int) else BIG) in (sent.target if "parameter" in where else str(sent.body))


@pytest.mark.hazard(65)
@pytest.mark.parametrize("where", [{"parameter": "c"}, {"body": "q.c"}])
@pytest.mark.parametrize("part", ["[", '{"a":'])
async def test_a_token_without_a_bottom(part: str, where: dict[str, str]) -> None:
    """It is no token, however deep it is."""
    for levels in (65, 300, 900):
        text = part * levels + "1" + ("]" if part == "[" else "}") * levels
        body = b'{"rows":[{"id":1}],"next":%b}' % text.encode()
        transport = MockTransport(lambda _, body=body: Response(200, (), body))
        async with AsyncClient("http://a.example", transport=transport) as client:
            rows = client.paginate("/x", method="POST", items="rows", pages=Cursor("next", **where))
            with pytest.raises(errors.PaginationError, match=r"^POST http://a\.example/x: .* nested too deeply"):
                await rows.collect()


@pytest.mark.hazard(65)
@pytest.mark.parametrize("body", [b"[1]", b"5", b"null", b'"x"', b"\xff\xfe", b'{"a":1}', b"[1", b"[" * 100_000])
@pytest.mark.parametrize(
    "pages",
    [
        Cursor("next", parameter="c"),
        NextUrl("links.next"),
        PageNumber(total_items="total"),
        HeaderCursor("X", parameter="c"),
        Link(),
    ],
)
async def test_a_document_that_has_another_form(pages: Any, body: bytes) -> None:
    """Where the place of the rows is to be found in it, it is not the caller who is wrong."""
    transport = MockTransport(lambda _: Response(200, (), body))
    async with AsyncClient("http://a.example", transport=transport) as client:
        rows = client.paginate("/x", pages=pages)
        if body == b"[1]" and isinstance(pages, (HeaderCursor, Link)):
            assert await rows.collect() == [1]
            return
        with pytest.raises(errors.ResponseParseError, match=r"^GET http://a\.example/x") as caught:
            await rows.collect()
    assert caught.value.raw_response == body


@pytest.mark.hazard(35)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("trusted", [(), ("https://b.example",)])
@pytest.mark.parametrize("pages", [NextUrl("next"), Link()])
async def test_another_origin_sends_the_credentials_nowhere(pages: Any, trusted: Any, method: str) -> None:
    """It may lead a reader back; a request that changes something goes where our own servers say."""
    there, back = "https://b.example/x", "http://a.example/admin/delete"

    def answer(request: Request) -> Response:
        following = {"/p": there, "/x": back}.get(request.target.partition("?")[0])
        link = {} if following is None else {"Link": f'<{following}>; rel="next"'}
        return json_response({"rows": [{"id": 1}], "next": following}, headers=link)

    sent: list[Request] = []

    def seen(request: Request) -> Response:
        sent.append(request)
        return answer(request)

    options = {"transport": MockTransport(seen), "bearer_token": "t", "trusted_origins": trusted}
    async with AsyncClient("http://a.example", **options) as client:
        rows = client.paginate("/p", method=method, items="rows", pages=pages)
        if trusted or method == "GET":
            assert len(await rows.collect()) == 3
        else:
            told = rf"^{method} https://b\.example/x: page 2 .*trusted_origins="
            with pytest.raises(errors.PaginationError, match=told):
                await rows.collect()
    assert [each.origin.text + each.target for each in sent][1:] == [there, back][: len(sent) - 1]
    assert len(sent) == (3 if trusted or method == "GET" else 2)
    assert ["authorization" in each.headers.names for each in sent] == [True, bool(trusted), True][: len(sent)]
