"""What sends requests, and what a transport of your own needs: give it to `AsyncClient(transport=…)`."""

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
from headrace._io.session.transport import AiohttpTransport
from headrace._io.wire.transport import WireTransport
from headrace.types import CountingTransport, MarkingTransport, Transport

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
