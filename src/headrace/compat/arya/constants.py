"""The older framework's constants: methods, statuses by name, and the two kinds of client."""

from __future__ import annotations

from enum import Enum
from http import HTTPStatus as _Statuses
from typing import TYPE_CHECKING, Any, Final

__all__ = ["ClientBranch", "HTTPMethod", "HTTPStatus"]


class ClientBranch(Enum):
    """Which kind a client is of."""

    sync = "sync"
    async_ = "async"


class HTTPMethod(Enum):
    """The methods that an `endpoint` may name; looked up in any case. `ANY` stands for all of them."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    DELETE = "DELETE"
    CONNECT = "CONNECT"
    OPTIONS = "OPTIONS"
    TRACE = "TRACE"
    PATCH = "PATCH"
    ANY = "ANY"

    @classmethod
    def _missing_(cls, value: object) -> HTTPMethod | None:
        return cls.__members__.get(value.upper()) if isinstance(value, str) else None


#: Where the older framework's names differ from those of Python 3.13's standard library, or the latter has none.
_OLDER: Final = {
    306: "RESERVED",
    413: "REQUEST_ENTITY_TOO_LARGE",
    414: "REQUEST_URI_TOO_LONG",
    416: "REQUESTED_RANGE_NOT_SATISFIABLE",
    422: "UNPROCESSABLE_ENTITY",
}
#: Statuses that it did not know.
_UNKNOWN: Final = frozenset({423})


class _Named(type):
    """Finds ``HTTP_404_NOT_FOUND`` and the like in the table of the standard library."""

    _table: Final = {
        f"HTTP_{number}_{name}": number
        for number, name in sorted(({int(status): status.name for status in _Statuses} | _OLDER).items())
        if number not in _UNKNOWN
    }

    def __getattr__(cls, name: str) -> int:
        try:
            return cls._table[name]
        except KeyError:
            message = f"HTTPStatus has no {name!r}; it has names such as HTTP_404_NOT_FOUND"
            raise AttributeError(message) from None

    def __dir__(cls) -> list[str]:
        return [*super().__dir__(), *cls._table]


class HTTPStatus(metaclass=_Named):
    """Every status as a number with a telling name: ``HTTPStatus.HTTP_404_NOT_FOUND == 404``."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
