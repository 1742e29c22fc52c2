"""Where a series goes on: a position is any JSON, is written down, and comes once."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec
import orjson

from headrace.errors import PaginationError

#: Positions that are remembered; of a longer series the latest, and one that is compared with all that come.
_MOST_SEEN: Final = 65_536
#: Lists and mappings inside each other, in a position.
_DEEPEST: Final = 64


class Seen:
    """Remembers positions, so that none comes twice; memory does not grow without end.

    The latest are remembered one by one. A longer circle is found as Brent finds it (BIT 20, 1980): one position is
    kept, and a later one in its place whenever as many again have come.
    """

    __slots__ = ("_count", "_kept", "_latest", "_mark", "_next_mark")

    def __init__(self) -> None:
        self._kept: set[int] = set()
        self._latest: deque[int] = deque()
        self._mark: int | None = None
        self._next_mark = _MOST_SEEN
        self._count = 0

    def add(self, position: Any) -> bool:
        """Remember a position; tell whether it is new.

        Raises:
            headrace.errors.PaginationError: It is none that could be sent.
        """
        digest = hash(position if isinstance(position, str) else _written(position))
        if digest in self._kept or digest == self._mark:
            return False
        self._kept.add(digest)
        self._latest.append(digest)
        self._count += 1
        if len(self._latest) > _MOST_SEEN:
            self._kept.discard(self._latest.popleft())
        if self._count == self._next_mark:
            self._mark, self._next_mark = digest, 2 * self._next_mark
        return True


def plain(position: Any) -> Any:
    """Make what JSON knows of a position; raises a `TypeError` where there is nothing of the kind."""
    try:
        return orjson.loads(orjson.dumps(position))
    except (TypeError, orjson.JSONDecodeError):  # as of a number beyond 64 bits
        return msgspec.json.decode(msgspec.json.encode(position))


def _written(position: Any) -> bytes:
    if not _is_flat(position, _DEEPEST):
        message = f"what leads to the next page is nested too deeply: it may have {_DEEPEST} levels"
        raise PaginationError(message)
    try:
        return orjson.dumps(position, default=repr)
    except TypeError:  # the same
        return msgspec.json.encode(position, enc_hook=repr)


def _is_flat(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return True
    return levels > 0 and all(_is_flat(each, levels - 1) for each in value)
