"""Pages that are counted: by number, or by the item that they begin at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from headrace._checks import checked, is_number, wrong
from headrace._core.pages.strategies import FLAG, NAME, Strategy, Total, is_place, is_total
from headrace.errors import PaginationError, ValidationError
from headrace.types import Items

if TYPE_CHECKING:
    from headrace._core.pages.strategies import Facts


def is_whole(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and not is_number(value, integer=True):
        raise wrong(attribute.name, value, "a whole number above 0")


@attrs.frozen
class PageNumber(Strategy):
    """Pages have numbers; the series ends at the total, or at a page without items, never at a short one.

    Args:
        parameter: The query parameter that the number is sent as.
        first: The number of the first page.
        size: Items that a page has; needed to see that a server gives fewer than it was asked for.
        size_parameter: The query parameter that `size` is sent as; with `body`, its place there.
        total_pages: The place of the number of pages in the document, a `Header`, or the number itself.
        total_items: The place of the number of items in the document, a `Header`, or the number itself.
        body: Instead of `parameter`: the place in the JSON body that the number is sent at.
        filtered: Whether pages may have fewer items than `size` because some are left out behind the total.
        more: The place of a flag in the document that is false on the last page.
    """

    counted: ClassVar[bool] = True

    parameter: str = attrs.field(default="page", validator=NAME)
    first: int = attrs.field(
        default=1,
        kw_only=True,
        validator=checked(lambda value: is_number(value, integer=True, zero=True), "a whole number from 0 on"),
    )
    size: int | None = attrs.field(default=None, kw_only=True, validator=is_whole)
    size_parameter: Items = attrs.field(default=None, kw_only=True, validator=is_place)
    total_pages: Total = attrs.field(default=None, kw_only=True, validator=is_total)
    total_items: Total = attrs.field(default=None, kw_only=True, validator=is_total)
    body: Items = attrs.field(default=None, kw_only=True, validator=is_place)
    filtered: bool = attrs.field(default=False, kw_only=True, validator=FLAG)

    def __attrs_post_init__(self) -> None:
        _check_counted("size", self.size, "size_parameter", self.size_parameter)
        if self.total_pages is not None and self.total_items is not None:
            message = "total_pages, total_items: give one of them"
            raise ValidationError(message)

    def places(self) -> dict[str, Any]:
        """Name the places in the document that the strategy asks for."""
        return {"more": self.more, "total": self.total_items if self.total_pages is None else self.total_pages}

    def start(self) -> int:
        """Give the number of the first page."""
        return self.first

    def asked_size(self) -> int | None:
        """Tell how many rows a page is asked to have."""
        return self.size

    def sends(self, position: Any) -> list[tuple[str | None, Items, Any]]:
        """Name what a request for a position says."""
        return _counted_sends(self.parameter, self.body, position, self.size_parameter, self.size)

    def following(self, position: Any, facts: Facts) -> Any:
        """Count on."""
        if self.ends(facts, found=True) or _is_last_for_nothing(facts, self.filtered):
            return None
        index = position - self.first + 1
        if facts.total is None:
            return position + 1
        if self.total_pages is not None:
            over = index >= facts.total
        elif self.filtered and facts.size:
            over = index * facts.size >= facts.total
        else:
            over = facts.rows >= facts.total
        return None if over else position + 1

    def check_first(self, facts: Facts) -> None:
        """Look whether the first page has as many items as it should have."""
        says_more = facts.total is not None and (
            facts.total > 1 if self.total_pages is not None else facts.total > facts.count
        )
        if says_more and not self.filtered:
            _check_size(facts, self.size, "size")

    def ahead(self, position: Any, total: int | None, size: int | None) -> Any:
        """Count on, as far as the total goes."""
        if total is None or (self.total_pages is None and not size):
            return None
        pages = total if self.total_pages is not None or not size else -(-total // size)
        return position + 1 if position - self.first + 1 < pages else None


@attrs.frozen
class Offset(Strategy):
    """Pages begin at an item; the series ends at the total, or at a page without items, never at a short one.

    The next page begins behind the items that have come, so a server that gives fewer than `limit` loses none.

    Args:
        parameter: The query parameter that the offset is sent as; that of the first item is 0.
        limit: Items that a page has; needed to see that a server gives fewer than it was asked for.
        limit_parameter: The query parameter that `limit` is sent as; with `body`, its place there.
        total: The place of the number of items in the document, a `Header`, or the number itself.
        body: Instead of `parameter`: the place in the JSON body that the offset is sent at.
        filtered: Whether pages may have fewer items than `limit` because some are left out behind the offset: the next
            page begins `limit` further on then, whatever came.
        more: The place of a flag in the document that is false on the last page.
    """

    counted: ClassVar[bool] = True

    parameter: str = attrs.field(default="offset", validator=NAME)
    limit: int | None = attrs.field(default=None, kw_only=True, validator=is_whole)
    limit_parameter: Items = attrs.field(default=None, kw_only=True, validator=is_place)
    total: Total = attrs.field(default=None, kw_only=True, validator=is_total)
    body: Items = attrs.field(default=None, kw_only=True, validator=is_place)
    filtered: bool = attrs.field(default=False, kw_only=True, validator=FLAG)

    def __attrs_post_init__(self) -> None:
        _check_counted("limit", self.limit, "limit_parameter", self.limit_parameter)
        if self.filtered and self.limit is None:
            message = "limit: is needed with filtered=True, where the next page begins that much further on"
            raise ValidationError(message)

    def places(self) -> dict[str, Any]:
        """Name the places in the document that the strategy asks for."""
        return {"more": self.more, "total": self.total}

    def start(self) -> int:
        """Give the offset of the first item."""
        return 0

    def asked_size(self) -> int | None:
        """Tell how many rows a page is asked to have."""
        return self.limit

    def sends(self, position: Any) -> list[tuple[str | None, Items, Any]]:
        """Name what a request for a position says."""
        return _counted_sends(self.parameter, self.body, position, self.limit_parameter, self.limit)

    def following(self, position: Any, facts: Facts) -> Any:
        """Go on behind the items that have come."""
        if self.ends(facts, found=True) or _is_last_for_nothing(facts, self.filtered):
            return None
        step = self.limit if self.filtered and self.limit is not None else facts.count
        behind = position + step
        return None if facts.total is not None and behind >= facts.total else behind

    def check_first(self, facts: Facts) -> None:
        """Look whether the first page has as many items as it should have."""
        if facts.total is not None and facts.total > facts.count and not self.filtered:
            _check_size(facts, self.limit, "limit")

    def ahead(self, position: Any, total: int | None, size: int | None) -> Any:
        """Go on by whole pages, as far as the total goes."""
        if total is None or not size:
            return None
        return position + size if position + size < total else None


def _check_counted(size_name: str, size: int | None, parameter_name: str, parameter: Items) -> None:
    if parameter is not None and size is None:
        message = f"{size_name}: is needed, for {parameter_name} sends it"
        raise ValidationError(message)


def _counted_sends(
    parameter: str, body: Items, position: Any, size_parameter: Items, size: int | None
) -> list[tuple[str | None, Items, Any]]:
    sent: list[tuple[str | None, Items, Any]] = [(parameter if body is None else None, body, position)]
    if size_parameter is not None:
        named = size_parameter if body is None and isinstance(size_parameter, str) else None
        sent.append((named, size_parameter, size))
    return sent


def _is_last_for_nothing(facts: Facts, filtered: bool) -> bool:  # noqa: FBT001 - the argument of the strategy
    """Tell whether a page is the last one because it has no rows; one that may be filtered ends at the total alone."""
    return facts.count == 0 and not (filtered and facts.total is not None)


def _check_size(facts: Facts, size: int | None, name: str) -> None:
    if facts.count and (size is None or facts.count >= size):
        return
    of_what = f" where {name}={size} was asked for" if size is not None else ""
    message = (
        f"the first page has {facts.count} items{of_what}, and the total says that there are more ({facts.total});"
        f" give {name}= what the server really gives, or filtered=True where it leaves some out"
    )
    raise PaginationError(message)
