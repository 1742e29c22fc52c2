"""What a caller has of a series: an iterator over its items, or over its pages."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from headrace.errors import AsyncClientError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headrace._core.pages.page import Page
    from headrace._core.pages.series import Series, Step
    from headrace._io.pages.asking import Asking

T = TypeVar("T")


class Pages(Generic[T]):
    """The items of a series of pages, one after the other, once: what `client.paginate` gives.

    `async with` ends the requests that are under way when it is left early. Without it they end when the object is
    collected, with a `ResourceWarning`. An error ends the series, and so does a cancellation; it can be resumed from
    its `state`.
    """

    def __init__(self, asking: Asking, series: Series, max_items: int | None, owner: object) -> None:
        self._owner = owner  # a client lives as long as its series
        self._asking = asking
        self._series = series
        self._left = max_items
        self._step: Step | None = None
        self._rest: list[T] = []  # what is left of the page, its first item last
        self._done = series.progress
        self._total = None if series.progress.number == 0 else series.progress.total
        self._rejects = 0
        self._failure: Exception | None = None
        self._busy = False

    @property
    def state(self) -> dict[str, Any]:
        """How far the series is, as JSON knows it; `paginate(…, resume=state)` goes on behind what was handed out.

        That is behind the last page of which all items were handed out: one that was left half-way comes whole again.
        It may hold a URL or a token of the server's.
        """
        return self._series.state(self._done)

    @property
    def total(self) -> int | None:
        """How many there are in all, as the latest page said: items, or pages with `total_pages`; `None`: unknown."""
        return self._total

    @property
    def rejects(self) -> int:
        """How many rows did not fit so far."""
        return self._rejects

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._rest:
            if await self._turn() is None:
                raise StopAsyncIteration
        item = self._rest.pop()
        if not self._rest:
            self._hand_out()
        return item

    def pages(self) -> AsyncIterator[Page[T]]:
        """Iterate over whole pages instead of items.

        Raises:
            headrace.errors.AsyncClientError: A page is half handed out.
        """
        if self._rest:
            message = "pages(): a page is half handed out; take all of its items first, or iterate over pages alone"
            raise AsyncClientError(message)
        return _ByPage(self)

    async def collect(self) -> list[T]:
        """Read all items that are left, and end the series.

        Returns:
            The items; all of them are in memory.
        """
        found: list[T] = []
        try:
            async with self:
                while self._rest or await self._turn() is not None:
                    found += reversed(self._rest)
                    self._hand_out()
        except BaseException:
            found = []  # logs may show the variables of a frame
            raise
        return found

    async def aclose(self) -> None:
        """End the requests that are under way; may be called more than once."""
        self._rest = []
        await self._asking.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self, warn: Any = warnings.warn) -> None:
        """Warn of a series that was begun and left open, and end its requests."""
        asking: Asking | None = vars(self).get("_asking")
        if asking is None or not asking.is_open:
            return
        loop = asking.loop
        asking.ended = True
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(asking.stop)
        warn(f"unclosed {self!r}: use `async with`, or read all of it", ResourceWarning, source=self)

    if not TYPE_CHECKING:  # whose words are better still

        def __iter__(self) -> NoReturn:
            message = "`for` got pages, which come asynchronously: `async for item in client.paginate(…):`"
            raise TypeError(message)

        def __await__(self) -> NoReturn:
            message = (
                "`await` got pages, of which there are many: `async for item in client.paginate(…):`, or"
                " `await client.paginate(…).collect()`"
            )
            raise TypeError(message)

    def __repr__(self) -> str:
        return f"<Pages by {type(self._series.strategy).__name__}, {self._done.number} handed out>"

    async def _turn(self) -> Page[T] | None:
        """Wait for the next page; `None` is the end."""
        if self._busy:
            message = "pages are read by one task at a time"
            raise AsyncClientError(message)
        if self._asking.ended:
            return None
        self._busy = True
        step = None
        try:
            if self._left != 0 and not self._asking.is_enough:
                if self._failure is not None:
                    raise self._failure  # noqa: TRY301 - it ends the series like any other
                step = await self._asking.next()
        except BaseException:
            await self._asking.aclose()
            raise
        finally:
            self._busy = False
        if step is None:
            await self._asking.aclose()
            return None
        return self._turned(step)

    def _turned(self, step: Step) -> Page[T]:
        page: Page[T] = step.page
        self._step = step if step.failure is None else None  # where it leads nowhere, it comes again
        self._rejects += step.rejected
        self._total = step.progress.total
        self._failure = step.failure
        if self._left is not None:
            if self._left < len(page.items):
                page = page.cut(self._left)
                self._step = None  # not all of its items are handed out
            self._left -= len(page.items)
        self._rest = page.items[::-1]
        if not page.items:
            self._hand_out()
        return page

    def _hand_out(self) -> None:
        """Note that all items of a page were handed out."""
        step, self._step = self._step, None
        if step is not None:
            self._done = step.progress
        self._rest = []


class _ByPage(Generic[T]):
    """The pages of a series.

    Args:
        pages: The series.
    """

    def __init__(self, pages: Pages[T]) -> None:
        self._pages = pages

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page[T]:
        pages = self._pages
        page = await pages._turn()  # noqa: SLF001 - our own
        if page is None:
            raise StopAsyncIteration
        pages._hand_out()  # noqa: SLF001 - our own
        return page
