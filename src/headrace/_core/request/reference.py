"""A reference that a server has written is resolved on the text as it came (RFC 3986, section 5.2).

Nothing is decoded on the way: `%2F` in a path is no slash, and `%0D` never becomes a line's end.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Final

from yarl import URL

from headrace._checks import origin
from headrace._core.request import encode

_CONTROL: Final = r"[\x00-\x1f\x7f]"
_PARTS: Final = (  # RFC 3986, appendix B; what is no scheme (section 3.1) belongs to the path
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*+):)?+(?://(?P<authority>[^/?#]*+))?+(?P<path>[^?#]*+)(?:\?(?P<query>[^#]*+))?+"
)
#: An address in brackets, or a name without anything that parts a URL; no zone, which is nobody else's to choose.
_HOST: Final = r"""(?P<host>\[[0-9A-Fa-f:.]++\]|[^\x00-\x20"#%/:<>?@\[\\\]^`{|}\x7f]++)(?::(?P<port>[0-9]{0,5}+))?+"""
#: Where a backslash is a slash, as in browsers, or a bracket begins a host, the host is another one: nobody is asked.
_NO_USERINFO: Final = r"[\[\]\\]"
_MOST_PORT: Final = 65535


def resolve(base: URL, reference: str) -> URL | None:
    """Resolve the value of a `Location` field.

    Text that is not encoded yet, such as raw UTF-8 and spaces, is percent-encoded once, byte for byte; what is encoded
    stays as it is. Userinfo and fragment are left out, and so is a query without a character.

    Args:
        base: The URL that was requested.
        reference: What the server has written, with the bytes that are no UTF-8 as lone surrogates.

    Returns:
        The URL, as it goes on the wire; `None` where it is no http(s) URL, or has a control character, which browsers
        drop and curl refuses.
    """
    reference = reference.strip(" \t")
    parts = re.match(_PARTS, reference)
    if parts is None or re.search(_CONTROL, reference):
        return None
    scheme, authority, path, query = parts.group("scheme", "authority", "path", "query")
    scheme = base.scheme if scheme is None else scheme.lower()
    if scheme not in ("http", "https"):
        return None
    try:
        path = encode.once(path)
        query = None if query is None else encode.once(query, in_query=True)
    except UnicodeEncodeError:
        return None
    if authority is not None:
        site, path = _site(scheme, authority), without_dots(path)
    elif parts["scheme"] is None:
        site = origin(base)
        path, query = _merged(base, path, query)
    else:  # `http:path` is a whole URL, and has no host (section 5.4.2)
        return None
    if site is None:
        return None
    return URL(f"{site}{path}{'?' if query else ''}{query or ''}", encoded=True)


def _merged(base: URL, path: str, query: str | None) -> tuple[str, str | None]:
    """Fill up what a reference without an authority leaves out (RFC 3986, sections 5.2.2 and 5.2.3)."""
    if path.startswith("/"):
        return without_dots(path), query
    if path:
        return without_dots(base.raw_path.rpartition("/")[0] + "/" + path), query
    return base.raw_path, base.raw_query_string if query is None else query


def without_dots(path: str) -> str:
    """Take the segments `.` and `..` out of an absolute path (RFC 3986, section 5.2.4); an empty one is `/`."""
    kept: list[str] = []
    *segments, last = path.split("/")[1:] or [""]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if last == "..":
        del kept[-1:]
    kept.append("" if last in (".", "..") else last)
    return "/" + "/".join(kept)


def _site(scheme: str, authority: str) -> str | None:
    """Read an authority; its origin, or `None` where it is none that anybody could mean."""
    userinfo, _, place = authority.rpartition("@")
    found = None if re.search(_NO_USERINFO, userinfo) else re.fullmatch(_HOST, place)
    if found is None:
        return None
    port = found["port"]
    if port and int(port) > _MOST_PORT:
        return None
    try:
        host = found["host"].encode("utf-8", "surrogateescape").decode("utf-8")
        if host.startswith("["):
            host = f"[{IPv6Address(host[1:-1])}]"
        site = origin(URL(f"{scheme}://{host}{':' + port if port else ''}"))
    except Exception:  # noqa: BLE001 - whatever yarl or IDNA makes of a server's text, it is no place to go
        return None
    return site if site.isascii() and re.fullmatch(_HOST, site.partition("://")[2]) else None
