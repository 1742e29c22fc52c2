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
    from headrace._core.pages.series import Series
    from headrace._core.request.prepare import Defaults
    from headrace._core.stats import Stats
    from headrace._io.flow.pacing import Pacer
    from headrace.policies import Timeout


class Calling:
    """See `headrace.bulk.client.BulkClient`.

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

    @property
    def stats(self) -> Stats:
        """What the client has counted."""
        stats: Stats = self._client.stats
        return stats

    def settings(self) -> dict[str, str]:
        """Say what the client was made from, with secrets masked, as far as a report shows it."""
        config = self._client.config
        names = (
            "rate_limit",
            "rate_limit_interval",
            "limiter",
            "timeout",
            "retry",
            "circuit_breaker",
            "pool",
        )
        shown = {name: repr(getattr(config, name)) for name in names}
        proxy = None if config.proxy is None else _redact.url(config.proxy)
        return {"uri": self.uri, **shown, "proxy": repr(proxy), "tls": "verified" if config.tls else "not verified"}

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

    def series(self, call: Call) -> Series:
        """Put together the series of pages that begins with a call; its `pages` say how there is a next page.

        Raises:
            headrace.errors.ValidationError: Something is wrong with it.
        """
        put_together = self._client._series  # noqa: SLF001 - our own client
        series: Series = put_together(call, call.response_format, call.pages, 1, call.incremental)
        return series

    def unsaid(self, state: dict[str, Any], call: Call) -> dict[str, Any]:
        """Leave the credentials of client and call out of the state of a series, so that it may be written down.

        A URL that a server names may have them: those of the client are added again when it is asked for, and those of
        the call by `said`.

        Raises:
            headrace.errors.ValidationError: A function of the caller's has put some into what leads to the next page.
        """
        position = state["position"]
        if isinstance(position, dict):
            if position.get("cookies") or any(_redact.is_secret(str(name)) for name in position.get("headers") or ()):
                raise ValidationError("pages: what leads to the next page has credentials, which no journal keeps")
            return state
        if not isinstance(position, str) or not state["pages"].endswith(("Link", "NextUrl")):
            return state
        url = URL(position, encoded=True)
        site = self._defaults.origin_of(url)
        if not self._defaults.trusts(site):
            return state
        known, own = self._defaults.secrets(), _secrets(call)
        left = [name for name, value in url.query.items() if value in (known.get(name), own.get(name))]
        if not left:
            return state
        again = [name for name in left if name in own]
        return {**state, "position": str(url.without_query_params(*left)), **({"left": again} if again else {})}

    def said(self, state: dict[str, Any], call: Call) -> dict[str, Any]:
        """Undo `unsaid`."""
        if "left" not in state:
            return state
        own = _secrets(call)
        said = {name: own[name] for name in state.pop("left") if name in own}
        return {**state, "position": str(URL(state["position"], encoded=True).extend_query(said))}

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
        pipeline: Pipeline = client._pipeline_class(*parts)  # noqa: SLF001
        run = _from_start(pipeline.run, client.config.timeout) if client.is_rate_limited else pipeline.run
        if not self._has_own_request:
            if type(pipeline) is not Pipeline:
                return Way(run, None)
            lane = Lane(pipeline, *parts)
            lane.enter()
            return Way(run, lane if lane.is_open else None)
        way = (client.stats, run)
        return Way(lambda call: self._ask_own(way, call), None)

    @property
    def _has_own_request(self) -> bool:
        """Whether a subclass has a `request` of its own, which is asked for everything."""
        own: bool = type(self._client).request is not Verbs.request
        return own

    def _ask_own(
        self, way: tuple[Stats, Callable[[Call], Coroutine[Any, Any, Any]]], call: Call
    ) -> Coroutine[Any, Any, Any]:
        """Ask it; what it asks `super()` for goes this way."""
        APART.set(way)
        asked: Coroutine[Any, Any, Any] = self._client.request(call.method, call.path, **call.options())
        return asked


class Way:
    """See `headrace.bulk.client.BulkWay`.

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


def _secrets(call: Call) -> dict[str, str]:
    """Find the parameters of a call that may be credentials."""
    pairs = encode.pairs(encode.mapping(call.parameters, "parameters"), "parameters")
    return {name: value for name, value in pairs if _redact.is_secret(name)}


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
