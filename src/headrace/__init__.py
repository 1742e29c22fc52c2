"""The client for millions of small typed responses a day out of rate-limited APIs.

What stands here is loaded when it is first asked for, so that a program pays for what it uses: `import headrace` loads
nothing else, and a client loads aiohttp only where it needs a proxy, a jar for cookies or aiohttp's own transport.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

from headrace._version import __version__

if TYPE_CHECKING:
    from headrace import auth, errors, limits, pages, progress, streams, transports
    from headrace._core.call import Call
    from headrace._core.pages.incremental import Incremental
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
    from headrace.client import AsyncClient
    from headrace.config import ClientConfig, PoolLimits, Timeout
    from headrace.models import BaseModel, PaginatedResponse, Response
    from headrace.policies import CircuitBreaker, Retry, RetryBudget
    from headrace.sync import SyncBulk, SyncClient, SyncIterator, SyncPages, SyncStreamedResponse
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
    "Incremental",
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
    "SyncBulk",
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

#: The module of each name, without the package's own.
_WHERE: Final = {
    "AiohttpTransport": "_io.session.transport",
    "Answer": "_core.values.whole",
    "AsyncClient": "client",
    "BaseModel": "models",
    "Call": "_core.call",
    "CircuitBreaker": "policies",
    "ClientConfig": "config",
    "Dump": "_core.request.dump",
    "Event": "_core.values.sse",
    "FilePart": "_io.bodies.multipart",
    "Incremental": "_core.pages.incremental",
    "KeyedLimiter": "_io.limits.keyed",
    "Limiter": "types",
    "PaginatedResponse": "models",
    "Partial": "_core.values.partial",
    "PoolLimits": "config",
    "RateLimiter": "_io.limits.rate",
    "Reject": "_core.values.partial",
    "Response": "models",
    "Retry": "policies",
    "RetryBudget": "policies",
    "SharedLimiter": "_io.limits.shared",
    "StreamedResponse": "_io.answers.streamed",
    "SyncBulk": "sync",
    "SyncClient": "sync",
    "SyncIterator": "sync",
    "SyncPages": "sync",
    "SyncStreamedResponse": "sync",
    "Timeout": "config",
    "Transport": "types",
    "WireTransport": "_io.wire.transport",
    "run": "_run",
}


if not TYPE_CHECKING:  # to a type checker, a package that has this has every name

    def __getattr__(name: str) -> Any:
        """Load what a name of this package stands for (PEP 562)."""
        if name in _WHERE:
            found = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
        elif name in __all__:
            found = importlib.import_module(f"{__name__}.{name}")
        else:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    """List what can be asked for, whether it is loaded or not."""
    return sorted({*globals(), *__all__})
