"""The connections of the aiohttp transport, whose places are handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from asyncio import Future


class Connector(aiohttp.TCPConnector):
    """A connector in which a place is handed on by whoever is cancelled in the step in which it was given.

    aiohttp 3.14 forgets it there, and all others wait beside a free place until their timeout.
    """

    async def _wait_for_available_connection(self, key: Any, traces: Any) -> None:
        """Wait in the order of arrival; whoever has been woken and finds the place taken comes first the next time."""
        first = False
        while True:
            woken: Future[None] = self._loop.create_future()
            waiters = self._waiters[key]
            waiters[woken] = None
            if first:
                waiters.move_to_end(woken, last=False)
            try:
                for trace in traces:
                    await trace.send_connection_queued_start()
                await woken
                for trace in traces:
                    await trace.send_connection_queued_end()
            except BaseException:
                self._leave(key, woken)
                if woken.done() and not woken.cancelled():
                    self._release_waiter()
                raise
            self._leave(key, woken)
            if self._available_connections(key) > 0:
                return
            first = True

    def _leave(self, key: Any, woken: Future[None]) -> None:
        waiters = self._waiters.get(key)
        if waiters is not None:
            waiters.pop(woken, None)
            if not waiters:
                del self._waiters[key]
