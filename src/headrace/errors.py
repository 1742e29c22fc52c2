"""Everything that headrace raises, and the facts that it carries.

    FrameworkException
    ├── ValidationError                  an argument of ours was wrong; also a ValueError
    ├── StructifyError                   a pydantic model has no faithful Struct
    ├── ClientError
    │   ├── AsyncClientError             the client is set up or used wrongly
    │   ├── SyncClientError
    │   ├── AuthError                    no credentials could be had
    │   ├── DownloadError                the file is not what the server announced, or is being written already
    │   │   └── ChecksumError            it has another checksum
    │   ├── LimiterError                 nobody answers for a shared limit in time, or will not keep it
    │   ├── JournalError                 a journal is of another job, in use, or not to be read
    │   ├── SinkError                    rows could not be written
    │   ├── PaginationError              the pages of a series lead nowhere, or round in a circle
    │   ├── ResponseParseError           the body is not JSON
    │   │   └── ResponseValidationError  the body does not fit the model (also a ValidationError)
    │   └── TransportError               no whole answer arrived
    │       ├── ConnectError             also a ConnectionError
    │       ├── ConnectionLost           also a ConnectionError
    │       ├── ProtocolError            the peer does not speak HTTP/1.1 correctly
    │       ├── RequestTimeout           also a TimeoutError
    │       ├── PoolTimeout              also a TimeoutError
    │       ├── ResponseTooLarge
    │       ├── UploadError              the request body could not be sent whole
    │       └── CircuitOpen              nothing was sent: the origin has failed too often
    └── HTTPError                        an answer that is not a success
        ├── HTTPRedirect                 one class for every registered 3xx that is not followed
        ├── HTTPClientError              … 4xx
        └── HTTPServerError              … 5xx

The cause in a library below (aiohttp, msgspec, pydantic, OSError) stays in ``__cause__``.
"""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from multidict import CIMultiDict

from headrace import _redact

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes of a body that a message may show.
_EXCERPT = 200


class FrameworkException(Exception):
    """Base of every exception of this library.

    Attributes:
        method: The method of the request that failed; empty where the error is of no request.
        url: Its URL without userinfo and with secret parameters masked, or its path where no URL could be made of it;
            empty where the error is of no request.
    """

    method: str = ""
    url: str = ""


class ValidationError(FrameworkException, ValueError):
    """An argument has a wrong type or value; nothing was sent."""

    def __str__(self) -> str:
        """Tell what is wrong, and in which request."""
        text = super().__str__()
        return f"{text} ({self.method} {self.url})" if self.url else text


class StructifyError(FrameworkException):
    """A pydantic model has fields that no msgspec Struct can carry faithfully.

    Args:
        model_name: Name of the pydantic model.
        problems: Field name to the reason why it cannot be carried over.
    """

    def __init__(self, model_name: str, problems: Mapping[str, str]) -> None:
        self.model_name = model_name
        self.problems = dict(problems)
        listed = "; ".join(f"{field}: {reason}" for field, reason in self.problems.items())
        super().__init__(f"{model_name} cannot become a Struct: {listed}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the arguments, not by the message."""
        return type(self), (self.model_name, self.problems)


class ClientError(FrameworkException):
    """Something went wrong in the client, not in the answer's status."""

    def __str__(self) -> str:
        """Tell which request failed, and why."""
        return _of_request(self, super().__str__())


class AsyncClientError(ClientError):
    """An `AsyncClient` is set up or used wrongly."""


class SyncClientError(ClientError):
    """A synchronous client is set up or used wrongly."""


class AuthError(ClientError):
    """No credentials could be had, so the request was not sent, or not sent again.

    Args:
        message: What happened.
        endpoint: The URL that was asked for them, with secrets masked.
        status_code: The status that it answered, if it did.
        error: The error code that it gave (RFC 6749, section 5.2), such as ``invalid_grant``.
        error_description: What it said about it.
    """

    def __init__(
        self,
        message: str = "",
        *,
        endpoint: str = "",
        status_code: int | None = None,
        error: str | None = None,
        error_description: str | None = None,
    ) -> None:
        super().__init__(message)
        self.endpoint = endpoint
        self.status_code = status_code
        self.error = error
        self.error_description = error_description


class DownloadError(ClientError):
    """A download did not give the file that the server announced, or its place is taken; `dest` is as it was."""


class ChecksumError(DownloadError):
    """A file that was downloaded whole has another checksum than it should.

    Args:
        message: What happened.
        algorithm: The name of the checksum, such as ``sha256``.
        expected: The hexadecimal digits that it should have.
        actual: Those that it has.
    """

    def __init__(self, message: str = "", *, algorithm: str = "", expected: str = "", actual: str = "") -> None:
        super().__init__(message)
        self.algorithm = algorithm
        self.expected = expected
        self.actual = actual


class PaginationError(ClientError):
    """The pages of a series cannot all be had: one names itself or an earlier one, or what leads on makes no sense."""


def _of_request(error: FrameworkException, text: str) -> str:
    return f"{error.method} {error.url}: {text}" if error.url else text


def _excerpt(body: bytes | str) -> str:
    text = repr(body[:_EXCERPT])
    return f"{text}… ({len(body)} in all)" if len(body) > _EXCERPT else text


class LimiterError(ClientError):
    """Nothing was sent: whoever keeps a shared limit cannot be asked, answers too late, or will not keep it."""


class JournalError(ClientError):
    """A journal cannot be used: it is no journal, of another job, in use, or says more than its sink holds."""


class SinkError(ClientError):
    """A sink cannot be opened or written: wrong place, not empty, disk full. What was committed before stays."""


class ResponseParseError(ClientError):
    """The body of a successful answer could not be decoded.

    Args:
        message: What was wrong.
        raw_response: The body as it came.

    Attributes:
        status_code: The status of the answer, from 200 to 299; `None` where the body was decoded without one.
    """

    status_code: int | None = None

    def __init__(self, message: str = "the body is not JSON", raw_response: bytes | str = b"") -> None:
        self.message = message
        self.raw_response = raw_response
        super().__init__(message, raw_response)

    def __str__(self) -> str:
        """Tell the request, the reason and the first bytes of the body."""
        return _of_request(self, f"{self.message}; the body begins {_excerpt(self.raw_response)}")


class ResponseValidationError(ResponseParseError, ValidationError):
    """The body of a successful answer is JSON but does not fit the model.

    Args:
        message: What was wrong.
        raw_response: The body as it came.
        path: Where in the document, such as ``$.address.geo.lat``.
    """

    def __init__(self, message: str, raw_response: bytes | str = b"", path: str = "$") -> None:
        super().__init__(message, raw_response)
        self.path = path
        self.args = (message, raw_response, path)

    def __str__(self) -> str:
        """Tell the request, the reason, the path and the first bytes of the body."""
        text = f"{self.message} - at `{self.path}`; the body begins {_excerpt(self.raw_response)}"
        return _of_request(self, text)


class Attempt(msgspec.Struct, frozen=True):
    """One time that a request was sent and failed; a client with a `Retry` tells of each.

    Attributes:
        number: From 1 on, redirects of the same call included.
        status: The status of the answer; `None` where there was none.
        error: What happened instead of an answer; `None` where there was one.
        started: Seconds between the beginning of the first attempt at this URL and of this one.
        elapsed: Seconds that it took, the wait for the limiter included.
        waited: Seconds that were waited before it because the one before had failed.
    """

    number: int
    status: int | None
    error: str | None
    started: float
    elapsed: float
    waited: float


class TransportError(ClientError):
    """No whole, well-formed answer arrived.

    Args:
        message: What happened.
        maybe_sent: Whether any byte of the request may have reached the server, in whatever attempt.

    Attributes:
        attempts: Every attempt, in order, where a `Retry` was at work; else empty.
    """

    attempts: tuple[Attempt, ...] = ()

    def __init__(self, message: str = "", *, maybe_sent: bool = True) -> None:
        super().__init__(message)
        self.maybe_sent = maybe_sent


class ConnectError(TransportError, ConnectionError):
    """No connection could be made: refused, no such host, TLS or proxy failure."""


class ConnectionLost(TransportError, ConnectionError):
    """The connection ended before the answer was complete."""


class ProtocolError(TransportError):
    """The peer's bytes are not a valid HTTP/1.1 answer (RFC 9112)."""


class RequestTimeout(TransportError, TimeoutError):
    """The request did not end within its time."""


class PoolTimeout(TransportError, TimeoutError):
    """No connection became free within the time that `Timeout.pool` allows."""


class ResponseTooLarge(TransportError):
    """The body is larger than ``max_response_bytes`` after decompression."""


class UploadError(TransportError):
    """The request body is shorter or longer than announced, or cannot be sent a second time."""


class CircuitOpen(TransportError):
    """Nothing was sent, because the origin has failed too often; see `headrace.CircuitBreaker`.

    Args:
        message: What happened.
        maybe_sent: Always `False`.
        retry_in: Seconds until it is worth trying again.
    """

    def __init__(self, message: str = "", *, maybe_sent: bool = False, retry_in: float = 0.0) -> None:
        super().__init__(message, maybe_sent=maybe_sent)
        self.retry_in = retry_in


class HTTPError(FrameworkException):
    """An answer whose status is not a success.

    Args:
        response: The decoded error model, else the JSON, else the text of the body.
        status_code: The number of the status; a registered class knows its own.
        headers: Header fields of the answer; those that hold credentials, such as `Set-Cookie`, are masked in a pickle.
        url: The URL that answered, without userinfo and with secret parameters masked.
        method: The method of the request.
        retry_after: What ``Retry-After`` asks for, in seconds.
        model_error: Why the body did not fit its error model.
        attempts: Every attempt, in order, where a `Retry` was at work; else empty.
    """

    status_code: int = 0

    def __init__(
        self,
        response: Any = None,
        *,
        status_code: int | None = None,
        headers: Mapping[str, str] | None = None,
        url: str = "",
        method: str = "",
        retry_after: float | None = None,
        model_error: Exception | None = None,
        attempts: tuple[Attempt, ...] = (),
    ) -> None:
        super().__init__(response)
        if status_code is not None:
            self.status_code = status_code
        self.response = response
        self.headers: Mapping[str, str] = {} if headers is None else headers
        self.url = url
        self.method = method
        self.retry_after = retry_after
        self.model_error = model_error
        self.attempts = attempts

    def __str__(self) -> str:
        """Read as ``404 Not Found: GET https://api.example.com/users/9``."""
        text = f"{self.status_code} {_phrase(self.status_code)}".rstrip()
        if self.method:
            text += f": {self.method} {self.url}"
        if self.response not in (None, "", b""):
            shown = self.response if isinstance(self.response, str) else repr(self.response)
            text += f" - {shown[:_EXCERPT]}"
        return text

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive pickling with every attribute (`BaseException` keeps only `args`), secrets in `headers` masked."""
        state: dict[str, Any] = {
            "status_code": self.status_code,
            "headers": [(name, _redact.field(name, value)) for name, value in self.headers.items()],
            "url": self.url,
            "method": self.method,
            "retry_after": self.retry_after,
            "model_error": self.model_error,
            "attempts": self.attempts,
        }
        return functools.partial(_unpickle, type(self)), (self.response, state)


def _phrase(status: int) -> str:
    if status == 306:
        return "Reserved"  # the standard library does not name it
    return HTTPStatus(status).phrase if status in ERROR_RESPONSE_MAPPING else ""


def _unpickle(cls: type[HTTPError], response: Any, state: dict[str, Any]) -> HTTPError:
    """Rebuild a pickled `HTTPError`; the header pairs become a case-insensitive map again."""
    state["headers"] = CIMultiDict(state["headers"])
    return cls(response, **state)


class HTTPRedirect(HTTPError):
    """An unfollowed 3xx answer (RFC 9110, section 15.4)."""


class HTTPClientError(HTTPError):
    """A 4xx answer (RFC 9110, section 15.5)."""


class HTTPServerError(HTTPError):
    """A 5xx answer (RFC 9110, section 15.6)."""


class HTTPMultipleChoices(HTTPRedirect):
    """300 Multiple Choices."""

    status_code = 300


class HTTPMovedPermanently(HTTPRedirect):
    """301 Moved Permanently."""

    status_code = 301


class HTTPFound(HTTPRedirect):
    """302 Found."""

    status_code = 302


class HTTPSeeOther(HTTPRedirect):
    """303 See Other."""

    status_code = 303


class HTTPNotModified(HTTPRedirect):
    """304 Not Modified."""

    status_code = 304


class HTTPUseProxy(HTTPRedirect):
    """305 Use Proxy."""

    status_code = 305


class HTTPReserved(HTTPRedirect):
    """306, which is reserved, and was Switch Proxy (RFC 9110, section 15.4.7)."""

    status_code = 306


class HTTPTemporaryRedirect(HTTPRedirect):
    """307 Temporary Redirect."""

    status_code = 307


class HTTPPermanentRedirect(HTTPRedirect):
    """308 Permanent Redirect."""

    status_code = 308


class HTTPBadRequest(HTTPClientError):
    """400 Bad Request."""

    status_code = 400


class HTTPUnauthorized(HTTPClientError):
    """401 Unauthorized."""

    status_code = 401


class HTTPPaymentRequired(HTTPClientError):
    """402 Payment Required."""

    status_code = 402


class HTTPForbidden(HTTPClientError):
    """403 Forbidden."""

    status_code = 403


class HTTPNotFound(HTTPClientError):
    """404 Not Found."""

    status_code = 404


class HTTPMethodNotAllowed(HTTPClientError):
    """405 Method Not Allowed."""

    status_code = 405


class HTTPNotAcceptable(HTTPClientError):
    """406 Not Acceptable."""

    status_code = 406


class HTTPProxyAuthenticationRequired(HTTPClientError):
    """407 Proxy Authentication Required."""

    status_code = 407


class HTTPRequestTimeout(HTTPClientError):
    """408 Request Timeout."""

    status_code = 408


class HTTPConflict(HTTPClientError):
    """409 Conflict."""

    status_code = 409


class HTTPGone(HTTPClientError):
    """410 Gone."""

    status_code = 410


class HTTPLengthRequired(HTTPClientError):
    """411 Length Required."""

    status_code = 411


class HTTPPreconditionFailed(HTTPClientError):
    """412 Precondition Failed."""

    status_code = 412


class HTTPRequestEntityTooLarge(HTTPClientError):
    """413 Request Entity Too Large."""

    status_code = 413


class HTTPRequestUriTooLong(HTTPClientError):
    """414 Request-URI Too Long."""

    status_code = 414


class HTTPUnsupportedMediaType(HTTPClientError):
    """415 Unsupported Media Type."""

    status_code = 415


class HTTPRequestedRangeNotSatisfiable(HTTPClientError):
    """416 Requested Range Not Satisfiable."""

    status_code = 416


class HTTPExpectationFailed(HTTPClientError):
    """417 Expectation Failed."""

    status_code = 417


class HTTPImATeapot(HTTPClientError):
    """418 I'm a Teapot."""

    status_code = 418


class HTTPMisdirectedRequest(HTTPClientError):
    """421 Misdirected Request."""

    status_code = 421


class HTTPUnprocessableEntity(HTTPClientError):
    """422 Unprocessable Entity."""

    status_code = 422


class HTTPLocked(HTTPClientError):
    """423 Locked."""

    status_code = 423


class HTTPFailedDependency(HTTPClientError):
    """424 Failed Dependency."""

    status_code = 424


class HTTPTooEarly(HTTPClientError):
    """425 Too Early."""

    status_code = 425


class HTTPUpgradeRequired(HTTPClientError):
    """426 Upgrade Required."""

    status_code = 426


class HTTPPreconditionRequired(HTTPClientError):
    """428 Precondition Required."""

    status_code = 428


class HTTPTooManyRequests(HTTPClientError):
    """429 Too Many Requests."""

    status_code = 429


class HTTPRequestHeaderFieldsTooLarge(HTTPClientError):
    """431 Request Header Fields Too Large."""

    status_code = 431


class HTTPUnavailableForLegalReasons(HTTPClientError):
    """451 Unavailable For Legal Reasons."""

    status_code = 451


class HTTPInternalServerError(HTTPServerError):
    """500 Internal Server Error."""

    status_code = 500


class HTTPNotImplemented(HTTPServerError):
    """501 Not Implemented."""

    status_code = 501


class HTTPBadGateway(HTTPServerError):
    """502 Bad Gateway."""

    status_code = 502


class HTTPServiceUnavailable(HTTPServerError):
    """503 Service Unavailable."""

    status_code = 503


class HTTPGatewayTimeout(HTTPServerError):
    """504 Gateway Timeout."""

    status_code = 504


class HTTPHttpVersionNotSupported(HTTPServerError):
    """505 HTTP Version Not Supported."""

    status_code = 505


class HTTPVariantAlsoNegotiates(HTTPServerError):
    """506 Variant Also Negotiates."""

    status_code = 506


class HTTPInsufficientStorage(HTTPServerError):
    """507 Insufficient Storage."""

    status_code = 507


class HTTPLoopDetected(HTTPServerError):
    """508 Loop Detected."""

    status_code = 508


class HTTPNotExtended(HTTPServerError):
    """510 Not Extended."""

    status_code = 510


class HTTPNetworkAuthenticationRequired(HTTPServerError):
    """511 Network Authentication Required."""

    status_code = 511


#: Every registered status from 300 on, and its class.
ERROR_RESPONSE_MAPPING: dict[int, type[HTTPError]] = {
    error.status_code: error
    for family in (HTTPRedirect, HTTPClientError, HTTPServerError)
    for error in family.__subclasses__()
}

_FAMILIES: dict[int, type[HTTPError]] = {3: HTTPRedirect, 4: HTTPClientError, 5: HTTPServerError}


def error_class(status: int) -> type[HTTPError]:
    """Find the class of a status: its own, else its family's, else `HTTPError`."""
    return ERROR_RESPONSE_MAPPING.get(status) or _FAMILIES.get(status // 100, HTTPError)
