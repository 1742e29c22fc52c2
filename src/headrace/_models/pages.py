"""What one page of many has to tell, for Structs and for pydantic models alike."""

from __future__ import annotations

import abc
from typing import Any


class Pages(abc.ABC):
    """The five methods that say, for one API, how to get from a page to the others."""

    __slots__ = ()

    @abc.abstractmethod
    def is_paginating(self) -> bool:
        """Tell whether there are other pages."""

    @abc.abstractmethod
    def next(self) -> Any:
        """Return what leads to the next page in this API: a path, parameters, or the page itself."""

    @abc.abstractmethod
    def previous(self) -> Any:
        """Return what leads to the page before this one."""

    @abc.abstractmethod
    def start(self) -> Any:
        """Return what leads to the first page."""

    @abc.abstractmethod
    def end(self) -> Any:
        """Return what leads to the last page."""
