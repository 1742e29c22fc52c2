"""The first Ctrl-C, or SIGTERM, lets what runs end in order; the second one ends it. `headrace.run` arms this."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator


class Stoppable(Protocol):
    """What can be asked to end in order."""

    def stop(self) -> object:
        """End in order."""
        ...


class _Watch:
    """What runs now, and who was there before to take the signals."""

    def __init__(self) -> None:
        self.armed = False
        self.running: dict[int, tuple[asyncio.AbstractEventLoop, Stoppable]] = {}
        self.before: dict[int, Any] = {}
        self.asked = False
        self.number: int | None = None

    def install(self) -> None:
        """Take the signals; those that the program has taken itself stay its own."""
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.getsignal(number)
            ours = number == signal.SIGINT or before is signal.SIG_DFL
            if before is not None and ours:
                self.before[number] = before
                signal.signal(number, self.receive)

    def restore(self) -> None:
        """Give the signals back."""
        for number, before in self.before.items():
            if signal.getsignal(number) == self.receive:
                signal.signal(number, before)
        self.before.clear()

    def receive(self, number: int, frame: Any) -> None:
        """Ask everything to end, or, asked before, do what would have been done without this."""
        if not self.asked:
            self.asked = True
            self.number = number
            for loop, running in list(self.running.values()):
                loop.call_soon_threadsafe(running.stop)
            return
        before = self.before.get(number)
        if callable(before):
            before(number, frame)
        elif before is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


_watch = _Watch()


@contextmanager
def armed() -> Iterator[None]:
    """Let signals reach what runs in this block, where it is the main thread's."""
    _watch.number = None
    was, _watch.armed = _watch.armed, threading.current_thread() is threading.main_thread()
    try:
        yield
    finally:
        _watch.armed = was


def begin(running: Stoppable, loop: asyncio.AbstractEventLoop) -> None:
    """Note that something runs that the first signal shall stop."""
    if not _watch.armed or threading.current_thread() is not threading.main_thread():
        return
    if not _watch.running:
        _watch.install()
    _watch.running[id(running)] = (loop, running)


def end(running: Stoppable) -> None:
    """Note that it has ended; may be called more than once."""
    if _watch.running.pop(id(running), None) is not None and not _watch.running:
        _watch.restore()


def signalled() -> int | None:
    """Tell which signal has asked what ran in the last armed block to end; `None` for none."""
    return _watch.number
