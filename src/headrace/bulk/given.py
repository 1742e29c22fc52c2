"""What a bulk is given is read here, and refused where it is wrong.

Everything raises `headrace.errors.ValidationError`.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from headrace._checks import is_number, wrong, wrong_number
from headrace.bulk._sinks.base import Target
from headrace.bulk.journal import Journal
from headrace.config import is_status
from headrace.errors import ValidationError
from headrace.policies import Retry
from headrace.types import UNSET

if TYPE_CHECKING:
    from pathlib import Path

#: How many calls may be under way at most where nobody says so.
_WIDEST: Final = 512


def width(in_flight: Any) -> int | tuple[int, int]:
    """Read how many calls may be under way."""
    if is_number(in_flight, integer=True):
        return int(in_flight)
    if in_flight == "auto":
        return 1, _WIDEST
    if isinstance(in_flight, (tuple, list)) and len(in_flight) == 2:
        least, most = in_flight
        if is_number(least, integer=True) and is_number(most, integer=True) and least <= most:
            return int(least), int(most)
    raise wrong("in_flight", in_flight, 'a whole number above 0, "auto", or (least, most)')


def retry_of(retry: Any) -> Any:
    """Read how calls are repeated; unset is the client's way."""
    if retry is not UNSET and retry is not None and not isinstance(retry, Retry):
        raise wrong("retry", retry, "a Retry or None")
    return retry


def statuses(expected: Any) -> frozenset[int]:
    """Read which statuses are no failures."""
    takes = "a collection of statuses, such as {404, 410}"
    if not isinstance(expected, Collection) or isinstance(expected, (str, bytes)):
        raise wrong("expected", expected, takes)
    for status in expected:
        if not is_status(status):
            raise wrong("expected", status, takes)
    return frozenset(expected)


def most_failures(most: Any) -> float | None:
    """Read how many calls may fail, or which share of them; `None` is all."""
    share = isinstance(most, float) and 0 < most < 1
    if most is None or share or is_number(most, integer=True, zero=True):
        return most  # type: ignore[no-any-return] # it is one of these
    raise wrong_number("max_failures", most, "a whole number, or a share between 0 and 1")


def journal_path(journal: Any, sink: Any) -> Path | None:
    """Read where the journal of a bulk lies; `None` for none."""
    if journal is None or journal is False:
        return None
    if journal is True:
        beside: Path | None = sink.journal if isinstance(sink, Target) else None
        if beside is None:
            raise ValidationError("journal: True lies beside a sink that has a path; give the path of the journal")
        return beside
    if isinstance(journal, Journal):
        return journal.path
    if not isinstance(journal, (str, os.PathLike)):
        raise wrong("journal", journal, "a path, a Journal, or True for one beside the sink")
    return Journal(journal).path
