"""A page is decoded in one pass: its rows straight into their type, and beside them what leads to the next page.

The document of a page becomes a Struct that is made once for a type of rows, their place, and the places that a
strategy asks for. All else in the document is skipped, and read only when somebody asks for it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import msgspec

from headrace._core.values import decode, partial, places, shims
from headrace._core.values.partial import Reject
from headrace._models import foreign
from headrace.errors import ResponseParseError, ResponseValidationError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime


Place = tuple[Any, ...]
_MISSING: Final = msgspec.UNSET
#: What stands in a tree of places where the rows are.
_ROWS: Final = "rows"
_ANY: Final = "any"
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_SPACE: Final = b" \t\r\n"
_NULL: Final = b"null"


class Fetched(msgspec.Struct, frozen=True, eq=False):
    """One page, decoded.

    Attributes:
        items: The rows that fit.
        rejects: The others, where they are collected.
        rejected: How many others there were.
        values: What the document has at the places that the strategy asks for.
        last: What the last row has at the place that the strategy asks for.
        body: The document.
        path: The place of its rows; `None` where the document is a page model.
    """

    items: list[Any]
    rejects: list[Reject]
    rejected: int
    values: dict[str, Any]
    last: Any
    body: bytes
    path: Place | None


class Envelope:
    """Decodes the pages of one kind.

    Args:
        row_format: What a row becomes.
        path: The place of the rows.
        asked: Names, and the places in the document that they stand for.
        on_invalid: What becomes of rows that do not fit.
        last: The place in the last row whose value is wanted, or `None`.
    """

    def __init__(
        self, row_format: Any, path: Place, asked: Mapping[str, Place], on_invalid: str, *, last: Place | None
    ) -> None:
        self._format = Any if row_format is None else row_format
        self._path = path
        self._on_invalid = on_invalid
        self._last = last
        self._last_field = None if last is None else _field_as_it_is(row_format, last)
        self._row = partial.row_decoder(row_format)
        self._asked = {name: (place, _attributes(place)) for name, place in asked.items()}
        self._place = _attributes(path)
        tree = _tree(path, asked)
        self._raw = _decoder(tree, msgspec.Raw)
        shim = shims.for_type(row_format)
        self._typed = None if shim is not None else _decoder(tree, _rows_of(self._format))
        self._many = shim.decoder(list[row_format]) if shim is not None and decode.is_type(row_format) else None

    def decode(self, body: bytes) -> Fetched:
        """Decode a page; raises what decoders raise."""
        rejects: list[Reject] = []
        text = None
        try:
            if self._typed is not None:
                document = self._typed(body)
                items = self._rows(document) or []
            else:
                document = self._raw(body)
                items = self._of_another_library(text := bytes(self._rows(document)))
        except (msgspec.ValidationError, ResponseValidationError):
            if self._on_invalid == "raise":
                raise
            document = self._raw(body)
            items, rejects = self._one_by_one(bytes(self._rows(document)))
        values = {name: _find(document, place, names) for name, (place, names) in self._asked.items()}
        last = None if self._last is None or not (items or rejects) else self._last_of(body, text, items, rejects)
        kept = rejects if self._on_invalid == "collect" else []
        return Fetched(items, kept, len(rejects), values, last, body, self._path)

    def stamp(self) -> Callable[[Any, str, datetime], None] | None:
        """Find what notes on decoded rows who answered and when; `None` where they shall not know it."""
        stamp = self._row.stamp
        if stamp is None:
            return None

        def note(page: Fetched, base_uri: str, time: datetime) -> None:
            stamp(page.items, base_uri, time)

        return note

    def _rows(self, document: Any) -> Any:
        for name in self._place:
            document = getattr(document, name)
        return document

    def _of_another_library(self, text: bytes) -> list[Any]:
        if text == _NULL:
            return []
        if self._many is None:
            return self._each(text, "raise")
        try:
            found: list[Any] = self._many(text)
        except ResponseValidationError as error:
            where = places.shown(self._path) + error.path[1:]
            raise ResponseValidationError(error.message, text, where) from error.__cause__
        return found

    def _one_by_one(self, text: bytes) -> tuple[list[Any], list[Reject]]:
        found = self._each(text, "collect")
        rejects = [row for row in found if type(row) is partial.Reject]
        return [row for row in found if type(row) is not partial.Reject], rejects

    def _each(self, text: bytes, on_invalid: str) -> list[Any]:
        if text == _NULL:
            return []
        where = places.shown(self._path)
        try:
            texts = _elements(text)
        except msgspec.ValidationError as error:
            message = str(error).partition(" - at ")[0]
            raise ResponseValidationError(message, text, where) from error
        rows = partial.Rows(None if self._format is Any else self._format, on_invalid, where)
        found = rows.many(map(bytes, texts), whole=True)
        if rows.failure is not None:
            raise rows.failure
        return found

    def _last_of(self, body: bytes, text: bytes | None, items: list[Any], rejects: list[Reject]) -> Any:
        if self._last_field is not None and not rejects:
            return getattr(items[-1], self._last_field)
        rows = _elements(bytes(self._rows(self._raw(body))) if text is None else text)
        found = msgspec.json.decode(rows[-1])
        for part in self._last or ():
            found = within(found, part)
        return found


def envelope_for(
    row_format: Any, path: Place, asked: Mapping[str, Place], on_invalid: str, *, last: Place | None
) -> Envelope:
    """Find what decodes pages of one kind; it is made once.

    Raises:
        headrace.errors.ValidationError: The format is none, or the places do not go together.
    """
    try:
        return _cached(row_format, path, tuple(asked.items()), on_invalid, last)
    except TypeError:  # not hashable
        return _make(row_format, path, tuple(asked.items()), on_invalid, last)


def _make(
    row_format: Any, path: Place, asked: tuple[tuple[str, Place], ...], on_invalid: str, last: Place | None
) -> Envelope:
    return Envelope(row_format, path, dict(asked), on_invalid, last=last)


_cached = functools.lru_cache(maxsize=1024)(_make)


def decoder_for(
    row_format: Any, items: Any, asked: Mapping[str, Place], on_invalid: str, *, last: Place | None
) -> decode.BodyDecoder:
    """Make the decoder of the pages of one series.

    Args:
        row_format: What a row becomes.
        items: The place of the rows; `None` is the document, or the one array at its top.
        asked: Names, and the places in the document that they stand for.
        on_invalid: What becomes of rows that do not fit.
        last: The place in the last row whose value is wanted, or `None`.

    Returns:
        The decoder, which gives a `Fetched`.

    Raises:
        headrace.errors.ValidationError: An argument is wrong.
    """
    find = functools.partial(envelope_for, row_format, asked=asked, on_invalid=on_invalid, last=last)
    if items is not None:
        envelope = find(places.as_path(items, "items"))
        return decode.BodyDecoder(envelope.decode, None, envelope.stamp())
    found: list[Envelope] = []  # once the first page has shown where its rows are

    def one(body: bytes) -> Fetched:
        if not found:
            place = _place_of_rows(body)
            try:
                found.append(find(place))
            except ValidationError as error:  # with another document the same arguments would have been right
                raise ResponseValidationError(str(error), body) from None
        return found[0].decode(body)

    row = partial.row_decoder(row_format)
    stamp = None if row.stamp is None else Envelope(row_format, (), {}, on_invalid, last=None).stamp()
    return decode.BodyDecoder(one, None, stamp)


def page_decoder(page_format: Any) -> decode.BodyDecoder:
    """Make the decoder of pages that are models and drive themselves.

    Raises:
        headrace.errors.ValidationError: It is a class of which there are no objects.
    """
    whole: Any = decode.decoder_for(page_format)

    def one(body: bytes) -> Fetched:
        return Fetched([whole.one(body)], [], 0, {}, None, body, None)

    def note(page: Fetched, base_uri: str, time: datetime) -> None:
        whole.stamp(page.items, base_uri, time)

    return decode.BodyDecoder(one, None, whole.stamp and note, whole.refusal)


def _place_of_rows(body: bytes) -> Place:
    if body.lstrip(_SPACE)[:1] == b"[":
        return ()
    arrays = [name for name, value in _members(body).items() if bytes(value)[:1] == b"["]
    if len(arrays) == 1:
        return (arrays[0],)
    what = f"has {len(arrays)} arrays at its top ({', '.join(arrays)[:80]})" if arrays else "has no array at its top"
    message = f"the document {what}; items= names the place of the rows"
    raise ResponseValidationError(message, body)


def around(body: bytes, path: Place | None) -> Any:
    """Decode a document without the rows in it.

    Args:
        body: The document; an empty one is `None`.
        path: The place of its rows: an object is given without it, an array with `None` there. `None` for all of it.
    """
    if not body or path == ():
        return None
    if path is None:
        return decode.decode(body, decode.plain_json)
    part, *rest = path
    inner = tuple(rest)
    try:
        if isinstance(part, int):
            return [
                (around(bytes(value), inner) if index == part else decode.decode(bytes(value), decode.plain_json))
                for index, value in enumerate(_elements(body))
            ]
        return {
            name: around(bytes(value), inner) if name == part else decode.decode(bytes(value), decode.plain_json)
            for name, value in _members(body).items()
            if name != part or inner
        }
    except msgspec.DecodeError as error:
        message = f"the document cannot be read: {error}"
        raise ResponseParseError(message, body) from error


def _field_as_it_is(row_format: Any, place: Place) -> str | None:
    """Find the field of a Struct that has the very value at a place of a row, which is not read twice then."""
    if not (isinstance(row_format, type) and issubclass(row_format, msgspec.Struct)) or len(place) != 1:
        return None
    if hasattr(row_format, "__post_init__"):
        return None  # which may change it
    fields = msgspec.structs.fields(row_format)
    # A default would stand for a value that is not there.
    return next((f.name for f in fields if f.encode_name == place[0] and f.type in (int, str) and f.required), None)


def _attribute(part: str | int) -> str:
    return f"i{part}" if isinstance(part, int) else f"n{part.encode().hex()}"


def _attributes(place: Place) -> tuple[str, ...]:
    return tuple(map(_attribute, place))


def _find(document: Any, place: Place, names: tuple[str, ...]) -> Any:
    """Find the value at a place; `UNSET` where there is none."""
    for part, name in zip(place, names, strict=True):
        known = isinstance(document, msgspec.Struct)
        document = getattr(document, name, _MISSING) if known else within(document, part)
    return document


def within(value: Any, part: str | int) -> Any:
    """Find a part of plain JSON; `UNSET` where there is none."""
    if isinstance(value, dict):
        return value.get(part, _MISSING)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return _MISSING


def _tree(path: Place, asked: Mapping[str, Place]) -> Any:
    """Lay places together: what leads to them, by parts.

    Raises:
        headrace.errors.ValidationError: One of them is in the rows, or above them.
    """
    root: dict[Any, Any] = {}
    _lay(root, ("document", *path), _ROWS, "items")
    for name, place in sorted(asked.items(), key=lambda pair: len(pair[1])):
        _lay(root, ("document", *place), _ANY, name)
    return root["document"]


def _lay(node: Any, place: Place, leaf: str, name: str) -> None:
    *above, part = place
    for each in above:
        node = node.setdefault(each, {})
        if node == _ANY:
            return  # a longer place in one that is read as a whole
        if node == _ROWS:
            message = f"{name}: {places.shown(place[1:])} lies inside the rows; items= names their place"
            raise ValidationError(message)
    known = node.setdefault(part, leaf)
    if known == leaf:
        return
    message = f"{name}: {places.shown(place[1:])} is where the rows are, or lies around them"
    raise ValidationError(message)


def _rows_of(row_format: Any) -> Any:
    return list[row_format] | None  # what writers of Go send for no rows at all


def _decoder(tree: Any, rows: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(_type(tree, rows), dec_hook=foreign.dec_hook).decode


def _holds_rows(tree: Any) -> bool:
    return tree == _ROWS or (isinstance(tree, dict) and any(map(_holds_rows, tree.values())))


def _type(tree: Any, rows: Any) -> Any:
    """Make the type of a document, or of a part of it."""
    if tree == _ROWS:
        return rows
    if tree == _ANY:
        return Any
    listed = all(isinstance(part, int) for part in tree)
    if not listed and any(isinstance(part, int) for part in tree):
        message = "items: the same place is an array for one argument, and an object for another"
        raise ValidationError(message)
    fields = _elements_of(tree, rows) if listed else [_field(part, tree[part], rows) for part in sorted(tree)]
    node: Any = msgspec.defstruct("Page", fields, array_like=listed, kw_only=not listed)
    if _holds_rows(tree):
        return node
    # What a server writes where it has nothing to say: null, an empty array, false.
    other: Any = dict[str, msgspec.Raw] if listed else list[msgspec.Raw]
    return node | other | str | int | float | bool | None


def _field(part: str, tree: Any, rows: Any) -> Any:
    own = {"name": part} if _holds_rows(tree) else {"name": part, "default": _MISSING}
    return _attribute(part), _type(tree, rows), msgspec.field(**own)


def _elements_of(tree: Mapping[int, Any], rows: Any) -> list[Any]:
    fields: list[Any] = []
    to_rows = max((index for index, each in tree.items() if _holds_rows(each)), default=-1)
    for index in range(max(tree) + 1):
        kind = _type(tree[index], rows) if index in tree else msgspec.Raw
        fields.append((f"i{index}", kind) if index <= to_rows else (f"i{index}", kind, _MISSING))
    return fields
