"""How long a client waits, and how it meets failure: `Timeout`, `Retry`, `RetryBudget`, `CircuitBreaker`; no action."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs

from headrace._checks import all_of, checked, is_number, is_token, positive, share, wrong
from headrace.errors import ValidationError

#: RFC 9110, section 9.2.2.
IDEMPOTENT_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
#: draft-ietf-httpapi-idempotency-key-header, section 2.
IDEMPOTENCY_KEY: Final = "Idempotency-Key"


_SECONDS = positive("a number of seconds above 0, or None", optional=True)


@attrs.frozen
class Timeout:
    """How long the parts of a request may take.

    Args:
        total: Seconds for the whole request, waiting for the limiter and a connection included; `None` is no limit.
        connect: Seconds to make a new connection (DNS, TCP, TLS, proxy); `None` is no limit of its own.
        pool: Seconds to wait for a connection to become free; `None` is no limit of its own.
        read: Seconds of silence from the server while an answer is awaited; `None` is no limit of its own.

    Raises:
        headrace.errors.ValidationError: A value is not a number above 0.
    """

    total: float | None = attrs.field(default=300.0, validator=_SECONDS)
    connect: float | None = attrs.field(default=30.0, validator=_SECONDS)
    pool: float | None = attrs.field(default=None, validator=_SECONDS)
    read: float | None = attrs.field(default=None, validator=_SECONDS)


def as_timeout(value: Any) -> Timeout:
    """Read a `timeout` argument: a `Timeout`, seconds in all, or `None` for none at all."""
    if isinstance(value, Timeout):
        return value
    if value is None:
        return Timeout(total=None, connect=None)
    if not is_number(value):
        raise wrong("timeout", value, "seconds above 0, a Timeout or None", _timeout_meant(value))
    return Timeout(total=float(value))


def _timeout_meant(value: Any) -> str:
    """Name the `Timeout` that is meant by what other libraries take."""
    if isinstance(value, (tuple, list)):  # requests: to connect, to read
        return "give Timeout(connect=…, read=…)"
    if callable(getattr(value, "total_seconds", None)):  # a timedelta
        return "give its total_seconds()"
    if isinstance(value, str):
        return "give the number"
    names = [name for name in ("total", "connect", "pool", "read") if hasattr(value, name)]
    return f"give headrace.Timeout({', '.join(f'{name}=…' for name in names)})" if names else ""


def _upper(values: Any) -> Any:
    # What is no collection of text is left for the validator, which says so better.
    collection = isinstance(values, Iterable) and not isinstance(values, str)
    return frozenset(value.upper() if isinstance(value, str) else value for value in values) if collection else values


def _collected(values: Any) -> Any:
    return frozenset(values) if isinstance(values, Iterable) and not isinstance(values, str) else values


@attrs.frozen
class RetryBudget:
    """How much of its traffic a client may repeat, so that retries do not beat a server that is down already.

    The bucket of Finagle's `RetryBudget`: every request puts `ratio` of a token into it and every retry takes one out;
    both are forgotten after `window` seconds. A retry that finds no token does not happen, and the failure that asked
    for it is raised. A retry that the server asked for, by a `Retry-After` that is waited for in full, takes none.

    Args:
        ratio: Retries that are allowed for each request, above 0 and at most 1.
        reserve: Retries that are allowed in any `window` on top of that, so that a client with little traffic may
            repeat at all.
        window: Seconds for which requests and retries count.

    Raises:
        headrace.errors.ValidationError: A value is wrong.
    """

    ratio: float = attrs.field(default=0.1, validator=share("a number above 0 and at most 1"))
    reserve: int = attrs.field(default=10, validator=positive("a whole number from 0 on", integer=True, zero=True))
    window: float = attrs.field(default=10.0, validator=positive("a number of seconds above 0"))


def _budget(value: Any) -> RetryBudget | None:
    if value is None or isinstance(value, RetryBudget):
        return value
    takes = "a RetryBudget, the share of requests that may be repeated (above 0 and at most 1), or None"
    if not is_number(value) or value > 1:
        raise wrong("budget", value, takes)
    return RetryBudget(ratio=value)


def _key_name(value: Any) -> str | None:
    if value is None or value is False:
        return None
    if value is True:
        return IDEMPOTENCY_KEY
    takes = "a bool, or the name of a header field"
    if not isinstance(value, str):
        raise wrong("idempotency_key", value, takes)
    if not is_token(value):
        message = f"idempotency_key: is not a name that a header field may have; takes {takes}"
        raise ValidationError(message)
    return value


@attrs.frozen
class Retry:
    """When a request that failed is sent again.

    Args:
        attempts: How often a request is sent at most, the first time included.
        statuses: Statuses after which it is sent again.
        methods: Methods that may be sent again. A request with an idempotency key may be, whatever its method.
        backoff: Seconds before the first retry, at least. Each further wait is drawn at random between this and three
            times the wait before ("decorrelated jitter": AWS Architecture Blog, "Exponential Backoff And Jitter").
        max_backoff: Seconds that a wait may last at most, `Retry-After` included.
        deadline: Seconds for all attempts and the waits between them; a wait that would end later is not begun. `None`
            leaves that to the `timeout` of the request, past which no wait is begun either.
        attempt_timeout: Seconds for each attempt, the wait for a connection included, the wait for the limiter not;
            an attempt that takes longer fails with `RequestTimeout` and counts like any other. `None` is no limit.
        budget: A `RetryBudget`, its `ratio` alone, or `None` for as many retries as there are failures.
        idempotency_key: Whether to send POST and other methods that are not idempotent with an `Idempotency-Key`
            (draft-ietf-httpapi-idempotency-key-header) that is made once for each call, and so make them safe to
            repeat; or the name of another field for it. A field of the caller's own stays as it is.
        retry_stale_posts: Whether a request of any method is sent once more, at once, when a kept-alive connection
            dies before any byte of the answer; without it, only those that may be repeated are. The server may have
            acted on the first one.

    Raises:
        headrace.errors.ValidationError: A value is wrong.
    """

    attempts: int = attrs.field(default=3, validator=positive("a whole number above 0", integer=True))
    statuses: frozenset[int] = attrs.field(
        default=frozenset({408, 425, 429, 500, 502, 503, 504}),
        converter=_collected,
        validator=all_of(int, "a collection of statuses"),
    )
    methods: frozenset[str] = attrs.field(
        default=IDEMPOTENT_METHODS, converter=_upper, validator=all_of(str, "a collection of methods")
    )
    backoff: float = attrs.field(default=0.5, validator=positive("a number of seconds above 0"))
    max_backoff: float = attrs.field(default=60.0, validator=positive("a number of seconds above 0"))
    deadline: float | None = attrs.field(default=None, validator=_SECONDS)
    attempt_timeout: float | None = attrs.field(default=None, validator=_SECONDS)
    budget: RetryBudget | None = attrs.field(factory=RetryBudget, converter=_budget)
    idempotency_key: str | None = attrs.field(default=None, converter=_key_name)
    retry_stale_posts: bool = attrs.field(
        default=False, validator=checked(lambda value: isinstance(value, bool), "a bool")
    )


@attrs.frozen
class CircuitBreaker:
    """When requests to an origin that keeps failing are refused without being sent.

    The circuit of each origin is *closed* as long as all is well. When too many attempts fail it *opens*: requests
    raise `errors.CircuitOpen` at once. After `open_for` seconds it is *half-open*: one request is let through, and its
    outcome closes the circuit or opens it again (M. Nygard, "Release It!", chapter 5).

    Args:
        failure_ratio: The share of attempts whose failure opens the circuit, above 0 and at most 1.
        minimum: Attempts in a `window` below which it stays closed, however many of them fail.
        window: Seconds for which attempts count.
        open_for: Seconds that it stays open.
        statuses: Statuses that are failures; so are lost and refused connections, timeouts, and answers that are not
            HTTP. A cancelled attempt is neither a failure nor a success.
        clock: A function that tells the seconds of a clock that never goes back.

    Raises:
        headrace.errors.ValidationError: A value is wrong.
    """

    failure_ratio: float = attrs.field(default=0.5, validator=share("a number above 0 and at most 1"))
    minimum: int = attrs.field(default=20, validator=positive("a whole number above 0", integer=True))
    window: float = attrs.field(default=30.0, validator=positive("a number of seconds above 0"))
    open_for: float = attrs.field(default=10.0, validator=positive("a number of seconds above 0"))
    statuses: frozenset[int] = attrs.field(
        default=frozenset({500, 502, 503, 504}),
        converter=_collected,
        validator=all_of(int, "a collection of statuses"),
    )
    clock: Callable[[], float] = attrs.field(
        default=time.monotonic, validator=checked(callable, "a function that returns seconds"), repr=False
    )
