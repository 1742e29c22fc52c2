"""A value may lie inside a document: its place is named, and what lies around it is skipped, not decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from headrace._core.values import decode
from headrace._models import foreign
from headrace.errors import ResponseValidationError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

#: No list that an API puts its rows into is longer.
_MOST_INDEX: Final = 1000
_TAKES: Final = 'names with dots between, such as "data.items", or a list of names and indexes'


def as_path(place: Any, argument: str, *, indexes: bool = True) -> tuple[Any, ...]:
    """Read the place of a value.

    Args:
        place: Names with dots between, or a list of names and indexes; `None` and ``""`` are the document.
        argument: The argument's name, for the error.
        indexes: Whether there may be indexes.

    Raises:
        headrace.errors.ValidationError: It is no place.
    """
    if place is None or place == "":
        return ()
    parts = place.split(".") if isinstance(place, str) else place
    if not isinstance(parts, (list, tuple)) or not all(_is_part(part, indexes=indexes) for part in parts):
        takes = _TAKES if indexes else _TAKES.removesuffix(" and indexes")
        shown = repr(place)[:60] if isinstance(place, (str, list, tuple)) else type(place).__name__
        message = f"{argument}: got {shown}, takes {takes}"
        raise ValidationError(message)
    return tuple(parts)


def _is_part(part: Any, *, indexes: bool) -> bool:
    return (type(part) is int and 0 <= part <= _MOST_INDEX and indexes) or (isinstance(part, str) and part != "")


def shown(path: tuple[Any, ...]) -> str:
    """Write a place as errors do: ``$.data.items``."""
    return "".join(["$", *(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)])


def within(path: tuple[Any, ...], inner: decode.BodyDecoder, whole_type: Any = None) -> decode.BodyDecoder:
    """Make the decoder of a document out of that of the value in it.

    Args:
        path: The place of the value.
        inner: Decodes the value.
        whole_type: What the value becomes, where msgspec decodes it in one pass with what lies around it.
    """
    raw = _opened(path, msgspec.Raw)

    def one(body: bytes) -> Any:
        text = bytes(raw(body))
        try:
            return decode.decode(text, inner)
        except ResponseValidationError as error:
            where = shown(path) + error.path[1:]
            raise ResponseValidationError(error.message, body, where) from error.__cause__

    return decode.BodyDecoder(one if whole_type is None else _opened(path, whole_type), None, inner.stamp)


def _opened(path: tuple[Any, ...], value_type: Any) -> Callable[[bytes], Any]:
    """Make what decodes a document into the value at a place of it."""
    for part in reversed(path):
        if isinstance(part, str):
            fields: list[Any] = [("value", value_type, msgspec.field(name=part))]
        else:
            fields = [*((f"before_{index}", msgspec.Raw) for index in range(part)), ("value", value_type)]
        value_type = msgspec.defstruct("Envelope", fields, array_like=isinstance(part, int))
    decoder = msgspec.json.Decoder(value_type, dec_hook=foreign.dec_hook).decode

    def value(body: bytes) -> Any:
        found = decoder(body)
        for _ in path:
            found = found.value
        return found

    return value
