"""The parts of a streamed body, out of any async iterable of bytes: lines, items, events."""

from headrace._core.partial import Partial, Reject
from headrace._core.sse import Event
from headrace._io.items import Format, events, items, lines
from headrace._io.reconnecting import Streamed, reconnect

__all__ = ["Event", "Format", "Partial", "Reject", "Streamed", "events", "items", "lines", "reconnect"]
