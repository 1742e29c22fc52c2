"""A program runs on the fastest event loop there is."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from headrace import _stopping
from headrace._checks import given, wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

_LINE = "%(asctime)s %(levelname)s %(message)s"


def check_coroutine(main: Any) -> None:
    """Raise a `TypeError` for what is no coroutine, such as a function that was not called."""
    if not inspect.iscoroutine(main):
        called = f"; call it: headrace.run({main.__name__}())" if inspect.isroutine(main) else ""
        message = f"main: got {given('main', main)}, takes a coroutine, such as headrace.run(main()){called}"
        raise TypeError(message)


def write_log(level: int | str) -> None:
    """Write the library's log lines to stderr, from a level on; a handler that is there already is enough.

    Args:
        level: A level of `logging`, a number or a name in any case.

    Raises:
        headrace.errors.ValidationError: It is none.
    """
    number = logging.getLevelNamesMapping().get(level.upper()) if isinstance(level, str) else level
    if isinstance(number, bool) or not isinstance(number, int):
        raise wrong("log", level, 'a level of logging, such as "info"')
    logger = logging.getLogger("headrace.AsyncClient")
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(_LINE))
        logger.addHandler(handler)
    logger.setLevel(number)


def run(main: Coroutine[Any, Any, T], *, debug: bool | None = None, log: int | str | None = None) -> T:
    """Run a coroutine as `asyncio.run` does, on uvloop where the `speed` extra is installed.

    Args:
        main: The coroutine.
        debug: Whether the loop runs in debug mode; `None` leaves that to the environment.
        log: The level from which on the library's log lines are written to stderr, such as ``"info"``; `None` leaves
            logging as it is. What the program has set up itself is left alone.

    Returns:
        What the coroutine returns.

    Raises:
        headrace.errors.ValidationError: `log` is no level of `logging`.
        TypeError: `main` is no coroutine.
    """
    check_coroutine(main)
    try:
        if log is not None:
            write_log(log)
    except BaseException:
        main.close()
        raise
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:
        pass
    except BaseException:
        main.close()  # interrupted before it could begin
        raise
    with _stopping.armed(), asyncio.Runner(debug=debug, loop_factory=factory) as runner:
        return runner.run(main)
