"""A token endpoint is asked, and answers, as RFC 6749 says; anything else is a clear error without a secret."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

import msgspec

from headrace import _redact
from headrace.errors import AuthError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from headrace._core.messages import Response

_MOST_SHOWN: Final = 200  # characters of what a token endpoint says


class Answer(msgspec.Struct):
    """What a token endpoint says: a token (RFC 6749, section 5.1), or why there is none (section 5.2).

    Attributes:
        access_token: The token.
        token_type: How it is used; `bearer` is the one that is understood (RFC 6750).
        expires_in: Seconds that it lives.
        refresh_token: What the next one can be had for.
        error: Why there is none, as a code.
        error_description: The same for people.
    """

    access_token: str | None = None
    token_type: str | None = None
    expires_in: float | None = None
    refresh_token: str | None = None
    error: str | None = None
    error_description: str | None = None

    def __repr__(self) -> str:
        return "Answer(***)"


# Some servers write numbers as text, which `strict=False` reads.
_decode: Final = msgspec.json.Decoder(Answer, strict=False).decode


def call(grant: Mapping[str, str], client_id: str, client_secret: str | None, client_auth: str) -> dict[str, Any]:
    """Write a token request.

    Args:
        grant: The parameters of the grant.
        client_id: Who asks.
        client_secret: The secret; `None` for a client that has none.
        client_auth: Whether the secret goes as `basic` authorization or in the `body` (section 2.3.1).

    Returns:
        The `headers` and the `data` of the request.
    """
    if client_secret is None:
        return {"headers": {}, "data": {**grant, "client_id": client_id}}
    if client_auth == "body":
        return {"headers": {}, "data": {**grant, "client_id": client_id, "client_secret": client_secret}}
    # Section 2.3.1 encodes both as form fields are before they are joined.
    userinfo = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return {"headers": {"Authorization": "Basic " + base64.b64encode(userinfo.encode()).decode()}, "data": dict(grant)}


def read(response: Response, endpoint: str, conceal: Callable[[str], str]) -> Answer:
    """Read the answer of a token endpoint.

    Args:
        response: The answer, its body decoded.
        endpoint: The URL of the endpoint, as it may be shown.
        conceal: Masks the secrets of the request in what the endpoint says.

    Returns:
        The answer, with a bearer token in it that can be sent.

    Raises:
        headrace.errors.AuthError: There is none. The error never shows the body, but for what section 5.2 names.
    """
    succeeded = 200 <= response.status < 300
    try:
        answer = _decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if succeeded:
            raise _failed(endpoint, f"its answer is no token: {error}", response.status) from _redact.emptied(error)
        answer = Answer()
    if not succeeded or answer.error is not None:
        code = None if answer.error is None else _shown(answer.error, conceal)
        description = None if answer.error_description is None else _shown(answer.error_description, conceal)
        reason = ": ".join(part for part in (code, description) if part)
        raise _failed(endpoint, f"{response.status} {reason}".rstrip(), response.status, code, description)
    # No variable here holds the token, since a traceback may show variables.
    if not answer.access_token:
        raise _failed(endpoint, "its answer has no access_token", response.status)
    if not answer.access_token.isascii() or not answer.access_token.isprintable():
        raise _failed(endpoint, "its access_token has a character that no token may have", response.status)
    if answer.token_type is not None and answer.token_type.lower() != "bearer":
        # Section 7.1: what is not understood must not be used.
        shown = _shown(answer.token_type, conceal)
        raise _failed(endpoint, f"its token has the type {shown!r}; takes bearer", response.status)
    return answer


def expires_at(began: float, expires_in: float | None, leeway: float) -> float | None:
    """Compute when a token is to be renewed.

    Args:
        began: When it was asked for: its life began later, if only by the way there.
        expires_in: Seconds that it lives; what is no time above 0 tells nothing.
        leeway: Seconds before its end; at most half of its life, or short ones would be renewed with every request.

    Returns:
        The time on the clock of `began`; `None` where nobody knows.
    """
    if expires_in is None or not math.isfinite(expires_in) or expires_in <= 0:
        return None
    return began + max(expires_in - leeway, expires_in / 2)


def concealed(text: str, secrets: Iterable[str]) -> str:
    """Mask secrets in a text, as they are and as a form or a URL writes them."""
    for secret in secrets:
        for written in (secret, quote_plus(secret)):
            text = text.replace(written, _redact.MASK)
    return text


def _shown(text: str, conceal: Callable[[str], str]) -> str:
    """Show what a token endpoint says: one line, not long, without our secrets."""
    plain = "".join(char if char.isprintable() else " " for char in conceal(text))
    return plain if len(plain) <= _MOST_SHOWN else plain[:_MOST_SHOWN] + "…"


def _failed(
    endpoint: str, reason: str, status: int, error: str | None = None, description: str | None = None
) -> AuthError:
    message = f"no token from {endpoint}: {reason}"
    return AuthError(message, endpoint=endpoint, status_code=status, error=error, error_description=description)
