"""A call is one value, from the verb that made it to the error that it ends with, and its repr shows no secret."""

from __future__ import annotations

import enum
from typing import Any, Final

import msgspec
from yarl import URL

from headrace import _redact
from headrace.types import (
    UNSET,
    Body,
    Cookies,
    Data,
    ErrorResponses,
    Headers,
    Items,
    OnInvalid,
    Parameters,
    TimeoutLike,
)


class Undecoded(enum.Enum):
    """Response formats of the library's own: the answer itself, of which nothing is decoded."""

    #: As soon as its head has come; its body is read while it arrives.
    STREAMED = "streamed"
    #: Whatever its status, with its content decompressed.
    WHOLE = "whole"


class Call(msgspec.Struct, frozen=True):
    """What a caller asked for; the arguments of `AsyncClient.request` as one value.

    Attributes:
        path: Joined to the client's `uri`; `None` is the `uri` itself.
        method: A token in any case (RFC 9110, section 9.1).
        response_format: What the body of a success becomes.
        body: What is sent as JSON.
        data: What is sent as it is.
        headers: Header fields over the client's.
        cookies: Cookies over the client's.
        parameters: Query parameters over the client's.
        timeout: Seconds for the whole request, a `Timeout`, or `None`; unset, the client's.
        error_responses: Status to model or function, over the client's.
        on_invalid: What becomes of rows that do not fit.
        items: The place of the value in the document; in a bulk, `None` is that of the bulk.
        pages: In a bulk, how there is a next page, as for `AsyncClient.paginate`; `None` is that of the bulk.
        incremental: In a bulk, how new rows are told from old ones; `None` is that of the bulk.
        key: In a bulk, what the call is known by in its journal; `None` is a digest of what the call itself names.
        tags: In a bulk, columns that are added to every row of the call (a mapping or model).
        route: The path with names for its changing parts, such as ``/users/{id}``, to count by.
    """

    path: str | URL | None = None
    method: str = "GET"
    response_format: Any = None
    body: Body = None
    data: Data | None = None
    headers: Headers | None = None
    cookies: Cookies | None = None
    parameters: Parameters | None = None
    timeout: TimeoutLike = UNSET
    error_responses: ErrorResponses | None = None
    on_invalid: OnInvalid = "raise"
    items: Items = None
    pages: Any = None
    incremental: Any = None
    key: str | None = None
    tags: Any = None
    route: str | None = None

    def options(self) -> dict[str, Any]:
        """Give the arguments behind method and path that differ from their defaults; the format is always there."""
        own = {name: getattr(self, name) for name in _OPTIONS}
        given = {name: value for name, value in own.items() if value is not _OPTIONS[name]}
        return {"response_format": self.response_format, **given}

    def __repr__(self) -> str:
        return f"<Call {self.method} {'' if self.path is None else _redact.path(self.path)}>"


#: Of a bulk alone.
_OF_A_BULK: Final = ("pages", "incremental", "key", "tags", "route")
_DEFAULTS: Final = dict(zip(Call.__struct_fields__, Call.__struct_defaults__, strict=True))
#: The arguments that a verb takes beside path, method and format, and what stands for "not given".
_OPTIONS: Final = {
    name: default
    for name, default in _DEFAULTS.items()
    if name not in ("path", "method", "response_format", *_OF_A_BULK)
}
OPTIONS: Final = frozenset(_OPTIONS)
