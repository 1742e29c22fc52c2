"""Credentials that are given, or asked for with a function: header fields, Basic, Bearer and API keys."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from headrace import _calling
from headrace._checks import wrong
from headrace._core.request.credentials import Credentials, reveal
from headrace.auth._base import FixedAuth
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from headrace.types import Send

_TAKES_TOKEN = "a str, a SecretStr or a function that returns one"  # noqa: S105 - no token, but what one may be


@attrs.frozen
class HeaderAuth(FixedAuth):
    """Header fields of any kind.

    Args:
        headers: Names and values; a value is a `str` or a `SecretStr`.

    Raises:
        headrace.errors.ValidationError: A name or a value is none that a header field may have.
    """

    headers: Mapping[str, Any] = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        """Check the fields where they are given."""
        self.fixed()

    def fixed(self) -> Credentials:
        """Give the credentials."""
        return Credentials(headers=self.headers)


@attrs.frozen
class BasicAuth(FixedAuth):
    """User and password (RFC 7617, in UTF-8).

    Args:
        user: The name, a `str` or a `SecretStr`; it has no colon.
        password: A `str` or a `SecretStr`; it may be empty.

    Raises:
        headrace.errors.ValidationError: A value is neither, or the name has a colon.
    """

    user: Any = attrs.field(repr=False)
    password: Any = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        """Check the values where they are given."""
        if ":" in reveal(self.user, "user", may_be_empty=True):
            message = "user: has a colon, which would end it; takes a str or a SecretStr without one"
            raise ValidationError(message)
        reveal(self.password, "password", may_be_empty=True)

    def fixed(self) -> Credentials:
        """Give the credentials."""
        userinfo = ":".join(reveal(value, "user", may_be_empty=True) for value in (self.user, self.password))
        return Credentials(headers={"Authorization": "Basic " + base64.b64encode(userinfo.encode()).decode()})


@attrs.frozen
class BearerAuth(FixedAuth):
    """A bearer token (RFC 6750); what ``bearer_token=`` of a client makes.

    Args:
        bearer_token: A `str`, a `SecretStr`, or a sync or async function that returns one and is asked again after a
            401.

    Raises:
        headrace.errors.ValidationError: It is none of them, or has a character that no token may have.
    """

    bearer_token: Any = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        """Check the token where it is given."""
        self.fixed()

    def fixed(self) -> Credentials | None:
        """Give the credentials; `None` where there is a function to ask."""
        if callable(self.bearer_token) and not hasattr(self.bearer_token, "get_secret_value"):
            return None
        return _bearer(self.bearer_token)

    async def credentials(self, refused: Credentials | None, send: Send, /) -> Credentials:  # noqa: ARG002 - Auth's
        """Ask for the token."""
        token = await _calling.call(self.bearer_token) if self.fixed() is None else self.bearer_token
        return _bearer(await token if inspect.isawaitable(token) else token)


def _bearer(token: Any) -> Credentials:
    if hasattr(token, "get_secret_value"):
        token = token.get_secret_value()
    if not isinstance(token, str):
        raise wrong("bearer_token", token, _TAKES_TOKEN)
    if not token or not token.isascii() or not token.isprintable():
        message = "bearer_token: is empty or has a character that no token may have (CR, LF, NUL, non-ASCII …)"
        raise ValidationError(message)
    return Credentials(headers={"Authorization": f"Bearer {token}"})


@attrs.frozen
class APIKey(FixedAuth):
    """A key in a header field or in the query.

    Args:
        value: The key, a `str` or a `SecretStr`.
        header: The name of the header field.
        query: The name of the query parameter. Its value is masked wherever a URL is shown, whatever its name.

    Raises:
        headrace.errors.ValidationError: A value is wrong, or not exactly one of `header` and `query` is given.
    """

    value: Any = attrs.field(repr=False)
    header: str | None = attrs.field(default=None, kw_only=True)
    query: str | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check the values where they are given."""
        reveal(self.value, "value")
        if (self.header is None) == (self.query is None):
            message = "header and query: give one of them"
            raise ValidationError(message)
        name = self.header if self.query is None else self.query
        if not isinstance(name, str) or not name:
            raise wrong("header" if self.query is None else "query", name, "the name that the key is sent under")
        self.fixed()

    def fixed(self) -> Credentials:
        """Give the credentials."""
        if self.query is not None:
            return Credentials(parameters={self.query: self.value})
        return Credentials(headers={str(self.header): self.value})
