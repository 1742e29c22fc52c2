"""Series of pages are put together, for a client and for a bulk; it is loaded when the first of them is."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, get_origin

from headrace import _redact
from headrace._checks import wrong
from headrace._core.pages.driven import Called, Driven
from headrace._core.pages.envelope import decoder_for, page_decoder
from headrace._core.pages.incremental import Incremental
from headrace._core.pages.series import Series
from headrace._core.pages.sieve import sieve_for
from headrace._core.pages.strategies import Strategy
from headrace._core.values import partial
from headrace._core.values.formats import Ready
from headrace._core.values.whole import Answer
from headrace._models.pages import Pages as DrivingItself
from headrace.errors import ValidationError
from headrace.policies import as_timeout
from headrace.types import UNSET

if TYPE_CHECKING:
    from yarl import URL

    from headrace._core.call import Call
    from headrace._core.pages.sieve import Sieve
    from headrace._core.request.prepare import Defaults

_TAKES: Final = "a strategy of headrace.pages, such as Link() or Cursor(…), or a function of a Page"


def put_together(
    defaults: Defaults, call: Call, response_format: Any, pages: Any, parallel: int, incremental: Incremental | None
) -> Series:
    """Put a series together.

    Args:
        defaults: Those of the client that asks for its pages.
        call: The first page.
        response_format: The type of one item, or of a page that says what the next one is.
        pages: How there is a next page.
        parallel: Requests at a time.
        incremental: How new rows are told from old ones; `None` gives all.

    Raises:
        headrace.errors.ValidationError: Something is wrong with it.
    """
    strategy = _strategy(pages, response_format, call)
    countable = strategy.counted and strategy.places().get("total") is not None
    if parallel > 1 and not countable:
        remedy = " without a total" if strategy.counted else ""
        message = (
            f"parallel: got {parallel}, and pages by {type(strategy).__name__}{remedy} cannot be counted; takes 1."
            " PageNumber(total_items=…), PageNumber(total_pages=…) and Offset(total=…) can be counted"
        )
        raise ValidationError(message)
    as_timeout(None if call.timeout is UNSET else call.timeout)
    if not isinstance(call.data, (bytes, bytearray, memoryview, str, dict, type(None))):
        raise wrong("data", call.data, "bytes, text or a mapping, which every request can send again")
    home, *_ = defaults.locate(call.path, None)
    sieve = None if incremental is None else _sieve(incremental, response_format, strategy)

    def shown(url: URL) -> str:
        credentials = defaults.credentials
        return _redact.url(url, () if credentials is None else credentials.parameters.keys())

    def trusts(url: URL) -> bool:
        return defaults.trusts(defaults.origin_of(url))

    series = Series(strategy, call, home.text, shown, trusts, sieve)
    if isinstance(strategy, Driven):
        decoder = page_decoder(response_format)
    else:
        partial.check_on_invalid(call.on_invalid)
        asked, last = series.asked(), strategy.last_place()
        decoder = decoder_for(response_format, call.items, asked, call.on_invalid, last=last)
    series.use(Ready(decoder))
    return series


def _strategy(pages: Any, response_format: Any, call: Call) -> Strategy:
    """Find how there is a next page."""
    for part in (response_format, get_origin(response_format)):
        if part is Answer or part is partial.Partial:
            message = (
                f"response_format: is the type of one item, not {part.__name__};"
                " pages() gives the answer and the rejects of each page"
            )
            raise ValidationError(message)
    kind = get_origin(response_format) or response_format
    drives = isinstance(kind, type) and issubclass(kind, DrivingItself)
    if pages is None:
        if not drives:
            message = f"pages: is needed, {_TAKES}; headrace.pages.detect(answer) finds one in an answer"
            raise ValidationError(message)
        if call.items is not None:
            message = f"items: is not taken with {kind.__name__}, which is the whole page"
            raise ValidationError(message)
        if call.on_invalid != "raise":
            message = f'on_invalid: takes "raise" with {kind.__name__}, which is the whole page'
            raise ValidationError(message)
        return Driven()
    if isinstance(pages, Strategy):
        return pages
    if isinstance(pages, type) or not callable(pages) or inspect.iscoroutinefunction(pages):
        raise wrong("pages", pages, _TAKES)
    return Called(pages)


def _sieve(incremental: Any, response_format: Any, strategy: Strategy) -> Sieve:
    """Find what lets new rows through."""
    if not isinstance(incremental, Incremental):
        raise wrong("incremental", incremental, "a headrace.Incremental")
    if isinstance(strategy, Driven):
        message = "incremental: compares rows, and a PaginatedResponse is the whole page; give pages= too"
        raise ValidationError(message)
    return sieve_for(incremental, response_format)
