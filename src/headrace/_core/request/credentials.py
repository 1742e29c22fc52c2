"""Credentials go with a request, are changed in it and shed from it as one value, and are never shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from headrace._checks import wrong
from headrace._core.request import encode
from headrace._merging import merge_mapping
from headrace.errors import ValidationError


class Credentials(msgspec.Struct, frozen=True, eq=False):
    """What an `Auth` gives a client to send with its requests, until it runs out or a server refuses it.

    Attributes:
        headers: Header fields, name to value; a value is a `str` or a `SecretStr`.
        parameters: Query parameters, likewise.
        expires_at: When others shall be asked for, in seconds of the clock of the `Auth` (`time.monotonic` unless it
            has a `clock` of its own); `None` is never, unless a server refuses these.

    Raises:
        headrace.errors.ValidationError: A field, a parameter or the time is none.
    """

    headers: Mapping[str, Any] = {}
    parameters: Mapping[str, Any] = {}
    expires_at: float | None = None

    def __post_init__(self) -> None:
        """Check everything here, so that what is sent later cannot be wrong."""
        fields = [encode.header(name, reveal(value, "headers")) for name, value in _items(self.headers, "headers")]
        query = {name: reveal(value, "parameters") for name, value in _items(self.parameters, "parameters")}
        encode.query(query)
        if self.expires_at is not None and not _is_time(self.expires_at):
            raise wrong("expires_at", self.expires_at, "seconds of a monotonic clock, or None")
        msgspec.structs.force_setattr(self, "headers", dict(fields))
        msgspec.structs.force_setattr(self, "parameters", query)

    def expired(self, now: float) -> bool:
        """Tell whether others shall be asked for."""
        return self.expires_at is not None and self.expires_at <= now

    def __repr__(self) -> str:
        return f"Credentials({', '.join([*self.headers, *self.parameters])}: ***)"


def _items(value: Any, argument: str) -> Iterable[tuple[Any, Any]]:
    return encode.mapping(value, argument).items()


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)


def reveal(value: Any, argument: str, *, may_be_empty: bool = False) -> str:
    """Read a secret.

    Args:
        value: A `str`, or something with `get_secret_value()`.
        argument: The argument's name, for the error.
        may_be_empty: Whether an empty one is taken.

    Raises:
        headrace.errors.ValidationError: It is neither, or it is empty.
    """
    secret = value.get_secret_value() if callable(getattr(value, "get_secret_value", None)) else value
    if not isinstance(secret, str):
        raise wrong(argument, secret, "a str or a SecretStr")
    if not secret and not may_be_empty:
        message = f"{argument}: is empty; takes a str or a SecretStr"
        raise ValidationError(message)
    return secret


def carried(credentials: Credentials, pairs: Iterable[tuple[str, str]], target: str) -> bool:
    """Tell whether a request goes with all of these credentials: a call may have put others in their place.

    Args:
        credentials: The credentials that the client had when it wrote the request.
        pairs: The header fields of the request.
        target: Its path and query.
    """
    sent = set(pairs)
    parts = target.partition("?")[2].split("&")
    return sent.issuperset(credentials.headers.items()) and all(part in parts for part in _parts(credentials))


def exchanged(
    pairs: Iterable[tuple[str, str]], target: str, old: Credentials, new: Credentials
) -> tuple[list[tuple[str, str]], str]:
    """Write new credentials where a request has old ones.

    Args:
        pairs: The header fields of the request.
        target: Its path and query.
        old: What it carries.
        new: What it shall carry.

    Returns:
        The header fields, and the path and query.
    """
    fields = {name: value for name, value in pairs if name not in old.headers}
    fields = merge_mapping(fields, new.headers, fold_case=True)
    path, _, query = target.partition("?")
    parts = _parts(old)
    kept = [part for part in query.split("&") if part not in parts] if query else []
    return list(fields.items()), encode.with_query(path, "&".join([*kept, *_parts(new)]))


def without(query: str, credentials: Credentials) -> str:
    """Take credentials out of a query that somebody else has written."""
    secrets = credentials.parameters.items()
    return "&".join([part for part in query.split("&") if _decoded(part) not in secrets])


def added(query: str, credentials: Credentials) -> str:
    """Add credentials to a query, but those that it has a value for."""
    parts = query.split("&") if query else []
    named = {_decoded(part)[0] for part in parts}
    return "&".join([*parts, *(part for part in _parts(credentials) if _decoded(part)[0] not in named)])


def _parts(credentials: Credentials) -> list[str]:
    return encode.query(credentials.parameters).split("&") if credentials.parameters else []


def _decoded(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return unquote_plus(name), unquote_plus(value)
