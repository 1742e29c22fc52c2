"""Server-sent events as WHATWG HTML has them, section 9.2, and a stream of them over several connections."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import AsyncClient, Event, streams
from headrace._core.values.sse import EventParser, delay
from headrace.errors import (
    ConnectionLost,
    HTTPServiceUnavailable,
    ResponseParseError,
    ResponseTooLarge,
    ResponseValidationError,
    ValidationError,
)
from tests.conftest import ServeScript
from tests.kit.streaming import cuts, gather, parse, places, stream
from tests.servers.raw import Do


class Token(msgspec.Struct):
    """The data of an event."""

    text: str


def events_of(text: bytes) -> list[Event]:
    """Read the events of a stream, line by line as section 9.2.6 describes it."""
    found, kind, data, last_id, retry = [], "", "", "", None
    lines = text.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    next_id = ""
    for line in lines[:-1]:
        if not line:
            last_id = next_id
            if data:
                found.append(Event(kind or "message", data[:-1], last_id, retry))
            kind, data, retry = "", "", None
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data += value + "\n"
            elif name == "event":
                kind = value
            elif name == "id" and "\0" not in value:
                next_id = value
            elif name == "retry" and value.isascii() and value.isdigit():
                retry = int(value)
    return found


_LINES = ["data: a", "data:b", "data", "data:", "data:  c", "event: x", "event", "id: 1", "id", "id: a\0b", "retry: 10"]
_LINES += [
    "retry: -1",
    "retry: 1.5",
    "retry: ٣",
    ": note",
    ":",
    "other: 1",
    "data: ä😀",
    "Data: no",
    " data: no",
    "\ufeff",
]


@given(st.lists(st.tuples(st.sampled_from([*_LINES, "", ""]), st.sampled_from(["\n", "\r", "\r\n"]))), places())
def test_events_are_those_of_the_standard(lines: list[tuple[str, str]], at: list[int]) -> None:
    """The events are what reading line by line gives, however the stream is cut."""
    text = "".join(line + end for line, end in lines).encode()
    assert parse(EventParser(), cuts(text, at)) == (events_of(text), None)


@given(st.binary(max_size=12), places())
def test_bytes_that_are_no_text_change_no_event_but_their_own(raw: bytes, at: list[int]) -> None:
    """What is no UTF-8 becomes replacements, the same ones wherever the pieces end."""
    text = b"data: 1\n\ndata: " + raw.replace(b"\n", b"").replace(b"\r", b"") + b"\n\ndata: 2\n\n"
    found, _ = parse(EventParser(), cuts(text, at))
    assert found == events_of(text)


@given(
    st.lists(st.sampled_from([b"data: 12\n", b"\n", b": note\n", b"data: 12345678\n"])), st.integers(1, 30), places()
)
def test_an_event_beyond_the_limit_is_found_however_it_is_cut(lines: list[bytes], limit: int, at: list[int]) -> None:
    """The events before the one that is too long are given, and then the error."""
    text = b"".join(lines)
    assert parse(EventParser(limit), cuts(text, at)) == parse(EventParser(limit), [text])


async def test_the_examples_of_the_standard() -> None:
    """The examples of section 9.2.6 give the events that it says."""
    text = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n"
    found, error = await gather(streams.events(stream(b"\xef\xbb\xbf" + text)))
    assert found == [Event(data="first event", id="1"), Event(data="second event")]
    assert error is None
    found, _ = await gather(streams.events(stream(b"data: YHOO\ndata: +2\ndata: 10\n\ndata\n\ndata\ndata\n\ndata:")))
    assert [event.data for event in found] == ["YHOO\n+2\n10", "", "\n"]
    found, _ = await gather(streams.events(stream(b"event: add\ndata: 7\nretry: 1500\n\ndata: 8\n\n")))
    assert found == [Event("add", "7", "", 1500), Event("message", "8")]


async def test_data_as_json() -> None:
    """The data of an event is decoded into a model, and the data of every event as an item."""
    event = Event(data='{"text":"ä"}')
    assert event.json(Token) == Token("ä")
    assert event.json() == {"text": "ä"}
    assert event.json(Annotated[Token, ["no hash"]]) == Token("ä")
    with pytest.raises(ResponseValidationError, match=r"\$\.text"):
        Event(data='{"text":1}').json(Token)
    for data in ("", "[DONE]"):
        with pytest.raises(ResponseParseError):
            Event(data=data).json(Token)
    text = b'data: {"text":"a"}\n\n: note\n\nevent: x\ndata: {"text":\ndata: "b"}\n\ndata: [DONE]\n\n'
    found, error = await gather(streams.items(stream(text), Token, format="sse"))
    assert found == [Token("a"), Token("b")]
    assert isinstance(error, ResponseValidationError)
    assert error.path == "$[2]"
    assert await gather(streams.items(stream(text), Token, format="sse", on_invalid="skip")) == (found, None)


async def test_an_event_has_a_limit() -> None:
    """An event without an end does not fill the memory."""
    _, error = await gather(streams.events(stream(*[b"data: x\n"] * 100), max_event_bytes=100))
    assert isinstance(error, ResponseTooLarge)


@given(
    st.none() | st.integers(0, 10**18), st.floats(0, 100), st.floats(0, 1000), st.integers(0, 10**6), st.floats(0, 1)
)
def test_waits_are_bounded(retry: int | None, wait: float, most: float, failures: int, chance: float) -> None:
    """No wait is longer than the most, nor shorter than what is asked for, unless that is more than the most."""
    base = wait if retry is None else retry / 1000
    assert min(base, most) <= delay(retry, wait, most, failures, chance) <= most


def test_waits_grow_to_their_end() -> None:
    """Each failure doubles the wait, 32 times at the most: no number of them is too large to compute with."""
    waits = [delay(None, 1.0, math.inf, failures, 0.0) for failures in (0, 1, 2, 31, 32, 33, 10**6)]
    assert waits == [1, 2, 4, 2**31, 2**32, 2**32, 2**32]


class Server:
    """Answers each connection with the next of its scripts: pieces, and errors to end with."""

    def __init__(self, *scripts: Any) -> None:
        self.scripts = list(scripts)
        self.asked: list[str] = []
        self.waits: list[float] = []
        self.status = 200
        self.open_now = 0

    @asynccontextmanager
    async def open(self, last_id: str) -> AsyncIterator[Any]:
        """Open a stream behind an event."""
        self.asked.append(last_id)
        self.script = self.scripts.pop(0)
        if isinstance(self.script, Exception):
            raise self.script
        self.status = self.script if isinstance(self.script, int) else 200
        self.open_now += 1
        try:
            yield self
        finally:
            self.open_now -= 1

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """Stream the pieces of the script."""
        for step in self.script:
            if isinstance(step, Exception):
                raise step
            yield step

    async def sleep(self, seconds: float) -> None:
        """Note a wait instead of waiting."""
        self.waits.append(seconds)

    def events(self, **options: Any) -> Any:
        """Receive events over as many connections as there are scripts."""
        return streams.reconnect(self.open, sleep=self.sleep, chance=lambda: 0.0, **options)


async def test_a_lost_stream_goes_on_behind_its_last_event() -> None:
    """The last event ID is sent, what was half received is not given twice, and a 204 ends it all."""
    lost = ConnectionLost("cut off")
    first = [b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c", lost]
    server = Server(first, [b"retry: 500\n\nid: 3\ndata: c\n\n"], lost, [lost], [b"data: d\n\n"], 204)
    found, error = await gather(server.events(wait=2, last_event_id="0"))
    assert error is None
    assert [(event.id, event.data) for event in found] == [("1", "a"), ("2", "b"), ("3", "c"), ("3", "d")]
    assert server.asked == ["0", "2", "3", "3", "3", "3"]
    assert server.waits == [2, 0.5, 1.0, 2.0, 0.5]
    assert server.open_now == 0


async def test_attempts_are_counted_in_a_row() -> None:
    """After so many connections without an event the last error is raised, or the stream ends if there was none."""
    lost = ConnectionLost("cut off")
    server = Server([b"data: a\n\n"], lost, lost)
    found, error = await gather(server.events(attempts=2, max_wait=4))
    assert [event.data for event in found] == ["a"]
    assert error is lost
    assert server.waits == [3, 4]
    assert await gather(Server([], [b": note\n\n"], []).events(attempts=3)) == ([], None)


async def test_what_is_raised_at_once() -> None:
    """A first connection that fails, the error of a status, and what would only come again are raised."""
    lost, refused = ConnectionLost("cut off"), HTTPServiceUnavailable(None, status_code=503)
    assert (await gather(Server(lost).events()))[1] is lost
    assert (await gather(Server([b"data: a\n\n"], refused).events()))[1] is refused
    _, error = await gather(Server([b"data: " + b"x" * 100]).events(max_event_bytes=10))
    assert isinstance(error, ResponseTooLarge)


async def test_leaving_closes_the_connection() -> None:
    """Who closes the events closes the connection they come over."""
    server = Server([b"data: a\n\ndata: b\n\n"])
    found = server.events()
    assert (await anext(found)).data == "a"
    assert server.open_now == 1
    await found.aclose()
    assert server.open_now == 0


@pytest.mark.parametrize(
    "options",
    [{"wait": -1}, {"max_wait": "1"}, {"attempts": 0}, {"last_event_id": 3}, {"max_event_bytes": 1.5}, {"open": 1}],
)
def test_arguments_of_reconnect_are_checked(options: dict[str, Any]) -> None:
    """A wrong argument is an error before anything is opened."""
    with pytest.raises(ValidationError, match=f"^{next(iter(options))}: got"):
        streams.reconnect(**{"open": Server().open, **options})


async def test_retry_is_obeyed_before_its_event_ends(serve_script: ServeScript, transport: str) -> None:
    """Section 9.2.6 sets the time with the line of `retry`, where that is whole; an ID waits for its event."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nid: 1\ndata: x\n\n"
    scripts = [[Do.READ, head + rest] for rest in (b"id: 2\nretry: 7\ndata: y", b"retry: 8", b"data: z\nretry: 9\n")]
    server = await serve_script(*scripts, [Do.READ, b"HTTP/1.1 204 No Content\r\n\r\n"])
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(round(seconds, 4))

    async with AsyncClient(server.url, transport=transport) as client:

        def open_(last_id: str) -> Any:
            return client.stream("GET", headers={"Last-Event-ID": last_id} if last_id else None)

        found = [event async for event in streams.reconnect(open_, wait=1.0, sleep=sleep, chance=lambda: 0.0)]
    assert [event.data for event in found] == ["x"] * 3
    assert waits == [0.007, 0.007, 0.009]
    assert [request.header("Last-Event-ID") for request in server.requests] == [None, "1", "1", "1"]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("7", b"7"),
        ("é", "é".encode()),
        ("…", "…".encode()),
        ("\u0085\U0001f600", "\u0085\U0001f600".encode()),
        ("a\tb", b"a\tb"),
        ("\ufffd", "\ufffd".encode()),
        ("a\x01b", b"before"),  # the last that can be sent
        ("\x7f", b"before"),
        ("a\0b", b"before"),  # which is no ID: section 9.2.6
        ("", None),
    ],
)
async def test_an_event_id_comes_back(
    given: str, sent: bytes | None, serve_script: ServeScript, transport: str
) -> None:
    """Any ID of a stream is sent back in UTF-8 where HTTP can carry it, and ends no stream where not."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    body = b"id: before\ndata: 1\n\nid: " + given.encode() + b"\ndata: 2\n\n"
    server = await serve_script([Do.READ, head + body], [Do.READ, b"HTTP/1.1 204 No Content\r\n\r\n"])
    async with AsyncClient(server.url, transport=transport) as client:

        def open_(last_id: str) -> Any:
            return client.stream("GET", headers={"Last-Event-ID": last_id} if last_id else None)

        found = [event async for event in streams.reconnect(open_, wait=0.0)]
    assert [event.data for event in found] == ["1", "2"]
    assert found[1].id == ("before" if "\0" in given else given)
    lines = server.connections[1].received.split(b"\r\n")
    assert [line for line in lines if line.startswith(b"Last-Event-ID")] == (
        [] if sent is None else [b"Last-Event-ID: " + sent]
    )


@pytest.mark.parametrize("last_id", ["a\nb", "\r", "\0", "\ud800"])
def test_what_is_no_event_id_is_refused(last_id: str) -> None:
    """What no stream can have given as an ID is a mistake of the caller's."""
    with pytest.raises(ValidationError, match=r"^last_event_id: got"):
        streams.reconnect(Server().open, last_event_id=last_id)
