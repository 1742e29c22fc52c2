"""The application, as ASGI and as WSGI: what it answers is decided once, in `answer_to`."""

import asyncio
import gzip
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

DOCUMENT = {
    "id": 7,
    "name": "Müller & Sluis",
    "tags": ["a", "b"],
    "nested": {"level": 1.5, "none": None},
    "x": "y" * 300,
}
JSON = json.dumps(DOCUMENT).encode()
BLOCK = bytes(range(256)) * 256
LARGE_BLOCKS = 80
LARGE = BLOCK * LARGE_BLOCKS
PIECES = [bytes([65 + number]) * (number * 997 + 1) for number in range(20)]
SLOW_SECONDS = 0.02
TRAILERS = [("x-checksum", "f00d"), ("x-count", "20")]


@dataclass(frozen=True)
class Answer:
    """What one request is answered with.

    Attributes:
        status: The status code.
        fields: Header fields, a `Content-Length` where the length is told.
        pieces: The body; a wait in seconds may stand between two pieces.
        trailers: Fields behind a chunked body, for servers that can send them.
    """

    status: int = 200
    fields: list[tuple[str, str]] = field(default_factory=list)
    pieces: list[bytes | float] = field(default_factory=list)
    trailers: list[tuple[str, str]] = field(default_factory=list)


def _with_length(body: bytes, *fields: tuple[str, str], status: int = 200) -> Answer:
    return Answer(status, [("content-length", str(len(body))), *fields], [body] if body else [])


def answer_to(path: str, body: bytes) -> Answer:
    """Decide what a request is answered with.

    Args:
        path: Without its query.
        body: The whole body of the request.
    """
    kind = ("content-type", "application/json")
    if path == "/echo":
        return _with_length(body)
    if path.startswith("/number/"):
        return _with_length(path.removeprefix("/number/").encode(), kind)
    if path == "/slow":
        return Answer(200, [], [b"first, ", SLOW_SECONDS, b"second"])
    table = {
        "/json": _with_length(JSON, kind),
        "/empty": Answer(204),
        "/not-modified": Answer(304, [("etag", '"v1"')]),
        "/pieces": Answer(200, [("content-type", "application/octet-stream")], list(PIECES)),
        "/gzip": _with_length(gzip.compress(JSON, mtime=0), kind, ("content-encoding", "gzip")),
        "/large": Answer(200, [("content-length", str(len(LARGE)))], [BLOCK] * LARGE_BLOCKS),
        "/redirect": _with_length(b"", ("location", "/json"), status=302),
        "/close": _with_length(JSON, kind, ("connection", "close")),
        "/trailers": Answer(200, [("trailer", "x-checksum, x-count")], list(PIECES), TRAILERS),
    }
    return table.get(path) or _with_length(b'{"code": "missing", "text": "not here"}', kind, status=404)


Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def asgi(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Serve as ASGI 3.0.

    Args:
        scope: Of a connection.
        receive: Gives events.
        send: Takes events.
    """
    if scope["type"] == "lifespan":
        while (event := await receive())["type"] != "lifespan.shutdown":
            await send({"type": event["type"] + ".complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = bytearray()
    more = True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    answer = answer_to(scope["path"], bytes(body))
    sends_trailers = bool(answer.trailers) and "http.response.trailers" in (scope.get("extensions") or {})
    start: dict[str, Any] = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": [(name.encode(), value.encode()) for name, value in answer.fields],
    }
    if sends_trailers:
        start["trailers"] = True
    await send(start)
    for piece in answer.pieces:
        if isinstance(piece, float):
            await asyncio.sleep(piece)
        else:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    if sends_trailers:
        pairs = [(name.encode(), value.encode()) for name, value in answer.trailers]
        await send({"type": "http.response.trailers", "headers": pairs, "more_trailers": False})


#: Fields between two neighbours only, which an application under WSGI must not send (PEP 3333).
_HOP_BY_HOP = {"connection", "trailer"}


def wsgi(environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], Any]) -> Iterator[bytes]:
    """Serve as WSGI (PEP 3333); `wsgi.input_terminated` tells of a chunked body.

    Args:
        environ: Of the request.
        start_response: Takes the status and the fields.
    """
    length = environ.get("CONTENT_LENGTH")
    chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "") or environ.get("wsgi.input_terminated")
    source = environ["wsgi.input"]
    body = source.read(int(length)) if length else source.read() if chunked else b""
    answer = answer_to(environ["PATH_INFO"], body)
    start_response(
        f"{answer.status} Told", [(name.title(), value) for name, value in answer.fields if name not in _HOP_BY_HOP]
    )
    if environ["REQUEST_METHOD"] != "HEAD":
        for piece in answer.pieces:
            if isinstance(piece, float):
                time.sleep(piece)
            else:
                yield piece
