"""A limit that all processes of a cluster share, without a server: one Ray actor keeps the log, by the same law."""

from __future__ import annotations

import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import attrs

from headrace._checks import wrong
from headrace._core.limits.shared_log import Ask, Reply, SharedLaw, SharedLog
from headrace._io.limits.leased import LeasedLimiter
from headrace._io.limits.rate import RateLimiter
from headrace._io.limits.shared import SharedLimiter
from headrace.ray._cluster import engine

if TYPE_CHECKING:
    from headrace.config import ClientConfig

#: Ray's name for those of one library.
_NAMESPACE: Final = "headrace"
#: Seconds from asking an actor to a start, at most. A question takes it some milliseconds, on a busy machine more.
LATENESS: Final = 0.05


class LogActor:
    """Keeps the log; an actor of Ray. One that was started again knows nothing, and grants nothing for one window."""

    def __init__(self, law: SharedLaw) -> None:
        self._law = law
        self._log = SharedLog(law, self._now())

    def _now(self) -> int:
        return time.monotonic_ns() // 1000

    async def ask(self, ask: Ask) -> Reply:
        """Answer one client."""
        return self._log.ask(ask, self._now())


class _ActorKeeper:
    """Asks the actor, which is found or made by its name."""

    def __init__(self, name: str, law: SharedLaw) -> None:
        self._name = name
        self._law = law
        self._actor: Any = None

    async def ask(self, ask: Ask) -> Reply:
        """Ask it."""
        ray = engine()
        try:
            if self._actor is None:
                self._actor = _actor(self._name, self._law)
            reply: Reply = await self._actor.ask.remote(ask)
        except ray.exceptions.RayError as error:
            self._actor = None
            raise ConnectionError(f"the actor that keeps the limit: {type(error).__name__}") from error
        except ValueError as error:  # two have made it at once, or it is going
            self._actor = None
            raise ConnectionError(str(error)) from error
        return reply

    async def close(self) -> None:
        """Forget the actor, which others use."""
        self._actor = None


def _actor(name: str, law: SharedLaw) -> Any:
    """Find the actor of a name, or make it."""
    ray = engine()
    kind = ray.remote(num_cpus=0, max_restarts=-1, max_concurrency=1000)(LogActor)
    return kind.options(name=name, namespace=_NAMESPACE, get_if_exists=True).remote(law)


class ActorLimiter(LeasedLimiter):
    """Lets at most `rate` requests start in every window of `interval` seconds, over all processes of a cluster.

    Args:
        limits: The rate and the interval (seconds) of each limit.
        name: What it is called in the cluster.
        options: Of a `LeasedLimiter`.
    """

    def __init__(self, limits: tuple[tuple[float, float], ...], name: str, options: dict[str, Any]) -> None:
        super().__init__(limits, **options)
        self._recipe = (limits, name, options)
        self._name = f"{name} {self._law.text}"

    def actor(self) -> Any:
        """Find or make the actor that keeps the log."""
        return _actor(self._name, self._law)

    def _keeper(self) -> _ActorKeeper:
        return _ActorKeeper(self._name, self._law)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be copied as it was made: one more user of the same name."""
        return type(self), self._recipe

    def __repr__(self) -> str:
        limits = ", ".join(f"{rate:g}, {interval:g}" for rate, interval in self._limits)
        return f"ActorLimiter({limits}, waiting={self.waiting})"


def shared(config: ClientConfig, lateness: float, name: str | None = None) -> ClientConfig:
    """Give a client a limit that it shares with its copies, where it has a limit.

    Args:
        config: What it is made from.
        lateness: Seconds from asking to a start, at most, of a limit that an actor keeps.
        name: What the limit is called in the cluster; `None` is one for all clients of this limit and origin.

    Raises:
        headrace.errors.ValidationError: Its limiter is of one process.
    """
    limiter: Any = config.limiter
    options: dict[str, Any] = {"lateness": lateness, "patience": 60.0}
    if isinstance(limiter, (SharedLimiter, ActorLimiter)):
        return config
    if type(limiter) is RateLimiter:
        limits: Any = limiter._limits  # noqa: SLF001 - our own class
        options |= {
            "burst": limiter._burst, "margin": limiter._margin,  # noqa: SLF001
            "follow": limiter.follow, "most_pause": limiter.most_pause,
        }  # fmt: skip
    elif limiter is not None:
        remedy = "give rate_limit, a RateLimiter, or a SharedLimiter, which holds over all"
        raise wrong("limiter", limiter, "a limit that all actors can share", remedy)
    elif config.rate_limit is not None:
        limits = ((config.rate_limit, config.rate_limit_interval),)
    else:
        return config
    if name is None:
        name = blake2b(f"{config.uri.origin()} {limits} {options}".encode(), digest_size=8).hexdigest()
    made = ActorLimiter(tuple(limits), f"headrace limit {name}", options)
    return attrs.evolve(config, rate_limit=None, limiter=made)


def hold(config: ClientConfig) -> Any:
    """Make the actor that keeps the limit of a client, which lives as long as what is returned; `None` without one."""
    limiter = config.limiter
    return limiter.actor() if isinstance(limiter, ActorLimiter) else None
