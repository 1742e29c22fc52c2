"""The client for millions of small typed responses a day out of rate-limited APIs."""

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
from headrace._io.session.transport import AiohttpTransport
from headrace._io.wire.transport import WireTransport
from headrace._run import run
from headrace._version import __version__
from headrace.client import AsyncClient
from headrace.config import ClientConfig, PoolLimits, Timeout
from headrace.models import BaseModel, PaginatedResponse, Response
from headrace.policies import CircuitBreaker, Retry, RetryBudget
from headrace.types import Limiter, Transport

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
    "StreamedResponse",
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
