"""A caller's value becomes wire text here and nowhere else.

What leaves this module is safe to write: no CR, LF, NUL or other control character gets through, and nothing is dropped
in silence.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, quote_plus
from uuid import UUID

import attrs
import msgspec
from yarl import URL

from headrace import _redact
from headrace._checks import is_token, wrong
from headrace._core.values import shims
from headrace._models import foreign
from headrace.errors import ValidationError

_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch  # RFC 9110, section 5.5
_COOKIE_VALUE = re.compile(r"[\x20-\x3a\x3c-\x7e]*").fullmatch  # RFC 6265 without `;`, as lenient as browsers otherwise
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NULL = re.compile(rb"null").search
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]*").fullmatch
_PATH_SAFE: Final = "!$&'()*+,;=:@/%-._~"
_QUERY_SAFE: Final = _PATH_SAFE + "?"
#: Characters of a path to what has no JSON text.
_MOST_PATH: Final = 100
_COMPONENT_SAFE: Final = "-._~:/,@"


def method(value: Any) -> str:
    """Check a method (a token, RFC 9110, section 9.1).

    Raises:
        headrace.errors.ValidationError: It is not a token, or it is CONNECT, whose target is no path and whose answer
        makes the connection a tunnel (RFC 9110, section 9.3.6).
    """
    if not isinstance(value, str):
        raise wrong("method", value, "a token such as GET")
    if not is_token(value):
        message = "method: is empty or has a character that no method may have; takes a token such as GET"
        raise ValidationError(message)
    written = value.upper() if value.isalpha() else value
    if written == "CONNECT":
        message = (
            "method: CONNECT makes a tunnel of its connection, and is never the caller's; takes a token such as GET"
        )
        raise ValidationError(message)
    return written


def target(base: str, path: str) -> str:
    """Join a path to the base path with exactly one slash and percent-encode it once.

    Args:
        base: The client's own path, encoded, without a slash at its end.
        path: The caller's path, possibly with a query.

    Returns:
        The path and query; a fragment is never sent.

    Raises:
        headrace.errors.ValidationError: The path has a control character.
    """
    if _CONTROL(path):
        message = "path: has a control character (CR, LF, NUL …); percent-encode it if it belongs there"
        raise ValidationError(message)
    path, _, _ = path.partition("#")
    path, mark, raw_query = path.partition("?")
    encoded = quote(_STRAY_PERCENT.sub("%25", path), safe=_PATH_SAFE)
    joined = f"{base}/{encoded.lstrip('/')}" if encoded else base or "/"
    return joined + _encoded_query(mark, raw_query)


def as_it_is(url: str) -> str:
    """Read the path and query of an absolute URL, which may be signed: only what could not be sent is encoded."""
    rest = url.partition("://")[2].partition("#")[0]
    found = re.search(r"[/?]", rest)
    path, mark, raw_query = (rest[found.start() :] if found else "").partition("?")
    encoded = quote(_STRAY_PERCENT.sub("%25", path), safe=_PATH_SAFE) or "/"
    return encoded + _encoded_query(mark, raw_query)


def _encoded_query(mark: str, raw_query: str) -> str:
    return f"?{quote(_STRAY_PERCENT.sub('%25', raw_query), safe=_QUERY_SAFE)}" if mark and raw_query else ""


def once(text: str, *, in_query: bool = False) -> str:
    """Percent-encode what a server has left as it is in a path or a query, and nothing that is encoded already.

    Args:
        text: The path or the query, bytes that are no UTF-8 as lone surrogates: they stay the bytes that they are.
        in_query: Whether it is a query, where a question mark is none of the marks of a URL.

    Raises:
        UnicodeEncodeError: It has a surrogate that stands for no byte.
    """
    safe = _QUERY_SAFE if in_query else _PATH_SAFE
    return quote(_STRAY_PERCENT.sub("%25", text), safe=safe, errors="surrogateescape")


def with_query(encoded_target: str, query: str) -> str:
    """Add a query to a path that may have one."""
    if not query:
        return encoded_target
    return f"{encoded_target}{'&' if '?' in encoded_target else '?'}{query}"


def text(value: Any, argument: str) -> str:
    """Write one scalar: `true` and `false`, an enum's value, ISO 8601 dates, the text of UUID, Decimal and URL.

    Args:
        value: The scalar.
        argument: The name that an error shall give it.

    Raises:
        headrace.errors.ValidationError: It has no such text.
    """
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        message = f"{argument}: {value!r} has no text that a server would read"
        raise ValidationError(message)
    if isinstance(value, (int, float, UUID, Decimal, URL)):
        return str(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("latin-1")
    shim = shims.for_value(value)
    plain = shim.builtins(value) if shim else value
    if shim and isinstance(plain, (str, int, float)):
        return text(plain, argument)
    raise wrong(argument, value, "text, a number, a bool, an enum, a date, or a UUID, Decimal or URL")


def mapping(value: Any, argument: str) -> Mapping[Any, Any]:
    """Read a mapping, or any model that becomes one.

    Raises:
        headrace.errors.ValidationError: It is neither.
    """
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    shim = shims.for_value(value)
    if shim is not None:
        value = shim.builtins(value)
    elif isinstance(value, msgspec.Struct) or (
        not isinstance(value, type) and (dataclasses.is_dataclass(value) or attrs.has(type(value)))
    ):
        value = _builtins(value)
    if not isinstance(value, Mapping):
        raise wrong(argument, value, "a mapping or a model")
    return value


def query(parameters: Mapping[Any, Any]) -> str:
    """Encode parameters as a query: nested ones get dotted keys, lists repeat the key, `None` is left out.

    Raises:
        headrace.errors.ValidationError: A key is not text, or a value has none.
    """
    return "&".join([f"{_component(key)}={_component(value)}" for key, value in listed(parameters, "parameters")])


def form(fields: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> bytes:
    """Encode fields as ``application/x-www-form-urlencoded`` (WHATWG URL, section 5)."""
    return "&".join([f"{quote_plus(key)}={quote_plus(value)}" for key, value in listed(fields, "data")]).encode()


def listed(fields: Mapping[Any, Any] | Iterable[tuple[Any, Any]], argument: str) -> list[tuple[str, str]]:
    """Flatten nested mappings, models and lists into keys and texts; raises `ValidationError` for what has none."""
    try:
        return list(pairs(fields, argument))
    except RecursionError as error:
        message = f"{argument}: is nested too deeply, or in itself"
        raise ValidationError(message) from error


def pairs(
    fields: Mapping[Any, Any] | Iterable[tuple[Any, Any]], argument: str, prefix: str = ""
) -> Iterator[tuple[str, str]]:
    """Flatten nested mappings, models and lists into keys and texts."""
    for key, value in fields.items() if isinstance(fields, Mapping) else fields:
        if not isinstance(key, str):
            raise wrong(f"{argument}: the key {key!r}", key, "keys that are text")
        yield from _flat(f"{prefix}{key.value if isinstance(key, enum.Enum) else key}", value, argument)


def _flat(key: str, value: Any, argument: str) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, (str, int, float)):
        yield key, text(value, f"{argument}[{key!r}]")
    elif isinstance(value, (Sequence, AbstractSet)) and not isinstance(value, (bytes, bytearray)):
        for item in value:
            yield from _flat(key, item, argument)
    elif isinstance(value, (Mapping, msgspec.Struct)) or dataclasses.is_dataclass(value) or attrs.has(type(value)):
        yield from pairs(mapping(value, f"{argument}[{key!r}]"), argument, f"{key}.")
    else:
        shim = shims.for_value(value)
        if shim is None:
            yield key, text(value, f"{argument}[{key!r}]")
        else:
            yield from _flat(key, shim.builtins(value), argument)


def _component(value: str) -> str:
    return value if _UNRESERVED(value) else quote(value, safe=_COMPONENT_SAFE)


def header(name: Any, value: Any) -> tuple[str, str]:
    """Check one header field (RFC 9110, section 5).

    Returns:
        The name and the value as they are sent.

    Raises:
        headrace.errors.ValidationError: The name is no token, or the value has CR, LF, NUL or another character that no
        field may have.
    """
    if not isinstance(name, str) or not is_token(name):
        shown = repr(name[:40]) if isinstance(name, str) else type(name).__name__
        message = f"headers: {shown} is not the name of a header field"
        raise ValidationError(message)
    if isinstance(value, (list, tuple)):
        value = ", ".join([text(item, f"headers[{name!r}]") for item in value])  # RFC 9110, section 5.3
    value = text(value, f"headers[{name!r}]")
    if not _FIELD_VALUE(value):
        message = (
            f"headers[{name!r}]: the value has a character that no header field may have"
            " (CR, LF, NUL, another control character, or one beyond Latin-1)"
        )
        raise ValidationError(message)
    return str.__str__(name), value  # a member of an enum writes itself otherwise


def basic(url: URL) -> str | None:
    """Write the userinfo of a URL as credentials (RFC 7617, in UTF-8); `None` where it has none."""
    if url.raw_user is None and url.raw_password is None:
        return None
    return "Basic " + base64.b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()


def proxy_and_fields(proxy: URL | None) -> tuple[URL | None, dict[str, str]]:
    """Part a proxy's URL and its credentials: aiohttp's texts show the URL.

    Returns:
        The URL without userinfo, and the fields for it; aiohttp turns `Authorization` into `Proxy-Authorization`.
    """
    credentials = None if proxy is None else basic(proxy)
    if proxy is None or credentials is None:
        return proxy, {}
    return proxy.with_user(None), {"Authorization": credentials}


def cookies(values: Mapping[Any, Any]) -> str:
    """Write the value of a `Cookie` field (RFC 6265, section 4.2.1).

    Raises:
        headrace.errors.ValidationError: A name is no token, or a value has a control character or a semicolon.
    """
    written = []
    for name, value in values.items():
        if value is None:
            continue
        shown = f"cookies[{name!r}]"
        value = text(value, shown)  # noqa: PLW2901 - the text of the same value
        if not isinstance(name, str) or not is_token(name) or not _COOKIE_VALUE(value):
            message = f"{shown}: a name is a token, and a value has no semicolon, control or non-ASCII character"
            raise ValidationError(message)
        written.append(f"{str.__str__(name)}={value}")
    return "; ".join(written)


def body(value: Any) -> bytes:
    """Encode a request body as JSON.

    Args:
        value: A mapping, list or any model; text and bytes are refused, being JSON already more often than not.

    Raises:
        headrace.errors.ValidationError: It has no JSON text.
    """
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        message = (
            f"body: got {type(value).__name__}, takes a mapping, list or model; for text or bytes as they are use data="
        )
        raise ValidationError(message)
    return json(value)


def json(value: Any) -> bytes:
    """Encode any value as JSON (RFC 8259).

    Raises:
        headrace.errors.ValidationError: It has no JSON text; NaN and infinities have none.
    """
    shim = shims.for_value(value)
    try:
        encoded = shim.json(value) if shim else _encode(value)
        # msgspec, orjson and pydantic write NaN and infinities as `null`: a value that is lost without a word.
        # (A regular expression, because it searches bytes faster than `find` does.)
        lost = (
            shim.loses_numbers(value, encoded)
            if shim
            else _NULL(encoded) is not None and _has_nonfinite(_builtins(value))
        )
        if lost:
            message = f"body: NaN and infinities have no JSON text{_place(value, shim)}"
            raise ValidationError(message)
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            raise
        message = f"body: {type(value).__name__} cannot be encoded as JSON: {error}{_place(value, shim)}"
        raise ValidationError(message) from _redact.emptied(error)
    return encoded


def _place(value: Any, shim: Any) -> str:
    """Tell where in a value the part is that has no JSON text, as the end of a sentence."""
    path = "$"
    parts: Any = None
    while shim is None and (parts := _parts(value)):
        found = next(((step, part) for step, part in parts if not _is_encodable(part)), None)
        if found is None:
            break
        path, value = path + found[0], found[1]
        if len(path) > _MOST_PATH:  # it may be in itself
            break
    return "" if path == "$" else f" - at `{path}`"


def _parts(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(f".{key}", part) for key, part in value.items()]
    if isinstance(value, (list, tuple)):
        return [(f"[{index}]", part) for index, part in enumerate(value)]
    if isinstance(value, msgspec.Struct):
        return [(f".{name}", getattr(value, name, None)) for name in value.__struct_fields__]
    return []


def _is_encodable(value: Any) -> bool:
    try:
        return not _has_nonfinite(_builtins(value)) and bool(_encode(value))
    except (TypeError, ValueError, RecursionError):
        return False


def plain(value: Any) -> Any:
    """Tell msgspec what a value of another library is."""
    shim = shims.for_value(value)
    if shim is not None:
        return shim.builtins(value)
    if isinstance(value, (URL, Mapping)):
        return str(value) if isinstance(value, URL) else dict(value)
    return foreign.enc_hook(value)


_encode = msgspec.json.Encoder(enc_hook=plain).encode


def _builtins(value: Any) -> Any:
    return msgspec.to_builtins(value, enc_hook=plain)


def _has_nonfinite(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(_has_nonfinite(item) for item in value.values())
    return isinstance(value, (list, tuple)) and any(_has_nonfinite(item) for item in value)
