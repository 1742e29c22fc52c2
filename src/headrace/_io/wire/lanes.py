"""What a pool has of one origin."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from headrace._io.wire.connection import Connection


class Lane:
    """The connections and waiters of one origin."""

    __slots__ = ("idle", "key", "open", "waiters")

    def __init__(self, key: str) -> None:
        self.key = key
        self.idle: dict[Connection, None] = {}  # the last one in is the first one out
        self.open = 0
        self.waiters: OrderedDict[asyncio.Future[Connection | None], int] = OrderedDict()


def first(lane: Lane) -> int:
    """Tell when the lane's first waiter came."""
    return next(iter(lane.waiters.values()))
