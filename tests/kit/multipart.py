"""What tests of uploads share: a large content, and multipart bodies taken apart by the standard library."""

import email
import email.policy
import random
from email.message import EmailMessage

from tests.servers.raw import SeenRequest

#: 5 MB, an odd number of bytes, no two pages alike.
LARGE = random.Random(5).randbytes(5_000_001)  # noqa: S311 - no secret


def parts(request: SeenRequest) -> list[EmailMessage]:
    """Take a multipart body apart with the standard library's parser."""
    head = f"Content-Type: {request.header('Content-Type')}\r\n\r\n".encode()
    message = email.message_from_bytes(head + request.body, policy=email.policy.HTTP)
    assert message.get_content_type() == "multipart/form-data"
    assert not message.defects
    return list(message.iter_parts())


def content(part: EmailMessage) -> bytes:
    """Return the bytes of a part."""
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def field(part: EmailMessage) -> str | None:
    """Return the name of the form field of a part."""
    disposition = part["Content-Disposition"]
    assert disposition.content_disposition == "form-data"
    name: str | None = disposition.params.get("name")
    return name
