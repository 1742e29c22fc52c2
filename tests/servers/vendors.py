"""APIs that page as their vendors document it, each over the same rows; tests and the examples of the docs read them.

What a vendor refuses is refused here too: a size beyond its limit, a filter beside a token.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.servers.process import HOST

#: How many rows every API has; no whole number of pages.
ROWS = 23

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _refused(message: str, status: int = 400) -> web.Response:
    return web.json_response({"message": message}, status=status)


def _numbers(begin: int, size: int) -> range:
    return range(begin, min(ROWS, begin + size))


def _here(request: web.Request, query: str) -> str:
    return f"http://{request.host}{request.path}?{query}"


def _token(number: int) -> str:
    return base64.urlsafe_b64encode(f"at:{number}".encode()).decode()


def _at(token: str) -> int:
    return int(base64.urlsafe_b64decode(token).decode().removeprefix("at:"))


async def github(request: web.Request) -> web.Response:
    """An array, and a `Link` field; `per_page` beyond 100 is taken as 100.

    docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api
    """
    size, page = min(int(request.query.get("per_page", 30)), 100), int(request.query.get("page", 1))
    last = -(-ROWS // size)
    targets = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    links = [
        f'<{_here(request, f"per_page={size}&page={number}")}>; rel="{relation}"'
        for relation, number in targets.items()
        if 1 <= number <= last and not (page == last and relation in ("next", "last"))
    ]
    issues = [{"number": number, "title": f"Issue {number}"} for number in _numbers((page - 1) * size, size)]
    return web.json_response(issues, headers={"Link": ", ".join(links)})


async def stripe(request: web.Request) -> web.Response:
    """A list object with `has_more`, asked for behind the `id` of an object (docs.stripe.com/api/pagination)."""
    size, after = int(request.query.get("limit", 10)), request.query.get("starting_after")
    if not 1 <= size <= 100:
        return _refused("limit")
    begin = 0 if after is None else int(after.removeprefix("ch_")) + 1
    data = [{"id": f"ch_{number}", "object": "charge", "amount": number} for number in _numbers(begin, size)]
    found = {"object": "list", "url": "/v1/charges", "has_more": begin + size < ROWS, "data": data}
    return web.json_response(found)


async def slack(request: web.Request) -> web.Response:
    """A cursor in `response_metadata`, empty at the end; a page may have fewer rows (api.slack.com/docs/pagination)."""
    cursor = request.query.get("cursor", "")
    begin, size = _at(cursor) if cursor else 0, int(request.query.get("limit", 100))
    size = max(1, size - begin % 2)
    end = begin + size
    channels = [{"id": f"C{number}", "name": f"channel-{number}"} for number in _numbers(begin, size)]
    following = _token(end) if end < ROWS else ""
    return web.json_response({"ok": True, "channels": channels, "response_metadata": {"next_cursor": following}})


async def notion(request: web.Request) -> web.Response:
    """A cursor that is sent in the body of a POST, and must not be null (developers.notion.com/reference/intro)."""
    asked = await request.json()
    if request.method != "POST" or not isinstance(asked.get("start_cursor", ""), str):
        return _refused("body.start_cursor should be a string or undefined")
    begin, size = _at(asked["start_cursor"]) if "start_cursor" in asked else 0, asked.get("page_size", 100)
    if asked.get("filter") != {"property": "Done", "checkbox": {"equals": True}}:
        return _refused("the filter of the first page belongs to every page")
    more = begin + size < ROWS
    results = [{"object": "page", "id": f"page-{number}"} for number in _numbers(begin, size)]
    following = _token(begin + size) if more else None
    return web.json_response({"object": "list", "results": results, "next_cursor": following, "has_more": more})


async def shopify(request: web.Request) -> web.Response:
    """`page_info` in the `Link` field, beside which no filter is allowed (shopify.dev, pagination-rest)."""
    info, size = request.query.get("page_info"), int(request.query.get("limit", 50))
    if info is not None and set(request.query) - {"page_info", "limit", "fields"}:
        return _refused("Invalid value for page_info: no other parameter is allowed")
    begin = 0 if info is None else _at(info)
    targets = {"previous": begin - size, "next": begin + size}
    links = [
        f'<{_here(request, f"limit={size}&page_info={_token(number)}")}>; rel="{relation}"'
        for relation, number in targets.items()
        if 0 <= number < ROWS
    ]
    products = [{"id": number, "title": f"Product {number}"} for number in _numbers(begin, size)]
    return web.json_response({"products": products}, headers={"Link": ", ".join(links)} if links else {})


async def rest_framework(request: web.Request) -> web.Response:
    """`count`, `next` and `previous`, and 404 for a page that there is not (django-rest-framework.org, pagination)."""
    page, size = int(request.query.get("page", 1)), int(request.query.get("page_size", 10))
    begin = (page - 1) * size
    if begin >= ROWS:
        return web.json_response({"detail": "Invalid page."}, status=404)
    results = [{"id": number, "username": f"user{number}"} for number in _numbers(begin, size)]
    following = _here(request, f"page={page + 1}&page_size={size}") if begin + size < ROWS else None
    previous = _here(request, f"page={page - 1}&page_size={size}") if page > 1 else None
    return web.json_response({"count": ROWS, "next": following, "previous": previous, "results": results})


async def json_api(request: web.Request) -> web.Response:
    """`links.next`, a URL, a link object or null, in `data` with `meta` (jsonapi.org/format, fetching-pagination)."""
    number, size = int(request.query.get("page[number]", 1)), int(request.query.get("page[size]", 10))
    begin = (number - 1) * size
    data = [
        {"type": "articles", "id": str(each), "attributes": {"title": f"Article {each}"}}
        for each in _numbers(begin, size)
    ]
    url = f"{request.path}?page%5Bnumber%5D={number + 1}&page%5Bsize%5D={size}"
    following = (url if number % 2 else {"href": url}) if begin + size < ROWS else None
    return web.json_response(
        {"data": data, "links": {"self": str(request.url), "next": following}, "meta": {"n": ROWS}}
    )


async def elasticsearch(request: web.Request) -> web.Response:
    """`search_after`, the sort values of the last hit (elastic.co, paginate-search-results)."""
    asked = await request.json()
    if not asked.get("sort"):
        return _refused("search_after needs sort")
    begin = asked["search_after"][0] + 1 if "search_after" in asked else 0
    hits = [
        {
            "_index": "logs",
            "_id": f"doc{number}",
            "_source": {"text": f"line {number}"},
            "sort": [number, f"doc{number}"],
        }
        for number in _numbers(begin, asked.get("size", 10))
    ]
    total = {"value": ROWS, "relation": "eq"}
    return web.json_response({"took": 1, "timed_out": False, "hits": {"total": total, "max_score": None, "hits": hits}})


async def odata(request: web.Request) -> web.Response:
    """`@odata.nextLink`, which may be relative (OData JSON Format 4.01, section 4.6.5)."""
    begin = int(request.query.get("$skiptoken", 0))
    value = [{"ID": number, "Name": f"Person {number}"} for number in _numbers(begin, 8)]
    found: dict[str, Any] = {"@odata.context": "$metadata#People", "value": value}
    if begin + 8 < ROWS:
        found["@odata.nextLink"] = f"People?$skiptoken={begin + 8}"
    return web.json_response(found)


async def jira(request: web.Request) -> web.Response:
    """`startAt`, `maxResults` and `total`; a `maxResults` beyond 10 is taken as 10 in silence, as real ones do at 100.

    developer.atlassian.com/cloud/jira/platform/rest/v2/intro, pagination
    """
    begin, size = int(request.query.get("startAt", 0)), min(int(request.query.get("maxResults", 10)), 10)
    issues = [{"id": str(number), "key": f"MILL-{number}"} for number in _numbers(begin, size)]
    return web.json_response({"startAt": begin, "maxResults": size, "total": ROWS, "issues": issues})


async def salesforce(request: web.Request) -> web.Response:
    """`nextRecordsUrl`, a path without the query, until `done` (developer.salesforce.com, REST API, Query)."""
    locator = request.match_info.get("locator")
    if (locator is None) != ("q" in request.query):
        return _refused("MALFORMED_QUERY")
    begin = int(locator.rpartition("-")[2]) if locator else 0
    end = begin + 10
    records = [{"attributes": {"type": "Account"}, "Id": str(n), "Name": f"Account {n}"} for n in _numbers(begin, 10)]
    found: dict[str, Any] = {"totalSize": ROWS, "done": end >= ROWS, "records": records}
    if end < ROWS:
        base = request.path if locator is None else request.path.rpartition("/")[0]
        found["nextRecordsUrl"] = f"{base}/01g-{end}"
    return web.json_response(found)


async def hubspot(request: web.Request) -> web.Response:
    """`paging.next.after`; the last page has no `paging` at all (developers.hubspot.com/docs/api/crm)."""
    begin, size = int(request.query.get("after", 0)), int(request.query.get("limit", 10))
    results = [{"id": str(number), "properties": {"email": f"{number}@a.example"}} for number in _numbers(begin, size)]
    found: dict[str, Any] = {"results": results}
    if begin + size < ROWS:
        url = _here(request, f"after={begin + size}")
        found["paging"] = {"next": {"after": str(begin + size), "link": url}}
    return web.json_response(found)


async def box(request: web.Request) -> web.Response:
    """Entries that may not be seen are left out behind `limit` (developer.box.com, offset-based pagination)."""
    begin, size = int(request.query.get("offset", 0)), int(request.query.get("limit", 100))
    entries = [{"id": str(number)} for number in _numbers(begin, size) if number % 5]
    return web.json_response({"total_count": ROWS, "offset": begin, "limit": size, "entries": entries})


async def azure_devops(request: web.Request) -> web.Response:
    """A token in `x-ms-continuationtoken`, sent as `continuationToken` (learn.microsoft.com/rest/api/azure/devops)."""
    token, size = request.query.get("continuationToken"), int(request.query.get("$top", 10))
    begin = 0 if token is None else _at(token)
    value = [{"id": number, "name": f"build {number}"} for number in _numbers(begin, size)]
    following = {"x-ms-continuationtoken": _token(begin + size)} if begin + size < ROWS else {}
    return web.json_response({"count": len(value), "value": value}, headers=following)


async def gitlab(request: web.Request) -> web.Response:
    """Numbered pages with the totals in fields (docs.gitlab.com/api/rest, "Offset-based pagination")."""
    size, page = min(int(request.query.get("per_page", 20)), 100), int(request.query.get("page", 1))
    issues = [{"iid": number} for number in _numbers((page - 1) * size, size)]
    return web.json_response(issues, headers={"X-Total": str(ROWS), "X-Total-Pages": str(-(-ROWS // size))})


async def pagy(request: web.Request) -> web.Response:
    """Never more than five rows a page, whatever was asked for, and an empty page behind the last one."""
    begin = (int(request.query.get("page", 1)) - 1) * 5
    return web.json_response({"data": [{"id": number} for number in _numbers(begin, 5)]})


#: Path -> what answers there.
ROUTES: dict[str, Handler] = {
    "/github/repos/me/mill/issues": github,
    "/stripe/v1/charges": stripe,
    "/slack/api/conversations.list": slack,
    "/notion/v1/databases/d1/query": notion,
    "/shopify/admin/api/2024-10/products.json": shopify,
    "/drf/users/": rest_framework,
    "/jsonapi/articles": json_api,
    "/elasticsearch/logs/_search": elasticsearch,
    "/odata/People": odata,
    "/jira/rest/api/2/search": jira,
    "/salesforce/services/data/v61.0/query": salesforce,
    "/salesforce/services/data/v61.0/query/{locator}": salesforce,
    "/hubspot/crm/v3/objects/contacts": hubspot,
    "/box/2.0/folders/0/items": box,
    "/pagy/rows": pagy,
    "/azure/mill/_apis/build/builds": azure_devops,
    "/gitlab/api/v4/projects/1/issues": gitlab,
}


@dataclass
class VendorServer:
    """A running server, and what it was asked."""

    url: str
    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def vendor_server() -> AsyncIterator[VendorServer]:
    """Serve all of them until the block ends."""
    server = VendorServer("")

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        server.asked.append(request.raw_path)
        return await handler(request)

    app = web.Application(middlewares=[note])
    app.add_routes(web.route("*", path, handler) for path, handler in ROUTES.items())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    server.url = f"http://{HOST}:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
