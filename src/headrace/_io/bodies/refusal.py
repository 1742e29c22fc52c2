"""A body that cannot be begun any more is refused before a byte of it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.errors import UploadError

if TYPE_CHECKING:
    from headrace._core.messages import StreamedBody


def check_refusal(body: StreamedBody) -> None:
    """Raise an `UploadError` if a body cannot be begun any more."""
    if body.refusal is not None:
        message = f"the request cannot be sent: {body.refusal}"
        raise UploadError(message, maybe_sent=False)
