"""Async iterators, as a thread that waits for them sees them, and what ends with the block that they came out of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from headrace._client.desk import Desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from headrace._client.loop_thread import LoopThread

T = TypeVar("T")

#: What is read ahead at most, of an iterator over what has arrived already: one wait for many small items.
_MOST_ITEMS: Final = 64
_MOST_BYTES: Final = 256 * 1024


class Family:
    """What came out of one block: its views wait at one desk, and its iterators end with it.

    Args:
        thread: Whose loop they live on.
    """

    __slots__ = ("desk", "pumps", "thread")

    def __init__(self, thread: LoopThread) -> None:
        self.thread = thread
        self.desk = Desk()
        self.pumps: set[_Pump] = set()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop, and wait for it."""
        return self.thread.run(coroutine, self.desk)

    async def end(self) -> None:
        """End the iterators; called on the loop."""
        for pump in list(self.pumps):
            await pump.end()


class _Pump:
    """Takes items from an async iterator, in one task, and holds them until they are asked for."""

    def __init__(self, source: AsyncIterator[Any], family: Family, *, ahead: bool) -> None:
        self._source = source
        self._family = family
        self._ahead = ahead
        self._items: list[Any] = []
        self._size = 0
        self._error: BaseException | None = None
        self._ended = False
        self._room = asyncio.Event()
        self._waiter: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    async def take(self) -> list[Any]:
        """Wait for at least one item; there is none where all have been taken."""
        if not self._items and not self._ended:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            self._room.set()
            if self._task is None:
                self._family.pumps.add(self)
                self._task = loop.create_task(self._run())
            await self._waiter
        taken, self._items, self._size = self._items, [], 0
        if self._ahead:
            self._room.set()
        error, self._error = (None, self._error) if taken else (self._error, None)
        if error is not None:
            raise error
        return taken

    async def _run(self) -> None:
        try:
            await self._room.wait()
            async for item in self._source:
                self._items.append(item)
                self._size += len(item) if isinstance(item, (bytes, str)) else _MOST_BYTES // _MOST_ITEMS
                if not self._ahead or self._size >= _MOST_BYTES:
                    self._room.clear()
                    self._hand_over()
                    await self._room.wait()
                elif self._waiter is not None and len(self._items) == 1:
                    # Called as soon as the source has to wait: until then it gives more.
                    asyncio.get_running_loop().call_soon(self._hand_over)
        except BaseException as error:  # noqa: BLE001 - it goes to the thread, and not through the loop
            self._error = error
        finally:
            self._ended = True
            self._family.pumps.discard(self)
            self._hand_over()

    def _hand_over(self) -> None:
        waiter = self._waiter
        if waiter is not None and (self._items or self._ended):
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    async def end(self) -> None:
        """Take no more, and end the iterator."""
        task = self._task
        self._ended = True
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._hand_over()  # the task may have been cancelled before its first step
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()

    def forget(self) -> None:
        """Begin to end it, where nobody waits."""
        if self._task is not None:
            self._task.cancel()


class SyncIterator(Iterator[T]):
    """An async iterator, for one thread at a time to iterate over; it ends with its block, or with `close`."""

    __slots__ = ("_family", "_pump", "_ready")

    def __init__(self, source: AsyncIterator[T], family: Family, *, ahead: bool) -> None:
        self._family = family
        self._pump = _Pump(source, family, ahead=ahead)
        self._ready: Iterator[T] = iter(())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        for item in self._ready:
            return item
        self._ready = iter(self._family.run(self._pump.take()))
        return next(self._ready)

    def close(self) -> None:
        """Take no more items. May be called more than once."""
        self._ready = iter(())
        self._family.run(self._pump.end())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        """Leave no task behind where somebody has left early."""
        pump = getattr(self, "_pump", None)
        if pump is not None:
            self._family.thread.tell(pump.forget)
