"""What is async, as a thread that waits for it sees it: iterators, context managers, and objects that have both.

Nothing here knows a client. A `View` of an object has its methods without `async`: `aiter_bytes` is `iter_bytes`,
``async with`` is ``with``. All views that came out of one block have one desk, so that whoever waits for one of them
does what any of them needs done.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
from contextlib import AbstractContextManager, AsyncContextDecorator
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from headrace._client.iterating import Family, SyncIterator

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from headrace._client.loop_thread import LoopThread

T = TypeVar("T")

_ASYNC_NAME: Final = re.compile(r"a(iter_\w+|read|close)")
_HIDDEN: Final = frozenset({"pull", "may_be_ahead"})
_WORDS: Final = re.compile(r"\b(?:async|await) |(?<=[.`])a(?=iter_|read\b|close\b)|\bAsync(?=Client)")


def in_words(text: str | None) -> str | None:
    """Say of what waits what a docstring says of what is async."""
    return None if text is None else _WORDS.sub(lambda found: "Sync" if found[0] == "Async" else "", text)


def sync_name(name: str) -> str:
    """Give the name that a method has without ``async``: `iter_bytes` for `aiter_bytes`."""
    found = _ASYNC_NAME.fullmatch(name)
    return name if found is None else found[1]


class _Host:
    """The one task that an async context manager is entered and left in."""

    def __init__(self, manager: AbstractAsyncContextManager[Any]) -> None:
        self._manager = manager
        self._value: Any = None
        self._failure: BaseException | None = None
        self._raised: BaseException | None = None
        self._swallowed: bool | None = None
        self._entered = asyncio.Event()
        self._leaving = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def enter(self) -> Any:
        """Enter the manager; returns and raises what it does."""
        self._task = asyncio.get_running_loop().create_task(self._stay())
        try:
            await self._entered.wait()
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.wait([self._task])
            raise
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        value, self._value = self._value, None
        return value

    async def _stay(self) -> None:
        try:
            self._value = await self._manager.__aenter__()
            self._entered.set()
            try:
                await self._leaving.wait()
            except asyncio.CancelledError as cancelled:
                self._raised = cancelled
            self._swallowed = await self._leave()
        except BaseException as error:  # noqa: BLE001 - it goes to the thread, and not through the loop
            self._failure = error
        finally:
            self._entered.set()

    async def _leave(self) -> bool | None:
        raised, self._raised = self._raised, None
        if raised is None:
            return await self._manager.__aexit__(None, None, None)
        return await self._manager.__aexit__(type(raised), raised, raised.__traceback__)

    async def leave(self, raised: BaseException | None) -> bool | None:
        """Leave the manager with an error, or without, and wait until it is left; raises what it raises."""
        self._raised = raised
        self._leaving.set()
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task])
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return self._swallowed

    def abandon(self) -> None:
        """Begin to leave it, where nobody waits."""
        if self._task is not None:
            self._task.cancel()


class SyncContext(AbstractContextManager[T]):
    """An async context manager, for ``with``."""

    __slots__ = ("_family", "_host")

    def __init__(self, manager: AbstractAsyncContextManager[T], thread: LoopThread) -> None:
        self._family = Family(thread)
        self._host = _Host(manager)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"there is no {name} yet: enter the block first, as in `with client.stream(…) as response:`",
            name=name,
            obj=self,
        )

    def __enter__(self) -> T:
        try:
            return shown(self._family.run(self._host.enter()), self._family)  # type: ignore[no-any-return] # its view
        except BaseException:
            self._family.thread.tell(self._host.abandon)
            raise

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool | None:
        return self._family.run(self._leave(error))

    async def _leave(self, error: BaseException | None) -> bool | None:
        try:
            await self._family.end()
        finally:
            swallowed = await self._host.leave(error)
            self._family.desk.leave()
        return swallowed

    def __del__(self) -> None:
        """Leave no task behind where the block was never left."""
        host = getattr(self, "_host", None)
        if host is not None:
            self._family.thread.tell(host.abandon)


class View:
    """The base of what stands for an async object; its attributes are those of the object.

    Args:
        subject: The object.
        family: What it belongs to.
    """

    def __init__(self, subject: Any, family: Family) -> None:
        self._subject = subject
        self._family = family
        self._iterator: SyncIterator[Any] | None = None
        self._host: _Host | None = None

    def __del__(self) -> None:
        """Leave no task behind where the block was never left."""
        host = vars(self).get("_host")
        if host is not None:
            self._family.thread.tell(host.abandon)

    def __getattr__(self, name: str) -> Any:
        other = sync_name(name)
        if name.startswith("_") or name in _HIDDEN or other != name:
            hint = f"; it is called {other}() here" if other != name else ""
            raise AttributeError(f"{type(self).__name__} has no {name}{hint}", name=name, obj=self)
        return getattr(self._subject, name)

    def __repr__(self) -> str:
        return repr(self._subject).replace(type(self._subject).__name__, type(self).__name__, 1)


def shown(value: Any, family: Family) -> Any:
    """Give the view of a value that is async, and else the value itself."""
    if inspect.isasyncgen(value):
        return SyncIterator(value, family, ahead=False)
    if isinstance(value, AsyncContextDecorator):  # what `asynccontextmanager` makes
        return SyncContext(cast("AbstractAsyncContextManager[Any]", value), family.thread)
    kind: Any = type(value)
    own = kind.__module__.startswith("headrace.")
    if hasattr(kind, "__aiter__") or hasattr(kind, "__aenter__") or (own and _is_async(kind)):
        return view_of(kind)(value, family)
    return value


def subject(value: Any) -> Any:
    """Give what a view is a view of, and else the value itself."""
    return value._subject if isinstance(value, View) else value  # noqa: SLF001 - our own


@functools.cache
def view_of(kind: type) -> type[View]:
    """Make the class of the views of a class.

    Args:
        kind: Its public methods become methods that wait, named as `sync_name` does. One that is named ``aiter_…``
            gives an iterator that reads ahead what has arrived; any other runs on the loop.

    Returns:
        ``SyncPages`` for `Pages`.
    """
    names: dict[str, Any] = {"__doc__": in_words(kind.__doc__), "__module__": kind.__module__}
    for name in dir(kind):
        found = inspect.getattr_static(kind, name)
        if name.startswith("_") or name in _HIDDEN:
            continue
        if isinstance(found, property):
            names[name] = property(_getter(name), doc=in_words(found.__doc__))
        elif inspect.isfunction(found):
            names[sync_name(name)] = _iterating(found) if name.startswith("aiter_") else _waiting(found)
    if hasattr(kind, "__aiter__"):
        names |= {"__iter__": _iter, "__next__": _next}
    if hasattr(kind, "__aenter__"):
        names |= {"__enter__": _enter, "__exit__": _exit}
    return type(f"Sync{kind.__name__}", (View,), names)


@functools.cache
def _is_async(kind: type) -> bool:
    """Tell whether a class has methods whose names say that they are async."""
    return any(_ASYNC_NAME.fullmatch(name) for name in dir(kind) if not name.startswith("_"))


def _getter(name: str) -> Callable[[View], Any]:
    return lambda view: getattr(view._subject, name)  # noqa: SLF001 - our own


def _iterating(function: Callable[..., Any]) -> Any:
    @functools.wraps(function, updated=())
    def method(self: View, *args: Any, **options: Any) -> Any:
        return SyncIterator(function(self._subject, *args, **options), self._family, ahead=True)

    return renamed(method)


def _waiting(function: Callable[..., Any]) -> Any:
    @functools.wraps(function, updated=())
    def method(self: View, *args: Any, **options: Any) -> Any:
        async def done() -> Any:
            value = function(self._subject, *args, **options)
            return await value if inspect.isawaitable(value) else value

        return shown(self._family.run(done()), self._family)

    return renamed(method)


def renamed(method: Any) -> Any:
    """Give a method that was made of an async one the name and the words of one that waits."""
    method.__name__ = sync_name(method.__name__)
    method.__doc__ = in_words(method.__doc__)
    return method


def _iter(self: View) -> View:
    return self


def _next(self: View) -> Any:
    items = self._iterator
    if items is None:
        ahead = getattr(self._subject, "may_be_ahead", False)
        items = self._iterator = SyncIterator(aiter(self._subject), self._family, ahead=ahead)
    return next(items)


def _enter(self: View) -> Any:
    host = self._host = _Host(self._subject)
    try:
        value = self._family.run(host.enter())
    except BaseException:
        self._family.thread.tell(host.abandon)
        raise
    return self if value is self._subject else shown(value, self._family)


def _exit(self: View, _kind: object, error: BaseException | None, _trace: object) -> bool | None:
    host = self._host

    async def leave() -> bool | None:
        try:
            await self._family.end()
        finally:
            swallowed = None if host is None else await host.leave(error)
        return swallowed

    return self._family.run(leave())
