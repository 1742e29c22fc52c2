"""One of aiohttp's errors becomes one of ours, and a cause that tells no secret.

aiohttp's errors know the request that failed: its URL, its fields, and the proxy's. They stay as causes, without that.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final, TypeVar

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from headrace._io.frames import chain
from headrace.errors import ConnectError, ConnectionLost, PoolTimeout, ProtocolError, RequestTimeout, TransportError

if TYPE_CHECKING:
    from headrace._core.messages import Request

E = TypeVar("E", bound=BaseException)

# Each of aiohttp's errors and ours; the first that matches counts, so the narrow ones come first.
_ERRORS: tuple[tuple[type[BaseException], type[TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, RequestTimeout),
    (aiohttp.ServerTimeoutError, RequestTimeout),
    (aiohttp.ClientHttpProxyError, ConnectError),
    (aiohttp.ClientConnectorError, ConnectError),
    (aiohttp.ClientSSLError, ConnectError),
    (aiohttp.InvalidURL, ConnectError),
    (aiohttp.ClientResponseError, ProtocolError),
    (aiohttp.ClientPayloadError, ConnectionLost),
    (aiohttp.ClientConnectionError, ConnectionLost),
    (aiohttp.ClientError, ProtocolError),
    (UnicodeError, ConnectError),  # a host that IDNA cannot write
    (ValueError, ProtocolError),
    (TimeoutError, RequestTimeout),
    (OSError, ConnectionLost),
)
#: What OpenSSL calls an answer that is not TLS.
_NO_TLS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "UNSUPPORTED_PROTOCOL"}
)
#: Codes of OpenSSL's verification (x509_vfy.h): of a host or address, and of a time that is not the certificate's.
_OF_ANOTHER_NAME: Final = frozenset({62, 64})
_OF_ANOTHER_TIME: Final = frozenset({9, 10})
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL, UnicodeError)


def translated(error: Exception, request: Request) -> TransportError:
    """Make an error of ours out of one of aiohttp's, which can be its cause from now on."""
    scrubbed(error, request)
    kind = next(ours for theirs, ours in _ERRORS if isinstance(error, theirs))
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return kind(f"no connection to {request.origin.text}: {reason(error)}", maybe_sent=False)
    maybe_sent = not isinstance(error, _NOT_SENT)
    if isinstance(error, aiohttp.ClientConnectorError):
        return kind(f"no connection to {request.origin.text}: {reason(error)}", maybe_sent=maybe_sent)
    if isinstance(error, aiohttp.ServerTimeoutError) and request.timeout.read is not None:
        return kind(f"the server sent nothing for {request.timeout.read:g} s (Timeout.read)", maybe_sent=maybe_sent)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return kind(f"the server ended the connection {before_an_answer(request.origin.text)}", maybe_sent=maybe_sent)
    return kind(f"{request.origin.text}: {type(error).__name__}", maybe_sent=maybe_sent)


def crowded(origin: str, seconds: float | None) -> PoolTimeout:
    """Say that no connection became free in time.

    Args:
        origin: Scheme, host and port.
        seconds: How long was waited for one.
    """
    message = f"no connection to {origin} became free within {seconds:g} s (Timeout.pool); see PoolLimits"
    return PoolTimeout(message, maybe_sent=False)


def slow(origin: str, seconds: float | None) -> RequestTimeout:
    """Say that no connection was made in time; takes what `crowded` takes."""
    return RequestTimeout(f"no connection to {origin} within {seconds:g} s (Timeout.connect)", maybe_sent=False)


def before_an_answer(origin: str) -> str:
    """Say when a connection has ended, and what that may be about: TLS servers hang up on whom they do not understand.

    Args:
        origin: Scheme, host and port.
    """
    hint = "; if this is a TLS port, the uri has to begin with https://" if origin.startswith("http://") else ""
    return f"before any byte of an answer{hint}"


def reason(error: Exception) -> str:
    """Say why a connection could not be made, without a proxy's password: aiohttp's texts may hold its URL."""
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"{_told(cause)}; look for a slip in the host, or whether there is a network"
    return _told(cause) + _remedy(cause)


def _told(cause: Exception) -> str:
    return f"{type(cause).__name__}: {cause.strerror}" if isinstance(cause, OSError) and cause.strerror else str(cause)


def _remedy(cause: Exception) -> str:
    """Say what can be done where a connection could not be made, as the end of a sentence."""
    if isinstance(cause, ConnectionRefusedError):
        return "; nothing listens on this port"
    if isinstance(cause, ssl.SSLCertVerificationError):
        if cause.verify_code in _OF_ANOTHER_NAME:
            return "; the uri has to name the host as its certificate does"
        if cause.verify_code in _OF_ANOTHER_TIME:
            return "; the server has to renew its certificate, or this machine's clock is wrong"
        return '; to trust a certificate of your own, give tls=ssl.create_default_context(cafile="…")'
    if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
        return "; what listens on this port does not speak TLS: is the uri http://?"
    return ""


def scrubbed(error: E, request: Request) -> E:
    """Take out of an error, and of all that it was raised from, what aiohttp knows of a request.

    Args:
        error: Any error.
        request: The request that failed with it.

    Returns:
        The same error.
    """
    for each in chain(error):
        if isinstance(each, aiohttp.ClientError):
            known = vars(each)
            arguments = tuple(_bare(value, request) for value in each.args)
            known.update({name: _bare(value, request) for name, value in known.items()})
            each.args = arguments
    return error


def _bare(value: Any, request: Request) -> Any:
    """Keep numbers, errors and texts of what an error knows; of anything else, no more than its own text needs."""
    if value is None or isinstance(value, (int, float, BaseException)):
        return value
    if isinstance(value, str):
        return value.replace(str(request.url), request.shown)
    if isinstance(value, URL):
        return URL(request.shown)
    if isinstance(value, aiohttp.RequestInfo):
        shown = URL(request.shown)
        return aiohttp.RequestInfo(shown, request.method, CIMultiDictProxy(CIMultiDict()), shown)
    if isinstance(value, ConnectionKey):
        return value._replace(proxy=None, proxy_auth=None, proxy_headers_hash=None)
    return () if isinstance(value, tuple) else None
