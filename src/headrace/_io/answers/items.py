"""Lines, items and events out of any async iterable of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, TypeVar, overload

from headrace._checks import is_number, wrong, wrong_number
from headrace._core.values import partial, places, sse
from headrace._core.values.lines import MOST_BYTES, LineParser
from headrace._core.values.records import LinesOfJSON, TextSequence
from headrace.errors import ResponseParseError, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
    from datetime import datetime

    from typing_extensions import TypeForm

    from headrace._core.values.partial import Reject
    from headrace._core.values.sse import Event

T = TypeVar("T")

Format: TypeAlias = Literal["ndjson", "json-seq", "array", "sse"]

#: What is parsed in one go: the loop never stands still for long, and few items are in memory, however large a piece.
_MOST_AT_ONCE: Final = 64 * 1024  # bytes
_FORMATS: Final[dict[str, Format]] = {
    "application/json": "array",
    "application/json-seq": "json-seq",
    "application/json-lines": "ndjson",
    "application/jsonl": "ndjson",
    "application/jsonlines": "ndjson",
    "application/ndjson": "ndjson",
    "application/x-json-stream": "ndjson",
    "application/x-jsonl": "ndjson",
    "application/x-jsonlines": "ndjson",
    "application/x-ndjson": "ndjson",
    "text/event-stream": "sse",
}
_SUFFIXES: Final[dict[str, Format]] = {"+json": "array", "+json-seq": "json-seq"}


class Parser(Protocol):
    """What all parsers of streams have in common."""

    @property
    def failure(self) -> Exception | None:
        """Why there is nothing more, once there is a reason."""
        ...

    def feed(self, piece: bytes, /) -> list[Any]:
        """Take the next piece."""
        ...

    def finish(self) -> list[Any]:
        """Take the end."""
        ...


_PARSERS: Final[dict[str, Callable[[partial.Rows, int], Parser]]] = {
    "ndjson": LinesOfJSON,
    "json-seq": TextSequence,
    "sse": sse.EventRows,
}


def lines(pieces: AsyncIterable[bytes], *, max_line_bytes: int | None = None) -> AsyncGenerator[str, None]:
    """Cut a stream into lines.

    Args:
        pieces: The bytes, cut anywhere.
        max_line_bytes: Bytes that a line may have; 64 MiB by default.

    Returns:
        An async generator of the lines, without their ends (LF, CRLF or CR), decoded as UTF-8 with replacements. A
        last line needs no end.

    Raises:
        headrace.errors.ResponseTooLarge: A line is longer.
        headrace.errors.ValidationError: An argument is wrong.
    """
    return parsed(_checked(pieces), line_parser(max_line_bytes))


def events(pieces: AsyncIterable[bytes], *, max_event_bytes: int | None = None) -> AsyncGenerator[Event, None]:
    """Cut a stream of server-sent events (WHATWG HTML, section 9.2) into events.

    Args:
        pieces: The bytes, cut anywhere.
        max_event_bytes: Bytes that an event may have; 64 MiB by default.

    Returns:
        An async generator of the events. An event without the empty line behind it is none, as WHATWG has it.

    Raises:
        headrace.errors.ResponseTooLarge: An event is longer.
        headrace.errors.ValidationError: An argument is wrong.
    """
    return parsed(_checked(pieces), event_parser(max_event_bytes))


@overload
def items(
    pieces: AsyncIterable[bytes],
    response_format: TypeForm[T],
    *,
    format: Format | None = None,
    content_type: str = "",
    path: str | Sequence[str] | None = None,
    on_invalid: Literal["raise", "skip"] = "raise",
    max_item_bytes: int | None = None,
    received: tuple[str, datetime] | None = None,
) -> AsyncGenerator[T, None]: ...


@overload
def items(
    pieces: AsyncIterable[bytes],
    response_format: TypeForm[T],
    *,
    format: Format | None = None,
    content_type: str = "",
    path: str | Sequence[str] | None = None,
    on_invalid: Literal["collect"],
    max_item_bytes: int | None = None,
    received: tuple[str, datetime] | None = None,
) -> AsyncGenerator[T | Reject, None]: ...


@overload
def items(
    pieces: AsyncIterable[bytes],
    response_format: Any = None,
    *,
    format: Format | None = None,
    content_type: str = "",
    path: str | Sequence[str] | None = None,
    on_invalid: str = "raise",
    max_item_bytes: int | None = None,
    received: tuple[str, datetime] | None = None,
) -> AsyncGenerator[Any, None]: ...


def items(
    pieces: AsyncIterable[bytes],
    response_format: Any = None,
    *,
    format: Format | None = None,  # noqa: A002 - what the field calls it
    content_type: str = "",
    path: str | Sequence[str] | None = None,
    on_invalid: str = "raise",
    max_item_bytes: int | None = None,
    received: tuple[str, datetime] | None = None,
) -> AsyncGenerator[Any, None]:
    """Decode the items of a stream as they arrive.

    Args:
        pieces: The bytes, cut anywhere.
        response_format: What an item becomes: a model, any type that msgspec knows, or `None` for plain JSON.
        format: ``"ndjson"`` (JSON Lines too), ``"json-seq"`` (RFC 7464), ``"array"`` (a JSON document with an array in
            it), or ``"sse"`` (the data of server-sent events); `None` asks `content_type`.
        content_type: The answer's `Content-Type`.
        path: Where the array is in its document: names with dots between, or a list of names. `None` is the document
            itself. Without a `format`, a path means ``"array"``.
        on_invalid: ``"raise"`` ends the stream at an item that does not fit; ``"skip"`` leaves it out; ``"collect"``
            yields a `Reject` in its place, so that no list of them grows.
        max_item_bytes: Bytes that an item may have; 64 MiB by default.
        received: The URL that answered and when, for a `headrace.Response` to know.

    Returns:
        An async generator of the items. What comes before a fault is yielded before it is raised.

    Raises:
        headrace.errors.ResponseValidationError: An item does not fit; its path tells which.
        headrace.errors.ResponseParseError: An item or the document is not JSON, is cut short, or has no such array; or
            the `Content-Type` of an answer names no format.
        headrace.errors.ResponseTooLarge: An item is longer.
        headrace.errors.ValidationError: An argument is wrong.
    """
    return parsed(
        _checked(pieces),
        item_parser(response_format, format, content_type, path, on_invalid, max_item_bytes, received),
    )


def line_parser(max_line_bytes: int | None) -> LineParser:
    """Make what cuts lines; see `lines`."""
    return LineParser(limit("max_line_bytes", max_line_bytes))


def event_parser(max_event_bytes: int | None) -> sse.EventParser:
    """Make what cuts events; see `events`."""
    return sse.EventParser(limit("max_event_bytes", max_event_bytes))


def item_parser(
    response_format: Any,
    format: Format | None,  # noqa: A002 - the same
    content_type: str,
    path: str | Sequence[str] | None,
    on_invalid: str,
    max_item_bytes: int | None,
    received: tuple[str, datetime] | None,
) -> Parser:
    """Make what decodes items; see `items`."""
    names = places.as_path(path, "path", indexes=False)
    if format is None:
        format = "array" if path is not None else _format_of(content_type, received)  # noqa: A001 - as its argument
    elif format not in ("array", *_PARSERS):
        raise wrong("format", format, '"ndjson", "json-seq", "array" or "sse"')
    if path is not None and format != "array":
        raise ValidationError(f'path: there is no path in "{format}", only in "array"')
    most = limit("max_item_bytes", max_item_bytes)
    rows = partial.Rows(response_format, partial.check_on_invalid(on_invalid), places.shown(names), received)
    if format != "array":
        return _PARSERS[format](rows, most)
    from headrace._core.values.array import ArrayParser  # few need it, and everybody would wait for its import

    return ArrayParser(rows, names, most)


async def parsed(
    pieces: AsyncIterable[bytes], parser: Parser, named: Callable[[Exception], Exception] = lambda failure: failure
) -> AsyncGenerator[Any, None]:
    """Feed a parser, and yield what comes of it.

    Args:
        pieces: What it is fed.
        parser: The parser.
        named: Writes down in the error that it ends with which request it is of.
    """
    source = aiter(pieces)
    try:
        async for piece in source:
            for begin in range(0, len(piece), _MOST_AT_ONCE):
                part = piece if len(piece) <= _MOST_AT_ONCE else piece[begin : begin + _MOST_AT_ONCE]
                for item in parser.feed(part if type(part) is bytes else bytes(part)):
                    yield item
                if parser.failure is not None:
                    raise named(parser.failure)
        for item in parser.finish():
            yield item
        if parser.failure is not None:
            raise named(parser.failure)
    finally:
        # Whoever leaves early, leaves the source too: what it holds is put away now, not when it is collected.
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


def _checked(pieces: Any) -> AsyncIterable[bytes]:
    if not hasattr(pieces, "__aiter__"):
        raise wrong("pieces", pieces, "an async iterable of bytes")
    return pieces  # type: ignore[no-any-return] # its items are seen when they come


def limit(name: str, value: Any) -> int:
    """Check a number of bytes; `None` is the default."""
    if value is None:
        return MOST_BYTES
    if not is_number(value, integer=True):
        raise wrong_number(name, value, "a number of bytes above 0, or None")
    return int(value)


def _format_of(content_type: Any, received: Any) -> Format:
    """Find the format that a `Content-Type` names; one that names none is the server's fault where one has answered."""
    if not isinstance(content_type, str):
        raise wrong("content_type", content_type, "a str")
    kind = content_type.partition(";")[0].strip().lower()
    found = _FORMATS.get(kind)
    for suffix, name in _SUFFIXES.items():
        if kind.endswith(suffix):
            found = name
    if found is None:
        shown = f"the Content-Type {kind!r} names none" if kind else "there is no Content-Type"
        message = f'format: {shown}; give "ndjson", "json-seq", "array" or "sse"'
        raise ValidationError(message) if received is None else ResponseParseError(message)
    return found
