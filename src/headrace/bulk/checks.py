"""The options of a bulk that are numbers, statuses and the like: read, and checked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from headrace._checks import is_number, wrong, wrong_number
from headrace.config import is_status
from headrace.policies import Retry
from headrace.types import UNSET

#: How many calls may be under way at most where nobody says so.
_WIDEST: Final = 512


def width(in_flight: Any) -> int | tuple[int, int]:
    """Read how many calls may be under way: a number, or the least and the most of a width that adapts itself.

    Raises:
        headrace.errors.ValidationError: It is neither.
    """
    if is_number(in_flight, integer=True):
        return int(in_flight)
    if in_flight == "auto":
        return 1, _WIDEST
    if isinstance(in_flight, (tuple, list)) and len(in_flight) == 2:
        least, most = in_flight
        if is_number(least, integer=True) and is_number(most, integer=True) and least <= most:
            return int(least), int(most)
    raise wrong("in_flight", in_flight, 'a whole number above 0, "auto", or (least, most)')


def checked_retry(retry: Any) -> Any:
    """Check how calls are repeated.

    Raises:
        headrace.errors.ValidationError: It is no `Retry`.
    """
    if retry is not UNSET and retry is not None and not isinstance(retry, Retry):
        raise wrong("retry", retry, "a Retry or None")
    return retry


def statuses(expected: Any) -> frozenset[int]:
    """Read which statuses are no failure.

    Raises:
        headrace.errors.ValidationError: They are no statuses.
    """
    takes = "a collection of statuses, such as {404, 410}"
    if not isinstance(expected, Collection) or isinstance(expected, (str, bytes)):
        raise wrong("expected", expected, takes)
    for status in expected:
        if not is_status(status):
            raise wrong("expected", status, takes)
    return frozenset(expected)


def most_failures(most: Any) -> float | None:
    """Read how many failures are too few to stop for: a number, or a share where it is below 1; `None` never stops.

    Raises:
        headrace.errors.ValidationError: It is none of these.
    """
    share = isinstance(most, float) and 0 < most < 1
    if most is None or share or is_number(most, integer=True, zero=True):
        return most  # type: ignore[no-any-return] # it is one of these
    raise wrong_number("max_failures", most, "a whole number, or a share between 0 and 1")
