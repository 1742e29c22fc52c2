"""An async iterable of calls is pulled by one task, one call after the other, while there is room."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.bulk.pulling import Pulling
    from headrace.bulk.source import Pulled
    from headrace.bulk.tasks import Tasks


class Feeder:
    """Pulls calls as they come.

    Args:
        pulling: Where they come from.
        has_room: Tells whether another may be pulled.
        begin: Is given each.
        tasks: Those of the bulk.
        ended: Is called when no more come, with the error that there was, if any.
    """

    def __init__(
        self,
        pulling: Pulling,
        has_room: Callable[[], bool],
        begin: Callable[[Pulled], None],
        tasks: Tasks,
        ended: Callable[[BaseException | None], None],
    ) -> None:
        self._pulling = pulling
        self._has_room = has_room
        self._begin = begin
        self._room = asyncio.Event()
        self._waits = False  # for the next call, not for room
        self._stopping = False
        self._task = tasks.begin(self._feed(), ended)

    def look(self) -> None:
        """Look again whether there is room."""
        self._room.set()

    def stop(self) -> None:
        """Pull no more; a call that is waited for is waited for no longer."""
        self._stopping = True
        self._room.set()
        if self._waits:
            self._task.cancel()

    async def _feed(self) -> None:
        while not self._stopping:
            if not self._has_room():
                self._room.clear()
                await self._room.wait()
                continue
            self._waits = True
            try:
                call = await self._pulling.apull()
            except asyncio.CancelledError:
                if self._stopping:
                    return
                raise
            finally:
                self._waits = False
            if call is not None:
                self._begin(call)
            elif self._pulling.drained:
                return
