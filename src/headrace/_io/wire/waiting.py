"""A request waits for a connection that others have, but not for longer than it may."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headrace.errors import PoolTimeout, TransportError

if TYPE_CHECKING:
    from headrace._io.wire.connection import Connection


async def within(waiter: asyncio.Future[Connection | None], key: str, seconds: float) -> Connection | None:
    """Wait so many seconds at most.

    Raises:
        headrace.errors.PoolTimeout: They are over.
    """
    try:
        async with asyncio.timeout(seconds):
            return await waiter
    except TimeoutError as error:
        if isinstance(error, TransportError):  # told by whoever closed the pool
            raise
        message = f"no connection to {key} became free within {seconds:g} s"
        raise PoolTimeout(message, maybe_sent=False) from error
