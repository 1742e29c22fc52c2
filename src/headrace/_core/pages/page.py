"""One page of a series, as a caller sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from headrace._core.pages.envelope import around

if TYPE_CHECKING:
    from headrace._core.pages.envelope import Fetched
    from headrace._core.values.whole import Answer

T = TypeVar("T")
_NOT_YET: Any = msgspec.UNSET


class Page(Generic[T]):
    """One page of a series.

    Attributes:
        items: Its items.
        answer: What they came with: status, header fields, URL and the like.
        number: Which page it is, from 1; a series that is resumed goes on counting.
        rejects: The rows that do not fit, with ``on_invalid="collect"``.
    """

    __match_args__ = ("items", "answer", "envelope", "number", "rejects")
    __slots__ = ("_body", "_envelope", "_path", "answer", "items", "number", "rejects")

    def __init__(self, fetched: Fetched, answer: Answer[None], number: int) -> None:
        self.items: list[T] = fetched.items
        self.answer = answer
        self.number = number
        self.rejects = fetched.rejects
        self._body = fetched.body
        self._path = fetched.path
        self._envelope = _NOT_YET

    @property
    def envelope(self) -> Any:
        """The document without its rows, as plain JSON, decoded when it is first asked for; `None` of a bare array."""
        if self._envelope is _NOT_YET:
            self._envelope = around(self._body, self._path)
            self._body = b""
        return self._envelope

    def cut(self, count: int) -> Page[T]:
        """Copy it with its first items alone."""
        return self.with_items(self.items[:count])

    def with_items(self, items: list[T]) -> Page[T]:
        """Copy it with other items."""
        copied: Page[T] = Page.__new__(Page)
        for name in Page.__slots__:
            setattr(copied, name, getattr(self, name))
        copied.items = items
        return copied

    def without_rows(self) -> Page[T]:
        """Copy it with no items and no rejects."""
        copied = self.with_items([])
        copied.rejects = []
        return copied

    def __repr__(self) -> str:
        return f"<Page {self.number} with {len(self.items)} items>"
