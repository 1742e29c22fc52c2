"""Series of pages: how there is a next page, and what a series gives."""

from headrace._core.pages.counted import Offset, PageNumber
from headrace._core.pages.detection import Detected, detect
from headrace._core.pages.page import Page
from headrace._core.pages.strategies import Cursor, Header, HeaderCursor, Link, NextUrl
from headrace._io.pages.handle import Pages

__all__ = [
    "Cursor",
    "Detected",
    "Header",
    "HeaderCursor",
    "Link",
    "NextUrl",
    "Offset",
    "Page",
    "PageNumber",
    "Pages",
    "detect",
]
