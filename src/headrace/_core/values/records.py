"""JSON texts in a row: NDJSON, a text a line, and JSON text sequences (RFC 7464), a text behind an RS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace._core.pieces import Pieces
from headrace._core.values.lines import MOST_BYTES, Start, too_long

if TYPE_CHECKING:
    from headrace._core.values.partial import Rows
    from headrace.errors import FrameworkException

_RS = b"\x1e"
_WHITE = b" \t\r\n"
_ENDS_ITSELF = b'"]}'


class RecordParser:
    """Cuts a stream at one byte, which no JSON text can have inside, and decodes what is between.

    Args:
        rows: What decodes the texts.
        separator: The byte.
        limit: Bytes that a text may have.
    """

    __slots__ = ("_failure", "_held", "_limit", "_rows", "_separator", "_start")

    def __init__(self, rows: Rows, separator: bytes, limit: int = MOST_BYTES) -> None:
        self._rows = rows
        self._separator = separator
        self._limit = limit
        self._start = Start()
        self._held = Pieces(b"")  # of the text that has begun
        self._failure: FrameworkException | None = None

    @property
    def failure(self) -> FrameworkException | None:
        """Why there are no more items, once there is a reason."""
        return self._rows.failure or self._failure

    def feed(self, piece: bytes) -> list[Any]:
        """Take the next piece of the stream; return the items that it completes."""
        if not self._start.over:
            piece = self._start.feed(piece)
        return self._cut(piece)

    def finish(self) -> list[Any]:
        """Take the end of the stream; return a last item that nothing follows."""
        items = self._cut(self._start.finish())
        text = self._held.take()
        if text and self.failure is None:
            items += self._last(text)
        return items

    def _cut(self, piece: bytes) -> list[Any]:
        end = piece.rfind(self._separator)
        if end < 0:
            self._held.add(piece)
            self._check_held()
            return []
        whole = piece[:end]
        if self._held.size:
            self._held.add(whole)
            whole = self._held.take()
        self._held.add(piece[end + 1 :])
        texts = whole.split(self._separator)
        too_far = len(whole) > self._limit and any(len(text) > self._limit for text in texts)
        if too_far:
            texts = texts[: next(n for n, text in enumerate(texts) if len(text) > self._limit)]
        del whole  # not to be held beside what it is decoded into
        items = self._decode(texts)
        if too_far:
            self._failure = too_long("an item", self._limit)
        self._check_held()
        return items

    def _check_held(self) -> None:
        if self._held.size > self._limit and self.failure is None:
            self._failure = too_long("an item", self._limit)

    def _decode(self, texts: list[bytes]) -> list[Any]:
        return self._rows.many(texts)

    def _last(self, text: bytes) -> list[Any]:
        return self._rows.last(text)


class LinesOfJSON(RecordParser):
    """Newline-delimited JSON: LF ends a text, and a CR before it is white space. Empty lines are no items.

    Args:
        rows: What decodes the lines.
        limit: Bytes that a line may have.
    """

    __slots__ = ()

    def __init__(self, rows: Rows, limit: int = MOST_BYTES) -> None:
        super().__init__(rows, b"\n", limit)


class TextSequence(RecordParser):
    """A JSON text sequence: RS begins a text, and LF ends it (RFC 7464, section 2.2).

    An item is given when the next one begins, or the stream ends: only then is it known to be whole.

    Args:
        rows: What decodes the texts.
        limit: Bytes that a text may have.
    """

    __slots__ = ("_begun",)

    def __init__(self, rows: Rows, limit: int = MOST_BYTES) -> None:
        super().__init__(rows, _RS, limit)
        self._begun = False

    def _cut(self, piece: bytes) -> list[Any]:
        if not self._begun and piece:
            self._begun = True
            if not piece.startswith(_RS):
                self._rows.fail("the stream is no JSON text sequence: it does not begin with RS (RFC 7464)", piece[:1])
        return [] if self.failure is not None else super()._cut(piece)

    def _decode(self, texts: list[bytes]) -> list[Any]:
        items: list[Any] = []
        for number, text in enumerate(texts):
            if _may_be_cut(text):
                items = self._rows.many(texts[:number])
                if self.failure is None:
                    self._rows.fail(f"item {self._rows.count} may be cut short: no white space follows it", text)
                return items
        return self._rows.many(texts)

    def _last(self, text: bytes) -> list[Any]:
        if _may_be_cut(text):
            self._rows.fail(f"the stream ends in the middle of item {self._rows.count}", text)
            return []
        return self._rows.many([text]) if text.endswith(b"\n") else self._rows.last(text)


def _may_be_cut(text: bytes) -> bool:
    """Tell whether a text may have lost its end unseen: numbers and literals show their end by white space only.

    RFC 7464, section 2.4: such an item "MUST be treated as truncated" where no white space follows.
    """
    return bool(text) and text[-1] not in _ENDS_ITSELF and text[-1] not in _WHITE
