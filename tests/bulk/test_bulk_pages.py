"""Series of pages in a bulk: each page is an outcome, and a journal goes on at the page that failed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncClient, Call, Incremental, errors, sinks
from headrace.bulk import Err, Journal, Ok
from headrace.pages import Cursor, Header, Link, NextUrl, Offset
from headrace.testing import MockTransport, json_response
from headrace.transports import Request, Response
from tests.kit.bulk import Lists, User, read_lines
from tests.kit.waiting import until

NEXT = Cursor("next", parameter="cursor")


def lists(count: int) -> list[str]:
    """Name lists."""
    return [f"/lists/{number}" for number in range(count)]


def read_all(folder: Path) -> bytes:
    """Read every file of a folder."""
    return b"".join(each.read_bytes() for each in folder.iterdir())


async def test_each_page_is_an_outcome() -> None:
    """The rows of one call come in order, page after page; the last one says so."""
    api = Lists()
    async with api.client() as client:
        bulk = client.bulk(lists(5), response_format=User, items="data", pages=NEXT)
        seen = [outcome async for outcome in bulk]
    assert len(seen) == 15
    for number in range(5):
        mine = [each for each in seen if each.call == Call(f"/lists/{number}")]
        assert all(type(each) is Ok for each in mine)
        assert [row.id for each in mine for row in each.value] == api.all(number)  # type: ignore[union-attr]
        assert [(each.meta.page, each.meta.last) for each in mine] == [(0, False), (1, False), (2, True)]
        assert all(each.meta.bytes > 40 and each.meta.status == 200 for each in mine)
    report = bulk.report
    assert (report.calls, report.done, report.rows, report.ok) == (5, 5, 60, True)


@pytest.mark.parametrize("in_flight", [1, 3, 64])
async def test_ordered_series_come_one_behind_the_other(in_flight: int) -> None:
    """All pages of a call before those of the next, also where that one was faster."""
    api = Lists(pages=9)

    async def slow(number: int, page: int) -> None:
        for _ in range(40 if number == 0 else page):
            await asyncio.sleep(0)

    api.gate = slow
    async with api.client() as client:
        bulk = client.bulk(lists(20), response_format=User, items="data", pages=NEXT, ordered=True, in_flight=in_flight)
        found = [row.id async for outcome in bulk if type(outcome) is Ok for row in outcome.value]
    assert found == api.all(*range(20))
    assert api.most <= in_flight


async def test_in_flight_bounds_them_all() -> None:
    """A series has one request at a time, and all of them together as many as may be."""
    api = Lists(pages=5)
    async with api.client() as client:
        report = await client.bulk(
            lists(50), response_format=User, items="data", pages=NEXT, in_flight=7, sink=sinks.Discard()
        ).run()
    assert api.most == 7
    assert (report.done, report.rows) == (50, 50 * 20)


async def test_pages_that_nobody_takes_are_not_asked_for() -> None:
    """Memory is bounded: a series waits where its pages are not taken."""
    api = Lists(pages=10_000, size=1)
    async with api.client() as client, client.bulk("/lists/1", items="data", pages=NEXT, in_flight=2) as bulk:
        await anext(bulk)
        for _ in range(300):
            await asyncio.sleep(0)
        assert api.asked.total() <= 6
        for _ in range(40):
            await anext(bulk)
        assert api.asked.total() >= 41


async def test_a_call_may_change_its_pages_and_items() -> None:
    """Where the bulk has either; one answer of rows beside series, and another way to a next page."""

    def answer(request: Request) -> Response:
        if request.url.path == "/one":
            return json_response({"data": [{"id": 1}]})
        if request.url.path == "/url":
            return json_response({"rows": [{"id": 2}], "links": {"next": "/end"}})
        if request.url.path == "/end":
            return json_response({"rows": [{"id": 3}]})
        return json_response({"rows": [{"id": int(request.url.query["offset"])}], "total": 2})

    calls = [
        Call("/one"),
        Call("/url", items="rows", pages=NextUrl("links.next")),
        {"path": "/offset", "items": "rows", "pages": Offset(total="total")},
    ]
    async with AsyncClient("http://a.example", transport=MockTransport(answer)) as client:
        bulk = client.bulk(calls, response_format=User, items="data", ordered=True)
        seen = [[row.id for row in outcome.value] async for outcome in bulk if type(outcome) is Ok]
        assert seen == [[1], [2], [3], [0], [1]]
        bulk = client.bulk([Call("/url", items="rows")], response_format=User, pages=NextUrl("links.next"))
        assert [[row.id for row in outcome.value] async for outcome in bulk if type(outcome) is Ok] == [[2], [3]]
        with pytest.raises(errors.ValidationError, match=r"calls\[0\]: has pages, which a call may change only where"):
            await anext(client.bulk([Call("/url", pages=Link())]))


def test_what_is_wrong_with_the_pages_of_a_bulk_is_said_at_once() -> None:
    """Before anything is pulled."""
    client = Lists().client()
    with pytest.raises(errors.ValidationError, match=r"pages: got int \(7\), takes a strategy of headrace.pages"):
        client.bulk(["/x"], pages=7)  # type: ignore[call-overload]
    with pytest.raises(errors.ValidationError, match="items: got int, takes names"):
        client.bulk(["/x"], pages=Link(), items=7)  # type: ignore[call-overload]


async def test_what_is_wrong_with_a_series_is_its_outcome() -> None:
    """A call of which no series can be made is an `Err`, as for every call; the others go on."""
    calls = [Call("/lists/0", pages=7), Call("/lists/1", parameters={"offset": 3}, pages=Offset()), "/lists/2"]
    async with Lists(pages=1).client() as client:
        bulk = client.bulk(calls, response_format=User, items="data", pages=NEXT, ordered=True)
        seen = [outcome async for outcome in bulk]
    assert [type(each) for each in seen] == [Err, Err, Ok]
    assert "takes a strategy" in str(seen[0].error)  # type: ignore[union-attr]
    assert "'offset' is set by Offset" in str(seen[1].error)  # type: ignore[union-attr]


async def test_rows_that_do_not_fit() -> None:
    """They are collected, skipped, or fail the page that they are on."""

    def answer(request: Request) -> Response:
        page = int(request.url.query.get("cursor", 0))
        rows = [{"id": page}, {"id": "two" if page == 1 else 2}]
        return json_response({"data": rows, "next": page + 1 if page < 2 else None})

    async with AsyncClient("http://a.example", transport=MockTransport(answer)) as client:
        given: dict[str, Any] = {"response_format": User, "items": "data", "pages": NEXT}
        seen = [outcome async for outcome in client.bulk("/x", **given)]
        assert [len(each.value) for each in seen] == [2, 1, 2]
        assert [each.path for outcome in seen for each in outcome.rejects] == ["$.data[1].id"]
        bulk = client.bulk("/x", on_invalid="skip", **given)
        assert [len(each.rejects) async for each in bulk] == [0, 0, 0]
        seen = [outcome async for outcome in client.bulk("/x", on_invalid="raise", **given)]
        assert [(type(each), each.meta.page, each.meta.last) for each in seen] == [(Ok, 0, False), (Err, 1, True)]
        assert isinstance(seen[1].error, errors.ResponseValidationError)


async def test_a_page_that_fails_ends_its_series_alone() -> None:
    """What came of it stays, the error says which page it was, and an expected status is no failure."""
    api = Lists()
    api.refused = {(1, 1): 403, (2, 2): 404}
    async with api.client() as client:
        bulk = client.bulk(lists(4), response_format=User, items="data", pages=NEXT, expected={404})
        seen = [outcome async for outcome in bulk]
    failed = {each.call.path: each.meta.page for each in seen if type(each) is Err}
    assert failed == {"/lists/1": 1, "/lists/2": 2}
    report = bulk.report
    assert (report.done, report.failed, report.expected) == (2, 1, 1)
    assert report.rows == len(api.all(0, 3)) + 4 + 8


async def test_a_journal_goes_on_at_the_page_that_failed(tmp_path: Path) -> None:
    """Rows of pages that came are not asked for again; what is done is skipped."""
    api = Lists(pages=4)
    api.refused = {(1, 2): 403, (2, 0): 403}
    path = tmp_path / "rows.ndjson"
    async with api.client() as client:
        given: dict[str, Any] = {"response_format": User, "items": "data", "pages": NEXT}
        given |= {"sink": sinks.NDJSON(path), "journal": True}
        report = await client.bulk(lists(4), **given).run()
        assert (report.done, report.failed, report.rows) == (2, 2, 2 * 16 + 8)
        with Journal(tmp_path / "rows.ndjson.journal") as journal:
            assert sorted(letter.call.path or "" for letter in journal.failed()) == ["/lists/1", "/lists/2"]
            assert journal.done == 2
        report = await client.bulk(lists(4), retry_failed=False, **given).run()
        assert (report.skipped, report.rows) == (4, 0)
        api.refused.clear()
        before = api.asked.copy()
        report = await client.bulk(lists(4), **given).run()
        assert (report.skipped, report.done, report.rows) == (2, 2, 8 + 16)
        assert api.asked - before == {(1, 2): 1, (1, 3): 1, (2, 0): 1, (2, 1): 1, (2, 2): 1, (2, 3): 1}
        report = await client.bulk(lists(4), **given).run()
        assert (report.skipped, report.rows) == (4, 0)
        with Journal(tmp_path / "rows.ndjson.journal") as journal:
            assert (journal.done, list(journal.failed())) == (4, [])
    assert sorted(row["id"] for row in read_lines(path)) == api.all(0, 1, 2, 3)


async def test_a_stop_cuts_series_off_and_a_journal_goes_on_there(tmp_path: Path) -> None:
    """`stop()` waits for the pages that are under way, not for the end of an endless series."""
    api = Lists(pages=200, size=1)
    path = tmp_path / "rows.ndjson"
    async with api.client() as client:
        given: dict[str, Any] = {"response_format": User, "items": "data", "pages": NEXT, "in_flight": 4}
        given |= {"sink": sinks.NDJSON(path), "journal": True}
        bulk = client.bulk(lists(4), **given)
        running = asyncio.ensure_future(bulk.run())
        await until(lambda: api.asked.total() >= 50)
        bulk.stop()
        report = await running
        assert report.stopped
        assert 0 < report.rows < 200
        assert api.asked.total() == report.rows
        report = await client.bulk(lists(4), **given).run()
        assert not report.stopped
    assert api.asked.total() == 800
    assert sorted(row["id"] for row in read_lines(path)) == api.all(0, 1, 2, 3)


async def test_ordered_series_that_are_stopped(tmp_path: Path) -> None:
    """What others have ready behind a series that was cut off is handed out all the same."""
    api = Lists(pages=3)
    held = asyncio.Event()

    async def hold(number: int, page: int) -> None:
        if (number, page) == (0, 1):
            await held.wait()

    api.gate = hold
    async with api.client() as client:
        given: dict[str, Any] = {"response_format": User, "items": "data", "pages": NEXT, "ordered": True}
        bulk = client.bulk(lists(3), journal=tmp_path / "journal", **given)
        seen = [await anext(bulk)]
        await until(lambda: api.asked.total() == 8)
        bulk.stop()
        held.set()
        seen += [outcome async for outcome in bulk]
        assert bulk.report.stopped
        rows = [row.id for each in seen for row in each.value]  # type: ignore[union-attr]
        assert rows == api.all(0)[:8] + api.all(1, 2)
        bulk = client.bulk(lists(3), journal=tmp_path / "journal", **given)
        rows += [row.id for each in [each async for each in bulk] for row in each.value]  # type: ignore[union-attr]
    assert sorted(rows) == api.all(0, 1, 2)


async def test_with_a_journal_and_no_sink_a_page_is_done_when_the_next_is_asked_for(tmp_path: Path) -> None:
    """What was handed out last comes again."""
    api = Lists(pages=4, size=1)
    async with api.client() as client:
        given: dict[str, Any] = {"response_format": User, "items": "data", "pages": NEXT, "journal": tmp_path / "j"}
        async with client.bulk("/lists/0", **given) as bulk:
            assert [(await anext(bulk)).meta.page for _ in range(3)] == [0, 1, 2]
        assert [each.meta.page async for each in client.bulk("/lists/0", **given)] == [2, 3]
        assert [each async for each in client.bulk("/lists/0", **given)] == []


async def test_a_series_that_leads_to_itself(tmp_path: Path) -> None:
    """Its rows come once, then the error; so also whenever it is asked again, until the server is mended."""
    mended = False
    asked = []

    def answer(request: Request) -> Response:
        page = int(request.url.query.get("page", 0))
        asked.append(page)
        after: Any = f"/x?page={page + 1}"
        if page == 2:
            after = None if mended else "/x?page=1"
        return json_response({"data": [{"id": page}], "next": after})

    path = tmp_path / "rows.ndjson"
    async with AsyncClient("http://a.example", transport=MockTransport(answer)) as client:
        given: dict[str, Any] = {"response_format": User, "items": "data", "pages": NextUrl("next")}
        given |= {"sink": sinks.NDJSON(path), "journal": True}
        for again in ([0, 1, 2], [2], [2]):
            asked.clear()
            report = await client.bulk("/x?page=0", **given).run()
            assert report.errors == {"PaginationError": 1}
            assert asked == again
        mended = True
        assert (await client.bulk("/x?page=0", **given).run()).ok
    assert [row["id"] for row in read_lines(path)] == [0, 1, 2]


async def test_a_journal_keeps_no_credential_of_a_url_that_a_server_names(tmp_path: Path) -> None:
    """A server may echo the client's key, or the call's: neither is written, and both are sent again."""
    fails = True

    def answer(request: Request) -> Response:
        query = request.url.query
        if (query["api_key"], query["session_token"]) != ("of-the-client", "of-the-call"):
            return json_response({}, status=401)
        page = int(query.get("page", 0))
        if page == 2 and fails:
            return json_response({}, status=403)
        url = str(request.url.update_query(page=page + 1))
        return json_response({"data": [{"id": page}], "next": url if page < 3 else None})

    parameters = {"api_key": "of-the-client"}
    path = tmp_path / "rows.ndjson"
    async with AsyncClient("http://a.example", parameters=parameters, transport=MockTransport(answer)) as client:
        calls = [Call("/x", parameters={"session_token": "of-the-call"}, key="x")]
        given: dict[str, Any] = {"response_format": User, "items": "data", "pages": NextUrl("next")}
        given |= {"sink": sinks.NDJSON(path), "journal": True}
        report = await client.bulk(calls, **given).run()
        assert report.errors == {"403 HTTPForbidden": 1}
        assert b"of-the-c" not in read_all(tmp_path)
        fails = False
        assert (await client.bulk(calls, **given).run()).ok
    assert [row["id"] for row in read_lines(path)] == [0, 1, 2, 3]


@pytest.mark.parametrize("wrong", [{}, {"pages": 7}, {"path": "/x?cursor=1"}, {"incremental": Incremental("at")}])
async def test_no_frame_of_an_error_knows_a_secret(wrong: dict[str, Any], tmp_path: Path) -> None:
    """Neither where no series can be made of a call, nor where a page of it makes no sense."""
    transport = MockTransport(lambda _: json_response({"data": ["s3cret"], "next": "s3cret"}))
    given = {"path": "/x", "headers": {"Authorization": "s3cret"}, "parameters": {"api_key": "s3cret"}, **wrong}
    async with AsyncClient("http://a.example", transport=transport) as client:
        bulk = client.bulk([given], items="data", pages=NEXT, journal=tmp_path / "journal")
        seen = [outcome async for outcome in bulk]
    error = seen[-1].error  # type: ignore[union-attr]
    trace = error.__traceback__
    while trace is not None:
        assert "s3cret" not in repr(trace.tb_frame.f_locals)
        trace = trace.tb_next


async def test_a_journal_is_of_one_way_to_a_next_page(tmp_path: Path) -> None:
    """Another strategy is another job."""
    async with Lists().client() as client:
        given: dict[str, Any] = {"items": "data", "journal": tmp_path / "journal", "sink": sinks.Discard()}
        await client.bulk("/lists/0", pages=NEXT, **given).run()
        with pytest.raises(errors.JournalError, match=r"its pages was Cursor\(.*\), and is NextUrl\("):
            await client.bulk("/lists/0", pages=NextUrl("next"), **given).run()


async def test_a_dead_letter_keeps_the_pages_of_its_call(tmp_path: Path) -> None:
    """It can be asked again as it was; where they are a function, it says that it was not stored."""
    api = Lists()
    api.refused = {(0, 1): 403, (1, 1): 403}
    totals = Cursor("next", parameter="cursor", total=Header("X-Total"))
    calls = [
        Call("/lists/0", items="data", pages=totals),
        Call("/lists/1", items="data", pages=lambda _: None, key="f"),
    ]
    async with api.client() as client:
        await client.bulk(calls, items="", journal=tmp_path / "j", sink=sinks.Discard()).run()
        with Journal(tmp_path / "j") as journal:
            (letter,) = journal.failed()
            assert letter.call == calls[0]
            api.refused.clear()
            again = client.bulk([letter.call], items="", journal=tmp_path / "j", sink=sinks.Discard())
            assert (await again.run()).rows == 8
        api.refused = {(1, 0): 403}
        await client.bulk([calls[1]], items="", journal=tmp_path / "k", sink=sinks.Discard()).run()
        with Journal(tmp_path / "k") as journal:
            (letter,) = journal.failed()
            with pytest.raises(errors.JournalError, match="was not stored: its pages are a function"):
                _ = letter.call


async def test_a_request_of_ones_own_is_asked_for_every_page() -> None:
    """A subclass that overrides `request` sees all of them."""
    seen = []

    class Mine(AsyncClient):
        """Notes what is asked for."""

        async def request(self, method: str, path: Any = None, **options: Any) -> Any:
            """Note it."""
            seen.append(options.get("parameters"))
            return await super().request(method, path, **options)

    async with Mine("http://a.example", transport=MockTransport(Lists().answer)) as client:
        bulk = client.bulk("/lists/0", response_format=User, items="data", pages=NEXT)
        assert len([each async for each in bulk]) == 3
    assert seen == [None, {"cursor": 1}, {"cursor": 2}]
