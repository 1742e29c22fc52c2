"""Servers beside a test that blocks its thread: on a loop in a thread of their own."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Any, TypeVar

from tests.servers.raw import WAIT_SECONDS, Connection, RawServer

T = TypeVar("T")


class Beside:
    """A loop in another thread; made by `beside`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stack: AsyncExitStack) -> None:
        self.loop = loop
        self._stack = stack

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WAIT_SECONDS)

    def start(self, server: AbstractAsyncContextManager[T]) -> T:
        """Start a server, which ends with the block of `beside`."""
        return self.run(self._stack.enter_async_context(server))

    def accepted(self, server: RawServer, count: int) -> Connection:
        """Wait until a server has accepted that many connections in all, and return the last of them."""
        return self.run(server.accepted(count))

    def ended(self, server: RawServer, number: int = 0) -> None:
        """Wait until the client has ended a connection, counted from 0."""
        self.run(asyncio.wait_for(self.accepted(server, number + 1).ended.wait(), WAIT_SECONDS))


@contextmanager
def beside() -> Iterator[Beside]:
    """Run a loop in another thread until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="servers of a test")
    thread.start()
    stack = AsyncExitStack()
    place = Beside(loop, stack)
    try:
        yield place
        place.run(stack.aclose())
        place.run(_end_all())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end_all() -> None:
    """End what a server has left: of a connection that it accepted in its last step it knows nothing."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.sleep(0)  # transports that were closed let go of their sockets in a step of their own
