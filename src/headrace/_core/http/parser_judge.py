"""An answer that another parser reads is judged as our own parser would judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace._core.http.parser_streaming import StreamingParser

if TYPE_CHECKING:
    from headrace._core.messages import Response
    from headrace.errors import TransportError


class _Nowhere:
    """Where the bytes of a body go that nobody here needs."""

    paused = False

    def feed(self, piece: bytes) -> None:
        """Let go of it."""

    def end(self) -> None:
        """Nothing waits for it."""

    def fail(self, error: TransportError) -> None:
        """The same."""


class Judge(StreamingParser):
    """Follows an answer as it arrives and says whether it is legal, whole and fit for reuse, but keeps none of it.

    Args:
        method: The method of the request.
        limit: Bytes that the body may have; `None` is no limit.
        streamed: Whether the body of a success has no limit.

    Attributes:
        behind: Bytes that came in one piece with the end of an answer and do not belong to it.
    """

    def __init__(self, method: str, limit: int | None = None, *, streamed: bool = False) -> None:
        super().__init__(method, limit, _nowhere)
        self._streamed = streamed

    def _take_head(self, head: bytes) -> bool:
        limit = self._limit
        final = super()._take_head(head)
        if not self._streamed:
            self._limit = limit
        self._succeeds = final  # a body that is no success is not collected either
        return final

    def _feed_counted(self, data: bytes) -> bool:
        self.behind = max(0, len(data) - self._left)
        return super()._feed_counted(data)

    def _begin_unusual(self, lower: bytes, rest: bytes, length: int | None, *, chunked: bool) -> bool:
        complete = super()._begin_unusual(lower, rest, length, chunked=chunked)
        if complete and self._chunks is None:
            self.behind = len(rest)
        return complete


def _nowhere(_: Response) -> _Nowhere:
    return _Nowhere()
