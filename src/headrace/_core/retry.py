"""Whether and when a failed request is sent again lives here: pure functions over passed-in clock and chance."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from headrace.errors import ProtocolError, ResponseTooLarge, TransportError

if TYPE_CHECKING:
    from headrace.config import Retry

#: Errors that a second attempt would only meet again.
_FINAL = (ProtocolError, ResponseTooLarge)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Read a `Retry-After` field (RFC 9110, section 10.2.3).

    Args:
        value: Seconds or an HTTP date.
        now: The time, with its zone.

    Returns:
        Seconds from now, at least 0; `None` where there is no field, or none that can be read.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:18])
        return seconds if math.isfinite(seconds) else None
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())


def may_retry_status(policy: Retry, method: str, status: int, attempt: int) -> bool:
    """Decide on an answer: `attempt` counts from 1."""
    return attempt < policy.attempts and status in policy.statuses and method in policy.methods


def may_retry_error(policy: Retry, method: str, error: TransportError, attempt: int) -> bool:
    """Decide on an exchange without an answer: what never left may always be sent again."""
    if attempt >= policy.attempts or isinstance(error, _FINAL):
        return False
    return method in policy.methods or not error.maybe_sent


def delay(policy: Retry, attempt: int, asked: float | None, chance: float) -> float:
    """Compute the seconds before the next attempt.

    Args:
        policy: The retry policy.
        attempt: The attempt that failed, from 1.
        asked: What `Retry-After` asks for, in seconds.
        chance: A random number from 0 to 1: full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter").
    """
    backoff = min(policy.max_backoff, policy.backoff * 2.0 ** min(attempt - 1, 1000)) * chance
    return backoff if asked is None else min(policy.max_backoff, max(asked, backoff))
