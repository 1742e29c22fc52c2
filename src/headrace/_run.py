"""A program runs on the fastest event loop there is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
    """Run a coroutine as `asyncio.run` does, on uvloop where the `speed` extra is installed.

    Args:
        main: The coroutine.
        debug: Whether the loop runs in debug mode; `None` leaves that to the environment.

    Returns:
        What the coroutine returns.
    """
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:
        pass
    except BaseException:
        main.close()  # interrupted before it could begin
        raise
    with asyncio.Runner(debug=debug, loop_factory=factory) as runner:
        return runner.run(main)
