"""A client as a bulk knows it: where it asks, what a path means there, and how a call is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from yarl import URL

from headrace import _redact
from headrace._checks import as_url, wrong
from headrace._client.lane import Lane
from headrace._client.pipeline import Pipeline
from headrace._client.verbs import APART, Verbs
from headrace._core.request import encode
from headrace._core.request.prepare import ABSOLUTE, NOT_PLAIN
from headrace._io.deadline import FromStart
from headrace.errors import AsyncClientError, ValidationError
from headrace.policies import Retry, as_timeout
from headrace.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from headrace._core.call import Call
    from headrace._core.request.prepare import Defaults
    from headrace._io.flow.pacing import Pacer
    from headrace.policies import Timeout


class Calling:
    """See `headrace.types.BulkClient`.

    Args:
        client: An `AsyncClient`.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._defaults: Defaults = client._defaults  # noqa: SLF001 - our own client

    @property
    def uri(self) -> str:
        """What the client asks, with secrets masked."""
        return _redact.url(self._client.uri)

    @property
    def closed(self) -> bool:
        """Whether the client was closed."""
        closed: bool = self._client.closed
        return closed

    def place(self, path: Any) -> str:
        """Join a path to that of the client, without the client's parameters.

        Raises:
            headrace.errors.ValidationError: It is no path.
        """
        base = self._defaults.base
        if type(path) is str and path and not NOT_PLAIN(path) and "//" not in path:
            return f"{base}{path}" if path[0] == "/" else f"{base}/{path}"
        if not isinstance(path, (str, URL, type(None))):
            raise wrong("path", path, "a str, a yarl.URL or None")
        text = "" if path is None else str(path)
        if "://" in text and ABSOLUTE(text):
            origin = self._defaults.origin_of(as_url(text.replace(" ", "%20"), "path")).text
            target = encode.as_it_is(text)
            return target if origin == self._defaults.origin.text else origin + target
        return encode.target(base, text)

    async def begin(self, retry: Any, pacer: Pacer | None = None) -> Way:
        """Make what sends the calls of a bulk.

        Args:
            retry: A `Retry`, `None`, or unset: the client's own, or else `Retry()`.
            pacer: When attempts start, and what hears of them; or `None`.

        Raises:
            headrace.errors.AsyncClientError: The client is closed, or belongs to another loop or process.
        """
        client = self._client
        if client.closed:
            message = f"{type(client).__name__} is closed; nothing was sent"
            raise AsyncClientError(message)
        if retry is UNSET:
            retry = client.config.retry or Retry()
        apart = await client._binding.apart(retry, pacer)  # noqa: SLF001 - our own client
        parts = (client.config, self._defaults, client._cookies, client._auth, client.stats, apart)  # noqa: SLF001
        pipeline = Pipeline(*parts)
        run = _from_start(pipeline.run, client.config.timeout) if client.is_rate_limited else pipeline.run
        if type(client).request is Verbs.request:
            lane = Lane(pipeline, *parts)
            lane.enter()
            return Way(run, lane if lane.is_open else None)
        way = (client.stats, run)

        def ask(call: Call) -> Coroutine[Any, Any, Any]:
            APART.set(way)
            asked: Coroutine[Any, Any, Any] = client.request(call.method, call.path, **call.options())
            return asked

        return Way(ask, None)


class Way:
    """See `headrace.types.BulkWay`.

    Args:
        ask: Sends any call.
        lane: The way of plain calls, or `None`.
    """

    __slots__ = ("_ask", "lane")

    def __init__(self, ask: Callable[[Call], Coroutine[Any, Any, Any]], lane: Lane | None) -> None:
        self._ask = ask
        self.lane = lane

    def __call__(self, call: Call) -> Coroutine[Any, Any, Any]:
        """Send a call, and wait for what comes of it."""
        return self._ask(call)


def _from_start(
    run: Callable[[Call], Coroutine[Any, Any, Any]], usual: Timeout
) -> Callable[[Call], Coroutine[Any, Any, Any]]:
    """Let the time of calls begin when the limiter lets them start, not when they begin to wait for that.

    Args:
        run: What sends them.
        usual: The timeout of those that name none.
    """

    def ask(call: Call) -> Coroutine[Any, Any, Any]:
        try:
            own = usual if call.timeout is UNSET else as_timeout(call.timeout)
        except ValidationError:
            return run(call)  # which raises it where it is counted
        timeout = FromStart(own.total, own.connect, own.pool, own.read)
        return run(msgspec.structs.replace(call, timeout=timeout))

    return ask
