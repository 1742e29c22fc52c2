"""A request waits for a connection that others have, but not for longer than it may."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headrace._core.messages import Wait
from headrace._io import reasons
from headrace.errors import TransportError

if TYPE_CHECKING:
    from headrace._core.messages import Request
    from headrace._io.wire.connection import Connection


async def waited(waiter: asyncio.Future[Connection | None], request: Request) -> Connection | None:
    """Wait for a connection, or for the right to open one, no longer than a request may.

    Raises:
        headrace.errors.PoolTimeout: Its time for that is over.
    """
    seconds, loop = request.timeout.pool, waiter.get_loop()
    began = loop.time()
    try:
        return await (waiter if seconds is None else _within(waiter, request.origin.text, seconds))
    finally:
        request.delivery.spend(Wait.CONNECTION, loop.time() - began)


async def _within(waiter: asyncio.Future[Connection | None], key: str, seconds: float) -> Connection | None:
    try:
        async with asyncio.timeout(seconds):
            return await waiter
    except TimeoutError as error:
        if isinstance(error, TransportError):  # told by whoever closed the pool
            raise
        raise reasons.crowded(key, seconds) from error
