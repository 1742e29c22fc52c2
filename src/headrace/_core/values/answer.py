"""An answer is a value or an error to the caller, and nothing in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace import _redact
from headrace._checks import wrong
from headrace._core.http import content_coding
from headrace._core.retries.retry_after import asked
from headrace._core.values import decode, explain, shims
from headrace.config import is_status
from headrace.errors import FrameworkException, ResponseParseError, error_class

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from headrace._core.messages import Request, Response


def content(response: Response, limit: int | None, stopped: Callable[[], bool] | None = None) -> bytes:
    """Undo the content codings of a response; takes and raises what `headrace._core.http.content_coding.decode` does.

    A coded body is given away, and so is not held beside its content: the response has to be the caller's own copy.
    """
    named = response.coding
    text = ", ".join(response.headers.getall("Content-Encoding", ())) if named is None else named.decode("latin-1")
    return content_coding.decode(response.give(), text, limit, stopped) if text else response.body


def value(body: bytes, decoder: Any, request: Request, response: Response, now: Callable[[], datetime]) -> Any:
    """Decode the content of a success.

    Args:
        body: The content.
        decoder: What `headrace._core.values.decode.decoder_for` found.
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
    try:
        decoded = decode.decode(body, decoder)
    except ResponseParseError as error:
        explain.undecoded(error, response.headers.get("Content-Type", ""))
        error.status_code = response.status
        raise
    if decoder.stamp is not None:
        decoder.stamp(decoded, request.shown, now())
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
    headers = response.headers
    problem: Exception | None = None
    body: Any = None
    model = models.get(response.status)
    try:
        raw = content(response, limit)
        body = decode.error_body(raw, headers.get("Content-Type", ""))
        if model is not None and raw and not is_function(model):
            body = _modelled(model, raw, body)
    except FrameworkException as unreadable:
        problem = unreadable
    if model is not None and is_function(model) and problem is None:
        body = model(body)  # what it raises is the caller's own
        if isinstance(body, Exception):
            return body
    return error_class(response.status)(
        body,
        status_code=response.status,
        headers=headers,
        url=request.shown,
        method=request.method,
        retry_after=asked(response, now),
        model_error=problem,
        attempts=request.attempts,
    )


def is_function(model: Any) -> bool:
    """Tell a function, or any callable object, from a type to decode into."""
    return callable(model) and not decode.is_type(model)


def check_models(models: Any) -> Mapping[int, Any]:
    """Check a mapping of statuses to models and functions.

    Raises:
        headrace.errors.ValidationError: It is none.
    """
    takes = "a mapping of statuses to models or functions"
    if not isinstance(models, Mapping):
        raise wrong("error_responses", models, takes)
    for status, model in models.items():
        if not is_status(status):
            raise wrong(f"error_responses: the key {status!r}", status, "statuses from 100 to 999")
        if model is not None and not callable(model) and not decode.is_type(model) and shims.for_type(model) is None:
            raise wrong(f"error_responses[{status}]", model, takes)
    return models


def _modelled(model: Any, raw: bytes, body: Any) -> Any:
    """Give an error body the form of its model."""
    decoder = decode.decoder_for(model)
    return decode.decode(raw, decoder) if isinstance(decoder, decode.BodyDecoder) else raw if decoder is bytes else body


def log_line(request: Request, status: int) -> str:
    """Write the log line of a request, as ``[GET 200] /v1/users p=1``."""
    path, _, query = request.target.partition("?")
    return f"[{request.method} {status}] {path} {_redact.query(query, request.secret_parameters)}".rstrip()
