"""A part of a file is trusted only as far as ranges and validators prove it (RFC 9110, sections 8.8 and 14)."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote, unquote_to_bytes

from headrace._checks import wrong
from headrace._core import dates
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from datetime import datetime

    from multidict import MultiMapping

_RANGE = re.compile(r"bytes +(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII | re.IGNORECASE)
_UNSATISFIED = re.compile(r"bytes +\*/(\d{1,18})", re.ASCII | re.IGNORECASE)
#: Without what is no ASCII, which does not come back as the bytes that it was, and not longer than a request may be.
_STRONG = re.compile(r'"[\x21\x23-\x7e]{0,1024}"')
#: RFC 9110, section 5.6.7, without the two obsolete forms.
_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [0-9]{4}"
    r" [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)
#: A modification is known to the second; two within one second would have the same date (RFC 9110, section 8.8.2.2).
_STRONG_AFTER_SECONDS: Final = 60

_PARAMETER = re.compile(r""";\s*+(filename\*?+)\s*+=\s*+("(?:[^"\\]|\\.)*+"|[^;\s]++)""", re.IGNORECASE)
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*]|[\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]')
_DEVICES: Final = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$"}) | {
    f"{kind}{number}" for kind in ("com", "lpt") for number in "0123456789¹²³"
}
_MOST_NAME_BYTES: Final = 200  # most file systems allow 255, and what is written beside a file has a longer name
_FALLBACK: Final = "download"


class Range(NamedTuple):
    """What a `Content-Range` says (RFC 9110, section 14.4).

    Attributes:
        first: The first byte that was sent.
        last: The last one.
        total: Bytes of the whole; `None` where the server does not know.
    """

    first: int
    last: int
    total: int | None


def content_range(value: str | None) -> Range | None:
    """Read the range of a 206; `None` where it is not valid."""
    found = None if value is None else _RANGE.fullmatch(value.strip())
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    total = None if found[3] == "*" else int(found[3])
    if last < first or (total is not None and last >= total):
        return None
    return Range(first, last, total)


def unsatisfied(value: str | None) -> int | None:
    """Read how many bytes there are in all from the `Content-Range` of a 416."""
    found = None if value is None else _UNSATISFIED.fullmatch(value.strip())
    return None if found is None else int(found[1])


def single(headers: MultiMapping[str], name: str) -> str | None:
    """Read a field that has one value; `None` where it is missing, and nothing (`""`) where its values differ."""
    values = {value.strip() for value in headers.getall(name, ())}
    if len(values) > 1:
        return ""
    return values.pop() if values else None


def is_coded(headers: MultiMapping[str]) -> bool:
    """Tell whether a body has any content coding."""
    codings = ",".join(headers.getall("Content-Encoding", ())).split(",")
    return any(coding.strip().lower() not in ("", "identity") for coding in codings)


def is_strong_tag(value: str) -> bool:
    """Tell whether a text is a strong entity tag (RFC 9110, section 8.8.3) that can be sent back as it came."""
    return _STRONG.fullmatch(value) is not None


def is_date(value: str | None) -> bool:
    """Tell whether a text is a date as HTTP writes it."""
    return value is not None and _moment(value) is not None


def _moment(value: str) -> datetime | None:
    return dates.read(value) if _DATE.fullmatch(value) else None


def strong_validator(headers: MultiMapping[str]) -> str | None:
    """Find what `If-Range` may be sent with: a strong entity tag, or a date that is strong (RFC 9110, section 13.1.5).

    A date is strong where the answer's own `Date` is at least a minute later (section 8.8.2.2).
    """
    tag = single(headers, "ETag")
    if tag is not None:
        return tag if is_strong_tag(tag) else None
    modified = single(headers, "Last-Modified")
    changed, sent = (_moment(value or "") for value in (modified, single(headers, "Date")))
    if changed is None or sent is None or (sent - changed).total_seconds() < _STRONG_AFTER_SECONDS:
        return None
    return modified


def checksum(value: Any) -> tuple[str, str] | None:
    """Read a `checksum` argument.

    Args:
        value: ``"sha256:…"``, a name and hexadecimal digits as a pair, or `None`.

    Returns:
        The name of the algorithm and the digits, in lower case.

    Raises:
        headrace.errors.ValidationError: It is none of these, the algorithm is unknown, or the digits are too few.
    """
    takes = 'text such as "sha256:…", a pair of a name and hexadecimal digits, or None'
    if value is None:
        return None
    pair = value.split(":", 1) if isinstance(value, str) else value
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
        raise wrong("checksum", value, takes)
    name, digits = (part.strip().lower() for part in pair)
    try:
        size = hashlib.new(name).digest_size
    except ValueError as error:
        message = f"checksum: {name[:40]!r} is no algorithm that is known here; takes {takes}"
        raise ValidationError(message) from error
    if not size:
        message = f"checksum: {name} has no fixed length; takes {takes}"
        raise ValidationError(message)
    if not re.fullmatch(r"[0-9a-f]+", digits) or len(digits) != 2 * size:
        message = f"checksum: {name} has {2 * size} hexadecimal digits; takes {takes}"
        raise ValidationError(message)
    return name, digits


def disposition_name(value: str | None) -> str | None:
    """Read the file name that a `Content-Disposition` offers (RFC 6266, section 4.3), as one that is safe to use."""
    if value is None:
        return None
    found: dict[str, str] = {}
    for name, text in _PARAMETER.findall(";" + value):
        found.setdefault(name.lower(), text)
    extended = found.get("filename*", "").strip('"')
    charset, quote, rest = extended.partition("'")
    if quote and charset.lower() in ("utf-8", "iso-8859-1"):  # RFC 8187, section 3.2.1
        # Only ASCII is legal here. UTF-8 is what others mean; what is not even that has no character (a surrogate).
        raw = unquote_to_bytes(rest.partition("'")[2].encode("utf-8", "replace"))
        return safe_name(raw.decode(charset, "replace"))
    plain = found.get("filename")
    if plain is None:
        return None
    if plain.startswith('"'):
        plain = re.sub(r"\\(.)", r"\1", plain[1:-1])
    return safe_name(plain)


def url_name(raw_path: str) -> str:
    """Make a file name of the last part of a URL's path."""
    return safe_name(unquote(raw_path.rstrip("/").rpartition("/")[2]))


def safe_name(name: str) -> str:
    """Make a name that stays in its folder, on every system: no separators, no drive, no device, not hidden, not long.

    Args:
        name: Whatever a server has sent.

    Returns:
        The name; ``"download"`` where nothing is left of it.
    """
    name = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    name = _UNSAFE.sub("_", name).strip(" ").lstrip(". ").rstrip(". ")
    stem, dot, suffix = name.rpartition(".")
    ending = (dot + suffix) if stem and len(suffix.encode()) <= 20 else ""
    stem = name[: len(name) - len(ending)]
    room = _MOST_NAME_BYTES - len(ending.encode())
    stem = stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ")
    if not stem.strip("_ "):
        return _FALLBACK + ending
    return f"_{stem}{ending}" if stem.partition(".")[0].rstrip().lower() in _DEVICES else stem + ending
