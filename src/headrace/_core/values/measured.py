"""A value and its measures: what a bulk asks for, at less than the cost of a whole answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from headrace._core.messages import Request, Response


class Measured(msgspec.Struct, frozen=True, eq=False, gc=False):
    """What comes of a call whose format is a `Measure`.

    Attributes:
        value: What the inner format gives.
        status: The status code.
        elapsed: Seconds from the call to its answer.
        attempts: How many requests a `Retry` made of it.
        size: Bytes of the content, decompressed.
    """

    value: Any
    status: int
    elapsed: float
    attempts: int
    size: int


class Measure:
    """A response format: the inner one, and what came with it.

    Args:
        inner: A response format, as for a request.
    """

    __slots__ = ("inner",)

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __repr__(self) -> str:
        return f"<Measure {getattr(self.inner, '__name__', self.inner)}>"


def measured(
    value: Any, request: Request, response: Response, _: Callable[[], datetime], elapsed: float, content: bytes
) -> Measured:
    """Put a value beside its measures."""
    attempts = 1 if request.way is None else len(request.way.attempts) + 1
    return Measured(value, response.status, elapsed, attempts, len(content))
