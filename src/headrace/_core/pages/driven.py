"""Series that somebody else drives: a function of the caller's, or the model of a page."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs
from yarl import URL

from headrace._checks import given
from headrace._core.pages.strategies import Strategy
from headrace.errors import PaginationError

if TYPE_CHECKING:
    from headrace._core.pages.strategies import Facts

#: What a function may change.
CHANGES: Final = frozenset({"path", "method", "parameters", "headers", "cookies", "body", "data"})


@attrs.frozen
class Called(Strategy):
    """The next page is what a function says: changed options of the call, or `None`.

    Args:
        function: Called with each page.
    """

    function: Callable[[Any], Any]

    def following(self, position: Any, facts: Facts) -> Any:
        """Ask the function."""
        del position
        changed = self.function(facts.page)
        if changed is None:
            return None
        if inspect.iscoroutine(changed):
            changed.close()
        if not isinstance(changed, Mapping):
            got = given("body", changed)
            message = f'pages: the function returned {got}; takes options such as {{"parameters": …}}, or None'
            raise PaginationError(message)
        unknown = changed.keys() - CHANGES
        if unknown or not changed:
            what = f"the option {min(map(str, unknown))!r}" if unknown else "no option"
            message = f"pages: the function returned {what}; takes some of {', '.join(sorted(CHANGES))}, or None"
            raise PaginationError(message)
        return dict(changed)


@attrs.frozen
class Driven(Strategy):
    """The next page is what the model of a page says, a `PaginatedResponse`."""

    drives: ClassVar[bool] = True

    def following(self, position: Any, facts: Facts) -> Any:
        """Ask the model."""
        del position
        if not facts.page.items:
            return None
        model = facts.page.items[0]
        if not model.is_paginating():
            return None
        found = model.next()
        if found is None or found in ("", {}):
            return None
        if isinstance(found, (str, URL)):
            return {"path": str(found)}
        if isinstance(found, Mapping):
            return {"parameters": dict(found)}
        if inspect.iscoroutine(found):
            found.close()
        name = type(model).__name__
        message = f"{name}.next() returned {given('body', found)}; takes a path or URL, parameters (a mapping), or None"
        raise PaginationError(message)
