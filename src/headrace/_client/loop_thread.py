"""A private event loop in a thread: any thread may have it run coroutines, and waits at a `Desk` meanwhile."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

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


class _Life(NamedTuple):
    """A loop that runs in its thread."""

    loop: asyncio.AbstractEventLoop
    stopping: asyncio.Future[None]
    thread: threading.Thread


def _put_away(life: _Life) -> None:
    """End a loop that nobody uses."""
    if life.thread.ident is None:
        life.loop.close()
    else:
        life.loop.call_soon_threadsafe(_end, life.stopping)


class LoopThread:
    """A loop in a thread of its own, which begins with the first call. Any thread may have it run coroutines.

    So may a signal handler, in the middle of whatever its thread does here: what it finds is whole at each step, and no
    lock is one that it could wait for.

    Args:
        name: What it belongs to, for errors and the name of the thread.
        owner: What is to be closed before the loop ends, where nobody has done so.
    """

    __slots__ = ("__weakref__", "_ended", "_lives", "_lock", "_name", "_owner")

    def __init__(self, name: str, owner: Closable | None = None) -> None:
        self._name = name
        self._owner = owner
        self._ended = False
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._lives: dict[None, _Life] = {}  # one at most, for `setdefault` is one step

    @property
    def running(self) -> bool:
        """Whether there is a thread."""
        return bool(self._lives) and not self._ended

    @property
    def thread(self) -> threading.Thread | None:
        """The thread; `None` before the first call."""
        life = self._lives.get(None)
        return None if life is None else life.thread

    def _is_here(self) -> bool:
        return threading.current_thread() is self.thread

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
        if self._is_here():
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
                    # Known before it is submitted: who is interrupted meanwhile cannot tell whether the loop has it.
                    call = Call((self._lives.get(None) or self._begin()).loop, coroutine, desk, is_last=is_last)
                    if not self._submits(call):
                        call = None
            if call is None:
                return self._run_apart(coroutine)
            desk.wait(call)
        except BaseException:
            now = self._lives.get(None)
            if call is None:
                coroutine.close()
            elif now is not None and call.loop is now.loop:  # else this is a copy of the process
                call.cancel()
                desk.wait_idly(call)
            raise
        if call.error is None:
            return call.value
        raise call.failure(call.error)

    def _submits(self, call: Call) -> bool:
        """Submit a call; tells whether a signal handler has not ended the loop just now."""
        try:
            call.submit()
        except RuntimeError:
            if not self._ended:
                raise
            return False
        return True

    def _run_apart(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine of a client that was closed, which has to be told so, on a loop for this once."""
        apart = LoopThread(self._name)
        try:
            return apart.run(coroutine)
        finally:
            apart.stop()

    def do(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function where no other code of the loop runs meanwhile."""
        if not self.running or self._is_here():
            return function(*arguments)

        async def done() -> T:
            return function(*arguments)

        return self.run(done())

    def tell(self, function: Callable[[], object]) -> None:
        """Have the loop call a function soon, if it goes on so long."""
        life = self._lives.get(None)
        if life is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                life.loop.call_soon_threadsafe(function)

    def _begin(self) -> _Life:
        loop = asyncio.new_event_loop()  # of the policy: uvloop's, where the program has chosen it
        stopping = loop.create_future()
        thread = threading.Thread(target=_live, args=(loop, stopping), name=f"headrace {self._name}", daemon=True)
        mine = _Life(loop, stopping, thread)
        try:
            thread.start()
            life = self._lives.setdefault(None, mine)
            _running.add(self)
        finally:
            if self._lives.get(None) is not mine:  # a signal handler was here, or has interrupted this
                _put_away(mine)
        return life

    def stop(self, *, wait: bool = True, timeout: float | None = None) -> None:
        """End the thread, and all that it runs; may be called more than once.

        Args:
            wait: Whether to wait for its end.
            timeout: Seconds to wait at most.

        Raises:
            headrace.errors.SyncClientError: It shall wait for itself.
        """
        if wait and self._is_here():
            raise SyncClientError(f"{self._name} cannot be closed by what its own loop runs")
        with self._lock:
            life, first = self._lives.get(None), not self._ended
            self._ended = True
            if first and life is not None:
                life.loop.call_soon_threadsafe(_finish, life.loop, life.stopping, self._owner)
        if wait and life is not None:
            life.thread.join(timeout)

    def __repr__(self) -> str:
        return self._name if self._owner is None else repr(self._owner)

    def forked(self) -> None:
        """Be one that has not begun yet: this process is a copy, which has no such thread."""
        if self._lives:
            # Collected, they would reach into what the parent's loop listens to.
            _theirs.append((self._lives, self._owner))
        self._forget()


def _live(loop: asyncio.AbstractEventLoop, stopping: asyncio.Future[None]) -> None:
    """Run a loop until it is told to stop; what it still runs then is cancelled."""

    async def until_then() -> None:
        await stopping

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(until_then())


def _end(stopping: asyncio.Future[None]) -> None:
    if not stopping.done():
        stopping.set_result(None)


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
            _end(stopping)

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
