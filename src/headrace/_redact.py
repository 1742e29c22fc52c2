"""What may be shown: which names hide a secret, and how a URL looks in a log, a repr or an error."""

from __future__ import annotations

import re
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote_plus

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

E = TypeVar("E", bound=BaseException)

MASK: Final = "***"

# Names of header fields, cookies and parameters that carry credentials: Authorization, Proxy-Authorization, Cookie,
# X-Api-Key, apiKey, access_token, client_secret, X-Amz-Signature, sessionid … RFC 8959 and the tables of common
# scanners agree on these stems. Whole names are those of Azure's shared access signatures (`sig`), of AWS and Alibaba
# (`AWSAccessKeyId`, `accessKey`), of weather and map services (`appid`, `app_code`), and of signed URLs.
_STEMS: Final = (
    "auth|cookie|token|secret|passw|passphrase|pwd|credential|signature|sess(?:ion|id)|csrf|xsrf|jwt|bearer|hmac"
    "|api[-_.]?key|(?:access|account|private|shared|signing|master)[-_.]?key|app[-_.]?id|app[-_.]?code"
)
_NAMES: Final = "key|sig|sas|sid|pass|pin|otp|assertion|saml(?:request|response)"
# Patterns that few programs need are texts here, and wherever that holds: `re` compiles one when it is first used, and
# keeps it. To compile them all takes milliseconds, for which everybody would wait.
_SECRET_NAME: Final = rf"{_STEMS}|^(?:{_NAMES})$|[-_.](?:key|sig|sid|otp)$|(?-i:[a-z0-9](?:Key|Sig|Sid)$)"
#: What a query has to hold if one of its names is secret.
_SECRET_INSIDE: Final = f"{_STEMS}|{_NAMES}"
_USERINFO = re.compile(r"//[^/]*@")
#: Fields whose value is a URL (RFC 9110, sections 8.7 and 10.2.2; `Refresh` is of HTML).
_PLACES: Final = frozenset({"location", "content-location", "refresh"})
_HARMLESS: Final = frozenset({"idempotency-key", "authority", "author", "authors", "www-authenticate"})


def is_secret(name: str) -> bool:
    """Tell whether a field, cookie or parameter of this name may hold a credential."""
    return re.search(_SECRET_NAME, name, flags=re.IGNORECASE) is not None and name.lower() not in _HARMLESS


def masked(pairs: Iterable[tuple[str, Any]], also: Collection[str] = ()) -> dict[str, Any]:
    """Copy name-value pairs with the secret values masked; `also` names more of them."""
    return {name: MASK if name in also or is_secret(name) else value for name, value in pairs}


def field(name: str, value: str) -> str:
    """Show the value of a header field of an answer: masked where it is secret, or as a URL where it is one."""
    if is_secret(name):
        return MASK
    return path(value).partition("#")[0] if name.lower() in _PLACES else value


def query(raw: str, also: Collection[str] = ()) -> str:
    """Show a query string with the values of its secret parameters masked; `also` names more of them."""
    if not raw or not (also or re.search(_SECRET_INSIDE, unquote_plus(raw), flags=re.IGNORECASE)):
        return raw
    parts = [(part, unquote_plus(part.partition("=")[0])) for part in raw.split("&")]
    return "&".join(
        f"{part.partition('=')[0]}={MASK}" if name in also or is_secret(name) else part for part, name in parts
    )


def url(value: URL | str, also: Collection[str] = ()) -> str:
    """Show a URL without its userinfo and fragment, and with the values of its secret parameters masked."""
    parsed = URL(value) if isinstance(value, str) else value
    if parsed.raw_user is not None or parsed.raw_password is not None:
        parsed = parsed.with_user(None)
    base, _, raw_query = str(parsed.with_fragment(None)).partition("?")
    return f"{base}?{query(raw_query, also)}" if raw_query else base


def path(value: Any) -> str:
    """Show what a caller gave as a path, checked or not, without userinfo and the values of secret parameters."""
    base, mark, raw_query = str(value).partition("?")
    head, slashes, rest = base.partition("//")
    authority = rest.partition("/")[0]
    port = authority.partition(":")[2]
    if "@" in rest and "@" not in authority and port and not port.isdecimal():  # a password with slashes in it
        rest = rest.rpartition("@")[2]
    return _USERINFO.sub("//", head + slashes + rest) + mark + query(raw_query)


def emptied(error: E) -> E:
    """Take the text out of an error of a codec or of JSON, which holds all that was read, so that it can be a cause."""
    if isinstance(error, UnicodeEncodeError):
        error.object = ""
        error.args = (error.encoding, "", error.start, error.end, error.reason)
    elif isinstance(error, UnicodeDecodeError):
        error.object = b""
        error.args = (error.encoding, b"", error.start, error.end, error.reason)
    elif isinstance(error, JSONDecodeError):
        error.doc = ""
    return error
