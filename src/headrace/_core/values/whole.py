"""A whole answer: the value, and what came with it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from headrace import _redact
from headrace._core.http import links

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace._core.messages import Request, Response

T = TypeVar("T")


class Answer(msgspec.Struct, Generic[T], frozen=True, eq=False):
    """What a verb gives with `response_format=Answer[User]`: the value, and the facts of the answer around it.

    Attributes:
        value: What `response_format=User` would have given, and for `Answer` alone plain JSON; `None` without a body.
        status: The status code, from 200 to 299.
        headers: The header fields, case-insensitive, repeated ones kept apart. Those that hold credentials, such as
            `Set-Cookie`, are masked in a pickle.
        url: The URL that answered, behind redirects; it may hold secrets.
        method: The method that was answered.
        time: When the answer was received, in UTC.
        elapsed: Seconds from the call to its answer, with every wait (for the limiter, a connection, a retry).
        attempts: How many requests a `Retry` made of it, those that followed redirects included; 1 without a `Retry`.
    """

    value: T
    status: int
    headers: CIMultiDictProxy[str]
    url: URL
    method: str
    time: datetime
    elapsed: float
    attempts: int

    @property
    def links(self) -> dict[str, str]:
        """The targets of the `Link` fields by relation, such as ``{"next": "https://…"}``, absolute (RFC 8288)."""
        return links.by_relation(self.headers.getall("Link", ()), self.url)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with secrets in `headers` masked; a proxy of fields cannot be pickled."""
        fields = [(name, _redact.field(name, value)) for name, value in self.headers.items()]
        value, status, _, *rest = msgspec.structs.astuple(self)
        return _unpickle, (value, status, fields, *rest)

    def __repr__(self) -> str:
        return f"<Answer {self.status} {self.method} {_redact.url(self.url)}>"


def _unpickle(value: Any, status: int, fields: list[tuple[str, str]], *rest: Any) -> Answer[Any]:
    return Answer(value, status, CIMultiDictProxy(CIMultiDict(fields)), *rest)


def answered(
    value: Any, request: Request, response: Response, now: Callable[[], datetime], elapsed: float, _: bytes
) -> Answer[Any]:
    """Put a value into the answer that it came with."""
    attempts = 1 if request.way is None else len(request.way.attempts) + 1
    return Answer(value, response.status, response.headers, request.url, request.method, now(), elapsed, attempts)
