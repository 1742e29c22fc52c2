"""A body under way is held to the size that was announced for it, whatever it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace import _calling
from headrace._io.bodies.refusal import check_refusal
from headrace.errors import UploadError

if TYPE_CHECKING:
    from headrace._core.messages import StreamedBody
    from headrace.types import Progress


class Exact:
    """A body under way, held to the size that was announced for it: a byte more would be read as the next request.

    Args:
        body: The body; begun when it is written, for until then it has not been sent.

    Attributes:
        failure: What the body itself has raised, as against the connection that it was written to.
    """

    def __init__(self, body: StreamedBody) -> None:
        check_refusal(body)
        self.body = body
        self.failure: Exception | None = None

    async def write(self, writer: Any) -> None:
        """Write the whole body; raises `UploadError` rather than send a byte more, or end with one less."""
        body: Any = self.body
        counter = _Counter(writer, body.size, _calling.teller(getattr(body, "progress", None)))
        try:
            counter.tell()
            if hasattr(body, "write"):  # one of ours
                await body.write(counter)
            else:
                await body.payload().write_with_length(counter, None)
            counter.check_complete()
        except Exception as error:
            if not counter.broken:
                self.failure = error
            raise
        finally:
            await body.finish()


class _Counter:
    """A writer that counts what goes through it, tells of it, and knows whether it was the one that failed."""

    def __init__(self, writer: Any, size: int | None, progress: Progress | None) -> None:
        self._writer = writer
        self._size = size
        self._progress = progress
        self.written = 0
        self.broken = False

    def tell(self) -> None:
        if self._progress is not None:
            self._progress(self.written, self._size)

    async def write(self, chunk: bytes | bytearray | memoryview) -> None:
        if self._size is not None and self.written + len(chunk) > self._size:
            message = f"the body is longer than the {self._size} bytes that were announced"
            raise UploadError(message)
        try:
            await self._writer.write(chunk)
        except Exception:
            self.broken = True
            raise
        if chunk:
            self.written += len(chunk)
            self.tell()

    async def send_file(self, descriptor: int, start: int, count: int) -> int:
        """Let a writer that can do so send a piece of a file; 0 is that it cannot."""
        send: Any = getattr(self._writer, "send_file", None)
        if send is None:
            return 0
        try:
            sent: int = await send(descriptor, start, count)
        except Exception:
            self.broken = True
            raise
        if sent:
            self.written += sent
            self.tell()
        return sent

    def check_complete(self) -> None:
        if self._size is not None and self.written < self._size:
            message = f"the body ended after {self.written} of the {self._size} bytes that were announced"
            raise UploadError(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)
