"""A limit that any number of processes share through Valkey or Redis: the server keeps the log, and the time."""

from __future__ import annotations

import asyncio
import time
import weakref
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote, urlsplit

from headrace import _redact
from headrace._checks import wrong
from headrace._core.limits.server_limits import MOST_SECONDS
from headrace._core.limits.shared_log import Ask, Reply, SharedLaw
from headrace._core.limits.windows import positive
from headrace._io.limits.keyed import KeyedLimiter
from headrace._io.limits.leased import LeasedLimiter
from headrace.errors import LimiterError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Self

    from redis.asyncio import Redis

    from headrace._core.messages import Request

#: What redis-py calls the schemes.
_SCHEMES: Final = {
    "redis": "redis", "rediss": "rediss", "unix": "unix",
    "valkey": "redis", "valkeys": "rediss", "valkey+unix": "unix", "redis+unix": "unix",
}  # fmt: skip
_TAKES: Final = "an address such as 'valkey://host:6379/0', 'rediss://user:password@host/0' or 'unix:///path/to.sock'"
#: Connections to the server, for all keys of one limiter.
_MOST_CONNECTIONS: Final = 4
#: Seconds for which a limit that nobody uses is remembered, beyond twice its longest window.
_REMEMBERED: Final = 600.0


@cache
def _script() -> tuple[str, str]:
    """Read the script, and name it as servers do."""
    import hashlib
    from importlib import resources

    text = resources.files("headrace._io.limits").joinpath("sliding_log.lua").read_text(encoding="utf-8")
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class _Server:
    """The server of a limiter, and its connections: some for each event loop, which all keys share."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, list[Any]] = weakref.WeakKeyDictionary()

    def enter(self) -> Redis:
        """Take part in what is connected on the running loop."""
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        loop = asyncio.get_running_loop()
        entry = self._clients.get(loop)
        if entry is None:
            # No timeout and no retry of its own: who asks knows how long it may take, and asks again itself.
            pool = BlockingConnectionPool.from_url(
                self._url, max_connections=_MOST_CONNECTIONS, timeout=None, retry=Retry(NoBackoff(), 0),
                socket_timeout=None, socket_connect_timeout=None, protocol=2,
            )  # fmt: skip
            entry = self._clients[loop] = [Redis(connection_pool=pool), 0]
        entry[1] += 1
        client: Redis = entry[0]
        return client

    async def leave(self) -> None:
        """Take part no more; the last one closes the connections."""
        loop = asyncio.get_running_loop()
        entry = self._clients.get(loop)
        if entry is not None:
            entry[1] -= 1
            if entry[1] <= 0:
                del self._clients[loop]
                await entry[0].connection_pool.aclose()


class _ServerKeeper:
    """Asks the server for permits of one name."""

    def __init__(self, server: _Server, shown: str, keys: list[str], law: SharedLaw, ttl: float) -> None:
        self._server = server
        self._shown = shown
        self._law = law
        self._start: list[Any] = [len(keys), *keys, law.text, round(ttl * 1000), law.batch, law.grace]
        self._client: Any = None

    async def ask(self, ask: Ask) -> Reply:
        """Run the script."""
        from redis import exceptions

        if self._client is None:
            self._client = self._server.enter()
        pauses = [part for pair in ask.pauses.items() for part in pair]
        back = [part for given in ask.back for part in given]
        own = (ask.client, ask.least, ask.wanted, ask.most, ask.known, len(ask.back))
        arguments = (*self._start, *own, *back, *pauses)
        script, digest = _script()
        try:
            try:
                raw = await self._client.execute_command("EVALSHA", digest, *arguments)
            except exceptions.NoScriptError:
                raw = await self._client.execute_command("EVAL", script, *arguments)
        except (exceptions.AuthenticationError, exceptions.AuthorizationError) as error:
            text = f"{self._shown}: the server refuses the user or the password: {error}"
            raise LimiterError(text) from error.with_traceback(None)
        except (
            exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ReadOnlyError, exceptions.BusyLoadingError,
            exceptions.TryAgainError,
        ) as error:  # fmt: skip
            raise ConnectionError(str(error)) from error.with_traceback(None)
        except exceptions.RedisError as error:
            text = (
                f"{self._shown}: the server will not run the script, which takes Valkey, or Redis 5 or newer: {error}"
            )
            raise LimiterError(text) from error.with_traceback(None)
        return self._read(raw)

    def _read(self, raw: list[Any]) -> Reply:
        granted, now, wait, version = raw[:4]
        if granted < 0:
            law = version.decode() if isinstance(version, bytes) else version
            message = (
                f"{self._shown}: the name is in use with another limit ({law}; here {self._law.text}: permits in"
                f" microseconds, lateness included); give another name, or stop its users for {wait / 1e6:.3g} s"
            )
            raise LimiterError(message)
        pauses = None
        if raw[4]:
            pauses = {origin.decode(): left for origin, left in zip(raw[5::2], raw[6::2], strict=True)}
        return Reply(granted, now, wait, version, pauses)

    async def close(self) -> None:
        """Let go of the server."""
        if self._client is not None:
            self._client = None
            await self._server.leave()


class SharedLimiter(LeasedLimiter):
    """Lets at most `rate` requests start in every window of `interval` seconds, over all processes that use its name.

    The server keeps a log of permits by its own clock; permits are asked for in small batches, and one that is not used
    within `lateness` seconds of asking is burned. So the law holds when a process stalls or dies, when the server
    stalls or restarts, and whatever the clocks of the processes say. It costs `lateness / (interval + lateness)` of the
    rate. Where the server does not know what was granted before, because the name is new or was idle for long, or it
    has restarted, or another one took its place, nothing starts for one window.

    It connects at first use, on the loop that uses it, and lets the connection go when it is idle. Whoever comes first
    starts first, in a process and among processes. It can be pickled, and is then one more user of the same name.

    Args:
        url: The server: ``valkey://``, ``redis://``, ``rediss://`` (TLS) or ``unix://``, as redis-py reads them.
        rate: Starts in a window, in all processes together.
        interval: Seconds that the window is long.
        name: What the limit is called on the server. All that use one name must give it the same limit.
        burst: How many may start at once; see `RateLimiter`.
        margin: Seconds that the window is longer than that of the API.
        lateness: Seconds from asking for a permit to the start, at most: more than the round trip to the server, and
            than the event loop ever stalls.
        patience: Seconds for which the server may be out of reach before those who wait fail.
        fallback: Starts in an interval that this process makes by itself once its patience has ended; `None` for none,
            which is an error then. The limit holds no longer by itself: it is the sum of the shares of all processes,
            and what the others may still start.
        per: A limit for each ``"host"`` or ``"origin"``, or for each value of a function of the request; `None` for
            one.
        most_keys: Limits that are remembered at most, of those that `per` makes.
        follow: Whether to hold back for what the server's `RateLimit` and `X-RateLimit` fields say; where nothing is
            left, all processes hear of it.
        most_pause: Seconds that one answer of an API may pause its origin, for all processes; 0 for none.
        namespace: What the keys on the server begin with.
        ttl: Seconds after which a name that nobody uses is forgotten on the server; `None` is twice the longest
            window and ten minutes.
        idle: Seconds after which a connection that nobody needs is let go.
        clock: Seconds on a clock that never goes back, the one of the loop's timers.

    Attributes:
        by_origin: That starts and pauses may be those of one origin; see `headrace.types.Limiter`.

    Raises:
        headrace.errors.ValidationError: A value is wrong.
        ImportError: redis-py is not installed.
    """

    def __init__(
        self,
        url: str,
        rate: float,
        interval: float = 1.0,
        *,
        name: str,
        burst: int | None = None,
        margin: float = 0.0,
        lateness: float = 0.02,
        patience: float = 10.0,
        fallback: float | None = None,
        per: Literal["host", "origin"] | Callable[[Request], Hashable] | None = None,
        most_keys: int = 10_000,
        follow: bool = False,
        most_pause: float = MOST_SECONDS,
        namespace: str = "headrace",
        ttl: float | None = None,
        idle: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        options = {
            "burst": burst, "margin": margin, "lateness": lateness, "patience": patience, "fallback": fallback,
            "follow": follow, "most_pause": most_pause, "idle": idle, "clock": clock,
        }  # fmt: skip
        more = {"name": name, "namespace": namespace, "ttl": ttl, "per": per, "most_keys": most_keys}
        self._set_up(url, ((rate, interval),), options, more)

    @classmethod
    def all_of(cls, url: str, *limits: tuple[float, float], name: str, **options: Any) -> Self:
        """Make a limiter that keeps several limits at once, such as 10 a second and 5,000 an hour.

        Args:
            url: The server.
            limits: The rate and the interval (seconds) of each.
            name: What they are called on the server.
            options: Those of a single limit, but `burst`.

        Raises:
            headrace.errors.ValidationError: There is no limit, or a value is wrong.
        """
        limiter = cls.__new__(cls)
        more: dict[str, Any] = {
            key: options.pop(key) for key in ("namespace", "ttl", "per", "most_keys") if key in options
        }
        limiter._set_up(url, limits, options, {"name": name, **more})  # noqa: SLF001 - our own class
        return limiter

    def _set_up(
        self, url: str, limits: tuple[tuple[float, float], ...], options: dict[str, Any], more: dict[str, Any]
    ) -> None:
        LeasedLimiter.__init__(self, limits, **options)
        self._recipe = (url, limits, options, more)
        name, namespace = more["name"], more.get("namespace", "headrace")
        for argument, value in (("name", name), ("namespace", namespace)):
            if not isinstance(value, str) or not value or not value.isprintable():
                raise wrong(argument, value, "a text")
        address = _address(url)
        ttl, least = more.get("ttl"), self._law.longest * 2 / 1e6
        if ttl is not None:
            positive("ttl", ttl)
        self._ttl = max(least, least + _REMEMBERED if ttl is None else ttl)
        self._name = name
        self._shown = _redact.url(url)
        # In braces, so that all keys of a limit lie on one node of a cluster.
        start = f"{namespace}:{{{quote(name, safe=' :/@')}}}:"
        parts = ["state", "queue", "demand", "pauses", *(f"log{number}" for number in range(len(self._law.windows)))]
        self._keys = [start + part for part in parts]
        self._server = _Server(address)
        if (per := more.get("per")) is not None:
            self._choose(per, more.get("most_keys", 10_000))

    def _choose(self, per: Any, most_keys: int) -> None:
        """Let each key have a limit of its own, over the same connections."""
        if per not in {"host", "origin"} and not callable(per):
            raise wrong("per", per, "'host', 'origin', a function of the request, or None")
        url, limits, options, more = self._recipe

        def make(key: Any) -> SharedLimiter:
            limiter = type(self).__new__(type(self))
            limiter._set_up(url, limits, options, more | {"name": f"{self._name}/{key}", "per": None})  # noqa: SLF001
            limiter._server = self._server  # noqa: SLF001
            return limiter

        key = _host if per == "host" else per
        self.keyed = KeyedLimiter(make, key=key, most_keys=most_keys)
        # Here and not in the class: a limiter without keys names no other one.
        self.for_request = self.keyed.for_request

    def _keeper(self) -> _ServerKeeper:
        return _ServerKeeper(self._server, f"{self._shown}, {self._name!r}", self._keys, self._law, self._ttl)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be copied as it was made: one more user of the same name."""
        return _made, (type(self), *self._recipe)

    def __repr__(self) -> str:
        limits = ", ".join(f"{rate:g}, {interval:g}" for rate, interval in self._limits)
        return f"SharedLimiter({self._shown!r}, {limits}, name={self._name!r}, waiting={self.waiting})"


def _host(request: Request) -> str:
    return request.origin.host


def _made(kind: type[SharedLimiter], *recipe: Any) -> SharedLimiter:
    limiter = kind.__new__(kind)
    limiter._set_up(*recipe)  # noqa: SLF001 - our own class
    return limiter


def _address(url: Any) -> str:
    """Check an address, and write it as redis-py reads it."""
    if not isinstance(url, str):
        raise wrong("url", url, _TAKES)
    try:
        parts = urlsplit(url)
        scheme, place, _ = _SCHEMES.get(parts.scheme), parts.hostname, parts.port
    except ValueError:
        raise wrong("url", url, _TAKES) from None
    if scheme is None or not (parts.path if scheme == "unix" else place):
        raise wrong("url", url, _TAKES)
    if scheme != "unix" and not (parts.path.strip("/") or "0").isdigit():
        raise wrong("url", url, _TAKES, "behind the host stands the number of a database")
    try:
        import redis  # noqa: F401 - is it there?
    except ImportError:
        message = "SharedLimiter needs the extra `shared`: pip install 'headrace[shared]'"
        raise ImportError(message) from None
    return f"{scheme}://{url.partition('://')[2]}"
