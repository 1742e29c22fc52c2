"""Bytes or text that arrive in pieces are kept here: what they weigh follows from their size, not from their number.

A piece of two bytes is an object of fifty. So small ones are joined before they are many, and large ones are kept as
they are: what comes in large pieces is copied once, when all of it is wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, AnyStr, Final, Generic

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A piece of so many bytes or characters is kept as it is; what an object weighs beside them is less than a percent.
_LARGE: Final = 16 * 1024


class Pieces(Generic[AnyStr]):
    """What has come so far, in order.

    Args:
        empty: `b""` or `""`, the kind of what comes.

    Attributes:
        size: Bytes or characters in all.
    """

    __slots__ = ("_empty", "_parts", "_sealed", "_small", "size")

    def __init__(self, empty: AnyStr) -> None:
        self._empty: Any = empty  # type checkers do not know that it joins what is of its kind
        self._parts: list[AnyStr] = []
        self._sealed = 0  # so many parts are large, or followed by one that is
        self._small = 0  # bytes in the parts behind them
        self.size = 0

    def add(self, piece: AnyStr) -> None:
        """Keep a piece; an empty one is nothing."""
        size = len(piece)
        self.size += size
        if size >= _LARGE:
            if self._small:
                self._seal()
            self._parts.append(piece)
            self._sealed += 1
        elif size:
            self._parts.append(piece)
            self._small += size
            if self._small >= _LARGE:
                self._seal()

    def extend(self, pieces: Sequence[AnyStr]) -> None:
        """Keep pieces that came together: joined, where they are small on the average."""
        if len(pieces) > 1 and sum(map(len, pieces)) < len(pieces) * _LARGE:
            self.add(self._empty.join(pieces))
            return
        for piece in pieces:
            self.add(piece)

    def _seal(self) -> None:
        """Make one part of the small ones at the end."""
        parts, begin = self._parts, self._sealed
        if len(parts) - begin > 1:
            parts[begin:] = [self._empty.join(parts[begin:])]
        self._sealed = len(parts)
        self._small = 0

    def take(self) -> AnyStr:
        """Take all of it; a single piece is not copied."""
        parts, self._parts = self._parts, []
        self._sealed = self._small = self.size = 0
        whole: AnyStr = parts[0] if len(parts) == 1 else self._empty.join(parts)
        return whole

    def first(self) -> AnyStr:
        """Take what came first, at least a byte of it where there is any."""
        if not self._parts:
            return self.take()
        if not self._sealed:
            self._seal()
        self._sealed -= 1
        piece: AnyStr = self._parts.pop(0)
        self.size -= len(piece)
        return piece

    def all(self) -> tuple[AnyStr, ...]:
        """Take all of it, as it is kept."""
        parts = tuple(self._parts)
        self.clear()
        return parts

    def clear(self) -> None:
        """Let go of all of it."""
        self._parts = []
        self._sealed = self._small = self.size = 0
