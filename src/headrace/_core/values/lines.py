"""Lines end where they end, however the text is cut into pieces."""

from __future__ import annotations

from typing import Final

from headrace._core.pieces import Pieces
from headrace.errors import ResponseTooLarge

#: Bytes that a line, an item or an event may have by default.
MOST_BYTES: Final = 64 * 1024 * 1024

_BOM: Final = b"\xef\xbb\xbf"


def too_long(what: str, limit: int) -> ResponseTooLarge:
    """Make the error for a part of a stream that has no end within the limit."""
    return ResponseTooLarge(f"{what} is longer than {limit:,} bytes")


class Start:
    """Takes a byte order mark off the beginning of a stream; both WHATWG and RFC 8259, section 8.1, let readers do so.

    Attributes:
        over: Whether what is fed from now on comes back as it is.
    """

    __slots__ = ("_held", "over")

    def __init__(self) -> None:
        self._held = b""
        self.over = False

    def feed(self, piece: bytes) -> bytes:
        """Return what is known to be no mark."""
        piece = self._held + piece
        if len(piece) < len(_BOM) and _BOM.startswith(piece):
            self._held = piece
            return b""
        self._held = b""
        self.over = True
        return piece.removeprefix(_BOM)

    def finish(self) -> bytes:
        """Return what was held back."""
        held, self._held, self.over = self._held, b"", True
        return held


class LineParser:
    """Cuts a stream into lines, each decoded as UTF-8 with replacements.

    A line ends with LF, CRLF or CR, as WHATWG and httpx have it. Only those end a line, so that a text may have any
    other character in it that Unicode calls a line separator.

    Args:
        limit: Bytes that a line may have.

    Attributes:
        failure: Why there are no more lines, once there is a reason.
    """

    __slots__ = ("_after_cr", "_held", "_limit", "_start", "failure")

    def __init__(self, limit: int = MOST_BYTES) -> None:
        self._limit = limit
        self._start = Start()
        self._held = Pieces(b"")  # of the line that has begun
        self._after_cr = False
        self.failure: ResponseTooLarge | None = None

    def feed(self, piece: bytes) -> list[str]:
        """Take the next piece of the stream; return the lines that it ends, without their ends."""
        if not self._start.over:
            piece = self._start.feed(piece)
        return self._cut(piece)

    def finish(self) -> list[str]:
        """Take the end of the stream; return a last line that has no end of its own."""
        lines = self._cut(self._start.finish())
        if self._held.size and self.failure is None:
            lines.append(self._held.take().decode("utf-8", "replace"))
        return lines

    def _cut(self, piece: bytes) -> list[str]:
        if self._after_cr and piece:
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        if not piece:
            return []
        lines = piece.splitlines()
        if not piece.endswith((b"\n", b"\r")):
            last = lines.pop()
        else:
            last = b""
            self._after_cr = piece.endswith(b"\r")
        if lines and self._held.size:
            self._held.add(lines[0])
            lines[0] = self._held.take()
        self._held.add(last)
        return self._checked(lines, len(piece))

    def _checked(self, lines: list[bytes], fed: int) -> list[str]:
        limit = self._limit
        if lines and (fed > limit or len(lines[0]) > limit):
            for number, line in enumerate(lines):
                if len(line) > limit:
                    self.failure = too_long("a line", limit)
                    lines = lines[:number]
                    break
        if self._held.size > limit and self.failure is None:
            self.failure = too_long("a line", limit)
        return [line.decode("utf-8", "replace") for line in lines]
