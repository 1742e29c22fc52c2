"""What is entered with `async with`, and says so where it is used in another way."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

P = ParamSpec("P")
T = TypeVar("T")

_HOW = 'a stream is entered: `async with client.stream("GET", path) as response:`'


class _Opening(contextlib._AsyncGeneratorContextManager[T]):  # noqa: SLF001 - what `asynccontextmanager` makes
    """An async context manager that names the right words where it is awaited, iterated or entered without `async`."""

    if not TYPE_CHECKING:  # whose words are better still

        def __enter__(self) -> NoReturn:
            message = f"`with` got a stream; {_HOW}"
            raise TypeError(message)

        def __exit__(self, *_: object) -> None:
            """Never come to."""

        def __await__(self) -> NoReturn:
            message = f"`await` got a stream; {_HOW}"
            raise TypeError(message)

        def __aiter__(self) -> NoReturn:
            message = f"`async for` got a stream; {_HOW}, and then `async for piece in response.aiter_bytes():`"
            raise TypeError(message)


def opening(function: Callable[P, AsyncIterator[T]]) -> Callable[P, contextlib.AbstractAsyncContextManager[T]]:
    """Make a function of an async generator, as `contextlib.asynccontextmanager` does, whose misuse explains itself."""

    @functools.wraps(function)
    def made(*args: P.args, **kwargs: P.kwargs) -> contextlib.AbstractAsyncContextManager[T]:
        return _Opening[T](_as_given(function), args, kwargs)

    return made


def _as_given(function: Any) -> Any:
    return function
