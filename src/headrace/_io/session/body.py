"""The body of an answer while it arrives through an aiohttp session, at its reader's pace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace._core.stats import Stats
    from headrace.errors import TransportError


class SessionBody:
    """A `headrace._core.messages.BodySource` over an `aiohttp.ClientResponse`.

    Args:
        answer: The answer, its body not read.
        among: The bodies of a transport that are being read; it is there until it is closed.
        stats: Where bytes are counted.
        translate: Makes an error of ours out of one of aiohttp's.
        end: Told where aiohttp has come to the end of the body; raises if this is not the end.
    """

    def __init__(
        self,
        answer: aiohttp.ClientResponse,
        among: set[SessionBody],
        stats: Stats,
        translate: Callable[[Exception], TransportError],
        end: Callable[[], None],
    ) -> None:
        self._answer = answer
        self._among = among
        self._stats = stats
        self._translate = translate
        self._end = end
        self._error: TransportError | None = None
        among.add(self)

    async def read(self) -> bytes:
        """Wait for the next piece; see `headrace._core.messages.BodySource.read`."""
        if self._error is not None:
            raise self._error
        try:
            piece = await self._answer.content.readany()
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise self._reason(error) from error
        if not piece:
            self._end()
        self._stats.bytes_in += len(piece)
        return piece

    def _reason(self, error: Exception) -> TransportError:
        """Say why a body did not come whole: what closed the connection knows best, where that was us."""
        translated = self._translate(error)
        return self._error or translated

    def fail(self, error: TransportError) -> None:
        """Close the connection; whoever reads, or will read, meets the error."""
        self._error = error
        self.close()

    def close(self) -> None:
        """Take no more of it; see `headrace._core.messages.BodySource.close`."""
        self._among.discard(self)
        self._answer.close()  # a body that has ended has given its connection back before
