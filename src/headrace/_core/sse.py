"""Server-sent events live here (WHATWG HTML, section 9.2): bytes in, events out, and how long to wait in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec

from headrace._core import decode, partial
from headrace._core.lines import MOST_BYTES, Start, too_long

if TYPE_CHECKING:
    from headrace.errors import FrameworkException

T = TypeVar("T")

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
    def json(self, response_format: type[T]) -> T: ...

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
        last_id: The last event ID, sent back as `Last-Event-ID`.
        retry: Milliseconds that the server asks to wait before reconnecting, once it has.
        failure: Why there are no more events, once there is a reason.
    """

    __slots__ = ("_after_cr", "_held", "_limit", "_parts", "_start", "failure", "last_id", "retry")

    def __init__(self, limit: int = MOST_BYTES, last_id: str = "") -> None:
        self._limit = limit
        self._start = Start()
        self._parts: list[bytes] = []  # of the event that has begun
        self._held = 0
        self._after_cr = False
        self.last_id = last_id
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
        self._parts = []
        return []

    def _cut(self, piece: bytes) -> list[Event]:
        """Cut at the last empty line, which is where an event ends."""
        end = piece.rfind(b"\n\n") + 2
        # Without one, `end` is 1 now: just behind an LF that makes an empty line with the piece before.
        if end == 1 and not (piece.startswith(b"\n") and (not self._parts or self._parts[-1].endswith(b"\n"))):
            self._parts.append(piece)
            self._held += len(piece)
            self._check_held()
            return []
        block = piece[:end]
        if self._parts:
            self._parts.append(block)
            block = b"".join(self._parts)
        rest = piece[end:]
        self._parts = [rest] if rest else []
        self._held = len(rest)
        events = self._events(block)
        self._check_held()
        return events

    def _check_held(self) -> None:
        if self._held > self._limit + 1 and self.failure is None:  # 1 for the LF of its last line
            self.failure = too_long("an event", self._limit)

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
        events = (self._event(each) for each in text.split("\n\n") if each)
        return [event for event in events if event is not None]

    def _event(self, text: str) -> Event | None:
        """Read the fields of one event; `None` where it has no data, and so is none (section 9.2.6)."""
        kind, retry = "", None
        data: list[str] = []
        for line in text.split("\n"):
            field, colon, value = line.partition(":")
            if colon and value.startswith(" "):
                value = value[1:]
            if field == "data":
                data.append(value)
            elif field == "event":
                kind = value
            elif field == "id":
                if "\0" not in value:
                    self.last_id = value
            elif field == "retry" and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
                self.retry = retry = int(value)
        return Event(kind or "message", "\n".join(data), self.last_id, retry) if data else None


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
