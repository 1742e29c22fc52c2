"""Outcomes that are ready: in the order in which they came, or in that of their calls, and who waits for them."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.bulk.outcomes import Outcome

    #: An outcome, the digest of its call, and the number of that, from 1.
    Ended = tuple[Outcome[Any], bytes | None, int]


class Outbox:
    """Holds outcomes until they are taken.

    Args:
        ordered: Whether they come in the order of their calls.

    Attributes:
        ready: Those that may be taken.
        put: Adds one; see `tell`.
        patience: How many have to be ready before whoever waits is told of them.
    """

    __slots__ = ("_early", "_next", "_wake", "patience", "put", "ready")

    def __init__(self, *, ordered: bool) -> None:
        self.ready: deque[Ended] = deque()
        self._early: dict[int, Ended] = {}
        self._next = 1
        self._wake: asyncio.Future[None] | None = None
        self.patience = 1
        self.put: Callable[[Ended], None] = self._put_in_order if ordered else self.ready.append

    def _put_in_order(self, ended: Ended) -> None:
        early = self._early
        early[ended[2]] = ended
        while self._next in early:
            self.ready.append(early.pop(self._next))
            self._next += 1

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
