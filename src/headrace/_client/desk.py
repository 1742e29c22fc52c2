"""A thread that waits for a loop has a desk: what it is to do meanwhile is left there, and so is the end of its call.

No thread waits for anything else, and the loop waits for no thread, so that none can block another for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import os
import queue
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

from headrace import _calling
from headrace.errors import AsyncClientError, SyncClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

#: Seconds after which the main thread looks for Ctrl-C. On Windows nothing else interrupts its wait; elsewhere a signal
#: that comes just before it begins to wait does not.
_PATIENCE: Final = 0.1 if os.name == "nt" else 0.5
_INTERRUPTED: Final = "the thread that was asked was interrupted"


class Errand:
    """A function that one thread calls, and a task of the loop waits for."""

    __slots__ = ("_arguments", "_begun", "_function", "_loop", "future")

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[..., Any], arguments: Any) -> None:
        self._loop = loop
        self._function = function
        self._arguments = arguments
        self._begun = threading.Lock()  # held by whoever has begun it
        self.future: Any = loop.create_future()

    def __call__(self) -> None:
        """Call the function, and tell the loop what came of it; unless nobody there waits for it any more."""
        if self.future.done() or not self._begun.acquire(blocking=False):
            return
        try:
            value = self._function(*self._arguments)
        except StopIteration as error:
            self._reply(None, RuntimeError(f"{type(error).__name__} in a function that was called"))
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits gets it
            self._reply(None, error)
        except BaseException:
            self._reply(None, SyncClientError(_INTERRUPTED))
            raise
        else:
            self._reply(value, None)

    def _reply(self, value: Any, error: Exception | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._settle, value, error)

    def _settle(self, value: Any, error: Exception | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(value)
        else:
            self.future.set_exception(error)

    def elsewhere(self) -> None:
        """Have a worker thread do it, because the one that was asked has gone; called on the loop."""
        if not self._begun.locked():
            _ = self._loop.run_in_executor(None, self)
        else:  # interrupted, maybe before it could say so
            self._settle(None, SyncClientError(_INTERRUPTED))


class Desk:
    """Where the loop leaves what a waiting thread is to do; a `headrace._calling.Caller`.

    Attributes:
        gone: Whether the thread comes no more.
        busy: Held by the thread that waits here.
    """

    __slots__ = ("_open", "_queue", "busy", "gone")

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._open: set[Errand] = set()
        self.gone = False
        self.busy = threading.Lock()

    def post(self, function: Callable[..., object], /, *arguments: Any) -> None:
        """Have the thread call a function soon; nobody does when it has gone."""
        if not self.gone:
            self._queue.put(functools.partial(function, *arguments))

    async def call(self, function: Callable[..., T], /, *arguments: Any) -> T:
        """Have the thread call a function, and wait for what it returns or raises."""
        errand = Errand(asyncio.get_running_loop(), function, arguments)
        if self.gone:
            errand.elsewhere()
            return await errand.future  # type: ignore[no-any-return] # what the function returns
        self._open.add(errand)
        self._queue.put(errand)
        try:
            return await errand.future  # type: ignore[no-any-return] # what the function returns
        finally:
            self._open.discard(errand)

    def end(self, call: Call) -> None:
        """Tell the thread that its call has ended."""
        self._queue.put(call)

    def leave(self) -> None:
        """Take the thread away; called on the loop. What it has not done yet is done elsewhere."""
        self.gone = True
        self.pass_on()

    def pass_on(self) -> None:
        """Have others do what the thread has not done: it was interrupted; called on the loop."""
        for errand in list(self._open):
            errand.elsewhere()

    def wait(self, call: Call) -> None:
        """Do what is left here, until a call has ended; raises what a function that was posted raises."""
        while (left := self._get()) is not call:
            if type(left) is Call:  # of a wait that was interrupted
                continue
            process = os.getpid()
            left()
            if process != os.getpid():
                raise SyncClientError("the process was forked by a function that the client has called; end the copy")

    def wait_idly(self, call: Call) -> None:
        """Wait until a call has ended, and have others do what is left here.

        What was taken from here when the thread was interrupted may be lost, also the end of the call.
        """
        while not call.over:
            left = self._get()
            if isinstance(left, Errand):
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    call.loop.call_soon_threadsafe(left.elsewhere)

    def _get(self) -> Any:
        if threading.get_ident() != threading.main_thread().ident:
            return self._queue.get()
        while True:
            try:
                return self._queue.get(timeout=_PATIENCE)
            except queue.Empty:
                continue


class Call:
    """A coroutine that the loop runs for a thread that waits.

    Attributes:
        loop: The loop.
        value: What it has returned.
        error: What it has raised.
        over: Whether it has ended; its desk hears of that afterwards.
    """

    __slots__ = ("_coroutine", "_desk", "_is_last", "_task", "error", "loop", "over", "value")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, Any],
        desk: Desk,
        *,
        is_last: bool,
    ) -> None:
        self.loop = loop
        self._coroutine = coroutine
        self._desk = desk
        self._is_last = is_last
        self._task: asyncio.Task[None] | None = None
        self.over = False
        self.value: Any = None
        self.error: BaseException | None = None

    def submit(self) -> None:
        """Have the loop start it, with the context variables of this thread."""
        context = contextvars.copy_context()
        context.run(_calling.current.set, self._desk)
        self.loop.call_soon_threadsafe(self._start, context=context)

    def _start(self) -> None:
        if not self.over:
            self._task = self.loop.create_task(self._run())
            self._task.add_done_callback(self._never_began)

    async def _run(self) -> None:
        try:
            self.value = await self._coroutine
        except BaseException as error:  # noqa: BLE001 - it goes to the thread, and not through the loop
            self.error = error
        finally:
            self._end()

    def _never_began(self, _: object) -> None:
        """End a call whose task was cancelled before its first step, and so has told nobody."""
        if not self.over:
            self._coroutine.close()
            self.error = asyncio.CancelledError()
            self._end()

    def _end(self) -> None:
        self.over = True
        if self._is_last:
            self._desk.gone = True  # what was left before is done before the thread sees the end
        self._desk.end(self)

    def cancel(self) -> None:
        """End it; called by its thread, which then waits until it has ended."""
        try:
            self.loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:  # the loop has ended
            if self._task is None:
                self._coroutine.close()
            self.over = True

    def _cancel(self) -> None:
        self._desk.pass_on()
        if self._task is not None:
            self._task.cancel()
        elif not self.over:  # the thread was interrupted before it had submitted the call
            self._coroutine.close()
            self._end()

    def failure(self, error: BaseException) -> BaseException:
        """Make what the thread raises of what was raised on the loop."""
        self.error = None  # or it would hold itself, by its traceback
        trace = error.__traceback__
        if trace is not None and trace.tb_frame.f_code is Call._run.__code__:
            error.__traceback__ = trace.tb_next
        if isinstance(error, asyncio.CancelledError):
            return SyncClientError("the client was closed meanwhile")
        return as_misuse(error) if type(error) is AsyncClientError else error


def as_misuse(error: AsyncClientError) -> SyncClientError:
    """Say of a synchronous client what an error says of an async one."""
    other = SyncClientError(*(text.replace("`async with`", "`with`") for text in map(str, error.args)))
    for name, value in vars(error).items():
        setattr(other, name, value)
    other.__suppress_context__ = True
    return other
