"""What a call writes on the wire, read back as a strict server reads it."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import h11

from headrace import AsyncClient
from headrace._core.messages import Request, Response
from headrace._io.wire.transport import WireTransport


class Sent(NamedTuple):
    """One request as a strict server reads it."""

    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytes

    def field(self, name: str) -> str | None:
        """Return the one field of a name, or `None`."""
        values = [value for key, value in self.fields if key == name]
        assert len(values) <= 1
        return values[0] if values else None


class Recorder:
    """A transport that keeps the requests as the bytes of the wire."""

    def __init__(self) -> None:
        self.wires: list[bytes] = []

    async def send(self, request: Request) -> Response:
        """Write the request as the wire transport does, and answer with nothing."""
        wire = WireTransport()
        body = request.body if isinstance(request.body, bytes) else b""
        self.wires.append(wire._head(request) + body)
        await wire.close()
        return Response(204)

    async def close(self) -> None:
        """Nothing is open."""


def read(wire: bytes) -> Sent:
    """Read exactly one request with h11, to the last byte."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(wire)
    request = server.next_event()
    assert isinstance(request, h11.Request)
    body = b""
    while not isinstance(event := server.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        body += bytes(event.data)
    assert server.trailing_data == (b"", False)
    fields = [(name.decode(), value.decode("latin-1")) for name, value in request.headers]
    return Sent(request.method.decode(), request.target.decode(), fields, body)


def send(*calls: dict[str, Any], uri: Any = "http://api.example.com/v1", **options: Any) -> list[Sent]:
    """Make calls with one client and read what it sends."""

    async def main() -> list[bytes]:
        recorder = Recorder()
        async with AsyncClient(uri, transport=recorder, **options) as client:
            for call in calls:
                await client.request(**{"method": "GET", **call})
        return recorder.wires

    return [read(wire) for wire in asyncio.run(main())]
