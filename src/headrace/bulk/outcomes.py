"""What comes of a call: a value or an error, and the facts of either."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from headrace._core.call import Call
from headrace._core.values.partial import Reject
from headrace.errors import HTTPError, ResponseParseError

T = TypeVar("T")


class Meta(msgspec.Struct, frozen=True, gc=False):
    """The facts of an answer, or of its absence.

    Attributes:
        key: What a journal knows the call by: its `key`, else a digest in hexadecimal digits; without a journal, its
            `key` or `None`.
        status: The status code; `None` where no answer came.
        elapsed: Seconds from the call to its answer, with every wait.
        attempts: How many requests a `Retry` made of it.
        bytes: Of the content, decompressed; 0 for an error.
        page: Which answer of the call it is, from 0; of an `Err` in a series, the one that is missing.
        last: Whether the call has no answer behind it.
    """

    key: str | None
    status: int | None
    elapsed: float
    attempts: int = 1
    bytes: int = 0
    page: int = 0
    last: bool = True


class Ok(msgspec.Struct, Generic[T], frozen=True, eq=False):
    """An answer that is a success: ``case Ok(user): …``.

    Attributes:
        value: The decoded value; where the bulk names `items` or `pages`, the list of the rows that fit.
        call: What was asked for.
        meta: The facts of the answer.
        rejects: The rows that do not fit.
    """

    value: T
    call: Call
    meta: Meta
    rejects: Sequence[Reject] = ()


class Err(msgspec.Struct, frozen=True, eq=False):
    """A call that failed, or a page of one: ``case Err(error): …``.

    Attributes:
        error: What a verb would have raised.
        call: What was asked for.
        meta: The facts of the failure.
    """

    error: Exception
    call: Call
    meta: Meta


Outcome: TypeAlias = Ok[T] | Err


def failed(error: Exception, call: Call, key: str | None, elapsed: float, page: int = 0) -> Err:
    """Make the outcome of a call that has raised."""
    attempts: Any = getattr(error, "attempts", ())
    status = error.status_code if isinstance(error, (HTTPError, ResponseParseError)) else None
    return Err(error, call, Meta(key, status, elapsed, max(1, len(attempts)), page=page))
