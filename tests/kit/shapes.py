"""How each vendor's pages are read: the arguments of `paginate`, and what a row is known by."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from headrace.pages import Cursor, Link, NextUrl, Offset
from tests.servers.vendors import ROWS

DONE = {"property": "Done", "checkbox": {"equals": True}}


class Issue(msgspec.Struct):
    """Of GitHub."""

    number: int


class Named(msgspec.Struct):
    """Of those that call it `id`."""

    id: str


class Numbered(msgspec.Struct):
    """The same, a number."""

    id: int


class Hit(msgspec.Struct, rename={"id": "_id"}):
    """Of Elasticsearch."""

    id: str


class Person(msgspec.Struct, rename={"id": "ID"}):
    """Of OData."""

    id: int


class Account(msgspec.Struct, rename={"id": "Id"}):
    """Of Salesforce."""

    id: str


@dataclass(frozen=True)
class Shape:
    """One vendor."""

    path: str
    row: type
    options: dict[str, Any]
    names: Callable[[int], Any] = str
    """What the row of a number is known by."""
    counts: bool = False
    """Whether the pages tell how many rows there are."""
    requests: int = 3
    found: list[Any] = field(init=False, default_factory=list)

    def expected(self) -> list[Any]:
        """Name all rows, in their order."""
        return [self.names(number) for number in range(ROWS)]

    def name(self, row: Any) -> Any:
        """Name a row."""
        return getattr(row, "number", None) if self.row is Issue else row.id


SHAPES = {
    "github": Shape(
        "/github/repos/me/mill/issues", Issue, {"pages": Link(), "parameters": {"per_page": 10}}, names=int
    ),
    "stripe": Shape(
        "/stripe/v1/charges",
        Named,
        {"pages": Cursor(last="id", parameter="starting_after", more="has_more"), "items": "data"},
        names="ch_{}".format,
    ),
    "slack": Shape(
        "/slack/api/conversations.list",
        Named,
        {
            "pages": Cursor("response_metadata.next_cursor", parameter="cursor"),
            "items": "channels",
            "parameters": {"limit": 9},
        },
        names="C{}".format,
    ),
    "notion": Shape(
        "/notion/v1/databases/d1/query",
        Named,
        {
            "method": "POST",
            "body": {"filter": DONE, "page_size": 10},
            "pages": Cursor("next_cursor", body="start_cursor", more="has_more"),
            "items": "results",
        },
        names="page-{}".format,
    ),
    "shopify": Shape(
        "/shopify/admin/api/2024-10/products.json",
        Numbered,
        {"pages": Link(), "parameters": {"limit": 10, "status": "active"}},
        names=int,
    ),
    "rest framework": Shape(
        "/drf/users/", Numbered, {"pages": NextUrl("next", total="count"), "items": "results"}, names=int, counts=True
    ),
    "json api": Shape(
        "/jsonapi/articles", Named, {"pages": NextUrl("links.next", total="meta.n"), "items": "data"}, counts=True
    ),
    "elasticsearch": Shape(
        "/elasticsearch/logs/_search",
        Hit,
        {
            "method": "POST",
            "body": {"size": 10, "sort": [{"at": "asc"}, {"_id": "asc"}]},
            "pages": Cursor(last="sort", body="search_after", total="hits.total.value"),
            "items": "hits.hits",
        },
        names="doc{}".format,
        counts=True,
    ),
    "odata": Shape("/odata/People", Person, {"pages": NextUrl(["@odata.nextLink"]), "items": "value"}, names=int),
    "jira": Shape(
        "/jira/rest/api/2/search",
        Named,
        {"pages": Offset("startAt", limit=10, limit_parameter="maxResults", total="total"), "items": "issues"},
        counts=True,
    ),
    "salesforce": Shape(
        "/salesforce/services/data/v61.0/query",
        Account,
        {
            "pages": NextUrl("nextRecordsUrl", total="totalSize"),
            "items": "records",
            "parameters": {"q": "SELECT Id FROM Account"},
        },
        counts=True,
    ),
    "hubspot": Shape(
        "/hubspot/crm/v3/objects/contacts",
        Named,
        {"pages": Cursor("paging.next.after", parameter="after"), "items": "results"},
    ),
}
