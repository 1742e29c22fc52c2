"""Outcomes that are ready: in the order in which they came, or in that of their calls, and who waits for them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from headrace.bulk.ordering import Order

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.bulk.ordering import Ended


class Outbox:
    """Holds outcomes until they are taken.

    Args:
        ordered: Whether they come in the order of their calls.

    Attributes:
        ready: Those that may be taken.
        order: What holds back those that are early; `None` where they come as they come.
        put: Adds one; see `tell`.
        patience: How many have to be ready before whoever waits is told of them.
    """

    __slots__ = ("_wake", "order", "patience", "put", "ready")

    def __init__(self, *, ordered: bool) -> None:
        self.ready: deque[Ended] = deque()
        self.order = Order(self.ready) if ordered else None
        self._wake: asyncio.Future[None] | None = None
        self.patience = 1
        self.put: Callable[[Ended], None] = self.ready.append if self.order is None else self.order.put

    def add(self, ended: Ended) -> None:
        """Put an outcome, and tell whoever waits."""
        self.put(ended)
        self.tell()

    def tell(self) -> None:
        """Wake whoever waits, where enough is ready."""
        if self._wake is not None and len(self.ready) >= self.patience:
            self.nudge()

    def nudge(self) -> None:
        """Let whoever waits look again."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def wait(self) -> None:
        """Wait until enough is ready, or `nudge` was called."""
        self._wake = asyncio.get_running_loop().create_future()
        try:
            await self._wake
        finally:
            self._wake = None
