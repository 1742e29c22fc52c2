"""Series of pages: `paginate` checks what a caller wants of one, and puts it together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, Unpack, overload

from headrace._checks import is_number, wrong
from headrace._client.signatures import takes
from headrace._client.verbs import as_call, check_options
from headrace._core.call import Call
from headrace._io.frames import clear_frames
from headrace._io.pages.handle import Pages
from headrace.types import UNSET, PageOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from typing_extensions import TypeForm

    from headrace._client.verbs import Path, TypeAdapterLike
    from headrace._core.pages.incremental import Incremental
    from headrace._core.pages.page import Page
    from headrace._core.pages.series import Series
    from headrace._core.pages.strategies import Strategy
    from headrace._core.request.prepare import Defaults
    from headrace.config import ClientConfig
    from headrace.types import Items, OnInvalid

T = TypeVar("T")
#: How there is a next page.
How: TypeAlias = "Strategy | Callable[[Page[Any]], Mapping[str, Any] | None]"


class Paginating:
    """The part of a client that reads series of pages."""

    _config: ClientConfig
    _defaults: Defaults
    _dispatch: Callable[[Call], Coroutine[Any, Any, Any]]

    @overload
    def paginate(
        self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[PageOptions]
    ) -> Pages[T]: ...

    @overload
    def paginate(
        self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[PageOptions]
    ) -> Pages[T]: ...

    @overload
    def paginate(
        self, path: Path = None, *, response_format: None = None, **options: Unpack[PageOptions]
    ) -> Pages[Any]: ...

    @takes(PageOptions)
    def paginate(
        self,
        path: Path = None,
        *,
        method: str = "GET",
        response_format: Any = None,
        items: Items = None,
        pages: How | None = None,
        prefetch: int = 1,
        parallel: int = 1,
        max_pages: int | None = None,
        max_items: int | None = None,
        resume: Mapping[str, Any] | None = None,
        incremental: Incremental | None = None,
        on_invalid: OnInvalid = "raise",
        **request: Any,
    ) -> Pages[Any]:
        """Read the items of a series of pages: ``async for user in client.paginate("/users", …)``.

        Nothing is sent before the first item is asked for. Each page is a request like any other.

        Args:
            path: Of the first page, as for every request.
            method: The method of every request.
            response_format: The type of **one item**; `None` is plain JSON. Or a `PaginatedResponse`, without `pages`:
                each item is a page then, and says what the next one is.
            items: The place of the array of items in the document: ``"data.items"``, or a list of names and indexes.
                ``""`` is the document itself, `None` the document or the one array at its top.
            pages: How there is a next page: a strategy of `headrace.pages`, or a function that is given a `Page` and
                returns the options of the request that change, or `None` behind the last one.
            prefetch: Pages that are asked for ahead, while you work on one; 0 for none.
            parallel: Requests at a time, where pages can be counted: `PageNumber` and `Offset` with a total.
            max_pages: Pages to ask for at most.
            max_items: Items to give at most.
            resume: The `Pages.state` of an earlier series like this one, to go on from.
            incremental: An `Incremental`: rows that are new since the series whose `Pages.state` is given back as
                `resume`, each once.
            on_invalid: What becomes of rows that do not fit: ``"raise"`` the error, ``"skip"`` leaves them out,
                ``"collect"`` too, and has them in `Page.rejects`. `Pages.rejects` counts them.
            **request: `body`, `data` (bytes, text or a mapping), `headers`, `cookies`, `parameters`, `timeout` and
                `error_responses` of every request. The `total` of a timeout begins when the limiter lets a page start.

        Returns:
            The items, an async iterator that is read once.

        Raises:
            headrace.errors.ValidationError: An argument is wrong.
            TypeError: A keyword is unknown.
        """
        plain = Call(path, method, response_format, on_invalid=on_invalid, items=items)
        path = None  # logs may show the variables of a frame
        try:
            call = as_paginate(plain, request)
            _check_counts(prefetch, parallel, max_pages, max_items)
            series = self._series(call, call.response_format, pages, parallel, incremental)
            return self._pages(call, series, resume, prefetch, parallel, max_pages, max_items)
        except BaseException as error:
            clear_frames(error)
            resume = None
            raise

    def _pages(
        self,
        call: Call,
        series: Series,
        resume: Any,
        prefetch: int,
        parallel: int,
        max_pages: int | None,
        max_items: int | None,
    ) -> Pages[Any]:
        from headrace._io.pages.asking import Asking  # as `_series`

        if resume is not None:
            series.resume(resume)
        timeout = self._config.timeout if call.timeout is UNSET else call.timeout
        asking = Asking(self._dispatch, series, timeout, prefetch, parallel, max_pages, max_items)
        return Pages(asking, series, max_items, self)

    def _series(
        self, call: Call, response_format: Any, pages: Any, parallel: int, incremental: Incremental | None
    ) -> Series:
        """Put a series together.

        Raises:
            headrace.errors.ValidationError: Something is wrong with it.
        """
        from headrace._client import series  # few need it, and everybody would wait for its import

        return series.put_together(self._defaults, call, response_format, pages, parallel, incremental)


def _check_counts(prefetch: Any, parallel: Any, max_pages: Any, max_items: Any) -> None:
    if not is_number(prefetch, integer=True, zero=True):
        raise wrong("prefetch", prefetch, "a whole number from 0 on")
    if not is_number(parallel, integer=True):
        raise wrong("parallel", parallel, "a whole number above 0")
    for name, value in (("max_pages", max_pages), ("max_items", max_items)):
        if value is not None and not is_number(value, integer=True):
            raise wrong(name, value, "a whole number above 0, or None")


_KEYWORDS = frozenset(PageOptions.__annotations__)


def as_paginate(plain: Call, request: dict[str, Any]) -> Call:
    """Make the call of a series; the options are forgotten, as in `as_call`.

    Raises:
        TypeError: One of the options is unknown.
    """
    check_options("paginate", request, _KEYWORDS)
    return as_call("paginate", plain, request)
