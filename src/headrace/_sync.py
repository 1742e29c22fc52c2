"""`SyncClient`: the verbs of `AsyncClient`, made of it when this is imported, for threads that wait."""

from __future__ import annotations

import functools
import inspect
import threading
import warnings
import weakref
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from headrace import _calling, _redact
from headrace._client.blocking import in_words, shown, subject, view_of
from headrace._client.calling import Calling
from headrace._client.iterating import Family, SyncIterator
from headrace._client.loop_thread import LoopThread
from headrace._client.pipeline import Pipeline
from headrace._client.settings import Settings
from headrace._client.verbs import APART, apart_or
from headrace._io.answers.streamed import StreamedResponse
from headrace._io.pages.handle import Pages
from headrace.client import AsyncClient
from headrace.errors import SyncClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from headrace._core.call import Call
    from headrace._core.messages import Request
    from headrace._core.request.prepare import Defaults
    from headrace._core.stats import Stats
    from headrace.config import ClientConfig
    from headrace.errors import ClientError
    from headrace.policies import Timeout

__all__ = ["SyncClient", "SyncIterator", "SyncPages", "SyncStreamedResponse"]

#: How often a request is prepared anew, because a thread has changed the settings meanwhile.
_MOST_CHANGES = 100

SyncStreamedResponse = view_of(StreamedResponse)
SyncStreamedResponse.__module__ = "headrace"
SyncPages = view_of(Pages)
SyncPages.__module__ = "headrace"


def bulk_view() -> type:
    """Give the class of what stands for a bulk; few need it, and everybody would wait for its import."""
    from headrace.bulk.bulk import Bulk

    view = view_of(Bulk)
    view.__module__ = "headrace"
    return view


class _Pipeline(Pipeline):
    """A pipeline whose settings are changed by other threads: what was made of half a change is made anew."""

    __slots__ = ()

    def prepared(self, call: Call, timeout: Timeout) -> Request:
        """Make the request of a call; see `Pipeline.prepared`."""
        defaults = self._defaults
        for _ in range(_MOST_CHANGES):
            before = _state(defaults)
            try:
                request = super().prepared(call, timeout)
            except RuntimeError:  # a mapping has changed its size
                if _state(defaults) == before:
                    raise
                continue
            if _state(defaults) == before:
                return request
            defaults.use(defaults.credentials)  # and so forget what was kept of the half
        return super().prepared(call, timeout)


def _state(defaults: Defaults) -> tuple[Any, ...]:
    return defaults.headers.state, defaults.cookies.state, defaults.parameters.state, defaults.credentials


class _Calling(Calling):
    """A client as its bulks know it, whose owner's `request` is asked in the thread that waits for the bulk."""

    @property
    def _has_own_request(self) -> bool:
        return type(self._client.owner()).request is not cast("Any", SyncClient).request

    async def _ask_own(self, way: tuple[Stats, Callable[[Call], Coroutine[Any, Any, Any]]], call: Call) -> Any:
        owner = self._client.owner()

        def asked() -> Any:
            token = APART.set(way)
            try:
                return owner.request(call.method, call.path, **call.options())
            finally:
                APART.reset(token)

        return subject(await _calling.call(asked))


class _Engine(AsyncClient):
    """The async client inside a synchronous one."""

    _pipeline_class: ClassVar[type[Pipeline]] = _Pipeline
    _calling_class: ClassVar[type[Calling]] = _Calling
    #: The client that it is inside of.
    owner: weakref.ref[SyncClient]

    def _dispatching(
        self, run: Callable[[Call], Coroutine[Any, Any, Any]]
    ) -> Callable[[Call], Coroutine[Any, Any, Any]]:
        """Choose what sends the calls: an owner that has a `request` of its own is asked in the caller's thread."""
        owner = cast("Callable[[], Any]", self.owner)  # whose `request` is made below
        if type(owner()).request is cast("Any", SyncClient).request:
            return run

        async def ask(call: Call) -> Any:
            request = functools.partial(owner().request, call.method, call.path, **call.options())
            return subject(await _calling.call(request))

        return ask

    def _choosing(
        self, run: Callable[[Call], Coroutine[Any, Any, Any]], mark: object
    ) -> Callable[[Call], Coroutine[Any, Any, Any]]:
        """Choose what a `request` sends by: of an owner's own that is another pipeline where a bulk says so."""
        owner = cast("Callable[[], Any]", self.owner)
        return run if type(owner()).request is cast("Any", SyncClient).request else apart_or(run, mark)

    def __del__(self, warn: Any = None) -> None:
        """Leave the warning to the owner."""


@functools.cache
def _engine_class(name: str) -> type[_Engine]:
    """Make a class of engines that is named as its owner, for errors and logs."""
    return type(name, (_Engine,), {"__module__": __name__})


class SyncClient(Settings):
    """An `AsyncClient` for code that is not async: the same settings, verbs, errors and limits.

    Its requests run on an event loop in a thread of its own, which begins with the first of them. Any number of threads
    may use one client at once; they share its connections, its limiter and its cookies. A thread that has a running
    event loop may use it too, and blocks that loop meanwhile. The functions and iterables that are given to a call
    (`data`, `progress`, `bearer_token`, `error_responses`) run in the thread that makes it, and so do the calls, the
    functions and the sink of a bulk.

    The arguments and subclass parameters are those of `AsyncClient`: ``class Github(SyncClient, uri=…)``.

    Raises:
        headrace.errors.SyncClientError: There is no `uri`, neither in the class nor in the call.
        headrace.errors.ValidationError: A value is wrong.
        TypeError: A keyword is neither a setting nor taken by `__post_init__`.
    """

    _misuse: ClassVar[type[ClientError]] = SyncClientError
    _engine: _Engine
    _loop_thread: LoopThread
    _turn: threading.RLock

    def _assemble(self, config: ClientConfig) -> None:
        """Make the async client inside, and share its parts."""
        kind = _engine_class(type(self).__name__)
        self._engine = engine = kind.__new__(kind)
        engine.owner = weakref.ref(self)
        engine._assemble(config)  # noqa: SLF001 - our own class
        self.__dict__.update({name: value for name, value in vars(engine).items() if name != "owner"})
        self._loop_thread = LoopThread(type(self).__name__, engine)
        self._turn = threading.RLock()

    def close(self) -> None:
        """Close the client, its connections and its thread; requests under way fail at once. May be called repeatedly.

        Raises:
            headrace.errors.SyncClientError: It is called by what the client's own loop runs.
        """
        with self._turn:
            try:
                self._loop_thread.run(self._engine.close())
            finally:
                self._loop_thread.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self, warn: Any = warnings.warn) -> None:
        """End the thread of a client that was used and never closed, and warn of it."""
        thread = vars(self).get("_loop_thread")  # where it was set up
        if thread is not None and thread.running:
            message = f"unclosed {self!r}"
            thread.stop(wait=False)
            warn(message, ResourceWarning, source=self)

    def __repr__(self) -> str:
        if "_config" not in vars(self):
            return f"<{type(self).__name__} not set up>"
        return f"<{type(self).__name__} {_redact.url(self.uri)}{' closed' if self.closed else ''}>"


def _waiting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make of an async verb one that waits."""

    @functools.wraps(function, updated=())
    def verb(self: SyncClient, *args: Any, **options: Any) -> Any:
        thread = self._loop_thread
        try:
            asked = function(self._engine, *args, **options)
            if type(asked) is CoroutineType:
                value = thread.run(asked)
                return shown(value, Family(thread)) if type(value) is StreamedResponse else value
            return shown(asked, Family(thread))
        except BaseException:
            args = ()  # logs may show the variables of a frame
            options.clear()
            raise

    verb.__doc__ = in_words(function.__doc__)
    verb.__qualname__ = f"SyncClient.{function.__name__}"
    return verb


def _on_the_loop(setting: property) -> property:
    """Make of a setting one that is assigned where no request is prepared meanwhile."""
    assign = setting.fset

    def fset(self: SyncClient, value: Any) -> None:
        thread = vars(self).get("_loop_thread")  # where it was set up
        if thread is None:
            assign(self, value)  # type: ignore[misc] # it has one
        else:
            thread.do(assign, self, value)

    return property(setting.fget, fset, doc=setting.__doc__)


def _verbs() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the public methods of `AsyncClient` that are no settings."""
    skipped = set(vars(SyncClient))
    for kind in reversed(AsyncClient.__mro__):
        if not issubclass(Settings, kind):
            for name, found in vars(kind).items():
                if not name.startswith("_") and name not in skipped and inspect.isfunction(found):
                    yield name, found


for _name, _found in list(_verbs()):
    setattr(SyncClient, _name, _waiting(_found))
for _name, _found in list(vars(Settings).items()):
    if isinstance(_found, property) and _found.fset is not None:
        setattr(SyncClient, _name, _on_the_loop(_found))
SyncClient.__module__ = "headrace"
