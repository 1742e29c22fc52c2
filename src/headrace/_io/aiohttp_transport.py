"""The aiohttp Transport lives here: the same requests through a `ClientSession`, for tracing and comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
from multidict import CIMultiDict

from headrace._core.messages import Response
from headrace._core.stats import Stats
from headrace.config import PoolLimits
from headrace.errors import (
    ConnectError,
    ConnectionLost,
    ProtocolError,
    RequestTimeout,
    ResponseTooLarge,
    TransportError,
)

if TYPE_CHECKING:
    import ssl

    from yarl import URL

    from headrace._core.messages import Request

# Each of aiohttp's errors and ours; the first that matches counts, so the narrow ones come first.
_ERRORS: tuple[tuple[type[BaseException], type[TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, RequestTimeout),
    (aiohttp.ServerTimeoutError, RequestTimeout),
    (aiohttp.ClientHttpProxyError, ConnectError),
    (aiohttp.ClientConnectorError, ConnectError),
    (aiohttp.ClientSSLError, ConnectError),
    (aiohttp.ClientResponseError, ProtocolError),
    (aiohttp.ClientPayloadError, ConnectionLost),
    (aiohttp.ClientConnectionError, ConnectionLost),
    (aiohttp.ClientError, ProtocolError),
    (ValueError, ProtocolError),
    (TimeoutError, RequestTimeout),
    (OSError, ConnectionLost),
)


class AiohttpTransport:
    """Sends requests through an `aiohttp.ClientSession`.

    Args:
        session: A session of the caller's own, which stays open; without one, a session is made and closed here.
        pool: How many connections there may be, and how long idle ones are kept; not for a caller's session.
        proxy: An HTTP proxy.
        tls: An `ssl.SSLContext`, or whether to verify servers.
        stats: Where to count; a client gives its own.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession | None = None,
        pool: PoolLimits | None = None,
        proxy: URL | None = None,
        tls: ssl.SSLContext | bool = True,  # noqa: FBT001, FBT002
        stats: Stats | None = None,
    ) -> None:
        self._stats = stats or Stats()
        self._proxy = proxy
        self._tls = tls
        self._own = session is None
        self._session = session or _session(pool or PoolLimits())
        self._closed = False

    async def send(self, request: Request) -> Response:
        """Send one request and receive its response; see `headrace.types.Transport`."""
        if self._closed:
            message = "the client was closed"
            raise ConnectError(message, maybe_sent=False)
        body = request.body
        data: Any = body if body is None or isinstance(body, bytes) else body.payload()
        limits = request.timeout
        try:
            async with self._session.request(
                request.method,
                request.url,
                headers=CIMultiDict(request.headers.pairs),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                data=data,
                allow_redirects=False,
                auto_decompress=False,
                proxy=self._proxy,
                ssl=self._tls,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect, sock_read=limits.read),
            ) as answer:
                content = await _read(answer, request.max_response_bytes)
        except TransportError:
            raise
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise _translated(error, request) from error
        self._stats.bytes_in += len(content)
        self._stats.bytes_out += len(body) if isinstance(body, bytes) else 0
        return Response(answer.status, answer.headers, content)

    async def close(self) -> None:
        """Close the session if it was made here."""
        self._closed = True
        if self._own:
            await self._session.close()

    def __repr__(self) -> str:
        return f"<AiohttpTransport{' closed' if self._closed else ''}>"


def _session(pool: PoolLimits) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=pool.max_connections, limit_per_host=pool.max_per_origin or 0, keepalive_timeout=pool.keepalive
    )
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), max_line_size=65536, max_field_size=65536
    )


async def _read(answer: aiohttp.ClientResponse, limit: int | None) -> bytes:
    """Read a body whole, but never more of it than is allowed."""
    parts, size = [], 0
    async for part in answer.content.iter_any():
        size += len(part)
        if limit is not None and size > limit:
            answer.close()
            message = f"the body has more than the {limit} bytes that are allowed"
            raise ResponseTooLarge(message)
        parts.append(part)
    return b"".join(parts)


def _translated(error: Exception, request: Request) -> TransportError:
    kind = next(ours for theirs, ours in _ERRORS if isinstance(error, theirs))
    sent = not isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return kind(f"no connection to {request.origin.text}: the proxy answered {error.status}", maybe_sent=False)
    return kind(f"{request.origin.text}: {type(error).__name__}", maybe_sent=sent)
