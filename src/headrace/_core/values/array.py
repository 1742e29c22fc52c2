"""Each item of a JSON array is decoded as its bytes arrive; the document is never held.

Where an item ends is found by jumping from bracket to bracket. Most items are not even looked at in this way: where the
last whole one of a piece ends is guessed, and all up to there decoded at once, which only a right guess lets happen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from headrace._core.pieces import Pieces
from headrace._core.values.array_outline import Outline
from headrace._core.values.lines import MOST_BYTES, Start, too_long
from headrace._core.values.partial import FAULTS
from headrace.errors import ResponseParseError

if TYPE_CHECKING:
    from headrace._core.values.partial import Rows
    from headrace.errors import FrameworkException

_WHITE: Final = re.compile(rb"[ \t\r\n]*+")
_SCALAR: Final = re.compile(rb"[-+.0-9A-Za-z]*+")
#: Up to a bracket, or to the quote of a text that does not end in this piece.
_TO_BRACKET: Final = re.compile(rb'[^"\[\]{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)*+', re.DOTALL)
_TEXT: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_START_OF_ITEM: Final = re.compile(rb'\{[ \t\r\n]*"[^"\\]{0,64}"[ \t\r\n]*:')
_QUOTE, _BACKSLASH, _COMMA, _END = b'"\\,]'
_MOST_MISSES: Final = 4

_OUTSIDE, _FIRST, _NEXT, _CONTAINER, _STRING, _PLAIN, _AFTER = range(7)


class ArrayParser:
    """Cuts a document into the items of one array of it.

    Args:
        rows: What decodes the items.
        path: The names that lead from the document to the array; none where it is the array.
        limit: Bytes that an item may have.

    Attributes:
        failure: Why there are no more items, once there is a reason.
    """

    __slots__ = (
        "_base", "_carry", "_depth", "_held", "_in_text", "_limit", "_misses", "_mode", "_outline", "_own_failure",
        "_prefix", "_rows", "_start",
    )  # fmt: skip

    def __init__(self, rows: Rows, path: tuple[str, ...] = (), limit: int = MOST_BYTES) -> None:
        self._rows = rows
        self._limit = limit
        self._outline = Outline(path, limit)
        self._start = Start()
        self._mode = _OUTSIDE
        self._base = 0  # bytes of the document before the piece
        self._carry = b""  # half an escape
        self._depth = 0
        self._in_text = False
        self._held = Pieces(b"")  # of the item that has begun
        self._prefix = b""  # how the first item begins, up to its first value
        self._misses = 0
        self._own_failure: FrameworkException | None = None

    @property
    def failure(self) -> FrameworkException | None:
        """Why there are no more items, once there is a reason."""
        return self._rows.failure or self._own_failure

    def feed(self, piece: bytes) -> list[Any]:
        """Take the next piece of the document; return the items that it completes."""
        if not self._start.over:
            piece = self._start.feed(piece)
        return [] if self.failure is not None else self._feed(piece)

    def finish(self) -> list[Any]:
        """Take the end of the document."""
        items = self._feed(self._start.finish())
        if self.failure is None:
            if self._mode == _OUTSIDE:
                self._outline.finish()
                self._take_failure()
            else:
                self._fail(f"the document is cut short in or behind item {self._rows.count}", 0)
        return items

    def _fail(self, message: str, at: int) -> None:
        if self._own_failure is None:
            self._own_failure = ResponseParseError(f"the body is not JSON: {message} (byte {self._base + at})")

    def _take_failure(self) -> None:
        if self._outline.failure is not None:
            message, at = self._outline.failure
            self._own_failure = ResponseParseError(f"{message} (byte {self._base + at})")
        self._own_failure = self._own_failure or self._outline.overflow

    def _feed(self, piece: bytes) -> list[Any]:
        if self._carry:
            piece = self._carry + piece
            self._carry = b""
        items: list[Any] = []
        texts: list[bytes] = []
        at, end = 0, len(piece)
        guessed = self._rows.block is None or self._misses >= _MOST_MISSES
        while at < end and self._own_failure is None:
            if self._mode == _OUTSIDE:
                at = self._outside(piece, at)
                if self._carry:
                    break
            elif self._mode in (_FIRST, _NEXT, _AFTER):
                at = self._between(piece, at)
                if not guessed and self._mode == _CONTAINER and self._prefix and piece.startswith(self._prefix, at):
                    guessed = True
                    items += self._rows.many(texts, whole=True)
                    texts = []
                    if self._rows.failure is not None:
                        return items
                    at = self._many(piece, at, items)
            else:
                began = at
                at = self._item(piece, at, texts)
                if self._mode in (_CONTAINER, _STRING, _PLAIN):
                    self._hold(piece[began:at])
                    self._carry = piece[at:]
                    break
        self._base += end - len(self._carry)
        return items + self._rows.many(texts, whole=True)

    def _outside(self, piece: bytes, at: int) -> int:
        at = self._outline.feed(piece, at)
        self._take_failure()
        if self._outline.at_array:
            self._mode = _FIRST
            return at + 1
        if self.failure is None:
            self._carry = piece[at:]
        return at

    def _between(self, piece: bytes, at: int) -> int:
        """Read what is between items: white space, commas, and the end of the array."""
        found = _WHITE.match(piece, at)
        at = found.end() if found is not None else at
        if at == len(piece):
            return at
        byte, mode = piece[at], self._mode
        if byte == _END and mode != _NEXT:
            self._mode = _OUTSIDE
            self._outline.array_ended()
            return at + 1
        if mode == _AFTER:
            if byte != _COMMA:
                self._fail(f"got {piece[at : at + 1]!r} where ',' or ']' has to be", at)
            self._mode = _NEXT
            return at + 1
        # The item itself begins here, and is not read yet.
        self._depth = 0
        self._in_text = False
        if byte in b"{[":
            self._mode = _CONTAINER
        elif byte == _QUOTE:
            self._mode = _STRING
        elif byte in b"-+.0123456789" or chr(byte).isalpha():
            self._mode = _PLAIN
        else:
            self._fail(f"got {piece[at : at + 1]!r} where an item has to be", at)
        return at

    def _item(self, piece: bytes, at: int, texts: list[bytes]) -> int:
        """Read on in an item; where it ends, add its bytes to `texts`. Return where the reading has stopped."""
        began = at
        if self._mode == _PLAIN:
            found = _SCALAR.match(piece, at)
            at = found.end() if found is not None else at
            if at < len(piece):
                if at == began and not self._held.size:
                    self._fail(f"got {piece[at : at + 1]!r} where an item has to be", at)
                self._end_item(piece[began:at], texts)
            return at
        while at < len(piece):
            if self._in_text:
                found = _TEXT.match(piece, at)
                at = found.end() if found is not None else at
                if at == len(piece) or piece[at] == _BACKSLASH:  # of which the rest has not come
                    return at
                self._in_text = False
                at += 1
            else:
                found = _TO_BRACKET.match(piece, at)
                at = found.end() if found is not None and self._depth else at
                if at == len(piece):
                    return at
                byte = piece[at]
                at += 1
                if byte == _QUOTE:
                    self._in_text = True
                    continue
                self._depth += 1 if byte in b"{[" else -1
            if self._depth == 0:
                self._end_item(piece[began:at], texts)
                return at
        return at

    def _hold(self, part: bytes) -> None:
        self._held.add(part)
        if self._held.size > self._limit and self._own_failure is None:
            self._own_failure = too_long("an item", self._limit)

    def _end_item(self, text: bytes, texts: list[bytes]) -> None:
        if self._held.size:
            self._held.add(text)
            text = self._held.take()
        self._mode = _AFTER
        if len(text) > self._limit:
            self._own_failure = too_long("an item", self._limit)
            return
        texts.append(text)
        if not self._prefix and (found := _START_OF_ITEM.match(text)) is not None:
            self._prefix = found[0]

    def _many(self, piece: bytes, at: int, items: list[Any]) -> int:
        """Guess where the last item that begins in a piece does, and decode all before it at once.

        The guess is right where `[` + text + `]` decodes: no other place in a document can be ahead of a comma and
        leave nothing open. A wrong one costs time, no more.
        """
        last = piece.rfind(self._prefix, at + 1)
        text = piece[at:last].rstrip(b" \t\r\n") if last > 0 else b""
        if not text.endswith(b",") or len(text) > self._limit or self._rows.block is None:
            return at
        try:
            found = self._rows.block(b"[%b]" % text[:-1])
        except FAULTS:
            self._misses += 1
            return at
        self._misses = 0
        self._rows.count += len(found)
        items += self._rows.stamped(found)
        self._mode = _NEXT
        return last
