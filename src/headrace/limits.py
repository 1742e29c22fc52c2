"""When requests may start, and what a limiter of your own may do: give it to `AsyncClient(limiter=…)`."""

from headrace._core.limits.server_limits import Told
from headrace._io.limits.keyed import KeyedLimiter
from headrace._io.limits.rate import RateLimiter
from headrace._io.limits.shared import SharedLimiter
from headrace.types import (
    ChoosingLimiter,
    FollowingLimiter,
    ForgettableLimiter,
    Limiter,
    OriginLimiter,
    PausingLimiter,
    TryingLimiter,
)

__all__ = [
    "ChoosingLimiter",
    "FollowingLimiter",
    "ForgettableLimiter",
    "KeyedLimiter",
    "Limiter",
    "OriginLimiter",
    "PausingLimiter",
    "RateLimiter",
    "SharedLimiter",
    "Told",
    "TryingLimiter",
]
