"""What tests of code that uses headrace need: a Transport without a network, and answers for it.

transport = MockTransport(lambda request: json_response({"id": 1}))
client = MyClient(uri="https://api.example.com", transport=transport)
assert await client.get("/users/1") == {"id": 1}
assert transport.requests[0].url.path == "/users/1"
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from headrace._core.messages import HeaderBlock, Request, Response
from headrace._core.request.encode import json as _encode
from headrace.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping

__all__ = [
    "HeaderBlock",
    "MockTransport",
    "Request",
    "Response",
    "json_response",
    "sequence",
    "stream_response",
    "text_response",
]


class MockTransport:
    """A Transport that asks a function for every answer; redirects, cookies, retries and decoding work as ever.

    Args:
        handler: Called with each `Request`; returns a `Response`, or an awaitable of one, or raises.

    Attributes:
        requests: What was sent, in order.
        closed: Whether the client has closed it.
    """

    def __init__(self, handler: Callable[[Request], Response | Awaitable[Response]]) -> None:
        self._handler = handler
        self.requests: list[Request] = []
        self.closed = False

    async def send(self, request: Request, /) -> Response:
        """Record a request and return the handler's answer.

        Raises:
            headrace.errors.TransportError: The transport was closed.
        """
        if self.closed:
            message = "the transport was closed"
            raise TransportError(message, maybe_sent=False)
        self.requests.append(request)
        answer = self._handler(request)
        response = await answer if inspect.isawaitable(answer) else answer
        return await response.delivered(request) if isinstance(response, PieceByPiece) else response

    async def close(self) -> None:
        """Answer nothing from now on."""
        self.closed = True


def sequence(answers: Iterable[Response | Exception]) -> Callable[[Request], Response]:
    """Make a handler that gives one answer after the other.

    Args:
        answers: Responses to return and exceptions to raise, in order.

    Returns:
        The handler; it raises `AssertionError` when the answers are used up.
    """
    left = iter(answers)

    def handler(request: Request) -> Response:
        answer = next(left, None)
        if answer is None:
            message = f"no answer is left for {request!r}"
            raise AssertionError(message)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handler


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make an answer with a JSON body.

    Args:
        value: A mapping, list or any model.
        status: The status code.
        headers: More header fields.
    """
    return Response(status, {"Content-Type": "application/json", **(headers or {})}, _encode(value))


def text_response(text: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make an answer with a text body.

    Args:
        text: The text.
        status: The status code.
        headers: More header fields.
    """
    return Response(status, {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}, text.encode())


def stream_response(
    pieces: Iterable[bytes] | AsyncIterable[bytes], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Make an answer whose body arrives piece by piece, where the caller reads it so; else it is whole.

    Args:
        pieces: The pieces; an iterator that raises a `TransportError` is a body that was cut short.
        status: The status code.
        headers: The header fields.
    """
    return PieceByPiece(status, dict(headers or {}), pieces=pieces)


class PieceByPiece(Response):
    """A response whose body is not there yet.

    Attributes:
        pieces: What it will be.
    """

    pieces: Any = ()

    async def delivered(self, request: Request) -> Response:
        """Hand the pieces on one by one, or whole where nobody takes them so."""
        source = _Pieces(_each(self.pieces))
        if request.sink is not None and self.status < 300:
            request.sink.attach(source)
            return Response(self.status, self.fields)
        return Response(self.status, self.fields, b"".join([piece async for piece in source.pieces]))


class _Pieces:
    """A `headrace._core.messages.BodySource` of pieces that are made up."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self.pieces = pieces

    async def read(self) -> bytes:
        return await anext(self.pieces, b"")

    def close(self) -> None:
        self.pieces = _each(())


async def _each(pieces: Any) -> AsyncIterator[bytes]:
    if hasattr(pieces, "__aiter__"):
        async for piece in pieces:
            if piece:
                yield piece
    else:
        for piece in pieces:
            if piece:
                yield piece
