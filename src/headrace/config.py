"""Every setting of a client: its default, its unit, what it may be, and how settings merge.

Nothing in this module acts. A `ClientConfig` is the recipe that one client is made from; it can be pickled and
compared.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypedDict

import attrs
from yarl import URL

from headrace import _redact
from headrace._checks import as_url, origin, wrong
from headrace._checks import checked as _checked
from headrace._checks import positive as _positive
from headrace._merging import merge_mapping
from headrace.errors import ValidationError
from headrace.policies import IDEMPOTENT_METHODS, CircuitBreaker, Retry, Timeout, as_timeout
from headrace.types import UNSET, Auth, Limiter, Transport

if TYPE_CHECKING:
    from headrace.types import BearerToken, Cookies, ErrorResponses, Headers, Parameters, TimeoutLike

DEFAULT_MAX_RESPONSE_BYTES: Final = 256 * 1024 * 1024
TRANSPORTS: Final = ("wire", "aiohttp")

#: Settings that merge key by key; every other setting replaces what it inherits.
_MERGED: Final = frozenset({"headers", "cookies", "parameters", "error_responses"})


@attrs.frozen
class PoolLimits:
    """How many connections a client may hold and how long idle ones are kept.

    Args:
        max_connections: Open connections in all.
        max_per_origin: Open connections to one scheme, host and port; `None` is no limit of its own.
        keepalive: Seconds that an idle connection is kept.

    Raises:
        headrace.errors.ValidationError: A value is not a number above 0.
    """

    max_connections: int = attrs.field(default=100, validator=_positive("a whole number above 0", integer=True))
    max_per_origin: int | None = attrs.field(
        default=None, validator=_positive("a whole number above 0, or None", integer=True, optional=True)
    )
    keepalive: float = attrs.field(default=15.0, validator=_positive("a number of seconds above 0"))


#: What `tls` takes; a path to a certificate is what other libraries take.
_TLS: Final = 'an ssl.SSLContext, such as ssl.create_default_context(cafile="…"), or a bool'


_RETRY: Final = "a Retry, such as Retry(attempts=3), or None"
_BREAKER: Final = "a CircuitBreaker, such as CircuitBreaker(), or None"
_POOL: Final = "a PoolLimits, such as PoolLimits(max_connections=20)"


def _is_token(value: Any) -> bool:
    return isinstance(value, str) or callable(value) or callable(getattr(value, "get_secret_value", None))


def _auth(instance: Any, _: Any, value: Any) -> None:
    if isinstance(value, type) or not isinstance(value, (Auth, type(None))):
        pair = isinstance(value, (tuple, list)) and len(value) == 2
        remedy = "for a user and a password give auth=BasicAuth(user, password)" if pair else ""
        raise wrong("auth", value, "an Auth: async credentials(refused, send)", remedy)
    if value is not None and instance.bearer_token is not None:
        raise ValidationError("auth and bearer_token: give one of them")


def _is_transport(value: Any) -> bool:
    return value in TRANSPORTS if isinstance(value, str) else isinstance(value, Transport)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


def is_status(value: Any) -> bool:
    """Tell whether a value is a status code (RFC 9110, section 15)."""
    return type(value) is int and 100 <= value <= 999


def _is_error_responses(value: Any) -> bool:
    return isinstance(value, Mapping) and all(is_status(status) for status in value)


def _origins(values: Any) -> frozenset[str]:
    if isinstance(values, (str, URL)):
        values = (values,)
    if not isinstance(values, Iterable):
        raise wrong("trusted_origins", values, "origins such as https://cdn.example.com")
    return frozenset(origin(as_url(value, "trusted_origins")) for value in values)


def _hidden(value: Mapping[str, Any]) -> str:
    return f"<{len(value)} hidden>"


def _uri(value: Any) -> URL:
    return as_url(value, "uri")


def _copied(value: Any) -> Any:
    # What is no mapping is left for the validator, which says so better.
    return dict(value) if isinstance(value, Mapping) else value


def _proxy(value: Any) -> URL | None:
    return None if value is None else as_url(value, "proxy")


@attrs.frozen(kw_only=True)
class ClientConfig:
    """Everything that a client is made from; the constructor of `AsyncClient` describes each field.

    Picklable wherever its values are (an `ssl.SSLContext`, a live limiter or a transport object is not). Its `repr`
    shows no secret.
    """

    uri: URL = attrs.field(converter=_uri, repr=_redact.url)
    headers: Mapping[str, Any] = attrs.field(
        factory=dict, converter=_copied, validator=_checked(_is_mapping, "a mapping or model"), repr=_hidden
    )
    cookies: Mapping[str, Any] = attrs.field(
        factory=dict, converter=_copied, validator=_checked(_is_mapping, "a mapping or model"), repr=_hidden
    )
    parameters: Mapping[str, Any] = attrs.field(
        factory=dict, converter=_copied, validator=_checked(_is_mapping, "a mapping or model"), repr=_hidden
    )
    error_responses: Mapping[int, Any] = attrs.field(
        factory=dict, validator=_checked(_is_error_responses, "a mapping of statuses to models"), converter=_copied
    )
    bearer_token: Any = attrs.field(
        default=None,
        repr=False,
        validator=_checked(_is_token, "a str, a SecretStr or a function that returns a str", optional=True),
    )
    auth: Auth | None = attrs.field(default=None, repr=False, validator=_auth)
    rate_limit: float | None = attrs.field(
        default=None, validator=_positive("a number of requests above 0 in each rate_limit_interval", optional=True)
    )
    rate_limit_interval: float = attrs.field(default=1, validator=_positive("a number of seconds above 0"))
    timeout: Timeout = attrs.field(factory=Timeout, converter=as_timeout)
    retry: Retry | None = attrs.field(
        default=None,
        validator=_checked(lambda value: isinstance(value, Retry), _RETRY, optional=True),
    )
    circuit_breaker: CircuitBreaker | None = attrs.field(
        default=None,
        validator=_checked(
            lambda value: isinstance(value, CircuitBreaker),
            _BREAKER,
            optional=True,
        ),
    )
    limiter: Limiter | None = attrs.field(
        default=None,
        validator=_checked(lambda value: isinstance(value, Limiter), "a Limiter: async acquire()", optional=True),
    )
    pool: PoolLimits = attrs.field(
        factory=PoolLimits,
        validator=_checked(lambda value: isinstance(value, PoolLimits), _POOL),
    )
    proxy: URL | None = attrs.field(
        default=None,
        converter=_proxy,
        repr=lambda value: repr(value and _redact.url(value)),
    )
    tls: ssl.SSLContext | bool = attrs.field(
        default=True,
        validator=_checked(lambda value: isinstance(value, (ssl.SSLContext, bool)), _TLS),
    )
    transport: Any = attrs.field(
        default="wire", validator=_checked(_is_transport, "'wire', 'aiohttp' or a Transport: async send() and close()")
    )
    max_response_bytes: int | None = attrs.field(
        default=DEFAULT_MAX_RESPONSE_BYTES,
        validator=_positive("a whole number of bytes above 0, or None", integer=True, optional=True),
    )
    trusted_origins: frozenset[str] = attrs.field(default=frozenset(), converter=_origins)
    arguments: tuple[Any, ...] = attrs.field(default=(), repr=False)
    keywords: Mapping[str, Any] = attrs.field(factory=dict, repr=False, converter=dict)


#: The settings that may be given to a class or a constructor.
SETTINGS: Final = frozenset(field.name for field in attrs.fields(ClientConfig)) - {"arguments", "keywords"}


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise the error of the first wrong setting, if any; a missing ``uri`` is none."""
    ClientConfig(**{"uri": "http://localhost", **settings})


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay settings over inherited ones.

    Args:
        base: Inherited settings.
        over: Settings that were named; the mappings among them merge key by key, everything else replaces.

    Returns:
        New settings; neither argument is changed.
    """
    merged = dict(base)
    for name, value in over.items():
        if name in _MERGED:
            value = merge_mapping(base.get(name, {}), value, fold_case=name == "headers")  # noqa: PLW2901
        merged[name] = value
    return merged


__all__ = [
    "DEFAULT_MAX_RESPONSE_BYTES",
    "IDEMPOTENT_METHODS",
    "SETTINGS",
    "UNSET",
    "CircuitBreaker",
    "ClientConfig",
    "PoolLimits",
    "Retry",
    "Timeout",
    "wrong",
]


class ClientSettings(TypedDict, total=False):
    """The same for type checkers, as callers write them; the constructor of `AsyncClient` describes each."""

    uri: str | URL
    headers: Headers | None
    cookies: Cookies | None
    parameters: Parameters | None
    error_responses: ErrorResponses | None
    bearer_token: BearerToken | None
    auth: Auth | None
    rate_limit: float | None
    rate_limit_interval: float | None
    timeout: TimeoutLike
    retry: Retry | None
    circuit_breaker: CircuitBreaker | None
    limiter: Limiter | None
    pool: PoolLimits
    proxy: str | URL | None
    tls: ssl.SSLContext | bool
    transport: str | Transport
    max_response_bytes: int | None
    trusted_origins: str | URL | Iterable[str | URL]
