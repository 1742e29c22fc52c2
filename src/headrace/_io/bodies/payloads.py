"""The bodies of ours as aiohttp takes them; loaded where aiohttp is what sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp.payload import Payload

from headrace._io.bodies import exact
from headrace._io.bodies.refusal import check_refusal

if TYPE_CHECKING:
    from headrace._core.messages import StreamedBody


class Begun(Payload):
    """What aiohttp calls a payload, of a body or part of ours that writes itself.

    Args:
        body: The body; begun when it is written.
    """

    def __init__(self, body: Any) -> None:
        check_refusal(body)
        super().__init__(None, content_type=body.content_type)
        self._size = body.size
        self._body = body

    async def write(self, writer: Any) -> None:
        """Write all of it."""
        await self._body.write(writer)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - aiohttp's signature
        """Name it, for logs: it is never read into memory as a whole."""
        return repr(self._body)


class Exact(Payload):
    """The same of any body, held to its size; see `headrace._io.bodies.exact.Exact`.

    Args:
        body: The body.
    """

    def __init__(self, body: StreamedBody) -> None:
        self._exact = exact.Exact(body)
        super().__init__(None, content_type=body.content_type)
        self._size = body.size

    @property
    def failure(self) -> Exception | None:
        """What the body itself has raised, as against the connection that it was written to."""
        return self._exact.failure

    async def write(self, writer: Any) -> None:
        """Write the whole body; raises `UploadError` rather than send a byte more, or end with one less."""
        await self._exact.write(writer)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - aiohttp's signature
        """Name what is sent, for logs."""
        return repr(self._exact.body)
