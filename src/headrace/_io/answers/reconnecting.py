"""A stream of events outlives its connections; how long to wait is decided by `headrace._core.values.sse`."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from headrace._checks import is_number, wrong, wrong_number
from headrace._core.values.sse import EventParser, delay, id_field
from headrace._io.answers.items import limit, parsed
from headrace._io.frames import go_on
from headrace.errors import ProtocolError, ResponseTooLarge, TransportError, UploadError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from headrace._core.values.sse import Event

#: Another connection would only meet them again.
_FINAL: Final = (ProtocolError, ResponseTooLarge, UploadError)
#: What no ID of a stream has (WHATWG HTML, section 9.2.6).
_NO_ID: Final = re.compile("[\0\r\n\ud800-\udfff]").search


class Streamed(Protocol):
    """A streamed answer, as far as `reconnect` has to know it; one with a `status` of 204 ends the stream for good."""

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Return the pieces of the content."""
        ...


def reconnect(
    open: Callable[[str], AbstractAsyncContextManager[Streamed]],  # noqa: A002 - what it does
    *,
    last_event_id: str = "",
    wait: float = 3.0,
    max_wait: float = 60.0,
    attempts: int | None = 10,
    max_event_bytes: int | None = None,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    chance: Callable[[], float] = random.random,
) -> AsyncGenerator[Event, None]:
    """Receive server-sent events over as many connections as it takes (WHATWG HTML, section 9.2.3).

    A stream that ends, or whose connection is lost, is opened again behind the last event. What opening it the first
    time raises is raised; so is every error of a status. A 204 ends the stream.

    Args:
        open: Opens the stream behind the event with this ID, to be sent as `Last-Event-ID` unless it is empty. It gets
            the ID as a field has it: its UTF-8, one character a byte. An ID with a control character cannot be sent; in
            its place comes the one before it. Returns an async context manager of the answer.
        last_event_id: Where to begin.
        wait: Seconds to wait before reconnecting, until the server asks for others with `retry`.
        max_wait: The most seconds to wait, whatever the server asks for.
        attempts: How many connections in a row may bring no event; `None` is any number.
        max_event_bytes: Bytes that an event may have; 64 MiB by default.
        sleep: Waits for a number of seconds.
        chance: A random number from 0 to 1 for each wait.

    Returns:
        An async generator of the events. It ends where the last of the `attempts` has ended without an error.

    Raises:
        headrace.errors.TransportError: The last of the `attempts` has failed.
        headrace.errors.HTTPError: The server has refused the stream.
        headrace.errors.ValidationError: An argument is wrong.
    """
    if not callable(open):
        raise wrong("open", open, "a function of the last event ID")
    if not isinstance(last_event_id, str):
        raise wrong("last_event_id", last_event_id, "a str")
    if _NO_ID(last_event_id) is not None:
        raise wrong("last_event_id", last_event_id, "text without NUL, line ends and surrogates")
    for name, value in (("wait", wait), ("max_wait", max_wait)):
        if not is_number(value, zero=True):
            raise wrong_number(name, value, "seconds, at least 0")
    if attempts is not None and not is_number(attempts, integer=True):
        raise wrong_number("attempts", attempts, "a number of connections, at least 1, or None")
    most = limit("max_event_bytes", max_event_bytes)

    return _Connections(open, wait, max_wait, attempts, most, sleep, chance).events(last_event_id)


@attrs.frozen
class _Connections:
    """The connections of one stream, one after the other, as `reconnect` describes them."""

    open: Callable[[str], AbstractAsyncContextManager[Streamed]]
    wait: float
    max_wait: float
    attempts: int | None
    limit: int
    sleep: Callable[[float], Awaitable[object]]
    chance: Callable[[], float]

    async def events(self, last_id: str) -> AsyncGenerator[Event, None]:
        """Yield the events behind one."""
        retry, failures, first = None, 0, True
        sendable = ""
        while True:
            parser = EventParser(self.limit, last_id)
            parser.retry = retry
            parser.sendable_id = sendable = parser.sendable_id or sendable
            failures += 1
            error: Exception | None = None
            try:
                async with self.open(id_field(sendable)) as answer:
                    first = False
                    if getattr(answer, "status", None) == 204:
                        return
                    async with aclosing(parsed(answer.aiter_bytes(), parser)) as found:
                        async for event in found:
                            failures = 0
                            yield event
            except (TransportError, OSError) as lost:
                if first or isinstance(lost, _FINAL):
                    raise
                error = lost
                go_on(lost)
            last_id, sendable, retry = parser.last_id, parser.sendable_id, parser.retry
            if self.attempts is not None and failures >= self.attempts:
                if error is not None:
                    raise error
                return
            await self.sleep(delay(retry, self.wait, self.max_wait, failures, self.chance()))
