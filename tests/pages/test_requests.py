"""Pages are requests like any other."""

import logging
import traceback
from typing import Any

import pytest

from headrace import AsyncClient, RateLimiter, Retry, errors
from headrace.pages import Cursor, Link, NextUrl, Offset, PageNumber
from headrace.testing import MockTransport, Request, Response, json_response
from tests.kit.counted import Counted, into, ours, read
from tests.kit.virtual import VirtualLoop, run


async def test_an_error_comes_where_its_page_would() -> None:
    """Rows of the pages before it are given; then it is raised, and nothing goes on."""

    async def answer(request: Request) -> Response:
        begin = int(request.url.query["offset"])
        if begin == 20:
            return json_response({"why": "no"}, status=500)
        return json_response({"rows": [{"id": begin + n} for n in range(10)], "total": 100})

    async with AsyncClient("http://a.example", transport=MockTransport(answer)) as client:
        rows, found = read(client, parallel=5), []
        with pytest.raises(errors.HTTPInternalServerError):
            await into(found, rows)
        assert [row.id for row in found] == list(range(20))
        assert ours() == []
        assert rows.state["position"] == 20
        assert [row async for row in rows] == []


async def test_pages_are_requests_like_any_other() -> None:
    """They are repeated as `retry` says, and counted."""
    failures = iter([503, 200, 200, 503, 200])

    def answer(request: Request) -> Response:
        status = next(failures, 200)
        begin = int(request.url.query["offset"])
        return json_response({"rows": [{"id": begin}], "total": 3}, status=status)

    retry = Retry(backoff=1e-9, budget=None)
    async with AsyncClient("http://a.example", transport=MockTransport(answer), retry=retry) as client:
        rows = await read(client, pages=Offset(total="total")).collect()
        assert [row.id for row in rows] == [0, 1, 2]
        assert (client.stats.requests, client.stats.retries) == (3, 2)


async def test_an_own_request_is_asked_for_every_page() -> None:
    """A subclass's `request` sees each of them, and what it changes holds."""

    class Traced(AsyncClient):
        asked: list[Any] = []  # noqa: RUF012 - of this test

        async def request(self, method: str, path: Any = None, **options: Any) -> Any:  # type: ignore[override] # overloads there
            self.asked.append((method, path))
            return await super().request(method, path, **{**options, "headers": {"X-Trace": "7"}})

    api = Counted(count=20)
    transport = MockTransport(api)
    async with Traced("http://a.example", transport=transport) as client:
        assert len(await read(client).collect()) == 20
    assert Traced.asked == [("GET", "/x")] * 2
    assert all(("X-Trace", "7") in request.headers.pairs for request in transport.requests)

    class Eager(AsyncClient):
        async def request(self, *_: Any, **__: Any) -> Any:
            return {}

    async with Eager("http://a.example") as client:
        with pytest.raises(errors.AsyncClientError, match=r"request\(\) returned dict for a page"):
            await read(client).collect()


async def test_a_closed_client_refuses(caplog: pytest.LogCaptureFixture) -> None:
    """It raises, for `None` cannot stand for a page."""
    client = Counted().client()
    await client.close()
    with caplog.at_level(logging.WARNING), pytest.raises(errors.AsyncClientError, match="nothing was sent"):
        await read(client).collect()


def test_the_wait_for_the_limiter_is_no_part_of_a_pages_time() -> None:
    """A page that waits for its start longer than its timeout does not time out; one that is not answered does."""

    async def main(loop: VirtualLoop) -> None:
        api = Counted(count=200)
        limiter = RateLimiter(1, 10, clock=loop.time)
        async with api.client(limiter=limiter, timeout=3) as client:
            assert len(await read(client, parallel=16).collect()) == 200
            assert loop.time() >= 190
            api.open = False
            with pytest.raises(errors.RequestTimeout, match="within 3 s") as caught:
                await read(client, timeout=3).collect()
            assert "rate limit" not in str(caught.value)
            with pytest.raises(errors.RequestTimeout, match="waited for the rate limit"):
                await client.get("/x?offset=0")  # whose time runs from the call on

    run(main)


CANARY = "canary-77e2"
#: How a series ends badly, and what its server answers.
BAD_ENDS: dict[str, tuple[Any, Any]] = {
    "a circle of URLs": (NextUrl("next"), {"next": f"/x?api_key={CANARY}"}),
    "no URL": (NextUrl("next"), {"next": [CANARY]}),
    "a circle of tokens": (Cursor("next", parameter="token"), {"next": CANARY}),
    "a circle in the body": (Cursor("next", body="token"), {"next": CANARY}),
    "the same page": (PageNumber(), {}),
    "a short page": (PageNumber(total_items="n", size=3), {"n": 5}),
    "no total": (PageNumber(total_items="n"), {"n": CANARY}),
    "a wrong option": (lambda _: {"params": CANARY}, {}),
    "no options": (lambda _: CANARY, {}),
}


@pytest.mark.parametrize(("pages", "document"), BAD_ENDS.values(), ids=BAD_ENDS)
async def test_no_error_of_a_series_tells_a_secret(pages: Any, document: Any) -> None:
    """Neither its text nor the variables of our frames have what was sent, nor rows and tokens of the server."""
    transport = MockTransport(lambda _: json_response({"rows": [{"password": CANARY}], **document}))
    secrets = {
        "headers": {"Authorization": CANARY},
        "cookies": {"sid": CANARY},
        "parameters": {"client_secret": CANARY},
    }
    async with AsyncClient("http://a.example", transport=transport) as client:
        rows = client.paginate(
            f"/x?sig={CANARY}", method="POST", body={"password": CANARY}, items="rows", pages=pages, **secrets
        )
        with pytest.raises(errors.PaginationError) as caught:
            await rows.collect()
    assert CANARY not in told(caught.value)
    assert CANARY not in f"{rows!r} {client!r}"


@pytest.mark.parametrize(
    "options",
    [
        {"parallel": 0},
        {"params": {"key": CANARY}},
        {"data": [CANARY]},
        {"body": [CANARY], "pages": Cursor("a", body="b")},
        {"resume": {"version": 1, "pages": CANARY}},
        {"resume": {"version": 1, "pages": "Link", "position": CANARY}},
    ],
)
def test_no_wrong_argument_tells_a_secret(options: Any) -> None:
    """Nor do the variables of the frames that its error came through."""
    given = {"pages": Link(), "headers": {"Authorization": CANARY}, "parameters": {"secret": CANARY}, **options}
    with pytest.raises((errors.ValidationError, TypeError)) as caught:
        AsyncClient("http://a.example").paginate(f"/x?sig={CANARY}", **given)
    assert CANARY not in told(caught.value)


def told(error: BaseException) -> str:
    """Write an error down, with the variables of every frame but the tests'."""
    trace = error.__traceback__
    while trace is not None and "/tests/" in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    shown = traceback.TracebackException(type(error), error, trace, capture_locals=True, compact=False)
    return "".join([str(error), repr(error), repr(vars(error)), *shown.format()])
