"""What goes out is proven here at the moment of writing, whoever has built it (RFC 9112, sections 3 and 5).

What callers and servers say is checked where it comes in. A redirect, a retry, an `Auth` or a transport of somebody's
own may write a request anew; whatever they write, nothing that would be read as more than one request is sent.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

from headrace._checks import is_token
from headrace._core.messages import FRAMING
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace._core.messages import HeaderBlock, Origin, Request

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search  # RFC 9110, section 5.5
#: Finds what is no part of any line of fields; to look for one costs a quarter of matching them all.
_UNWRITABLE = re.compile(r"[^\t\r\n\x20-\x7e\x80-\xff]").search
_ORIGIN = re.compile(r"https?+://[!$-.0-;=A-\[\]^-~]++").fullmatch  # none of `"#/<>?@\\`, no space
#: The methods that need no look at their letters, and what a request without a body says of its length.
EMPTY_BODY: Final[dict[str, str]] = {
    **dict.fromkeys(("GET", "HEAD", "DELETE", "OPTIONS"), ""),
    **dict.fromkeys(("POST", "PUT", "PATCH"), "Content-Length: 0\r\n"),
}


def method(text: str) -> str:
    """Prove that a method is a token, and opens no tunnel (RFC 9110, section 9.3.6).

    Returns:
        What a request without a body says of its length.

    Raises:
        headrace.errors.ValidationError: It is not.
    """
    if not is_token(text) or text.upper() == "CONNECT":
        raise _refused("method", "is no token, or CONNECT")
    return EMPTY_BODY.get(text, "")


def target(text: str) -> None:
    """Prove that a target is a path that nothing on the way can take for more; raises `ValidationError` if not."""
    if not (text.isascii() and text.isprintable() and " " not in text and text[:1] == "/"):
        raise refused_target()


def refused_target() -> ValidationError:
    """Make the error for a target that cannot be proven."""
    return _refused("target", "has a space, a control or a non-ASCII character, or does not begin with a slash")


def origin(site: Origin) -> None:
    """Prove that an origin is scheme, host and port, and nothing else; raises `ValidationError` if not."""
    if not _ORIGIN(site.text) or not site.text.endswith(site.authority):
        raise _refused("origin", "has a character that no host has")


def fields(block: HeaderBlock, site: Origin) -> str:
    """Write header fields, each proven to be one field, and none that says where a message ends.

    Args:
        block: The fields.
        site: Where they go; the `Host` field comes first, unless they have one (RFC 9112, section 3.2).

    Raises:
        headrace.errors.ValidationError: A name is no token, a value has a control character or one that ISO 8859-1 does
        not have, or it is a field that only the exchange writes.
    """
    pairs = block.pairs if "host" in block.names else (("Host", site.authority), *block.pairs)
    text = "".join([f"{name}: {value}\r\n" for name, value in pairs])
    lines = len(pairs)
    # As many lines as fields, and no other CR or LF: none of them can hide in another.
    if (
        block.framed
        or not text.count("\r\n") == text.count("\r") == text.count("\n") == lines
        or _UNWRITABLE(text)
        or not all(_is_name(name) for name, _ in pairs)
    ):
        for name, value in pairs:
            field(name, value)
            if name.lower() in FRAMING:
                raise _refused(f"field {name!r}", "is written by the exchange")
        raise _refused("header", "has a character beyond Latin-1")
    return text


@functools.lru_cache(maxsize=1024)
def _is_name(name: str) -> bool:
    return is_token(name) is not None


def field(name: str, value: str) -> None:
    """Prove that a field is one field, in whatever encoding it is written; raises `ValidationError` if not."""
    if not is_token(name):
        raise _refused("header", "has a name that is no token")
    if _CONTROL(value):
        raise _refused(f"field {name!r}", "has a control character (CR, LF, NUL …)")


def request(whole: Request) -> None:
    """Prove all that a request says before its body; raises `ValidationError` if it cannot be proven."""
    method(whole.method)
    origin(whole.origin)
    target(whole.target)
    fields(whole.headers, whole.origin)


def written(verb: str, url: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Prove what a library below is about to write, after middlewares of the caller's.

    Args:
        verb: The method.
        url: The whole URL, of which any part may be written.
        pairs: The header fields, in whatever encoding they are written.

    Raises:
        headrace.errors.ValidationError: It cannot be proven.
    """
    method(verb)
    if not (url.isascii() and url.isprintable() and " " not in url):
        raise _refused("URL", "has a space, a control or a non-ASCII character")
    for name, value in pairs:
        field(name, value)


def _refused(what: str, why: str) -> ValidationError:
    return ValidationError(f"the request was not sent: its {what} {why}")
