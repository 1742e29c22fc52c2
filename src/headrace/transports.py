"""What sends requests, and what a transport of your own needs: give it to `AsyncClient(transport=…)`."""

from typing import TYPE_CHECKING, Any

from headrace._core.messages import (
    BodySource,
    Connections,
    Delivery,
    HeaderBlock,
    Request,
    Response,
    Sink,
    StreamedBody,
    Turn,
)
from headrace._io.wire.transport import WireTransport
from headrace.types import CountingTransport, MarkingTransport, Transport

if TYPE_CHECKING:
    from headrace._io.session.transport import AiohttpTransport

__all__ = [
    "AiohttpTransport",
    "BodySource",
    "Connections",
    "CountingTransport",
    "Delivery",
    "HeaderBlock",
    "MarkingTransport",
    "Request",
    "Response",
    "Sink",
    "StreamedBody",
    "Transport",
    "Turn",
    "WireTransport",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Load the transport over aiohttp, and aiohttp with it, when somebody asks for it."""
        if name != "AiohttpTransport":
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        from headrace._io.session.transport import AiohttpTransport

        return AiohttpTransport
