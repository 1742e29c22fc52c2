"""Body bytes become a value by one decoder a type, made once."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import types
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NewType, TypeVar, get_args, get_origin, is_typeddict

import attrs
import msgspec
import msgspec.inspect
import orjson

from headrace import _redact, models
from headrace._core.call import Undecoded
from headrace._core.values import charsets, collector, explain, shims
from headrace._models import foreign
from headrace.errors import ResponseParseError, ResponseValidationError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_CHARSET = re.compile(r"""charset\s*=\s*["']?([^"'\s;]+)""", re.IGNORECASE)
_SIGNS_TO_0 = bytes(0x30 if byte in b"-0123456789" else 0x20 for byte in range(256))
_BEYOND_64_BITS = b"0" * 20  # 2**64 has 20 digits; -(2**63) - 1 has 19, and its sign
_OPEN_BRACE = 0x7B
_JSON_SPACE = b" \t\r\n"
#: Stands for the value of an answer that is to be read elsewhere.
UNREAD: Final = object()


class BodyDecoder:
    """How the body of a success becomes one response format.

    Args:
        one: Decodes the format itself.
        many: Decodes a list of the format, where a JSON array shall give one; else `None`.
        stamp: Notes on decoded values who answered and when; else `None`.
        refusal: Makes our error of what another library raises; else `None`.
    """

    __slots__ = ("many", "one", "refusal", "stamp")

    def __init__(
        self,
        one: Callable[[bytes], Any],
        many: Callable[[bytes], Any] | None = None,
        stamp: Callable[[Any, str, datetime], None] | None = None,
        refusal: Callable[[ValueError, bytes], Exception] | None = None,
    ) -> None:
        self.one = one
        self.many = many
        self.stamp = stamp
        self.refusal = refusal


def decode(body: bytes, decoder: BodyDecoder) -> Any:
    """Decode a body that is not empty.

    Raises:
        headrace.errors.ResponseParseError: It is not JSON.
        headrace.errors.ResponseValidationError: It does not fit the format.
    """
    try:
        read, many = decoder.one, decoder.many
        if many is not None and body[0] != _OPEN_BRACE and body.lstrip(_JSON_SPACE)[:1] == b"[":
            read = many
        return read(body) if len(body) < collector.LARGE else collector.held_off(read, body)
    except msgspec.ValidationError as error:
        message, path = _placed(str(error))
        raise ResponseValidationError(message, body, path) from error
    except (msgspec.DecodeError, orjson.JSONDecodeError, UnicodeDecodeError) as error:
        message = f"the body is not JSON: {error}"
        raise ResponseParseError(message, body) from _redact.emptied(error)
    except RecursionError as error:
        message = "the body is not JSON that can be read: it is nested too deeply"
        raise ResponseParseError(message, body) from error
    except ValueError as error:
        refused = error if decoder.refusal is None else decoder.refusal(error, body)
        if refused is error:
            raise
        raise refused from error


def _placed(text: str) -> tuple[str, str]:
    """Part an error of msgspec's into what is wrong, which may quote the body, and the place, which comes last."""
    message, _, place = text.rpartition(" - at ")
    path = place.removeprefix("`key` in ")
    if not (path.startswith("`$") and path.endswith("`")):
        return text, "$"
    return message if path is place else f"{message} as a key", path[1:-1]


def _plain_json(body: bytes) -> Any:
    """Decode any JSON; orjson makes floats of integers beyond 64 bits, so where there may be one, msgspec decodes."""
    # `find`, because `in` tries its left side as a number first and pays for the exception.
    if body.translate(_SIGNS_TO_0).find(_BEYOND_64_BITS) >= 0:
        return msgspec.json.decode(body)
    return orjson.loads(body)


plain_json = BodyDecoder(_plain_json)


class Verbatim:
    """A format: plain JSON that is only checked, for whoever writes it down as it came."""


_raw = msgspec.json.Decoder(msgspec.Raw).decode
_raw_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _check_utf8(body: bytes) -> None:
    """Raise a `UnicodeDecodeError` for what is no UTF-8, which `msgspec.Raw` lets pass."""
    if not body.isascii():
        body.decode()


def _checked_json(body: bytes) -> msgspec.Raw | None:
    """Check JSON; `null` is `None`, as for every format."""
    _check_utf8(body)
    found = _raw(body)
    return None if len(found) == 4 and bytes(found) == b"null" else found


def _checked_rows(body: bytes) -> list[msgspec.Raw]:
    """Check a list in JSON, and take its parts apart."""
    _check_utf8(body)
    return _raw_rows(body)


verbatim = BodyDecoder(_checked_json, _checked_rows)


def decoder_for(response_format: Any) -> BodyDecoder | type | Undecoded:
    """Find how a response format is decoded.

    Args:
        response_format: `None` for plain JSON, `bytes` or `str` for the body as it is, a model, or any type that
            msgspec knows.

    Returns:
        The decoder; `bytes`, `str` and `Undecoded` stand for themselves.

    Raises:
        headrace.errors.ValidationError: It is no type, or one that nothing here can decode.
    """
    try:
        return _cached(response_format)
    except TypeError:  # not hashable, such as Annotated[..., {}]
        return _make(response_format)


def _make(response_format: Any) -> BodyDecoder | type | Undecoded:
    if response_format is None:
        return plain_json
    if response_format is Verbatim:
        return verbatim
    if response_format in (bytes, str) or isinstance(response_format, Undecoded):
        return response_format  # type: ignore[no-any-return] # it is one of these
    shim = shims.for_type(response_format)
    try:
        for part in classes_in(response_format):
            _check_class(part, known_to_msgspec=shim is None)
        if shim is not None:
            one = shim.validator(response_format)
            many = shim.validator(list[response_format]) if _is_single(response_format) else None
            return BodyDecoder(one, many, shim.stamp_for(response_format), shim.refusal)
        if not is_type(response_format):
            raise explain.no_format(response_format)
        one = msgspec.json.Decoder(response_format, dec_hook=foreign.dec_hook).decode
        many = (
            msgspec.json.Decoder(list[response_format], dec_hook=foreign.dec_hook).decode
            if _is_single(response_format)
            else None
        )
    except (TypeError, NameError, NotImplementedError) as error:  # the last of a `Literal` beyond 64 bits
        name = getattr(response_format, "__name__", response_format)
        raise ValidationError(f"response_format: {name} cannot be decoded: {explain.refused(error)}") from error
    stamped = any(issubclass(part, models.Response) for part in classes_in(response_format))
    return BodyDecoder(one, many, models.stamp if stamped else None)


_cached = functools.lru_cache(maxsize=4096)(_make)


def _check_class(part: type, *, known_to_msgspec: bool) -> None:
    """Raise a `ValidationError` for a class of which no object can be made."""
    if part in (Annotated, Literal, types.UnionType) or part.__module__ == "collections.abc":
        return
    if inspect.isabstract(part):
        message = f"response_format: {part.__name__} is abstract; give a class that has all of its methods"
        raise ValidationError(message)
    if (
        known_to_msgspec
        and not foreign.knows(part)
        and isinstance(msgspec.inspect.type_info(part), msgspec.inspect.CustomType)
    ):
        message = f"response_format: {part.__name__} is no type that msgspec can decode"
        raise ValidationError(message)


def classes_in(response_format: Any) -> list[type]:
    """Name the classes that a format is written with, its arguments' too."""
    found, pending = [], [response_format]
    while pending:
        part = pending.pop()
        pending.extend(get_args(part))
        part = get_origin(part) or part
        if isinstance(part, type):
            found.append(part)
    return found


def is_type(response_format: Any) -> bool:
    """Tell a type from a value: `User`, `list[User]`, `User | None`, `Any`, a `TypeVar` or `NewType` are types."""
    return (
        isinstance(response_format, (type, TypeVar, NewType))
        or response_format is Any
        or get_origin(response_format) is not None
    )


def _is_single(response_format: Any) -> bool:
    """Tell whether a format is one model, which no JSON array can be, so that an array gives a list of it."""
    kind = get_origin(response_format) or response_format
    if not isinstance(kind, type):
        return False
    if issubclass(kind, msgspec.Struct):
        return not kind.__struct_config__.array_like
    if issubclass(kind, tuple):  # a NamedTuple, which a JSON array is
        return False
    if shims.for_type(kind) is not None:
        return not getattr(kind, "__pydantic_root_model__", False)
    return dataclasses.is_dataclass(kind) or attrs.has(kind) or is_typeddict(kind)


def text(body: bytes, content_type: str) -> str:
    """Decode text by the charset of its `Content-Type`; an unknown one, or none, is UTF-8 with replacements."""
    found = _CHARSET.search(content_type)
    charset = None if found is None else charsets.find(found[1])
    return body.decode(charset or "utf-8-sig", "replace")


def error_body(body: bytes, content_type: str) -> Any:
    """Read the body of an error: its JSON, else its text, else `None`."""
    if not body:
        return None
    try:
        return decode(body, plain_json)
    except ResponseParseError:
        return text(body, content_type)
