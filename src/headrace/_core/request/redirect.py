"""A redirect leads where RFC 3986 says, and takes along what RFC 9110 allows (section 15.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from headrace import _redact
from headrace._checks import origin
from headrace._core.request import encode, reference
from headrace._core.request.credentials import added, without
from headrace.policies import IDEMPOTENCY_KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from yarl import URL

    from headrace._core.request.credentials import Credentials

MOST_REDIRECTS: Final = 10
#: Statuses that are followed. 300, 304, 305 and 306 name no single place to go.
FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})
#: Fields that describe a body, which go with it (RFC 9110, section 15.4, rule 5).
_BODY_FIELDS: Final = frozenset(
    {"content-type", "content-encoding", "content-language", "content-location", "digest", "expect"}
)
_KEYS: Final = frozenset({IDEMPOTENCY_KEY.lower()})


class Hop(NamedTuple):
    """The next request of a redirect.

    Attributes:
        method: Its method.
        url: Its URL.
        keeps_body: Whether the body is sent again.
        crosses: Whether credentials have to stay behind: another scheme, host or port.
    """

    method: str
    url: URL
    keeps_body: bool
    crosses: bool


def next_hop(method: str, url: URL, status: int, location: str | None) -> Hop | None:
    """Decide where an answer leads.

    Args:
        method: The method of the request that was answered.
        url: Its URL.
        status: The status of the answer.
        location: Its `Location` field.

    Returns:
        The hop, or `None` where the answer is no redirect that can be followed: no place to go, or none that is
        http(s).
    """
    if status not in FOLLOWED or not location:
        return None
    to = reference.resolve(url, location)
    if to is None:
        return None
    becomes_get = (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST")
    return Hop("GET" if becomes_get else method, to, not becomes_get, origin(to) != origin(url))


def fields_for(
    hop: Hop,
    pairs: Iterable[tuple[str, str]],
    credentials: Credentials | None = None,
    keys: Collection[str] = _KEYS,
) -> list[tuple[str, str]]:
    """Choose the fields that go along: no cookies (they are chosen anew), no credentials where the origin changes.

    Args:
        hop: Where the request goes.
        pairs: The fields that it had.
        credentials: Credentials of the client's, which stay behind whatever the names of their fields are.
        keys: Names, in lower case, of fields that tell one operation from another. They stay behind where the next
            request is another operation, or another server's: that one has promised nothing.
    """
    secret = frozenset() if credentials is None else frozenset(name.lower() for name in credentials.headers)
    kept = []
    for name, value in pairs:
        lower = name.lower()
        if lower in ("cookie", "host") or (not hop.keeps_body and lower in _BODY_FIELDS):
            continue
        if lower in keys and (hop.crosses or not hop.keeps_body):
            continue
        if hop.crosses and (lower in secret or _redact.is_secret(name)):
            continue
        kept.append((name, value))
    return kept


def target_for(hop: Hop, credentials: Credentials | None) -> str:
    """Choose the path and query: with the parameters that are the client's credentials, unless the origin changes.

    A server that sends a request elsewhere often copies the whole query, and would give the key away with it.

    Args:
        hop: Where the request goes.
        credentials: What it went with before.
    """
    target = hop.url.raw_path_qs or "/"
    if credentials is None or not credentials.parameters:
        return target
    path, _, query = target.partition("?")
    query = without(query, credentials) if hop.crosses else added(query, credentials)
    return encode.with_query(path, query)
