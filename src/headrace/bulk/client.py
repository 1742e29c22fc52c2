"""A client as a bulk knows it, and how it sends calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from headrace._core.call import Call
    from headrace._io.flow.pacing import Pacer


class BulkClient(Protocol):
    """A client as a bulk knows it."""

    @property
    def uri(self) -> str:
        """What the client asks, with secrets masked."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the client was closed."""
        ...

    def place(self, path: Any) -> str:
        """Join a path to that of the client, without the client's parameters."""
        ...

    def series(self, call: Call) -> Any:
        """Put together the series of pages that begins with a call; its `pages` say how there is a next page."""
        ...

    def unsaid(self, state: Any, call: Call) -> Any:
        """Leave the credentials of client and call out of the state of a series."""
        ...

    def said(self, state: Any, call: Call) -> Any:
        """Undo `unsaid`."""
        ...

    async def begin(self, retry: Any, pacer: Pacer | None = None) -> BulkWay:
        """Make what sends calls, with a `Retry`, with `None`, or, unset, with the client's own or `Retry()`."""
        ...


class BulkWay(Protocol):
    """How a bulk sends its calls."""

    @property
    def lane(self) -> BulkLane | None:
        """The way of plain calls, where there is one."""
        ...

    def __call__(self, call: Call, /) -> Coroutine[Any, Any, Any]:
        """Send any call, and wait for what comes of it."""
        ...


class BulkLane(Protocol):
    """The way of plain calls, which needs no task: what waits for an answer is called back."""

    @property
    def seconds(self) -> float | None:
        """How long a call may take that names no timeout of its own; `None` is without end."""
        ...

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for a connection, so that none is to be kept."""
        ...

    def form(self, method: str, body: Any) -> Any:
        """Find what writes requests of a method that begin now; `None` where they do not go this way."""
        ...

    def count(self, requests: int, now: float) -> None:
        """Count requests that were begun."""
        ...

    def read(self, response: Any, decoder: Any) -> Any:
        """Read the value of an answer; `UNREAD` where it is no plain success."""
        ...

    def go_on(self, call: Any, begun: Any, outcome: Any, deadline: Any, asked: float, /) -> Coroutine[Any, Any, Any]:
        """Go on with a call whose first exchange has ended otherwise."""
        ...

    def room(self) -> float | None:
        """Tell how many connections may be opened where none is idle; `None` where one is."""
        ...
