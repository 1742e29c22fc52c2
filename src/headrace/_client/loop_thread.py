"""A private event loop in a thread: any thread may have it run coroutines, and waits at a `Desk` meanwhile."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import warnings
import weakref
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from headrace._client.desk import Call, Desk
from headrace.errors import SyncClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

#: Seconds that the end of the program waits for a client that nobody has closed.
_AT_EXIT: Final = 1.0


class Closable(Protocol):
    """What belongs to a loop."""

    async def close(self) -> None:
        """Put away what is on the loop."""
        ...


class LoopThread:
    """A loop in a thread of its own, which begins with the first call. Any thread may have it run coroutines.

    Args:
        name: What it belongs to, for errors and the name of the thread.
        owner: What is to be closed before the loop ends, where nobody has done so.
    """

    __slots__ = ("__weakref__", "_ended", "_ident", "_lock", "_loop", "_name", "_owner", "_stopping", "_thread")

    def __init__(self, name: str, owner: Closable | None = None) -> None:
        self._name = name
        self._owner = owner
        self._ended = False
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Future[None] | None = None
        self._thread: threading.Thread | None = None
        self._ident: int | None = None

    @property
    def running(self) -> bool:
        """Whether there is a thread."""
        return self._loop is not None and not self._ended

    def run(self, coroutine: Coroutine[Any, Any, T], desk: Desk | None = None) -> T:
        """Run a coroutine on the loop, and wait for it.

        Args:
            coroutine: What to run. Where this thread is interrupted meanwhile, it is cancelled, and waited for.
            desk: Where this thread waits; unless another one, or this one, does so already, or it is `None`.

        Returns:
            What the coroutine returns.

        Raises:
            headrace.errors.SyncClientError: This is the loop's own thread.
        """
        if get_ident() == self._ident and threading.current_thread() is self._thread:  # numbers are used again
            coroutine.close()
            message = (
                f"{self._name} was called in the thread of its own loop, which would wait for itself for ever: by async"
                " code that it runs, such as an Auth, a Limiter or a Transport; that has to do without it"
            )
            raise SyncClientError(message)
        if desk is None or not desk.busy.acquire(blocking=False):
            return self._run(coroutine, Desk(), is_last=True)  # type: ignore[no-any-return]
        try:
            return self._run(coroutine, desk, is_last=False)  # type: ignore[no-any-return]
        finally:
            desk.busy.release()

    def _run(self, coroutine: Coroutine[Any, Any, Any], desk: Desk, *, is_last: bool) -> Any:
        call = None
        try:
            with self._lock:
                if not self._ended:
                    call = Call(self._loop or self._begin(), coroutine, desk, is_last=is_last)
                    call.submit()
            if call is None:
                return self._run_apart(coroutine)
            desk.wait(call)
        except BaseException:
            if call is None:
                coroutine.close()
            elif call.loop is self._loop:  # else this is a copy of the process
                call.cancel()
                desk.wait_idly(call)
            raise
        if call.error is None:
            return call.value
        raise call.failure(call.error)

    def _run_apart(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of a client that was closed, which has to be told so, on a loop for this once."""
        apart = LoopThread(self._name)
        try:
            return apart.run(coroutine)
        finally:
            apart.stop()

    def do(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function where no other code of the loop runs meanwhile."""
        if not self.running or get_ident() == self._ident:
            return function(*arguments)

        async def done() -> T:
            return function(*arguments)

        return self.run(done())

    def tell(self, function: Callable[[], object]) -> None:
        """Have the loop call a function soon, if it goes on so long."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(function)

    def _begin(self) -> asyncio.AbstractEventLoop:
        self._loop = loop = asyncio.new_event_loop()  # of the policy: uvloop's, where the program has chosen it
        self._stopping = loop.create_future()
        self._thread = threading.Thread(
            target=_live, args=(loop, self._stopping), name=f"headrace {self._name}", daemon=True
        )
        try:
            self._thread.start()
        except BaseException:
            self._forget()
            loop.close()
            raise
        self._ident = self._thread.ident
        _running.add(self)
        return loop

    def stop(self, *, wait: bool = True, timeout: float | None = None) -> None:
        """End the thread, and all that it runs; may be called more than once.

        Args:
            wait: Whether to wait for its end.
            timeout: Seconds to wait at most.

        Raises:
            headrace.errors.SyncClientError: It shall wait for itself.
        """
        thread = self._thread
        if wait and thread is threading.current_thread():
            raise SyncClientError(f"{self._name} cannot be closed by what its own loop runs")
        with self._lock:
            loop, stopping, first = self._loop, self._stopping, not self._ended
            self._ended = True
            if first and loop is not None and stopping is not None:
                loop.call_soon_threadsafe(_finish, loop, stopping, self._owner)
        if wait and thread is not None:
            thread.join(timeout)

    def __repr__(self) -> str:
        return self._name if self._owner is None else repr(self._owner)

    def forked(self) -> None:
        """Be one that has not begun yet: this process is a copy, which has no such thread."""
        if self._loop is not None:
            # Collected, they would reach into what the parent's loop listens to.
            _theirs.append((self._loop, self._stopping, self._owner))
        self._forget()


def _live(loop: asyncio.AbstractEventLoop, stopping: asyncio.Future[None]) -> None:
    """Run a loop until it is told to stop; what it still runs then is cancelled."""

    async def until_then() -> None:
        await stopping

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(until_then())


def _finish(
    loop: asyncio.AbstractEventLoop,
    stopping: asyncio.Future[None],
    owner: Closable | None,
) -> None:
    async def finish() -> None:
        try:
            if owner is not None:
                await owner.close()
        finally:
            if not stopping.done():
                stopping.set_result(None)

    task = loop.create_task(finish())
    _finishing.add(task)
    task.add_done_callback(_finishing.discard)


_finishing: set[asyncio.Task[None]] = set()
_running: weakref.WeakSet[LoopThread] = weakref.WeakSet()
_theirs: list[Any] = []


def _forked() -> None:
    for one in list(_running):
        one.forked()
    _running.clear()


def _stop_all() -> None:
    """End the threads of clients that nobody has closed, so that none runs while the interpreter is taken down."""
    for one in list(_running):
        if one.running:
            warnings.warn(f"unclosed {one!r}", ResourceWarning, source=one, stacklevel=1)
            with contextlib.suppress(Exception):
                one.stop(timeout=_AT_EXIT)


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
