"""Every wrong argument is named, with what was given and what it takes: validators for attrs, and checks."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from yarl import URL

from headrace import _redact
from headrace.errors import ValidationError

if TYPE_CHECKING:
    import attrs

_CONTROL_OR_SPACE = re.compile(r"[\x00-\x20\x7f\ud800-\udfff]")  # no surrogate has bytes: yarl drops it

#: Tells whether a text is a token, as methods and the names of fields are (RFC 9110, section 5.6.2).
is_token: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++").fullmatch

Validator = Callable[[Any, Any, Any], None]


#: Characters of a value that a message may show.
_MOST_SHOWN: Final = 80
#: Arguments whose values may be secret whatever their names are: their types are told alone.
_HIDDEN: Final = (
    r"(?:headers|cookies|body|data|fields|value|user|extra|bearer_token|auth|on_refresh|expires_at)(?![a-z_])"
)
_KEY: Final = r"\[['\"]?([^'\"\]]*)"


def wrong(argument: str, got: object, takes: str, remedy: str = "") -> ValidationError:
    """Make the error for a wrong argument: its name, what it got (the value where it is no secret), what it takes."""
    return ValidationError(f"{argument}: got {given(argument, got)}, takes {takes}{remedy and f'; {remedy}'}")


def wrong_number(argument: str, got: Any, takes: str) -> ValidationError:
    """Make the error for a wrong number, which is no secret and may be shown."""
    return wrong(argument, got, takes)


def given(argument: str, got: object) -> str:
    """Tell what an argument got: its type, and its value where that may be shown: masked and cut.

    Args:
        argument: The name of the argument, as an error gives it.
        got: The value. Of mappings, lists and objects only the type is told, since nobody knows what is in them.
    """
    if isinstance(got, type):
        return f"the class {got.__name__}"
    kind = type(got).__name__
    if isinstance(got, (int, float)):
        return f"{kind} ({cut(repr(got))})"
    key = re.search(_KEY, argument)
    if (
        not isinstance(got, (str, URL))
        or re.match(_HIDDEN, argument)
        or _redact.is_secret(argument if key is None else key[1])
    ):
        return kind
    if argument == "parameters" and "=" not in str(got):  # no query, but who knows what: it may be a key
        return kind
    return f"{kind} ({shown(got)!r})"


def shown(value: object) -> str:
    """Show a text, or a URL, without its userinfo, secret parameters and control characters, cut after 80."""
    text = _redact.path(value)
    if "?" not in text and "=" in text:  # a query alone
        text = _redact.query(text)
    return cut(text if text.isprintable() else repr(text)[1:-1])


def cut(text: str) -> str:
    """Cut a text that is too long for a message."""
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def is_number(value: object, *, integer: bool = False, zero: bool = False) -> bool:
    """Tell whether a value is a finite number above 0, or at least 0 (`zero`), and a whole one (`integer`)."""
    if isinstance(value, bool) or not isinstance(value, int if integer else (int, float)):
        return False
    try:
        return (value >= 0 if zero else value > 0) and math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def positive(takes: str, *, integer: bool = False, optional: bool = False, zero: bool = False) -> Validator:
    """Make a validator for a number above zero, or at least zero (`zero`)."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not (value is None and optional) and not is_number(value, integer=integer, zero=zero):
            raise wrong_number(attribute.name, value, takes)

    return check


def share(takes: str) -> Validator:
    """Make a validator for a share of a whole: a number above 0 that is at most 1."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not is_number(value) or value > 1:
            raise wrong_number(attribute.name, value, takes)

    return check


def checked(check: Callable[[Any], bool], takes: str, *, optional: bool = False) -> Validator:
    """Make a validator out of a predicate."""

    def validate(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not (value is None and optional) and not check(value):
            raise wrong(attribute.name, value, takes)

    return validate


def all_of(kind: type, takes: str) -> Validator:
    """Make a validator for a frozenset whose items all are of one type."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not isinstance(value, frozenset) or not all(type(item) is kind for item in value):
            raise wrong(attribute.name, value, takes)

    return check


def as_url(value: Any, argument: str, schemes: Iterable[str] = ("http", "https")) -> URL:
    """Read an absolute URL.

    Args:
        value: A `str` or `yarl.URL`.
        argument: The argument's name, for the error.
        schemes: The schemes that are allowed.

    Returns:
        The URL, its fragment removed.

    Raises:
        headrace.errors.ValidationError: It is not an absolute URL of such a scheme.
    """
    takes = f"an absolute {' or '.join(schemes)} URL"
    if not isinstance(value, (str, URL)):
        raise wrong(argument, value, takes)
    url = _parsed(value)
    if _CONTROL_OR_SPACE.search(str(value)):  # a `yarl.URL` may call itself encoded, and not be
        message = f"{argument}: has a space, a control character or a lone surrogate; takes {takes}"
        raise ValidationError(message)
    if url is None or not str(url).isascii():
        message = f"{argument}: is not a URL; takes {takes}, such as https://api.example.com/v1"
        raise ValidationError(message)
    if url.scheme not in schemes or not url.raw_host:
        # Without a scheme that has an authority, userinfo is part of the path: `me:password@host`.
        safe = url.raw_host or "@" not in str(value)
        message = f"{argument}: {shown(value) if safe else 'what was given'} is not {takes}{_example(url, schemes)}"
        raise ValidationError(message)
    return url.with_fragment(None)


def _example(url: URL, schemes: Iterable[str]) -> str:
    """Show an absolute URL, or that only the scheme is missing, as the end of a sentence."""
    if "https" not in schemes:
        return ""
    if url.raw_host or not url.raw_path.partition("/")[0].rpartition(".")[2].isalnum():
        return ", such as https://api.example.com/v1"
    return "; does https:// lack before it?"


def _parsed(value: str | URL) -> URL | None:
    """Parse a URL; `None` where it is none.

    What yarl says of it may hold a part of a password, so none of it is kept, not even as the context of our error.
    """
    try:
        url = URL(value)
        _ = url.port
    except (ValueError, IndexError):  # IndexError: `http://[]@`
        return None
    return url


def origin(url: URL) -> str:
    """Write the origin of a URL (RFC 9110, section 4.3.1), its port only where it is not the scheme's own."""
    whole = url.origin()
    return str(whole.with_port(None) if whole.is_default_port() else whole)
