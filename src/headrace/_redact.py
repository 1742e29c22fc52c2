"""What may be shown lives here: which names hide a secret, and how a URL looks in a log, a repr or an error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK: Final = "***"

# Names of header fields, cookies and parameters that carry credentials: Authorization, Proxy-Authorization, Cookie,
# X-Api-Key, apiKey, access_token, client_secret, X-Amz-Signature, sessionid … RFC 8959 and the tables of common
# scanners agree on these stems.
_SECRET_NAME = re.compile(
    r"auth|cookie|token|secret|passw|pwd|credential|signature|session|api[-_.]?key|^key$|[-_]key$", re.IGNORECASE
)
_HARMLESS: Final = frozenset({"idempotency-key", "authority", "author", "authors", "www-authenticate"})


def is_secret(name: str) -> bool:
    """Tell whether a field, cookie or parameter of this name may hold a credential."""
    return _SECRET_NAME.search(name) is not None and name.lower() not in _HARMLESS


def masked(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Copy name-value pairs with the secret values masked."""
    return {name: MASK if is_secret(name) else value for name, value in pairs}


def query(raw: str) -> str:
    """Show a query string with the values of its secret parameters masked."""
    if not raw or not _SECRET_NAME.search(unquote_plus(raw)):
        return raw
    parts = (part.partition("=") for part in raw.split("&"))
    return "&".join(
        f"{name}={MASK}" if is_secret(unquote_plus(name)) else name + equals + value for name, equals, value in parts
    )


def url(value: URL | str) -> str:
    """Show a URL without its userinfo and fragment, and with the values of its secret parameters masked."""
    parsed = URL(value) if isinstance(value, str) else value
    if parsed.raw_user is not None or parsed.raw_password is not None:
        parsed = parsed.with_user(None)
    base, _, raw_query = str(parsed.with_fragment(None)).partition("?")
    return f"{base}?{query(raw_query)}" if raw_query else base
