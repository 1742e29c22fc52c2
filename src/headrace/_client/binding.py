"""Whose loop, thread and process a client belongs to, and what was made for it there."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from headrace._core.call import Undecoded
from headrace._core.values.formats import Ready
from headrace._io import heap, threads
from headrace._io.closing import Closing, this_task
from headrace._io.deadline import ENDLESS, Deadlines, FromStart, endless
from headrace._io.flow.chain import Parts, chain
from headrace._io.flow.circuits import Circuits
from headrace._io.flow.settling import Settling
from headrace._io.wire.transport import WireTransport
from headrace.errors import AsyncClientError
from headrace.policies import as_timeout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headrace._core.call import Call
    from headrace._core.messages import Request, Response
    from headrace._core.request.prepare import Defaults
    from headrace._core.stats import Stats
    from headrace._io.deadline import Deadline
    from headrace._io.flow.chain import Send
    from headrace._io.flow.cookies import Cookies
    from headrace._io.flow.credential_cache import CredentialCache
    from headrace._io.flow.pacing import Pacer
    from headrace.config import ClientConfig
    from headrace.policies import Retry
    from headrace.types import Limiter, Transport

logger = logging.getLogger("headrace.AsyncClient")

#: Where the class of the other transport is, which is loaded when a client names it.
_SESSION = "headrace._io.session.transport"


class Binding:
    """The loop of the first request, and the transport, deadlines and layers that were made on it.

    Args:
        owner: The name of the client's class, for errors.
        config: What the client was made from.
        defaults: Its origins.
        cookies: Its cookies.
        auth: Its credentials.
        limiter: What admits its requests, or `None`.
        stats: Where to count.

    Attributes:
        closed: Whether the client was closed.
        loop: The loop; `None` before the first request.
        thread: The thread that the loop runs in; `None` where it has to be looked for again.
        transport: What sends; `None` before the first request and after the end.
        deadlines: What bounds the time of requests.
        begin: Gives a task the time of a request that names none of its own.
        retry: When requests are repeated, or `None`.
        send: The layers, from the outermost.
        layers: Those of them that a lane asks itself, by their class.
        settle: Follows an answer that is no success, or sets cookies.
        send_plainly: The transport alone, for the requests of an `Auth`.
    """

    __slots__ = (
        "__weakref__", "_auth", "_circuits", "_closing", "_config", "_cookies", "_defaults", "_limiter", "_owner",
        "_pid", "_stats", "begin", "closed", "deadlines", "layers", "loop", "retry", "send", "send_plainly", "settle",
        "thread", "transport",
    )  # fmt: skip

    deadlines: Deadlines
    begin: Callable[[asyncio.Task[Any]], Deadline]
    send: Send
    send_plainly: Send
    settle: Callable[[Request, Response], Awaitable[Response]]

    def __init__(
        self,
        owner: str,
        config: ClientConfig,
        defaults: Defaults,
        cookies: Cookies,
        auth: CredentialCache,
        limiter: Limiter | None,
        stats: Stats,
    ) -> None:
        self._owner = owner
        self._config = config
        self._defaults = defaults
        self._cookies = cookies
        self._auth = auth
        self._limiter = limiter
        self._stats = stats
        self._closing = Closing()
        self._circuits = None if config.circuit_breaker is None else Circuits(config.circuit_breaker)
        self._pid: int | None = None
        self.closed = False
        self.retry = config.retry
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread: int | None = None
        self.transport: Transport | None = None

    async def bind(self) -> asyncio.Task[Any]:
        """Belong to the loop of the first request, and once that is closed, to the loop of the next one.

        Returns:
            The task that makes the request.

        Raises:
            headrace.errors.AsyncClientError: The client belongs to another loop or process.
        """
        loop = asyncio.get_running_loop()
        task = this_task()
        left = None
        if self._config.transport == "aiohttp":
            await threads.load(_SESSION)
        if self._pid is not None and self._pid != os.getpid():
            message = (
                f"{self._owner} was used before a fork, and its connections are those of the other process;"
                " make a client in each process"
            )
            raise AsyncClientError(message)
        if self.loop is not loop:
            if self.loop is not None:
                if not self.loop.is_closed():
                    raise AsyncClientError(self._another_loop())
                left = self._leave()
            self._make(loop)
        self.thread = threading.get_ident()  # of the loop, which may run in another one now
        if left is not None:
            await left.close()
        return task

    def _leave(self) -> Transport | None:
        """Forget what was made on a loop that is closed; whatever waited there waits no more.

        Returns:
            The transport, whose connections are to be let go.

        Raises:
            headrace.errors.AsyncClientError: The transport is not the client's own, and belongs to that loop for good.
        """
        session: Any = sys.modules.get(_SESSION)
        bound_for_good = (WireTransport,) if session is None else (WireTransport, session.AiohttpTransport)
        if isinstance(self._config.transport, bound_for_good):
            message = (
                f"{self._owner} was given a {type(self._config.transport).__name__} that belongs to an event loop that"
                ' is closed; make a transport in each loop, or name it (transport="wire"), and the client makes its own'
            )
            raise AsyncClientError(message)
        self.deadlines.forget()
        self._auth.leave()
        self._closing = Closing()
        return self.transport if isinstance(self._config.transport, str) else None

    def _make(self, loop: asyncio.AbstractEventLoop) -> None:
        config = self._config
        transport = config.transport
        if isinstance(transport, str):
            heap.settle()
            kind = WireTransport if transport == "wire" else sys.modules[_SESSION].AiohttpTransport
            transport = kind(pool=config.pool, proxy=config.proxy, tls=config.tls, stats=self._stats)
        self.loop = loop
        self._pid = os.getpid()
        self.transport = transport
        _bound.add(self)
        self.deadlines = Deadlines(loop)
        total = config.timeout.total
        self.begin = endless if total is None else self.deadlines.line(total).begin
        self.send_plainly = transport.send
        self.layers: dict[type, Any] = {}
        self.send, self.settle = self._layers(transport, config.retry, self.layers)

    def _layers(
        self, transport: Transport, retry: Retry | None, made: dict[type, Any], pacer: Pacer | None = None
    ) -> tuple[Send, Callable[[Request, Response], Awaitable[Response]]]:
        """Put the layers around the transport; returns `send` and `settle`, and gives `made` those a lane asks."""
        stats, home = self._stats, self._defaults.origin
        send = chain(
            Parts(
                transport, self._limiter, retry, self._circuits, home, stats, self.deadlines, self._closing, made, pacer
            )
        )  # fmt: skip
        return send, Settling(send, self._defaults, self._cookies, self._auth, stats, retry).settle

    async def apart(self, retry: Retry | None, pacer: Pacer | None = None) -> Apart:
        """Make what many calls of one kind go through: the same as all others, with other retries.

        Args:
            retry: When their requests are repeated, or `None`.
            pacer: When their attempts start, or `None`.

        Raises:
            headrace.errors.AsyncClientError: The client belongs to another loop or process.
        """
        _ = await self.bind()
        assert self.transport is not None  # noqa: S101 - bound above
        layers: dict[type, Any] = {}
        return Apart(self, retry, layers, *self._layers(self.transport, retry, layers, pacer))

    def begin_own(self, own: Any, task: asyncio.Task[Any]) -> Deadline:
        """Give a task the time that a call names; raises `ValidationError` where that is none."""
        timeout = as_timeout(own)
        if timeout.total is None:
            return ENDLESS
        deadline = self.deadlines.begin(timeout.total, task)
        if isinstance(timeout, FromStart):
            timeout.clock.wind(self.deadlines, deadline)
        return deadline

    def refuse(self, call: Call) -> None:
        """Say that nothing is sent any more.

        Raises:
            headrace.errors.AsyncClientError: The answer would have been handed on, which `None` cannot stand for.
        """
        message = f"{self._owner} is closed; nothing was sent"
        if isinstance(call.response_format, (Undecoded, Ready)):
            raise AsyncClientError(message)
        logger.warning(message)

    async def close(self) -> None:
        """Close the connections, and end what waits for the limiter, for credentials or for its next attempt.

        Raises:
            headrace.errors.AsyncClientError: The loop runs, and is not this one.
        """
        loop = self.loop
        here = self._pid == os.getpid()
        if here and loop is not asyncio.get_running_loop() and loop is not None and loop.is_running():
            raise AsyncClientError(self._another_loop())
        self.closed = True
        transport, self.transport = self.transport, None
        if transport is None:
            return
        if not here:
            _theirs.append(transport)  # collected, it would reach into what the parent's event loop listens to
            return
        self._auth.close()
        self._closing.close()
        try:
            await transport.close()
        finally:
            self.deadlines.stop()
            if loop is not None and loop.is_closed():
                self.deadlines.forget()

    def _another_loop(self) -> str:
        return f"{self._owner} belongs to another event loop, the one of its first request; make a client for each loop"


class Apart:
    """A binding with layers of its own, on the loop that it was made on; see `Binding.apart`.

    Args:
        binding: Whose it is.
        retry: When its requests are repeated, or `None`.
        layers: Those that a lane asks itself, by their class.
        send: The layers, from the outermost.
        settle: Follows an answer that is no success, or sets cookies.
    """

    __slots__ = (
        "_binding", "begin", "begin_own", "bind", "layers", "loop", "refuse", "retry", "send", "send_plainly", "settle",
        "thread",
    )  # fmt: skip

    def __init__(
        self,
        binding: Binding,
        retry: Retry | None,
        layers: dict[type, Any],
        send: Send,
        settle: Callable[[Request, Response], Awaitable[Response]],
    ) -> None:
        self._binding = binding
        self.retry = retry
        self.layers = layers
        self.loop = binding.loop
        self.thread = binding.thread
        self.bind = binding.bind
        self.refuse = binding.refuse
        self.begin = binding.begin
        self.begin_own = binding.begin_own
        self.send_plainly = binding.send_plainly
        self.send = send
        self.settle = settle

    @property
    def closed(self) -> bool:
        """Whether the client was closed."""
        return self._binding.closed

    @property
    def transport(self) -> Transport | None:
        """What sends; `None` after the end."""
        return self._binding.transport


# Those that have connections. A fork copies them, with all that tells them that they are where they belong.
_bound: weakref.WeakSet[Binding] = weakref.WeakSet()
_theirs: list[Transport] = []


def _look_again() -> None:
    """Let every client ask once more whose it is, in a process that was forked."""
    for binding in _bound:
        binding.thread = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_look_again)
