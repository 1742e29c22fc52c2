"""What a server asks for by `Retry-After`: read once for each answer, and by the server's own clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from headrace._core import dates

if TYPE_CHECKING:
    from datetime import datetime

    from multidict import CIMultiDictProxy

    from headrace._core.messages import Response

#: Characters of a field that are read.
_MOST_TEXT: Final = 2048
#: A `Date` that is further from our clock (seconds) was written by hand or kept in a cache: it tells no clock's error.
_MOST_SKEW: Final = 3600.0


def asked(response: Response, now: datetime) -> float | None:
    """Tell for how long an answer asks its readers to stay away.

    Args:
        response: Any answer; what is found is noted in it, so that all who ask are told the same.
        now: Our time, with its zone, when it came.

    Returns:
        Seconds, at least 0; `None` where nothing is asked for.
    """
    if response.asked is msgspec.UNSET:
        value = response.headers.get("Retry-After")
        response.asked = None if value is None else seconds(value[:_MOST_TEXT], server_time(response.headers, now))
    return response.asked


def seconds(value: str, now: datetime) -> float | None:
    """Read a `Retry-After` field (RFC 9110, section 10.2.3).

    Args:
        value: Seconds or an HTTP date.
        now: The time, with its zone.

    Returns:
        Seconds from now, at least 0; `None` where it cannot be read.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:18])  # more digits are no longer time
    date = dates.read(value)
    return None if date is None else max(0.0, (date - now).total_seconds())


def server_time(headers: CIMultiDictProxy[str], now: datetime) -> datetime:
    """Tell the server's time, which its moments are written in; ours, where it does not say.

    Args:
        headers: The fields of an answer.
        now: Our time, with its zone.
    """
    date = dates.read(headers.get("Date"))
    return now if date is None or abs((date - now).total_seconds()) > _MOST_SKEW else date
