"""Whether and when a failed request is sent again: pure functions over passed-in clock and chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.errors import CircuitOpen, ProtocolError, ResponseTooLarge, UploadError

if TYPE_CHECKING:
    from collections.abc import Collection

    from headrace.errors import TransportError
    from headrace.policies import Retry

#: Errors that a second attempt would only meet again.
_FINAL = (CircuitOpen, ProtocolError, ResponseTooLarge, UploadError)


def is_repeatable(policy: Retry, method: str, names: Collection[str]) -> bool:
    """Decide whether a request may be sent again though the server may have acted on it.

    Args:
        policy: The retry policy.
        method: The method of the request.
        names: The names of its header fields, in lower case.

    Returns:
        Whether the policy names its method, or whether it has an idempotency key
        (draft-ietf-httpapi-idempotency-key-header).
    """
    if method in policy.methods or "idempotency-key" in names:
        return True
    return policy.idempotency_key is not None and policy.idempotency_key.lower() in names


def may_retry_status(policy: Retry, status: int, attempt: int, *, repeatable: bool) -> bool:
    """Decide on an answer: `attempt` counts from 1."""
    return repeatable and attempt < policy.attempts and status in policy.statuses


def may_retry_error(policy: Retry, error: TransportError, attempt: int, *, repeatable: bool) -> bool:
    """Decide on an exchange without an answer: what never left may always be sent again."""
    if attempt >= policy.attempts or isinstance(error, _FINAL):
        return False
    return repeatable or not error.maybe_sent


def backoff(policy: Retry, previous: float, chance: float) -> float:
    """Draw the seconds before the next attempt: decorrelated jitter.

    AWS Architecture Blog, "Exponential Backoff And Jitter": ``sleep = min(cap, random_between(base, sleep * 3))``.

    Args:
        policy: The retry policy.
        previous: What was drawn before; `policy.backoff` at first.
        chance: A random number from 0 to 1.
    """
    base = policy.backoff
    most = max(base, previous * 3)
    return min(policy.max_backoff, most, base + (most - base) * chance)  # which rounding may lift above its most


def delay(policy: Retry, drawn: float, asked: float | None) -> float:
    """Compute the seconds to wait.

    Args:
        policy: The retry policy.
        drawn: What `backoff` has drawn.
        asked: What `Retry-After` asks for, in seconds.
    """
    return drawn if asked is None else min(policy.max_backoff, max(asked, drawn))


def is_invited(asked: float | None, pause: float) -> bool:
    """Tell whether a server has asked for a retry at that time: then it is no load that a budget had to hold back.

    Args:
        asked: What `Retry-After` asks for, in seconds.
        pause: Seconds that are waited. Who does not wait as long as it was asked to comes uninvited.
    """
    return asked is not None and pause >= asked


def is_in_time(policy: Retry, total: float | None, elapsed: float, pause: float) -> bool:
    """Decide whether a wait ends in time.

    Args:
        policy: The retry policy.
        total: Seconds that the whole request may take; `None` is no limit.
        elapsed: Seconds since the first attempt began.
        pause: Seconds to wait.
    """
    end = elapsed + pause
    return (policy.deadline is None or end < policy.deadline) and (total is None or end < total)
