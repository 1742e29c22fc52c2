"""The parts of a streamed body, out of any async iterable of bytes: lines, items, events."""

from headrace._core.values.partial import Partial, Reject
from headrace._core.values.sse import Event
from headrace._io.answers.items import Format, events, items, lines
from headrace._io.answers.reconnecting import Streamed, reconnect

__all__ = ["Event", "Format", "Partial", "Reject", "Streamed", "events", "items", "lines", "reconnect"]
