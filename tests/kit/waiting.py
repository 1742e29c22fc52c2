"""How tests wait: until something is so, or a connection has ended, or a timeout of the caller's strikes."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tests.servers.raw import WAIT_SECONDS, RawServer


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            if condition():
                return
            await asyncio.sleep(0.001)


async def ended(server: RawServer, number: int = 0) -> None:
    """Wait until the client has ended a connection, counted from 0."""
    await asyncio.wait_for((await server.accepted(number + 1)).ended.wait(), WAIT_SECONDS)


async def under_a_timeout(server: RawServer, call: Coroutine[Any, Any, Any]) -> None:
    """Await a request under an `asyncio.timeout` that ends once the server has a connection."""
    async with asyncio.timeout(WAIT_SECONDS) as limit:
        accepted = asyncio.ensure_future(server.accepted(1))
        accepted.add_done_callback(lambda _: limit.reschedule(0))
        await call
