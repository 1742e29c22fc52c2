"""Server-sent events as the WHATWG has them (HTML, section 9.2): bytes in, events out, and how long to wait."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

import msgspec

from headrace._core.pieces import Pieces
from headrace._core.values import decode, partial
from headrace._core.values.lines import MOST_BYTES, Start, too_long

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from headrace.errors import FrameworkException

T = TypeVar("T")

#: The type, data, ID and `retry` of an event, or of some of its lines; `None` where there is none.
_Fields: TypeAlias = tuple[str | None, str | None, str | None, int | None]

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search  # which no field may have (RFC 9110, section 5.5)
_MOST_DIGITS = 18  # of `retry`; more milliseconds than any clock has


class Event(msgspec.Struct, frozen=True, gc=False):
    """One server-sent event.

    Attributes:
        event: Its type; ``message`` where the stream names none.
        data: Its lines, joined with LF.
        id: The last event ID as of this event: its own, or the one before it.
        retry: Milliseconds to wait before reconnecting, where this event says so.
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None

    @overload
    def json(self, response_format: TypeForm[T]) -> T: ...

    @overload
    def json(self, response_format: Any = None) -> Any: ...

    def json(self, response_format: Any = None) -> Any:
        """Decode the data.

        Args:
            response_format: A model, or any type that a request takes; `None` is plain JSON.

        Returns:
            The value.

        Raises:
            headrace.errors.ResponseParseError: It is not JSON, or (as its subclass) does not fit.
            headrace.errors.ValidationError: The response format is none.
        """
        try:
            return partial.cached_row(response_format)(self.data)
        except (TypeError, *partial.FAULTS):  # a format that cannot be kept, or data that decoding says more about
            return decode.decode(self.data.encode(), partial.row_decoder(response_format))


class EventParser:
    """Cuts a stream into events.

    What the stream ends in the middle of is no event (section 9.2.6, "discard any pending data").

    Args:
        limit: Bytes that an event may have.
        last_id: The last event ID of an earlier stream.

    Attributes:
        last_id: The last event ID.
        sendable_id: The last one that can be sent back as `Last-Event-ID`: WHATWG allows control characters in an ID,
            HTTP does not in a field.
        retry: Milliseconds that the server asks to wait before reconnecting, once it has.
        failure: Why there are no more events, once there is a reason.
    """

    __slots__ = ("_after_cr", "_begun", "_held", "_limit", "_start", "failure", "last_id", "retry", "sendable_id")

    def __init__(self, limit: int = MOST_BYTES, last_id: str = "") -> None:
        self._limit = limit
        self._start = Start()
        self._begun: _Begun | None = None  # the event that has begun, as far as its lines have ended
        self._held = Pieces(b"")  # of the line that has begun
        self._after_cr = False
        self.last_id = last_id
        self.sendable_id = "" if _CONTROL(last_id) else last_id
        self.retry: int | None = None
        self.failure: FrameworkException | None = None

    def feed(self, piece: bytes) -> list[Event]:
        """Take the next piece of the stream; return the events that it completes."""
        if not self._start.over:
            piece = self._start.feed(piece)
        if self._after_cr and piece:
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in piece:
            # A CR ends its line at once: whether an LF follows matters to the next piece only.
            self._after_cr = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return self._cut(piece) if piece else []

    def finish(self) -> list[Event]:
        """Take the end of the stream; there is nothing more to return."""
        self._begun = None
        self._held.clear()
        return []

    def _cut(self, piece: bytes) -> list[Event]:
        """Cut at the last empty line, which is where an event ends."""
        end = piece.rfind(b"\n\n") + 2
        # Without one, `end` is 1 now: just behind an LF that is an empty line where no other has begun.
        if end == 1 and (self._held.size or not piece.startswith(b"\n")):
            self._hold(piece)
            return []
        block = piece[:end]
        events = self._events(block) if self._begun is None and not self._held.size else self._end(block)
        if end < len(piece):
            self._hold(piece[end:])
        return events

    def _hold(self, piece: bytes) -> None:
        """Read the lines that end in a piece without an empty one, and hold the rest."""
        held = self._held
        end = piece.find(b"\n") + 1
        if end and held.size:  # the line by itself: it can be as large as its event
            held.add(piece[: end - 1])
            self._read(held.take(), line_end=1)
            piece = piece[end:]
        end = piece.rfind(b"\n") + 1
        if end:
            self._read(piece[:end])
        held.add(piece[end:])
        size = held.size if self._begun is None else held.size + self._begun.size
        if size > self._limit + 1 and self.failure is None:  # 1 for the LF of its last line
            self.failure = too_long("an event", self._limit)

    def _read(self, lines: bytes, *, line_end: int = 0) -> None:
        """Read lines of an event before it ends, as section 9.2.6 has it: `retry` is obeyed at once."""
        if self._begun is None:
            self._begun = _Begun()
        size = len(lines) + line_end
        text = lines.decode("utf-8", "replace")
        del lines  # not to be held beside the data in them
        fields = _fields(text)
        self._heed(fields[3])
        self._begun.add(fields, size)

    def _heed(self, retry: int | None) -> None:
        if retry is not None:
            self.retry = retry

    def _end(self, block: bytes) -> list[Event]:
        """Read what is left of the event that has begun, then the events behind it."""
        ended, behind = not self._held.size and block.startswith(b"\n"), 1
        if not ended:
            behind = block.find(b"\n\n") + 2
            self._hold(block[: behind - 2])
            if self._held.size:
                self._read(self._held.take())
        begun, self._begun = self._begun or _Begun(), None
        if begun.size - ended > self._limit:  # the LF of its last line does not count
            self.failure = too_long("an event", self._limit)
        if self.failure is not None:
            return []
        event = self._dispatched(begun.fields())
        rest = self._events(block[behind:]) if behind < len(block) else []
        return rest if event is None else [event, *rest]

    def _events(self, block: bytes) -> list[Event]:
        if len(block) > self._limit:
            texts = block.split(b"\n\n")
            number = next((n for n, text in enumerate(texts) if len(text.lstrip(b"\n")) > self._limit), None)
            if number is not None:
                self.failure = too_long("an event", self._limit)
                block = b"\n\n".join(texts[:number]) + b"\n\n"
        # All of it at once: an empty line is never in the middle of a character.
        text = block.decode("utf-8", "replace")
        # Events that are one line of data each, as most streams have, are cut in one go.
        if text.startswith("data: "):
            lines = text[6:-2].split("\n\ndata: ")
            if text.count("\n") == 2 * len(lines):
                last_id = self.last_id
                return [Event("message", line, last_id) for line in lines]
        events = (self._dispatched(_fields(each)) for each in text.split("\n\n") if each)
        return [event for event in events if event is not None]

    def _dispatched(self, fields: _Fields) -> Event | None:
        """Make an event of its fields; `None` where it has no data, and so is none (section 9.2.6)."""
        kind, data, last_id, retry = fields
        if last_id is not None:
            self.last_id = last_id
            if _CONTROL(last_id) is None:
                self.sendable_id = last_id
        self._heed(retry)
        return None if data is None else Event(kind or "message", data, self.last_id, retry)


def _fields(text: str) -> _Fields:
    """Read lines of an event (section 9.2.6)."""
    kind, last_id, retry = None, None, None
    data: list[str] = []
    for line in text.split("\n"):
        colon = line.find(":")
        field, value = (line, "") if colon < 0 else (line[:colon], line[colon + 1 + line.startswith(" ", colon + 1) :])
        if field == "data":
            data.append(value)
        elif field == "event":
            kind = value
        elif field == "id":
            if "\0" not in value:
                last_id = value
        elif field == "retry" and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
            retry = int(value)
    return kind, "\n".join(data) if data else None, last_id, retry


class _Begun:
    """What was read so far of an event that has not ended.

    Attributes:
        size: Bytes of its lines.
    """

    __slots__ = ("_data", "_has_data", "_kind", "_last_id", "_retry", "size")

    def __init__(self) -> None:
        self._kind: str | None = None
        self._data = Pieces("")
        self._has_data = False
        self._last_id: str | None = None
        self._retry: int | None = None
        self.size = 0

    def add(self, fields: _Fields, size: int) -> None:
        """Add the fields of more lines, of so many bytes."""
        kind, data, last_id, retry = fields
        if data is not None:
            if self._has_data:
                self._data.add("\n")
            self._has_data = True
            self._data.add(data)
        self._kind = self._kind if kind is None else kind
        self._last_id = self._last_id if last_id is None else last_id
        self._retry = self._retry if retry is None else retry
        self.size += size

    def fields(self) -> _Fields:
        """Take all of them."""
        return self._kind, self._data.take() if self._has_data else None, self._last_id, self._retry


class EventRows:
    """Decodes the data of the events of a stream.

    Args:
        rows: What decodes them.
        limit: Bytes that an event may have.
    """

    __slots__ = ("_events", "_rows")

    def __init__(self, rows: partial.Rows, limit: int = MOST_BYTES) -> None:
        self._rows = rows
        self._events = EventParser(limit)

    @property
    def failure(self) -> FrameworkException | None:
        """Why there are no more items, once there is a reason."""
        return self._rows.failure or self._events.failure

    def feed(self, piece: bytes) -> list[Any]:
        """Take the next piece of the stream; return the items that it completes."""
        return self._rows.many([event.data.encode() for event in self._events.feed(piece)])

    def finish(self) -> list[Any]:
        """Take the end of the stream; there is nothing more to return."""
        return []


def id_field(last_id: str) -> str:
    """Write an event ID as the value of `Last-Event-ID`: in UTF-8 (section 9.2.3), one character a byte."""
    return last_id.encode().decode("latin-1")


def delay(retry: int | None, wait: float, max_wait: float, failures: int, chance: float) -> float:
    """Compute the seconds to wait before reconnecting.

    Args:
        retry: Milliseconds that the server asks for, if it does.
        wait: Seconds to wait where it does not.
        max_wait: The most seconds to wait.
        failures: How many connections in a row have brought nothing; each doubles the wait.
        chance: A random number from 0 to 1; up to half as long again is waited, so that clients do not come at once.
    """
    base = wait if retry is None else retry / 1000
    return min(max_wait, base * 2.0 ** min(failures, 32) * (1 + chance / 2))
