"""A row that does not fit costs no other row: rows are looked at one by one once the fast path has failed."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, get_origin

import msgspec

from headrace._checks import wrong
from headrace._core.values import decode, shims
from headrace._models import foreign
from headrace.errors import ResponseParseError, ResponseValidationError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

T = TypeVar("T")

ON_INVALID = ("raise", "skip", "collect")

_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_one_value = msgspec.json.Decoder(msgspec.Raw).decode
#: What decoding raises, ours and that of the libraries below.
FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ResponseParseError)


class Reject(msgspec.Struct, frozen=True):
    """One row that does not fit.

    Attributes:
        index: Which row it is, from 0.
        path: Where the fault is, such as ``$[3].address.city``, or ``$.data.items[3].id`` below a path. Rows that are
            documents of their own are counted as though they stood in one array.
        message: What is wrong there.
        raw: The bytes of the row.
    """

    index: int
    path: str
    message: str
    raw: bytes


class Partial(msgspec.Struct, Generic[T], frozen=True):
    """The rows that fit, and those that do not.

    Attributes:
        items: The decoded rows, in their order.
        rejects: The others, in their order.
    """

    items: list[T]
    rejects: list[Reject]


class Rows:
    """Decodes the rows of one body or stream: many at once while they fit, one by one where one does not.

    Args:
        response_format: What a row becomes, as for a request; `None` is plain JSON.
        on_invalid: One of `ON_INVALID`: end with a `failure`, leave the row out, or put a `Reject` in its place.
        where: The path of the rows' array.
        received: Who answered and when, for models that shall know it; `None` is nobody.

    Attributes:
        count: How many rows there were.
        failure: Why there are no more, once there is a reason.
        block: Decodes a whole JSON array of rows at once; `None` where the format has no such decoder.
    """

    __slots__ = ("_decoder", "_on_invalid", "_received", "_where", "block", "count", "failure")

    def __init__(
        self, response_format: Any, on_invalid: str, where: str = "$", received: tuple[str, datetime] | None = None
    ) -> None:
        self._decoder, self.block = _row_decoder(response_format)
        self._on_invalid = on_invalid
        self._where = where
        self._received = received if self._decoder.stamp is not None else None
        self.count = 0
        self.failure: ResponseParseError | None = None

    def many(self, rows: Iterable[bytes], *, whole: bool = False) -> list[Any]:
        """Decode rows.

        Args:
            rows: The JSON text of each; those that are empty or all white space are no rows.
            whole: Whether they are parts of one document, so that one that is no JSON breaks all of it.

        Returns:
            What came of them before a `failure`.
        """
        rows = list(filter(None, rows))
        try:
            found = list(map(self._decoder.one, rows))
        except FAULTS:
            found = self._one_by_one(rows, whole=whole)
        else:
            self.count += len(found)
        return self.stamped(found)

    def last(self, row: bytes) -> list[Any]:
        """Decode a row that nothing marks the end of: where it is no JSON, the stream was cut short."""
        try:
            self._decoder.one(row)
        except FAULTS:
            if not row.isspace() and not is_json(row):
                self.fail(f"the stream ends in the middle of item {self.count}", row)
                return []
        return self.many([row])

    def stamped(self, found: list[Any]) -> list[Any]:
        """Note on decoded rows who answered and when, where they shall know it."""
        if self._received is not None and self._decoder.stamp is not None:
            self._decoder.stamp(found, *self._received)
        return found

    def fail(self, message: str, raw: bytes = b"") -> None:
        """Let there be no more rows."""
        self.failure = self.failure or ResponseParseError(message, raw)

    def _one_by_one(self, rows: list[bytes], *, whole: bool) -> list[Any]:
        found: list[Any] = []
        for row in rows:
            if row.isspace():
                continue
            try:
                found.append(decode.decode(row, self._decoder))
            except ResponseParseError as error:
                broken = whole and not is_json(row)
                if broken or self._on_invalid == "raise":
                    self.failure = self._failure(row, error)
                    break
                if self._on_invalid == "collect":
                    found.append(Reject(self.count, self._path(error), error.message, row))
            self.count += 1
        return found

    def _path(self, error: ResponseParseError) -> str:
        inner = error.path[1:] if isinstance(error, ResponseValidationError) else ""
        return f"{self._where}[{self.count}]{inner}"

    def _failure(self, row: bytes, error: ResponseParseError) -> ResponseParseError:
        if isinstance(error, ResponseValidationError):
            failure: ResponseParseError = ResponseValidationError(error.message, row, self._path(error))
        else:
            failure = ResponseParseError(f"item {self.count}: {error.message}", row)
        failure.__cause__ = error.__cause__
        return failure


def is_json(text: bytes) -> bool:
    """Tell whether a text is one JSON value, all of it."""
    try:
        _one_value(text)
    except FAULTS:
        return False
    return True


def check_on_invalid(on_invalid: Any) -> str:
    """Check what shall become of rows that do not fit.

    Raises:
        headrace.errors.ValidationError: It is none of `ON_INVALID`.
    """
    if not isinstance(on_invalid, str) or on_invalid not in ON_INVALID:
        shown = repr(on_invalid) if isinstance(on_invalid, str) else type(on_invalid).__name__
        raise ValidationError(f'on_invalid: got {shown}, takes "raise", "skip" or "collect"')
    return on_invalid


def decoder_for(response_format: Any, on_invalid: Any, where: str = "$") -> Any:
    """Find how a list is decoded of which not every row has to fit.

    Args:
        response_format: A list of any type: `list[User]`.
        on_invalid: `"raise"` is what `headrace._core.values.decode.decoder_for` does, `"skip"` gives the list of the
            rows that fit, `"collect"` a `Partial`.
        where: The path of the list in its document.

    Returns:
        The decoder; it costs nothing until a row does not fit.

    Raises:
        headrace.errors.ValidationError: An argument is wrong.
    """
    if check_on_invalid(on_invalid) == "raise":
        return decode.decoder_for(response_format)
    if get_origin(response_format) is not list:
        takes = f'a list of rows, such as list[User], where on_invalid is "{on_invalid}"'
        raise wrong("response_format", response_format, takes)
    try:
        return _cached(response_format, on_invalid, where)
    except TypeError:  # not hashable
        return _make(response_format, on_invalid, where)


def _make(response_format: Any, on_invalid: str, where: str) -> decode.BodyDecoder:
    whole: Any = decode.decoder_for(response_format)
    (row_format,) = get_args(response_format)
    _row_decoder(row_format)
    collects = on_invalid == "collect"

    def one(body: bytes) -> Any:
        try:
            items = decode.decode(body, whole)
        except FAULTS as error:
            try:
                texts = _split(body)
            except FAULTS:  # it is no array of rows at all
                raise error from error.__cause__
            rows = Rows(row_format, on_invalid, where)
            found = rows.many(map(bytes, texts), whole=True)
            if rows.failure is not None:
                raise error from error.__cause__
            if not collects:
                return found
            rejects = [row for row in found if type(row) is Reject]
            return Partial([row for row in found if type(row) is not Reject], rejects)
        return Partial(items, []) if collects else items

    def stamp(value: Any, base_uri: str, time: datetime) -> None:
        whole.stamp(value.items if collects else value, base_uri, time)

    return decode.BodyDecoder(one, None, whole.stamp and stamp)


_cached = functools.lru_cache(maxsize=1024)(_make)


def row_decoder(response_format: Any) -> decode.BodyDecoder:
    """Find how one row is decoded, as `decode.decoder_for` does, but an array is never many rows."""
    try:
        return _cached_rows(response_format)[0]
    except TypeError:  # not hashable
        return _make_rows(response_format)[0]


def _row_decoder(response_format: Any) -> tuple[decode.BodyDecoder, Callable[[bytes], Any] | None]:
    """Find how one row is decoded, and how a JSON array of them."""
    try:
        return _cached_rows(response_format)
    except TypeError:  # not hashable
        return _make_rows(response_format)


def _make_rows(response_format: Any) -> tuple[decode.BodyDecoder, Callable[[bytes], Any] | None]:
    if response_format is None:
        response_format = Any
    shim = shims.for_type(response_format)
    if shim is not None and not decode.is_type(response_format):  # such as a `TypeAdapter`, of which there is no list
        return decode.BodyDecoder(shim.decoder(response_format), None, shim.stamp_for(response_format)), None
    if not decode.is_type(response_format):
        raise wrong("response_format", response_format, "a model, or a type that msgspec knows, for each row")
    many: Any = decode.decoder_for(list[response_format])
    if shim is not None:
        rows = shim.decoder(list[response_format])
        return decode.BodyDecoder(shim.decoder(response_format), None, many.stamp), rows
    one = msgspec.json.Decoder(response_format, dec_hook=foreign.dec_hook).decode
    return decode.BodyDecoder(one, None, many.stamp), many.one


_cached_rows = functools.lru_cache(maxsize=1024)(_make_rows)


@functools.lru_cache(maxsize=1024)
def cached_row(response_format: Any) -> Callable[[str], Any]:
    """Find what decodes one row that is text; a `TypeError` is a format that is not hashable."""
    one: Any = _cached_rows(response_format)[0].one  # which takes text as it takes bytes
    return one  # type: ignore[no-any-return] # as above
