"""A streamed body gets onto a connection: the wait for a 100, the writing, and the ear for an answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from headrace._core.messages import CONTINUE_SECONDS
from headrace._io.bodies.exact import Exact
from headrace._io.bodies.refusal import check_refusal
from headrace.errors import ConnectionLost

if TYPE_CHECKING:
    from headrace._core.messages import Request, Response, StreamedBody
    from headrace._io.wire import sendfile
    from headrace._io.wire.connection import Connection

#: Seconds for an answer to be read from a connection that takes no more of the body.
_LAST_WORDS_SECONDS: Final = 1.0


def framing(body: StreamedBody) -> str:
    """Write the field that says where a body ends, of one that can be begun.

    Raises:
        headrace.errors.UploadError: It cannot be begun any more.
    """
    check_refusal(body)
    return "Transfer-Encoding: chunked\r\n" if body.size is None else f"Content-Length: {body.size}\r\n"


async def upload(connection: Connection, request: Request, answer: asyncio.Future[Response]) -> None:
    """Write a streamed body while listening for an early answer, which ends the sending (RFC 9110, section 10.1.1).

    Args:
        connection: Where the head has been written.
        request: Whose body is sent; with an `Expect` field it waits for a 100 first.
        answer: What `Connection.begin` returned.

    Raises:
        headrace.errors.ConnectionLost: The connection is gone, and no answer came.
        Exception: Whatever the body itself raises.
    """
    body: Any = request.body
    if "expect" in request.headers.names and body.size != 0 and not await _may_send(connection, answer):
        return
    writing = asyncio.get_running_loop().create_task(_write(connection, body))
    either: set[asyncio.Future[Any]] = {writing, answer}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if answer.done() and not writing.done():
            if not connection.body_ended:
                return
            await asyncio.wait([writing])  # it is all with the socket, and only its end is left to be told
        try:
            writing.result()
        except ConnectionLost:
            # A server that refuses a body may end the connection behind its answer, which is still to be read.
            await asyncio.wait([answer], timeout=_LAST_WORDS_SECONDS)
            if not answer.done():
                raise
    finally:
        await _end(writing)


async def _may_send(connection: Connection, answer: asyncio.Future[Response]) -> bool:
    """Wait for a 100, but not for long; tell whether the body is wanted, which it is not after a final answer."""
    connection.continued = continued = asyncio.get_running_loop().create_future()
    try:
        await asyncio.wait({continued, answer}, timeout=CONTINUE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        connection.continued = None
    return not answer.done()


async def _end(task: asyncio.Task[None]) -> None:
    """End a task of ours and wait until it has put its things away; a cancellation meanwhile goes on afterwards."""
    task.cancel()
    interrupted: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            interrupted = error
            task.cancel()
    if not task.cancelled():
        task.exception()  # seen: the exchange tells what went wrong
    if interrupted is not None:
        raise interrupted


async def _write(connection: Connection, body: StreamedBody) -> None:
    writer = _BodyWriter(connection, body.size)
    try:
        await Exact(body).write(writer)
        await writer.write_eof()
    finally:
        writer.close()


class _BodyWriter:
    """What bodies write to: our connection, chunked where the size is unknown. It is an `AbstractStreamWriter`."""

    buffer_size = 0  # every write waits for the socket itself
    output_size = 0
    length: int | None = None

    def __init__(self, connection: Connection, size: int | None) -> None:
        self._connection = connection
        self._left = size
        self._pusher: sendfile.Pusher | None = None

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        if not chunk:
            return
        connection = self._connection
        if self._left is None:
            await connection.write(b"%x\r\n" % len(chunk), chunk, b"\r\n")
            return
        self._left -= len(chunk)
        if not self._left:
            connection.end_of_body()  # an answer may come before the source notices its own end
        await connection.write(chunk)

    async def send_file(self, descriptor: int, start: int, count: int) -> int:
        """Send a piece of a file past our memory, but never the end of a body; see `Pusher.push`."""
        if self._left is None or count >= self._left:
            return 0
        if self._pusher is None:
            self._pusher = self._connection.pusher()
            if self._pusher is None:
                return 0
        sent = await self._pusher.push(descriptor, start, count)
        self._left -= sent
        self._connection.sent(sent)
        return sent

    async def write_eof(self, chunk: bytes = b"") -> None:
        await self.write(chunk)
        if self._left is None:
            self._connection.end_of_body()
            await self._connection.write(b"0\r\n\r\n")

    def close(self) -> None:
        """Give back what sending files has taken."""
        if self._pusher is not None:
            self._pusher.close()

    async def drain(self) -> None:
        """Nothing: every write waits for the socket itself."""

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None:
        """Refuse: bodies are sent as they are."""
        raise NotImplementedError

    def enable_chunking(self) -> None:
        """Refuse: framing follows from the size."""
        raise NotImplementedError

    async def write_headers(self, status_line: str, headers: Any) -> None:
        """Refuse: the head is written already."""
        raise NotImplementedError
