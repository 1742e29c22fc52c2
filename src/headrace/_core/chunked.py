"""The chunked coding of a body (RFC 9112, section 7.1) lives here: llhttp reads it, and what it let pass is counted."""

from __future__ import annotations

from typing import Final

from httptools import HttpResponseParser

from headrace.errors import ProtocolError

MOST_TRAILERS: Final = 64
_MOST_TRAILER_BYTES: Final = 16 * 1024


class Chunks:
    """Receives a chunked body; a head of our own puts llhttp into the state behind a real one."""

    __slots__ = ("_parser", "began", "complete", "count", "parts", "size", "trailer_bytes", "trailers")

    _PREAMBLE: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.count = 0
        self.trailers: list[tuple[str, str]] = []
        self.trailer_bytes = 0
        self.began = 0
        self.complete = False
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._parser.feed_data(self._PREAMBLE)
        self.trailers.clear()
        self.trailer_bytes = 0

    def feed(self, data: bytes) -> None:
        if self._parser is not None:
            self._parser.feed_data(data)

    def release(self) -> None:
        self._parser = None  # it holds our callbacks: a cycle that only the collector would free

    def on_message_begin(self) -> None:
        self.began += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.complete:  # a field of another message, glued behind ours
            return
        self.trailer_bytes += len(name) + len(value)
        self.trailers.append((name.decode("latin-1"), value.decode("utf-8", "surrogateescape").strip(" \t")))
        if len(self.trailers) > MOST_TRAILERS or self.trailer_bytes > _MOST_TRAILER_BYTES:
            message = f"more than {MOST_TRAILERS} trailer fields or {_MOST_TRAILER_BYTES} bytes of them"
            raise ProtocolError(message)

    def on_chunk_header(self) -> None:
        self.count += 1

    def on_body(self, data: bytes) -> None:
        if self.complete:  # the body of another message, glued behind ours
            return
        self.size += len(data)
        self.parts.append(data)

    def on_message_complete(self) -> None:
        self.complete = True
