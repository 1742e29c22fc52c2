"""How there is a next page: a strategy reads what a page says, and names where to go on.

Where to go on is a *position*, a value that JSON knows: a URL, a token, a number. So a series can be resumed from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, TypeAlias

import attrs
import msgspec

from headrace._checks import checked, is_number, wrong
from headrace._core.pages.page import Page
from headrace._core.request import reference
from headrace._core.values import places
from headrace._core.values.whole import Answer
from headrace.errors import PaginationError, ValidationError
from headrace.types import Items

_MISSING: Final = msgspec.UNSET
#: Tokens that end a series, beside one that is missing.
_ENDS: Final[tuple[Any, ...]] = (None, "", [], {})
#: What a flag says on the last page.
_LAST: Final = (False, "false")
NAME: Final = checked(lambda value: isinstance(value, str) and value != "", "a name", optional=True)
FLAG: Final = checked(lambda value: isinstance(value, bool), "True or False")


class Facts(msgspec.Struct, frozen=True, eq=False):
    """What a page says that a strategy may want to know.

    Attributes:
        values: What the document has at the places that the strategy asked for.
        answer: What the page came with.
        page: The page itself.
        count: How many rows it has, those that do not fit included.
        last: What the last row has at the place that the strategy asked for.
        rows: How many rows the series has had, with this page.
        total: How many rows or pages there are in all, where that is known.
        size: How many rows a page has: as asked for, else as the first one had; `None` before that.
    """

    values: Mapping[str, Any]
    answer: Answer[Any]
    page: Page[Any]
    count: int
    last: Any
    rows: int
    total: int | None
    size: int | None


def is_place(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    places.as_path(value, attribute.name)


@attrs.frozen
class Header:
    """A total that is in a header field, such as ``X-Total-Count``, instead of a place in the document.

    Args:
        name: The name of the field.
    """

    name: str = attrs.field(validator=checked(lambda value: isinstance(value, str) and value != "", "a name"))


def is_total(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, Header):
        return
    if isinstance(value, int):
        if not is_number(value, integer=True, zero=True):
            raise wrong(attribute.name, value, "a place in the document, a Header, or a whole number from 0 on")
        return
    places.as_path(value, attribute.name)


#: Where there is a total, or what it is.
Total: TypeAlias = Items | Header | int


@attrs.frozen(kw_only=True)
class Strategy:
    """What all strategies have.

    Args:
        more: The place of a flag in the document that is false on the last page.
    """

    #: Whether pages can be numbered, and so asked for out of order.
    counted: ClassVar[bool] = False
    #: Whether positions are URLs.
    leads_by_url: ClassVar[bool] = False

    more: Items = attrs.field(default=None, validator=is_place)

    def places(self) -> dict[str, Any]:
        """Name the places in the document that the strategy asks for."""
        return {"more": self.more}

    def last_place(self) -> tuple[Any, ...] | None:
        """Name the place in the last row whose value is asked for."""
        return None

    def start(self) -> Any:
        """Give the position of the first page; `None` is the call as it is."""
        return None

    def asked_size(self) -> int | None:
        """Tell how many rows a page is asked to have."""
        return None

    def sends(self, position: Any) -> list[tuple[str | None, Items, Any]]:
        """Name what a request for a position says: a parameter, or else a place in the body, and its value."""
        del position
        return []

    def following(self, position: Any, facts: Facts) -> Any:
        """Find the position behind a page; `None` behind the last one.

        Raises:
            headrace.errors.PaginationError: What the page says makes no sense.
        """
        raise NotImplementedError

    def check_first(self, facts: Facts) -> None:
        """Look at the first page of a series; raises `PaginationError`."""

    def ahead(self, position: Any, total: int | None, size: int | None) -> Any:
        """Guess what `following` will say; `None` where that is not known before the page has come."""
        del position, total, size
        return None

    def ends(self, facts: Facts, found: bool) -> bool:  # noqa: FBT001 - whether there is a next page
        """Tell whether a page is the last one by its flag; raises where flag and page contradict each other."""
        flag = facts.values.get("more", _MISSING)
        if flag is True and not found:
            message = f"{_shown(self.more)} says that there are more pages, but nothing leads to the next one"
            raise PaginationError(message)
        return flag in _LAST


@attrs.frozen
class Single(Strategy):
    """There is one page alone."""

    def following(self, position: Any, facts: Facts) -> Any:
        """Find nothing."""
        del position, facts


def _shown(place: Items) -> str:
    return places.shown(places.as_path(place, "place"))


@attrs.frozen
class Link(Strategy):
    """The next page is in the `Link` field of the answer (RFC 8288).

    Args:
        rel: The relation.
        more: The place of a flag in the document that is false on the last page.
        total: The place of the number of all rows, or a `Header`, for `Pages.total`.
    """

    leads_by_url: ClassVar[bool] = True

    rel: str = attrs.field(default="next", validator=NAME)
    total: Total = attrs.field(default=None, kw_only=True, validator=is_total)

    def places(self) -> dict[str, Any]:
        """Name the places in the document that the strategy asks for."""
        return {"more": self.more, "total": self.total}

    def following(self, position: Any, facts: Facts) -> Any:
        """Find the target of the link."""
        del position
        found = facts.answer.links.get(self.rel if ":" in self.rel else self.rel.lower())
        return None if self.ends(facts, found is not None) else found


@attrs.frozen
class NextUrl(Strategy):
    """The next page is a URL in the document, absolute or relative, or an object with such an `href`.

    Args:
        place: The place of the URL; missing, null or empty ends the series.
        more: The place of a flag in the document that is false on the last page.
        total: The place of the number of all rows, or a `Header`, for `Pages.total`.
    """

    leads_by_url: ClassVar[bool] = True

    place: Items = attrs.field(validator=is_place)
    total: Total = attrs.field(default=None, kw_only=True, validator=is_total)

    def places(self) -> dict[str, Any]:
        """Name the places in the document that the strategy asks for."""
        return {"next": self.place, "more": self.more, "total": self.total}

    def following(self, position: Any, facts: Facts) -> Any:
        """Resolve the URL (RFC 3986, section 5.2)."""
        del position
        found = facts.values["next"]
        if isinstance(found, dict) and "href" in found:
            found = found["href"]
        nowhere = found is _MISSING or found in _ENDS
        if self.ends(facts, not nowhere) or nowhere:
            return None
        url = reference.resolve(facts.answer.url, found) if isinstance(found, str) else None
        if url is None:
            message = f"{_shown(self.place)} is no http(s) URL: got {type(found).__name__}"
            raise PaginationError(message)
        return str(url)


def _one_of(argument: str, one: Any, other_argument: str, other: Any) -> None:
    if (one is None) == (other is None):
        message = f"{argument}, {other_argument}: give one of them"
        raise ValidationError(message)


@attrs.frozen
class Cursor(Strategy):
    """The next page is asked for with a token that the page has; missing, null or empty, it ends the series.

    Args:
        place: The place of the token in the document.
        parameter: The query parameter that it is sent as.
        body: Or the place in the JSON body that it is sent at.
        last: Instead of `place`: the place of the token in the last item. A page without items ends the series then.
        more: The place of a flag in the document that is false on the last page.
        total: The place of the number of all rows, or a `Header`, for `Pages.total`.
    """

    place: Items = attrs.field(default=None, validator=is_place)
    parameter: str | None = attrs.field(default=None, kw_only=True, validator=NAME)
    body: Items = attrs.field(default=None, kw_only=True, validator=is_place)
    last: Items = attrs.field(default=None, kw_only=True, validator=is_place)
    total: Total = attrs.field(default=None, kw_only=True, validator=is_total)

    def __attrs_post_init__(self) -> None:
        _one_of("place", self.place, "last", self.last)
        _one_of("parameter", self.parameter, "body", self.body)

    def places(self) -> dict[str, Any]:
        """Name the places in the document that the strategy asks for."""
        return {"next": self.place, "more": self.more, "total": self.total}

    def last_place(self) -> tuple[Any, ...] | None:
        """Name the place in the last row whose value is asked for."""
        return None if self.last is None else places.as_path(self.last, "last")

    def sends(self, position: Any) -> list[tuple[str | None, Items, Any]]:
        """Name what a request for a position says."""
        return [] if position is None else [(self.parameter, self.body, position)]

    def following(self, position: Any, facts: Facts) -> Any:
        """Find the token."""
        del position
        found = facts.values["next"] if self.last is None else self._of_last(facts)
        nowhere = found is _MISSING or found in _ENDS
        return None if self.ends(facts, not nowhere) or nowhere else found

    def _of_last(self, facts: Facts) -> Any:
        if not facts.count:
            return None
        found = facts.last
        if found is _MISSING or found in _ENDS:
            message = f"the last item of the page has nothing at {_shown(self.last)} to go on from"
            raise PaginationError(message)
        return found


@attrs.frozen
class HeaderCursor(Strategy):
    """The next page is asked for with a token that a header field has; missing or empty, it ends the series.

    Args:
        header: The name of the field.
        parameter: The query parameter that the token is sent as.
        body: Or the place in the JSON body that it is sent at.
        more: The place of a flag in the document that is false on the last page.
        total: The place of the number of all rows, or a `Header`, for `Pages.total`.
    """

    header: str = attrs.field(validator=checked(lambda value: isinstance(value, str) and value != "", "a name"))
    parameter: str | None = attrs.field(default=None, kw_only=True, validator=NAME)
    body: Items = attrs.field(default=None, kw_only=True, validator=is_place)
    total: Total = attrs.field(default=None, kw_only=True, validator=is_total)

    def __attrs_post_init__(self) -> None:
        _one_of("parameter", self.parameter, "body", self.body)

    def places(self) -> dict[str, Any]:
        """Name the places in the document that the strategy asks for."""
        return {"more": self.more, "total": self.total}

    def sends(self, position: Any) -> list[tuple[str | None, Items, Any]]:
        """Name what a request for a position says."""
        return [] if position is None else [(self.parameter, self.body, position)]

    def following(self, position: Any, facts: Facts) -> Any:
        """Find the token."""
        del position
        found = facts.answer.headers.get(self.header, "").strip() or None
        return None if self.ends(facts, found is not None) else found
