"""What a server's `Set-Cookie` field means is told here, and which of them are kept.

The field is read by the algorithm of RFC 6265bis, section 5.6, as browsers read it: it is cut at semicolons, quotes
mean nothing, and nothing is decoded. So what is sent back is what the server said, byte for byte, or nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from yarl import URL

#: Cookies of one answer that are kept, and octets that a name with its value, and an attribute, may have (RFC 6265bis,
#: section 5.6).
MOST_COOKIES: Final = 50
_MOST_PAIR: Final = 4096
_MOST_ATTRIBUTE: Final = 1024
#: Characters of a date; the longest form that servers use has 33.
_MOST_DATE: Final = 64
#: Seconds that a cookie lives at most: 400 days (RFC 6265bis, section 5.5).
_MOST_AGE: Final = 400 * 86400

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search
# The name has no `=` and neither has a `;` already.
_SENDABLE = re.compile(r"[\x20-\x7e]*").fullmatch
_AGE = re.compile(r"-?[0-9]+").fullmatch
_WHITESPACE: Final = " \t"


class SetCookie(NamedTuple):
    """One `Set-Cookie` field.

    Attributes:
        name: The cookie's name; what else it has stands for itself.
        value: Its value, quotes included.
        domain: The domain that it is for, in lower case; empty for the host that set it.
        path: The path that it is for; empty for the default.
        secure: Whether it goes over TLS only.
        max_age: Seconds that it lives; `None` where the field does not say, or says what is no number.
        expires: The date until which it lives, unread; empty where there is none, or `max_age` stands over it.
    """

    name: str
    value: str
    domain: str
    path: str
    secure: bool
    max_age: int | None
    expires: str


def read(field: str) -> SetCookie | None:
    """Read a field (RFC 6265bis, section 5.6).

    Args:
        field: Its value.

    Returns:
        The cookie; `None` for what no `Cookie` field can carry back: one without a name, with a control or non-ASCII
        character, or too long.
    """
    pair, *rest = field.split(";")
    name, equals, value = pair.partition("=")
    name, value = name.strip(_WHITESPACE), value.strip(_WHITESPACE)
    if not name or not equals or len(name) + len(value) > _MOST_PAIR:
        return None
    if not (_SENDABLE(name) and _SENDABLE(value)) or _CONTROL(field):
        return None
    attributes = {}
    for part in rest:
        key, _, text = part.partition("=")
        text = text.strip(_WHITESPACE)
        if len(text) <= _MOST_ATTRIBUTE and "\t" not in text:
            attributes[key.strip(_WHITESPACE).lower()] = text  # of several, the last one counts
    age = attributes.get("max-age", "")
    max_age = min(int(age[:18]), _MOST_AGE) if _AGE(age) else None
    expires = attributes.get("expires", "") if max_age is None else ""
    return SetCookie(
        name,
        value,
        attributes.get("domain", "").lower(),
        attributes.get("path", ""),
        "secure" in attributes,
        max_age,
        expires if len(expires) <= _MOST_DATE and expires.isascii() else "",
    )


def may_set(cookie: SetCookie, url: URL) -> bool:
    """Tell whether a server may set a cookie: rules of RFC 6265bis, section 5.7, that aiohttp's jar leaves out.

    A domain without a dot in it, such as ``com``, is nobody's; a cookie that calls itself `Secure` does not come over
    plain http; and the names ``__Secure-…`` and ``__Host-…`` promise what they say. Public suffixes that have a dot,
    such as ``co.uk``, are not known here.

    Args:
        cookie: The cookie.
        url: The URL that answered with it.
    """
    if cookie.secure and url.scheme != "https":
        return False
    domain = cookie.domain.strip(".")
    if domain and "." not in domain and domain != url.raw_host:
        return False
    name = cookie.name.lower()
    if name.startswith("__host-"):
        return cookie.secure and not domain and cookie.path == "/"
    return cookie.secure or not name.startswith("__secure-")


def would_hide(cookie: SetCookie, url: URL, kept: Iterable[Mapping[str, str]]) -> bool:
    """Tell whether a cookie over plain http would stand before or over a `Secure` one (RFC 6265bis, section 5.7).

    Args:
        cookie: The cookie.
        url: The URL that answered with it.
        kept: The attributes of the `Secure` cookies of its name that are kept.
    """
    if url.scheme == "https":
        return False
    domain = cookie.domain.strip(".") or url.raw_host or ""
    path = cookie.path if cookie.path.startswith("/") else url.raw_path.rpartition("/")[0] or "/"
    return any(
        (_is_within(domain, other["domain"]) or _is_within(other["domain"], domain)) and _leads_to(path, other["path"])
        for other in kept
    )


def _is_within(domain: str, other: str) -> bool:
    """Tell whether a domain is another one, or a part of it (RFC 6265bis, section 5.1.3)."""
    return domain == other or domain.endswith(f".{other}")


def _leads_to(path: str, other: str) -> bool:
    """Tell whether a path is another one, or is below it (RFC 6265bis, section 5.1.4)."""
    return path == other or path.startswith(other if other.endswith("/") else f"{other}/")
