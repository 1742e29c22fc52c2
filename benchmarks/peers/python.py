"""Clients in Python, and one over curl, live here, their bodies decoded by msgspec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.models.structs import ANSWERS

if TYPE_CHECKING:
    from benchmarks.work import Work


async def setup(work: Work) -> tuple[Any, Any]:
    """Make the client that `work.variant` names, and the call."""
    decode = msgspec.json.Decoder(ANSWERS[work.answer]).decode
    return await _CLIENTS[work.variant](work, decode)


async def _httpx(work: Work, decode: Any) -> tuple[Any, Any]:
    import httpx

    limits = httpx.Limits(max_connections=max(100, work.concurrency), max_keepalive_connections=work.concurrency)
    client, url = httpx.AsyncClient(limits=limits), work.url

    async def one() -> Any:
        return decode((await client.get(url)).raise_for_status().content)

    return one, client.aclose


async def _httpx2(work: Work, decode: Any) -> tuple[Any, Any]:
    import ssl

    import httpx2

    limits = httpx2.Limits(max_connections=max(100, work.concurrency), max_keepalive_connections=work.concurrency)
    verify: Any = ssl.create_default_context(cafile=work.ca) if work.ca else True
    client, url = httpx2.AsyncClient(limits=limits, verify=verify), work.url

    async def one() -> Any:
        return decode((await client.get(url)).raise_for_status().content)

    return one, client.aclose


async def _redc(work: Work, decode: Any) -> tuple[Any, Any]:
    import redc

    most = max(64, work.concurrency)
    client = redc.Client(http_version="1.1", cert=work.ca or None, max_host_connections=most)
    url = work.url

    async def one() -> Any:
        response = await client.get(url)
        if response.status_code != 200:
            raise AssertionError(response.status_code)
        return decode(response.content)

    await client.__aenter__()
    return one, lambda: client.__aexit__(None, None, None)


async def _niquests(work: Work, decode: Any) -> tuple[Any, Any]:
    import niquests

    client, url = niquests.AsyncSession(pool_maxsize=work.concurrency), work.url

    async def one() -> Any:
        response = await client.get(url)
        response.raise_for_status()
        return decode(response.content)

    return one, client.close


async def _aiosonic(work: Work, decode: Any) -> tuple[Any, Any]:
    import aiosonic
    from aiosonic.connectors import TCPConnector
    from aiosonic.pools import PoolConfig

    connector = TCPConnector(pool_configs={":default": PoolConfig(size=max(30, work.concurrency))})
    client, url = aiosonic.HTTPClient(connector=connector), work.url

    async def one() -> Any:
        response = await client.get(url)
        if response.status_code != 200:
            raise AssertionError(response.status_code)
        return decode(await response.content())

    return one, client.aclose


_CLIENTS = {"httpx": _httpx, "httpx2": _httpx2, "redc": _redc, "niquests": _niquests, "aiosonic": _aiosonic}
