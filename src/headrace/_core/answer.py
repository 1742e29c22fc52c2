"""What an answer means to the caller lives here: its content, its value, or the error that it is."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from headrace import _redact
from headrace._core import coding, decode, retry
from headrace.errors import FrameworkException, ProtocolError, ResponseTooLarge, error_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from headrace._core.messages import Request, Response


def content(response: Response, limit: int | None) -> bytes:
    """Undo the content codings of a response; raises what `headrace._core.coding.decode` raises."""
    return coding.decode(response.body, response.coding.decode("latin-1"), limit)


def value(body: bytes, decoder: Any, request: Request, response: Response, now: Callable[[], datetime]) -> Any:
    """Decode the content of a success.

    Args:
        body: The content.
        decoder: What `headrace._core.decode.decoder_for` found.
        request: The request that was answered.
        response: Its response.
        now: Tells the time; asked only where the value shall know it.

    Returns:
        The value; `None` where there is no body.

    Raises:
        headrace.errors.ResponseParseError: The body is not JSON, or (as its subclass) does not fit the format.
    """
    if not body:
        return None
    if decoder is bytes:
        return body
    if decoder is str:
        return decode.text(body, response.headers.get("Content-Type", ""))
    decoded = decoder(body)
    if decoder.stamp is not None:
        decoder.stamp(decoded, _redact.url(request.url), now())
    return decoded


def error(
    request: Request, response: Response, models: Mapping[int, Any], limit: int | None, now: datetime
) -> Exception:
    """Make the error that an answer is.

    Args:
        request: The request that was answered.
        response: An answer that is no success.
        models: What the error bodies of which statuses become.
        limit: Bytes that the content may have.
        now: When it was received.

    Returns:
        The status's own error, whatever its body holds; or the exception that the caller's function made of the body.
    """
    status = response.status
    headers = response.headers
    problem: Exception | None = None
    body: Any = None
    try:
        raw = content(response, limit)
        body = decode.error_body(raw, headers.get("Content-Type", ""))
        model = models.get(status)
        if model is not None and raw:
            body = _modelled(model, raw, body)
    except (FrameworkException, ProtocolError, ResponseTooLarge) as unreadable:
        problem = unreadable
    if isinstance(body, BaseException):
        return body if isinstance(body, Exception) else RuntimeError(repr(body))
    return error_class(status)(
        body,
        status_code=status,
        headers=headers,
        url=_redact.url(request.url),
        method=request.method,
        retry_after=retry.retry_after(headers.get("Retry-After"), now),
        model_error=problem,
    )


def _modelled(model: Any, raw: bytes, body: Any) -> Any:
    """Give an error body its form: a function of the JSON, or a model."""
    if inspect.isroutine(model) or isinstance(model, functools.partial):
        return model(body)
    decoder = decode.decoder_for(model)
    return decoder(raw) if isinstance(decoder, decode.BodyDecoder) else raw if decoder is bytes else body


def log_line(request: Request, status: int) -> str:
    """Write the log line of a request, as ``[GET 200] /v1/users p=1``."""
    path, _, query = request.target.partition("?")
    return f"[{request.method} {status}] {path} {_redact.query(query)}".rstrip()
