"""Which cookies of servers are kept is told here: rules of RFC 6265bis, section 5.7, that aiohttp's jar leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yarl import URL


def may_set(field: str, url: URL) -> bool:
    """Tell whether a server may set this cookie, before a jar looks at it.

    A domain without a dot in it, such as ``com``, is nobody's; a cookie that calls itself `Secure` does not come over
    plain http; and the names ``__Secure-…`` and ``__Host-…`` promise what they say. Public suffixes that have a dot,
    such as ``co.uk``, are not known here.

    Args:
        field: The value of a `Set-Cookie` field.
        url: The URL that answered with it.
    """
    pair, *rest = field.split(";")
    name = pair.partition("=")[0].strip().lower()
    attributes = {}
    for part in rest:
        key, _, value = part.partition("=")
        attributes[key.strip().lower()] = value.strip()  # of several, the last one counts
    secure = "secure" in attributes
    if secure and url.scheme != "https":
        return False
    domain = attributes.get("domain", "").strip(".").lower()
    if domain and "." not in domain and domain != url.raw_host:
        return False
    if name.startswith("__host-"):
        return secure and not domain and attributes.get("path") == "/"
    return secure or not name.startswith("__secure-")
