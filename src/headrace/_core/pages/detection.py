"""How there is a next page is read off one answer: a help while writing, never a guess while data flows."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
import orjson

from headrace._checks import wrong
from headrace._core.pages.counted import Offset, PageNumber
from headrace._core.pages.envelope import within
from headrace._core.pages.strategies import Cursor, HeaderCursor, Link, NextUrl, Strategy
from headrace._core.request import reference
from headrace._core.values.whole import Answer

_MISSING: Final = msgspec.UNSET
#: Where APIs put the URL of the next page.
_URLS: Final = (
    "next", "links.next", "_links.next", "next_page", "next_url", "nextLink", "next_page_url", "nextPageUrl",
    "nextRecordsUrl", "nextPage", "paging.next", "pagination.next", "pagination.next_url", "pagination.next_link",
    "pagination.links.next", "meta.next", "meta.pagination.links.next", "info.next", "@odata.nextLink",
)  # fmt: skip
#: Where they put a token, and the parameter that takes it.
_CURSORS: Final = (
    ("response_metadata.next_cursor", "cursor"), ("paging.next.after", "after"), ("paging.cursors.after", "after"),
    ("next_cursor", "cursor"), ("nextCursor", "cursor"), ("nextPageToken", "pageToken"),
    ("next_page_token", "page_token"), ("meta.next_cursor", "cursor"), ("meta.next_token", "pagination_token"),
    ("pagination.next_cursor", "cursor"), ("pagination.cursor", "after"), ("meta.cursor", "cursor"),
    ("page_info.end_cursor", "after"), ("next_token", "next_token"), ("nextToken", "nextToken"), ("cursor", "cursor"),
    ("next_marker", "marker"), ("continuation_token", "continuation_token"), ("_scroll_id", "scroll_id"),
)  # fmt: skip
#: Names that say that they hold a URL, also where it is relative and does not look like one.
_IS_URL: Final = re.compile(r"(?:link|url)$", re.IGNORECASE).search
_HEADERS: Final = (("X-Next-Cursor", "cursor"), ("X-Continuation-Token", "continuationToken"))
#: Names of what is counted: where the answer says it, and the parameter that asks for it.
_OFFSETS: Final = (
    ("startAt", "maxResults"),
    ("offset", "limit"),
    ("skip", "limit"),
    ("start", "limit"),
    ("from", "size"),
)
_NUMBERS: Final = (
    ("page", "per_page"),
    ("page", "page_size"),
    ("page", "limit"),
    ("page", "size"),
    ("current_page", "per_page"),
)
_TOTALS: Final = ("total", "total_count", "totalCount", "total_items", "count")
_TOTAL_PAGES: Final = ("total_pages", "totalPages", "last_page", "page_count", "pages")
_ABOVE: Final = ("", "meta", "pagination", "meta.pagination", "paging", "page_info", "info")
_FLAGS: Final = ("has_more", "hasMore", "more", "is_truncated")


class Detected(msgspec.Struct, frozen=True):
    """How there is a next page, as far as one answer shows it.

    Attributes:
        pages: The strategy, for `paginate(…, pages=…)`.
        items: The place of the rows, for `items=`; `None` where it is the document, or its one array.
        evidence: What it was read off, a sentence each.
    """

    pages: Strategy
    items: str | None
    evidence: tuple[str, ...]


def detect(answer: Answer[Any]) -> Detected | None:
    """Find how there is a next page in an answer that is not the last page.

    Args:
        answer: Of a request with ``response_format=Answer``; plain JSON, text or bytes.

    Returns:
        What was found, or `None`. Look at its `evidence`, and write the strategy into your code.

    Raises:
        headrace.errors.ValidationError: It is no answer.
    """
    if not isinstance(answer, Answer):
        raise wrong("answer", answer, "an Answer, as response_format=Answer gives it")
    document = answer.value
    if isinstance(document, (bytes, str)):
        try:
            document = orjson.loads(document)
        except orjson.JSONDecodeError:
            document = None
    items, rows = _rows(document)
    for look in (_by_link, _by_url, _by_header, _by_cursor, _by_last, _by_count):
        found = look(answer, document, rows)
        if found is not None:
            strategy, *evidence = found
            if items is not None:
                evidence.append(f"the rows are at {items!r}, {len(rows)} of them")
            return Detected(strategy, items, tuple(evidence))
    return None


def _at(document: Any, place: str) -> Any:
    """Find a value; its own name may have dots in it."""
    whole = within(document, place)
    if whole is not _MISSING:
        return whole
    for part in place.split("."):
        document = within(document, part)
    return document


def _rows(document: Any) -> tuple[str | None, list[Any]]:
    """Find the rows: the longest array of objects, at most two names down."""
    if isinstance(document, list):
        return None, document
    found: list[tuple[int, str, list[Any]]] = []
    if isinstance(document, dict):
        for name, value in document.items():
            inner = value.items() if isinstance(value, dict) else ()
            each = [(name, value), *((f"{name}.{below}", array) for below, array in inner)]
            found += [(len(rows), place, rows) for place, rows in each if isinstance(rows, list) and _are_rows(rows)]
    if not found:
        return None, []
    _, place, rows = max(found, key=lambda entry: entry[0])
    return place, rows


def _are_rows(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(value, dict) for value in values)


def _by_link(answer: Answer[Any], _: Any, __: Any) -> Any:
    if "next" not in answer.links:
        return None
    return Link(), 'the Link field has a target with rel="next"'


def _by_url(answer: Answer[Any], document: Any, _: Any) -> Any:
    for place in _URLS:
        value = _at(document, place)
        if isinstance(value, dict):
            value = value.get("href")
        begins = ("http://", "https://", "/", "?")
        if not isinstance(value, str) or not value or not (value.startswith(begins) or _IS_URL(place)):
            continue
        if reference.resolve(answer.url, value) is not None:
            # A name with a dot in it is written as a list of one.
            literal = within(document, place) is not _MISSING and "." in place
            return NextUrl([place] if literal else place), f"{place!r} holds a URL"
    return None


def _by_header(answer: Answer[Any], _: Any, __: Any) -> Any:
    for name, parameter in _HEADERS:
        if answer.headers.get(name):
            return HeaderCursor(name, parameter=parameter), f"the field {name} has a token", _GUESSED.format(parameter)
    return None


_GUESSED: Final = "the parameter {!r} is what such APIs take; look into the documentation of yours"


def _by_cursor(answer: Answer[Any], document: Any, _: Any) -> Any:
    for place, parameter in _CURSORS:
        value = _at(document, place)
        if not isinstance(value, (str, int)) or isinstance(value, bool) or value == "":
            continue
        more, told = _flag(document)
        if place == "next_cursor" and _at(document, "object") == "list":  # Notion
            parameter = "start_cursor"  # noqa: PLW2901 - the one that it takes
        if answer.method == "POST":
            return (
                Cursor(place, body=parameter, more=more),
                f"{place!r} holds a token",
                *told,
                _GUESSED.format(parameter),
            )
        return (
            Cursor(place, parameter=parameter, more=more),
            f"{place!r} holds a token",
            *told,
            _GUESSED.format(parameter),
        )
    return None


def _flag(document: Any) -> tuple[str | None, list[str]]:
    for name in _FLAGS:
        if isinstance(_at(document, name), bool):
            return name, [f"{name!r} says whether there is more"]
    return None, []


def _by_last(answer: Answer[Any], document: Any, rows: list[Any]) -> Any:
    last = rows[-1] if rows else None
    if isinstance(last, dict) and isinstance(last.get("sort"), list):
        return Cursor(last="sort", body="search_after"), "every row has 'sort', as those of Elasticsearch have"
    more, told = _flag(document)
    if answer.method == "GET" and more and _at(document, more) is True and isinstance(last, dict) and "id" in last:
        strategy = Cursor(last="id", parameter="starting_after", more=more)
        return strategy, *told, "every row has an 'id', and nothing else leads on", _GUESSED.format("starting_after")
    return None


def _by_count(_: Any, document: Any, rows: list[Any]) -> Any:
    for above in _ABOVE:
        place = f"{above}." if above else ""
        for offset, limit in _OFFSETS:
            at, size = _number(document, place + offset), _number(document, place + limit)
            total = next((place + name for name in _TOTALS if _number(document, place + name) is not None), None)
            if at is None or not size or total is None or at + len(rows) >= (_number(document, total) or 0):
                continue
            strategy = Offset(offset, limit=size, limit_parameter=limit, total=total)
            return strategy, f"{place + offset!r} is {at}, {place + limit!r} is {size}, {total!r} is the total"
        found = _by_number(document, place, rows)
        if found is not None:
            return found
    return None


def _by_number(document: Any, place: str, rows: list[Any]) -> Any:
    for name, limit in _NUMBERS:
        at, size = _number(document, place + name), _number(document, place + limit) or None
        if at is None:
            continue
        pages = next((place + each for each in _TOTAL_PAGES if _number(document, place + each) is not None), None)
        total = next((place + each for each in _TOTALS if _number(document, place + each) is not None), None)
        says = f"{place + name!r} is {at}"
        sent: dict[str, Any] = {"size": size, "size_parameter": limit} if size else {}
        if pages is not None and at < (_number(document, pages) or 0):
            return PageNumber("page", total_pages=pages, **sent), says, f"{pages!r} is the number of pages"
        if total is not None and size and at * size < (_number(document, total) or 0) and len(rows) <= size:
            return PageNumber("page", total_items=total, **sent), says, f"{total!r} is the number of items"
    return None


def _number(document: Any, place: str) -> int | None:
    value = _at(document, place)
    return value if type(value) is int and value >= 0 else None
