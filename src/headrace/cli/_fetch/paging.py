"""How there is a next page, and where what is new begins, in the words of the options."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from headrace.cli._fetch.usage import UsageError
from headrace.errors import ValidationError

DETECT: Final = "detect"
_TAKES: Final = "detect, link, next:PATH, cursor:PATH,PARAM, page:PARAM[,FIRST] or offset:PARAM,LIMIT[,LIMITPARAM]"


def strategy(text: str) -> Any:
    """Read the value of --pages.

    Returns:
        A strategy of `headrace.pages`; `None` for `detect`.

    Raises:
        UsageError: It is none.
    """
    from headrace import pages

    kind, _, rest = text.partition(":")
    given = [each.strip() for each in rest.split(",")] if rest else []
    try:
        match kind, given:
            case "detect", []:
                return None
            case "link", []:
                return pages.Link()
            case "next", [place]:
                return pages.NextUrl(place)
            case "cursor", [place, parameter]:
                return pages.Cursor(place, parameter=parameter)
            case "page", [parameter]:
                return pages.PageNumber(parameter)
            case "page", [parameter, first] if first.isdecimal():
                return pages.PageNumber(parameter, first=int(first))
            case "offset", [parameter, limit] if limit.isdecimal():
                return pages.Offset(parameter, limit=int(limit))
            case "offset", [parameter, limit, sent] if limit.isdecimal():
                return pages.Offset(parameter, limit=int(limit), limit_parameter=sent)
    except ValidationError as error:
        raise UsageError(f"--pages: {error}") from error
    raise UsageError(f"--pages: got {text!r}, takes {_TAKES}")


def written(found: Any) -> str:
    """Write a strategy as --pages takes it, or as Python where that has no word for it."""
    from headrace import pages

    match found:
        case pages.Link(rel="next", total=None):
            return "link"
        case pages.NextUrl(place=str(place)):
            return f"next:{place}"
        case pages.Cursor(place=str(place), parameter=str(parameter), more=None):
            return f"cursor:{place},{parameter}"
        case pages.PageNumber(parameter=parameter, size=None):
            return f"page:{parameter}" + ("" if found.first == 1 else f",{found.first}")
        case pages.Offset(parameter=parameter, limit=int(limit), limit_parameter=sent):
            return f"offset:{parameter},{limit}" + (f",{sent}" if isinstance(sent, str) else "")
    return repr(found)


def since(text: str) -> tuple[str, Any, str | None]:
    """Read the value of --since.

    Returns:
        The field, where it begins, and the parameter that the API takes it by, or `None`.

    Raises:
        UsageError: It is none.
    """
    field, there, rest = text.partition("=")
    value, _, parameter = rest.rpartition(",") if "," in rest else (rest, "", "")
    if not (field and there and value):
        raise UsageError(
            f"--since: got {text!r}, takes FIELD=VALUE[,PARAM], such as updated_at=2026-01-01T00:00:00Z,since"
        )
    try:
        initial = msgspec.json.decode(value) if value.lstrip("-").isdecimal() else value
    except msgspec.DecodeError:
        initial = value
    return field, initial, parameter or None


def statuses(given: str | list[int]) -> frozenset[int]:
    """Read the value of --expected.

    Raises:
        UsageError: One is no status.
    """
    parts = given.split(",") if isinstance(given, str) else given
    try:
        found = frozenset(int(each) for each in parts)
    except ValueError:
        found = frozenset({0})
    if not all(100 <= each <= 599 for each in found):
        raise UsageError(f"--expected: got {given!r}, takes statuses with commas between them, such as 404,410")
    return found


def most_failures(given: int | str | None) -> float | None:
    """Read the value of --max-failures: a number, or a share with a percent sign.

    Raises:
        UsageError: It is neither.
    """
    if given is None or isinstance(given, int):
        return given
    text = given.strip()
    try:
        if text.endswith("%"):
            share = float(text[:-1]) / 100
            if 0 < share < 1:
                return share
        elif int(text) >= 0:
            return int(text)
    except ValueError:
        pass
    raise UsageError(f"--max-failures: got {given!r}, takes a number such as 100, or a share such as 5%")


_SECONDS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "ms": 0.001}


def rate(text: str) -> tuple[float, float]:
    """Read one value of --rate.

    Returns:
        Requests, and seconds.

    Raises:
        UsageError: It is none.
    """
    number, slash, per = text.replace("_", "").partition("/")
    digits = per.strip().rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = per.strip()[len(digits) :]
    try:
        requests, seconds = float(number), float(digits or 1) * _SECONDS[unit]
    except (ValueError, KeyError):
        requests = seconds = 0.0
    if not (slash and requests > 0 and seconds > 0):
        raise UsageError(f"--rate: got {text!r}, takes requests and a time such as 50/s, 300/min, 5000/h or 10/2s")
    return requests, seconds
