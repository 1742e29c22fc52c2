"""A connection through a proxy is dialed by aiohttp, and taken out of its hands; loaded where there is a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from yarl import URL

from headrace._core.request import encode
from headrace._io import borrowed, idle
from headrace.errors import ConnectError

if TYPE_CHECKING:
    import asyncio
    import ssl

    from headrace._core.messages import Origin, Request
    from headrace._io.wire.connection import Connection


class ProxyDialer:
    """Dials servers through a proxy.

    Args:
        loop: The loop that the connections live on.
        proxy: The proxy.
        tls: An `ssl.SSLContext`, or whether to verify.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, proxy: URL, tls: ssl.SSLContext | bool) -> None:  # noqa: FBT001
        self._loop = loop
        self._proxy, self._fields = encode.proxy_and_fields(proxy)
        self._tls = tls
        # Limits and keeping alive are the pool's: aiohttp forgets every connection as soon as it is made.
        self._connector = aiohttp.TCPConnector(limit=0, force_close=True)

    async def dial(self, request: Request, connection: Connection) -> None:
        """Connect to a server; see `headrace._io.wire.dialing.DirectDialer.dial`."""
        origin = request.origin
        wanted = ClientRequest(
            "GET",
            URL(origin.text),
            loop=self._loop,
            ssl=self._tls,
            proxy=self._proxy,
            proxy_headers=dict(self._fields),  # aiohttp writes into it
            headers={"Host": origin.authority},
        )
        try:
            made = await self._connector.connect(wanted, [], aiohttp.ClientTimeout())
        except TimeoutError:
            raise
        except (aiohttp.ClientError, ValueError, OSError) as error:  # ValueError: a host that IDNA cannot write
            message = f"no connection to {origin.text}: {borrowed.reason(error)}"
            raise ConnectError(message, maybe_sent=False) from borrowed.scrubbed(error, request)
        _take_over(made, origin, connection)

    async def close(self) -> None:
        """Close the connector, which has no connection."""
        await self._connector.close()


def _take_over(made: Any, origin: Origin, connection: Connection) -> None:
    """Take a new connection out of aiohttp's hands, which then knows nothing of it."""
    handler = made.protocol
    transport = handler.transport
    if transport is None or transport.is_closing() or handler.exception() is not None:
        made.close()
        raise idle.refusal(origin.text, ended=True)
    if handler.should_close:  # bytes have come that aiohttp keeps
        made.close()
        raise idle.refusal(origin.text, ended=False)
    transport.set_protocol(connection)
    connection.connection_made(transport)
    handler.transport = None
    made.close()
