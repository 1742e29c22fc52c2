"""Dates in the fields of servers are read here, and nowhere else: what is no date is `None`, and nothing is raised."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

#: Characters that are read of a date; the longest form of RFC 9110, section 5.6.7, has 33.
_MOST_TEXT: Final = 128


def read(text: str | None) -> datetime | None:
    """Read a date in one of the forms of RFC 9110, section 5.6.7, or one like them.

    Args:
        text: The value of a field; `None` where there is none.

    Returns:
        The date, with its zone, which is UTC where it names none; `None` where it cannot be read.
    """
    if text is None or len(text) > _MOST_TEXT:
        return None
    from email.utils import parsedate_to_datetime  # which loads much, and few servers write dates that count

    try:
        date = parsedate_to_datetime(text)
    except (ArithmeticError, LookupError, TypeError, ValueError):  # whatever numbers and words the library trips over
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date
