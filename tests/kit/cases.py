"""The cases of `tests/cases` live here: what a server sends, what a careful client does with it, and how it is tried.

Each case has an `id`, the raw answer (`raw_base64`, or a `script` of steps: bytes in base64, milliseconds before them,
`keep`, `close` or `reset` after them, and how often) and what is expected: `ok`, `error` or `either`, the status, the
body after decompression, and whether the connection may serve again. `responses.json` is not ours and is never changed;
`more.json` has the cases that were found since.
"""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from headrace import AiohttpTransport, AsyncClient, WireTransport
from headrace._core.values import answer
from headrace.errors import FrameworkException, HTTPError, HTTPRedirect, RequestTimeout, ResponseTooLarge
from tests.kit import ROOT
from tests.servers.raw import RawServer, reset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headrace._core.messages import Request, Response
    from headrace.types import Transport

_FOLDER = ROOT / "tests" / "cases"
_MOST_BODY = 8 << 20
_BYTEWISE = 300  # bytes of a case that are sent one by one; the rest of a large one comes in a few pieces
_CASE, _PROBE = b"/case/", b"/probe/"
_PATIENCE = 20.0  # seconds; nothing takes so long unless it hangs
_NO_PATIENCE = 0.5  # seconds for answers that are never whole


class Step(NamedTuple):
    """What a server does at once."""

    data: bytes
    delay: float
    end: str


class Case:
    """One answer, and what is expected of whoever gets it."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.entry = entry
        self.id: str = entry["id"]
        self.method: str = entry["request_method"]
        steps = entry.get("script") or [[entry["raw_base64"], 0, "keep"]]
        self.steps = [
            Step(base64.b64decode(step[0]), step[1] / 1000, step[2])
            for step in steps
            for _ in range(step[3] if len(step) > 3 else 1)
        ]

    @property
    def body(self) -> bytes | None:
        """The expected body."""
        text = self.entry.get("expect_body_base64")
        return None if text is None else base64.b64decode(text)

    @property
    def limit(self) -> int:
        """Bytes that the body may have after decompression."""
        size: int = (self.entry.get("limits") or {}).get("max_body", _MOST_BODY)
        return size

    @property
    def timeout(self) -> float:
        """Seconds that are enough to tell an answer that is not whole from one that is."""
        return _NO_PATIENCE if self.entry.get("timeout_ok") else _PATIENCE

    def is_late(self) -> bool:
        """Tell whether the server says something while the connection lies idle."""
        return bool(self.entry.get("probe_delay_ms"))

    def pieces(self, *, bytewise: bool) -> list[Step]:
        """Cut the steps into what is sent at once."""
        if not bytewise:
            return self.steps
        found: list[Step] = []
        for step in self.steps:
            found += _cut(step, max(0, _BYTEWISE - len(found)))
        return found

    def wire(self) -> tuple[bytes, bool]:
        """Join what is sent until the connection ends, or lies idle; tell whether it ends in good order."""
        steps = self.steps[:1] if self.is_late() else self.steps
        return b"".join(step.data for step in steps), steps[-1].end == "close"


def _cut(step: Step, single: int) -> list[Step]:
    data = step.data
    single = min(single, len(data))
    rest = data[single:]
    size = max(1, -(-len(rest) // 8))
    parts = [data[i : i + 1] for i in range(single)] + [rest[i : i + size] for i in range(0, len(rest), size)]
    pieces = [Step(part, 0, "keep") for part in parts or [b""]]
    pieces[0] = pieces[0]._replace(delay=step.delay)
    pieces[-1] = pieces[-1]._replace(end=step.end)
    return pieces


@cache
def cases() -> tuple[Case, ...]:
    """Read every case."""
    return tuple(
        Case(entry) for name in ("responses.json", "more.json") for entry in json.loads((_FOLDER / name).read_text())
    )


class Outcome(NamedTuple):
    """What came of a case, and of the request after it."""

    status: int
    """0 where there is no answer."""
    body: bytes
    headers: tuple[tuple[str, str], ...]
    error: Exception | None
    reused: bool
    """Whether the request after it went over the same connection."""
    probe: bytes | Exception


class Stage:
    """A server that plays cases, each to a client of its own, and answers the request after it."""

    def __init__(self, *, bytewise: bool) -> None:
        self.bytewise = bytewise
        self.played = {case.id: asyncio.Event() for case in cases()}
        self.asked: dict[bytes, int] = {}  # target -> number of the last connection that asked for it
        self._cases = {case.id: case for case in cases()}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        """Answer one connection until either side ends it."""
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError:  # the rest of a body that is never read
                return
            target = head.split(b" ", 2)[1]
            self.asked[target] = number
            if target.startswith(_PROBE):
                own = b"PROBE " + target.removeprefix(_PROBE)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(own), own))
                continue
            case = self._cases[target.removeprefix(_CASE).decode()]
            try:
                await self._read_body(case, reader, head)
                if not await self._play(case, writer):
                    return
            finally:
                self.played[case.id].set()

    async def _read_body(self, case: Case, reader: asyncio.StreamReader, head: bytes) -> None:
        _, found, rest = head.lower().partition(b"\r\ncontent-length:")
        if found and case.entry.get("respond") != "after_head":
            await reader.readexactly(int(rest.partition(b"\r\n")[0]))

    async def _play(self, case: Case, writer: asyncio.StreamWriter) -> bool:
        """Send an answer; tell whether the connection stays open."""
        for data, delay, end in case.pieces(bytewise=self.bytewise):
            # A step of the loop, in which the client takes what was sent before: else pieces would become one.
            await asyncio.sleep(delay)
            if writer.transport.is_closing():  # uvloop raises an error of its own where asyncio's is one of the socket
                return False
            writer.write(data)
            await writer.drain()
            if end == "reset" and not writer.transport.is_closing():
                reset(writer)
            if end != "keep":
                return False
        return True


class Recording:
    """A transport that keeps the last response, which is an error's too."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.response: Response | None = None

    async def send(self, request: Request, /) -> Response:
        """Send a request through the transport within."""
        self.response = None
        self.response = await self.inner.send(request)
        return self.response

    async def close(self) -> None:
        """Close the transport within."""
        await self.inner.close()


@asynccontextmanager
async def stage(*, bytewise: bool) -> AsyncIterator[tuple[Stage, str]]:
    """Start a server that plays all cases; yields it and its URL."""
    play = Stage(bytewise=bytewise)
    async with RawServer(play.serve, None).listening() as server:
        yield play, server.url


async def perform(case: Case, play: Stage, url: str, transport: str, *, streamed: bool) -> Outcome:
    """Ask for a case, and then for something else on the same client.

    Args:
        case: What the server shall answer with.
        play: The server.
        url: Where it is.
        transport: `wire` or `aiohttp`.
        streamed: Whether the answer is read while it arrives.
    """
    recording = Recording(AiohttpTransport() if transport == "aiohttp" else WireTransport())
    async with AsyncClient(url, transport=recording, timeout=case.timeout, max_response_bytes=case.limit) as client:
        ask = _stream if streamed else _request
        status, body, error = 0, b"", None
        try:
            async with asyncio.timeout(2 * _PATIENCE):
                status, body = await ask(client, case)
        except HTTPError as refusal:
            error = refusal
            if recording.response is not None and not _unfollowed(case, refusal):
                try:
                    status, body = refusal.status_code, answer.content(recording.response, case.limit)
                    error = None
                except FrameworkException as unreadable:
                    error = unreadable
        except Exception as failure:  # noqa: BLE001 - whatever it was is judged
            error = failure
        headers = () if recording.response is None else tuple(recording.response.headers.items())
        probe = await _probe(client, case, play)
    own = play.asked.get(_CASE + case.id.encode())
    reused = own is not None and own == play.asked.get(_PROBE + case.id.encode())
    return Outcome(status, body, headers, error, reused, probe)


def _unfollowed(case: Case, refusal: HTTPError) -> bool:
    """Tell whether an answer is a redirect that was to be followed and could not be."""
    return bool(case.entry.get("follow")) and isinstance(refusal, HTTPRedirect)


async def _request(client: AsyncClient, case: Case) -> tuple[int, bytes]:
    size = case.entry.get("request_body_len")
    data = None if size is None else b"x" * size
    body = await client.request(case.method, f"/case/{case.id}", data=data, response_format=bytes)
    recording: Any = client.transport
    return recording.response.status, body or b""


async def _stream(client: AsyncClient, case: Case) -> tuple[int, bytes]:
    size = case.entry.get("request_body_len")
    data = None if size is None else b"x" * size
    async with client.stream(case.method, f"/case/{case.id}", data=data, timeout=case.timeout) as response:
        parts, total = [], 0
        async for piece in response.aiter_bytes():
            total += len(piece)
            if total > case.limit:  # a stream has no limit of its own: its reader has
                message = "enough"
                raise ResponseTooLarge(message)
            parts.append(piece)
        return response.status, b"".join(parts)


async def _probe(client: AsyncClient, case: Case, play: Stage) -> bytes | Exception:
    # What comes after the next request was sent belongs to nobody, and no client can tell: so it has to come before.
    asked = _CASE + case.id.encode() in play.asked  # on a busy machine a short time may be over before it is
    if asked and (case.is_late() or play.bytewise):
        async with asyncio.timeout(_PATIENCE):
            await play.played[case.id].wait()
        for _ in range(5):  # steps of the loop, in which the client hears what was sent
            await asyncio.sleep(0)
    try:
        probe: bytes = await client.get(f"/probe/{case.id}", response_format=bytes, timeout=_PATIENCE)
    except Exception as failure:  # noqa: BLE001 - whatever it was is judged
        return failure
    return probe


def wrong(case: Case, outcome: Outcome) -> list[str]:
    """Say what is wrong with an outcome, where anything is."""
    entry, expected = case.entry, case.entry["expect"]
    faults = []
    if outcome.probe != b"PROBE " + case.id.encode():
        faults.append(f"the next request got {outcome.probe!r}")
    if entry.get("connection_reusable") is False and outcome.reused and not entry.get("reuse_after_error_ok"):
        faults.append("the connection was used again")
    if outcome.error is not None:
        faults += _wrong_error(case, outcome.error)
        if expected == "ok":
            faults.append(f"refused: {outcome.error!r}")
        return faults
    if expected == "error":
        faults.append(f"accepted: {outcome.status} {outcome.body[:80]!r}")
        return faults
    if entry.get("expect_status") not in (None, outcome.status):
        faults.append(f"status {outcome.status}")
    if case.body not in (None, outcome.body):
        faults.append(f"body {outcome.body[:80]!r}")
    if entry.get("want_body_len") not in (None, len(outcome.body)):
        faults.append(f"{len(outcome.body)} bytes")
    if entry.get("connection_reusable") is True and not outcome.reused:
        faults.append("the connection was not used again")
    return faults + _wrong_contents(entry, outcome)


def _wrong_error(case: Case, error: Exception) -> list[str]:
    if not isinstance(error, FrameworkException):
        return [f"a foreign exception: {error!r}"]
    if isinstance(error, RequestTimeout) and not case.entry.get("timeout_ok"):
        return ["it hangs"]
    return []


def _wrong_contents(entry: dict[str, Any], outcome: Outcome) -> list[str]:
    faults = []
    names = {name.lower() for name, _ in outcome.headers}
    if entry.get("forbid_header") in names:
        faults.append(f"it has the field {entry['forbid_header']}")
    forbidden = entry.get("forbid_body_b64")
    if forbidden is not None and outcome.body == base64.b64decode(forbidden):
        faults.append("it has the forbidden body")
    if any(entry.get("forbid_value_char", "\0") in value for _, value in outcome.headers):
        faults.append("a value has the forbidden character")
    for name, value in (entry.get("want_header") or {}).items():
        if (name.lower(), value) not in {(key.lower(), text) for key, text in outcome.headers}:
            faults.append(f"it has no {name}: {value}")
    return faults


def prefers_otherwise(case: Case, outcome: Outcome) -> bool:
    """Tell whether the case leaves a choice and recommends the other one."""
    preferred = case.entry.get("prefer") if case.entry["expect"] == "either" else None
    return preferred is not None and preferred != ("ok" if outcome.error is None else "error")
