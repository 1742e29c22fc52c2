"""One of aiohttp's errors becomes one of ours, and a cause that tells no secret.

aiohttp's errors know the request that failed: its URL, its fields, and the proxy's. They stay as causes, without that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from headrace._io import reasons
from headrace._io.frames import chain
from headrace.errors import ConnectError, ConnectionLost, ProtocolError, RequestTimeout, TransportError

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
        return kind(
            f"the server ended the connection {reasons.before_an_answer(request.origin.text)}", maybe_sent=maybe_sent
        )
    return kind(f"{request.origin.text}: {type(error).__name__}", maybe_sent=maybe_sent)


def reason(error: Exception) -> str:
    """Say why a connection could not be made, without a proxy's password: aiohttp's texts may hold its URL."""
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    return reasons.of(cause, named=not isinstance(error, aiohttp.ClientConnectorDNSError))


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
