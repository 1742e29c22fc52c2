"""The document around an array is checked token by token as it comes, and never held.

RFC 8259 is the grammar. A name that is on the path and comes twice is an error, since nobody can say which is meant
(section 4).
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final

import msgspec

from headrace._core.pieces import Pieces
from headrace._core.values.lines import too_long

if TYPE_CHECKING:
    from headrace.errors import FrameworkException

_MOST_NESTED: Final = 1000
_WHITE: Final = re.compile(rb"[ \t\r\n]*+")
_RUN: Final = re.compile(rb"[-+.0-9A-Za-z]*+")
_SCALAR: Final = re.compile(rb"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_TEXT: Final = re.compile(
    rb"""[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+""",
)
_HALF_ESCAPE: Final = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?")
_OPENS: Final = {0x7B: "object", 0x5B: "array"}
_CLOSES: Final = {0x7D: 0x7B, 0x5D: 0x5B}
_QUOTE, _BACKSLASH, _COMMA, _COLON = b'"\\,:'


# What may come next.
class _Next(enum.Enum):
    """What has to come next, as errors say it."""

    VALUE = "a value"
    VALUE_OR_END = "a value or ']'"
    NAME = "a name"
    NAME_OR_END = "a name or '}'"
    COLON = "':'"
    AFTER_VALUE = "',' or an end"


_VALUE, _VALUE_OR_END, _NAME, _NAME_OR_END, _COLON_NEXT, _AFTER_VALUE = _Next
_TEXT_NEXT = frozenset({_VALUE, _VALUE_OR_END, _NAME, _NAME_OR_END})


class Outline:
    """Reads what is around an array.

    Args:
        path: The names that lead from the document to the array.
        limit: Bytes that a name on the way, or a number, may have.

    Attributes:
        at_array: Whether the array is the next thing to read; whoever has read it calls `array_ended`.
        failure: What is wrong, as a message and where in what was fed last, once there is something.
        overflow: The same for what is too long.
    """

    __slots__ = (
        "_expected", "_found", "_held", "_in_text", "_is_name", "_limit", "_matched", "_names", "_next_on_path",
        "_stack", "at_array", "failure", "overflow",
    )  # fmt: skip

    def __init__(self, path: tuple[str, ...], limit: int) -> None:
        self._names = path
        self._limit = limit
        self._expected = _VALUE
        self._stack = bytearray()  # the brackets that are open
        self._matched = 0  # so many of them, from the outermost on, are objects on the path
        self._found = [False] * len(path)
        self._next_on_path = True
        self._in_text = self._is_name = False
        self._held = Pieces(b"")  # of a name or number that has begun
        self.at_array = False
        self.failure: tuple[str, int] | None = None
        self.overflow: FrameworkException | None = None

    def where(self, names: int | None = None) -> str:
        """Write the path, or so many of its names."""
        return "".join(["$", *(f".{name}" for name in self._names[:names])])

    def array_ended(self) -> None:
        """Go on behind the array."""
        self.at_array = False
        self._expected = _AFTER_VALUE

    def feed(self, piece: bytes, at: int) -> int:
        """Read on.

        Args:
            piece: Bytes.
            at: Where to begin.

        Returns:
            Where it has stopped: at the end, at the array, at a fault, or before half an escape, of which it has to
            be given the rest.
        """
        end = len(piece)
        while at < end and not self.at_array and self.failure is None:
            if self._in_text:
                at, stuck = self._text(piece, at)
                if stuck:
                    break
            elif self._held.size or not self._is_token(piece[at]):
                at = self._scalar(piece, at)
            else:
                at = self._token(piece, at)
        return at

    def finish(self) -> None:
        """Take the end of the document."""
        if self._held.size and not self._in_text:
            self._end_scalar(0)
        if self.failure is None and (self._in_text or self._stack or self._expected is not _AFTER_VALUE):
            self._fail("the document is cut short", 0)

    def _fail(self, message: str, at: int) -> None:
        self.failure = self.failure or (message, at)

    @staticmethod
    def _is_token(byte: int) -> bool:
        return byte in b'{}[]:,"' or byte in b" \t\r\n"

    def _token(self, piece: bytes, at: int) -> int:
        found = _WHITE.match(piece, at)
        at = found.end() if found is not None else at
        if at == len(piece):
            return at
        byte, expected = piece[at], self._expected
        if not self._stack and expected is _AFTER_VALUE:
            self._fail("there is more behind the document", at)
        elif byte in _OPENS and expected in (_VALUE, _VALUE_OR_END):
            self._open(byte, at)
        elif byte in _CLOSES and self._stack and self._stack[-1] == _CLOSES[byte] and self._may_close():
            self._close(at)
        elif byte == _QUOTE and expected in _TEXT_NEXT:
            self._is_name = expected in (_NAME, _NAME_OR_END)
            if not self._is_name:
                self._begin_plain(at, "a text")
            self._in_text = True
        elif byte == _COLON and expected is _COLON_NEXT:
            self._expected = _VALUE
        elif byte == _COMMA and expected is _AFTER_VALUE:
            self._expected = _NAME if self._stack[-1] == 0x7B else _VALUE
        elif not self._is_token(byte):
            return at
        else:
            self._fail(f"got {chr(byte)!r} where {expected.value} has to be", at)
        return at if self.at_array or self.failure is not None else at + 1

    def _may_close(self) -> bool:
        return self._expected in (_AFTER_VALUE, _VALUE_OR_END, _NAME_OR_END)

    def _open(self, byte: int, at: int) -> None:
        if self._next_on_path:
            last = self._matched == len(self._names)
            wanted = "array" if last else "object"
            if _OPENS[byte] != wanted:
                self._fail(f"{self.where(self._matched)} is no {wanted}", at)
                return
            self._next_on_path = False
            if last:
                self.at_array = True
                return
            self._matched += 1
        if len(self._stack) >= _MOST_NESTED:
            self._fail(f"the document is nested more than {_MOST_NESTED:,} deep", at)
        self._stack.append(byte)
        self._expected = _NAME_OR_END if byte == 0x7B else _VALUE_OR_END

    def _close(self, at: int) -> None:
        if len(self._stack) == self._matched:
            if not self._found[self._matched - 1]:
                self._fail(f"there is no {self.where(self._matched)}", at)
            self._matched -= 1
        self._stack.pop()
        self._expected = _AFTER_VALUE

    def _begin_plain(self, at: int, kind: str) -> None:
        if self._next_on_path:
            wanted = "array" if self._matched == len(self._names) else "object"
            self._fail(f"{self.where(self._matched)} is {kind}, no {wanted}", at)

    def _text(self, piece: bytes, at: int) -> tuple[int, bool]:
        """Read on in a text; return where that ends, and whether half an escape is there."""
        found = _TEXT.match(piece, at)
        end = found.end() if found is not None else at
        kept = self._is_name and len(self._stack) == self._matched
        if kept:
            self._keep(piece[at:end], "a name")
        if end == len(piece):
            return end, False
        if piece[end] == _QUOTE:
            self._in_text = False
            self._expected = _COLON_NEXT if self._is_name else _AFTER_VALUE
            if kept:
                self._name(end)
            return end + 1, False
        if piece[end] == _BACKSLASH and _HALF_ESCAPE.fullmatch(piece, end) is not None:
            return end, True
        what = "an escape that there is not" if piece[end] == _BACKSLASH else "a control character"
        self._fail(f"a text has {what}", end)
        return end, False

    def _keep(self, part: bytes, what: str) -> None:
        self._held.add(part)
        if self._held.size > self._limit:
            self.overflow = too_long(what, self._limit)

    def _name(self, at: int) -> None:
        """Compare a name with the one on the path, without its escapes (section 8.3)."""
        try:
            name = msgspec.json.decode(b'"%b"' % self._held.take(), type=str)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._fail("a name is no UTF-8 text", at)
            return
        number = self._matched - 1
        if name == self._names[number]:
            if self._found[number]:
                self._fail(f"{self.where(self._matched)} is there twice", at)
            self._found[number] = self._next_on_path = True

    def _scalar(self, piece: bytes, at: int) -> int:
        found = _RUN.match(piece, at)
        end = found.end() if found is not None else at
        if not self._held.size:
            if self._expected not in (_VALUE, _VALUE_OR_END) or end == at:
                more = not self._stack and self._expected is _AFTER_VALUE
                wanted = f"got {piece[at : at + 1]!r} where {self._expected.value} has to be"
                self._fail("there is more behind the document" if more else wanted, at)
                return at
            self._begin_plain(at, "a number or literal")
        self._keep(piece[at:end], "a number")
        if end < len(piece):
            self._end_scalar(end)
        return end

    def _end_scalar(self, at: int) -> None:
        text = self._held.take()
        self._expected = _AFTER_VALUE
        if _SCALAR.fullmatch(text) is None:
            self._fail("a value is neither a number nor true, false or null", at)
