"""The client for millions of small typed responses a day out of rate-limited APIs."""

from typing import TYPE_CHECKING, Any

from headrace import auth, errors, limits, pages, progress, streams, transports
from headrace._core.call import Call
from headrace._core.request.dump import Dump
from headrace._core.values.partial import Partial, Reject
from headrace._core.values.sse import Event
from headrace._core.values.whole import Answer
from headrace._io.answers.streamed import StreamedResponse
from headrace._io.bodies.multipart import FilePart
from headrace._io.limits.keyed import KeyedLimiter
from headrace._io.limits.rate import RateLimiter
from headrace._io.limits.shared import SharedLimiter
from headrace._io.session.transport import AiohttpTransport
from headrace._io.wire.transport import WireTransport
from headrace._run import run
from headrace._version import __version__
from headrace.client import AsyncClient
from headrace.config import ClientConfig, PoolLimits, Timeout
from headrace.models import BaseModel, PaginatedResponse, Response
from headrace.policies import CircuitBreaker, Retry, RetryBudget
from headrace.types import Limiter, Transport

if TYPE_CHECKING:
    from headrace.sync import SyncClient, SyncIterator, SyncPages, SyncStreamedResponse

__all__ = [
    "AiohttpTransport",
    "Answer",
    "AsyncClient",
    "BaseModel",
    "Call",
    "CircuitBreaker",
    "ClientConfig",
    "Dump",
    "Event",
    "FilePart",
    "KeyedLimiter",
    "Limiter",
    "PaginatedResponse",
    "Partial",
    "PoolLimits",
    "RateLimiter",
    "Reject",
    "Response",
    "Retry",
    "RetryBudget",
    "SharedLimiter",
    "StreamedResponse",
    "SyncClient",
    "SyncIterator",
    "SyncPages",
    "SyncStreamedResponse",
    "Timeout",
    "Transport",
    "WireTransport",
    "__version__",
    "auth",
    "errors",
    "limits",
    "pages",
    "progress",
    "run",
    "streams",
    "transports",
]

_LATE = frozenset({"SyncClient", "SyncIterator", "SyncPages", "SyncStreamedResponse"})


def __getattr__(name: str) -> Any:
    """Load the client for code that is not async when somebody asks for it."""
    if name not in _LATE:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from headrace import sync

    return getattr(sync, name)
