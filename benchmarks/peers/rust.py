"""Clients that are written in Rust live here, their bodies decoded by msgspec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.models.structs import ANSWERS, order

if TYPE_CHECKING:
    from benchmarks.work import Work


async def setup(work: Work) -> tuple[Any, Any]:
    """Make the client that `work.variant` names, and the call."""
    decode = msgspec.json.Decoder(ANSWERS[work.answer]).decode
    return await _CLIENTS[work.variant](work, decode)


async def _pyreqwest(work: Work, decode: Any) -> tuple[Any, Any]:
    from pyreqwest.client import ClientBuilder

    builder = ClientBuilder().error_for_status(enable=True)
    if work.ca:
        builder = builder.add_root_certificate_pem(_bytes(work.ca))
    client, url = builder.build(), work.url
    if work.body:
        encode = msgspec.json.Encoder().encode
        body = order(work.body)

        async def one() -> Any:
            call = client.post(url).header("Content-Type", "application/json").body_bytes(encode(body)).build()
            return decode(await (await call.send()).bytes())

    else:

        async def one() -> Any:
            return decode(await (await client.get(url).build().send()).bytes())

    return one, client.close


async def _ry(work: Work, decode: Any) -> tuple[Any, Any]:
    import ry

    certificates = {"tls_certs_merge": [ry.Certificate.from_pem(_bytes(work.ca))]} if work.ca else {}
    client, url = ry.Client(**certificates), work.url
    if work.body:
        encode = msgspec.json.Encoder().encode
        body, headers = order(work.body), {"Content-Type": "application/json"}

        async def one() -> Any:
            return decode(await _sound(await client.post(url, body=encode(body), headers=headers)).bytes())

    else:

        async def one() -> Any:
            return decode(await _sound(await client.get(url)).bytes())

    return one, _nothing


def _sound(response: Any) -> Any:
    if not response.ok:
        raise AssertionError(response.status)
    return response


async def _wreq(work: Work, decode: Any) -> tuple[Any, Any]:
    import wreq

    client, url = wreq.Client(**({"tls_verify": Path(work.ca)} if work.ca else {})), work.url
    if work.body:
        encode = msgspec.json.Encoder().encode
        body, headers = order(work.body), {"Content-Type": "application/json"}

        async def one() -> Any:
            response = await client.post(url, body=encode(body), headers=headers)
            response.raise_for_status()
            return decode(await response.bytes())

    else:

        async def one() -> Any:
            response = await client.get(url)
            response.raise_for_status()
            return decode(await response.bytes())

    return one, _nothing


async def _rqx(work: Work, decode: Any) -> tuple[Any, Any]:
    import rqx

    client, url = rqx.AsyncClient(**({"verify": work.ca} if work.ca else {})), work.url
    await client.__aenter__()

    async def one() -> Any:
        return decode((await client.get(url)).raise_for_status().content)

    return one, lambda: client.__aexit__(None, None, None)


async def _httpunk(work: Work, decode: Any) -> tuple[Any, Any]:
    """Keep its connections as simply as can be: it brings none of a client's pool."""
    import ssl

    from httpunk import Backend
    from httpunk.util import connect

    context = ssl.create_default_context(cafile=work.ca) if work.ca else None
    host = work.origin.partition("://")[2]
    idle: list[Any] = []
    every: list[Any] = []

    async def one() -> Any:
        if idle:
            connection = idle.pop()
        else:
            connection = await connect(work.url, backend=Backend.asyncio, ssl_context=context)
            every.append(await connection.__aenter__())
        response = await connection.request("GET", work.path, headers={"host": host})
        if response.status != 200:
            raise AssertionError(response.status)
        body = await response.read()
        idle.append(connection)
        return decode(body)

    async def close() -> None:
        for connection in every:
            await connection.__aexit__(None, None, None)

    return one, close


async def _primp(work: Work, decode: Any) -> tuple[Any, Any]:
    import primp

    client, url = primp.AsyncClient(), work.url

    async def one() -> Any:
        response = await client.get(url)
        if response.status_code != 200:
            raise AssertionError(response.status_code)
        return decode(response.content)

    return one, _nothing


def _bytes(path: str) -> bytes:
    return Path(path).read_bytes()


async def _nothing() -> None:
    """Close nothing: these clients close their connections when they are forgotten."""


_CLIENTS = {
    "pyreqwest": _pyreqwest,
    "ry": _ry,
    "wreq": _wreq,
    "rqx": _rqx,
    "httpunk": _httpunk,
    "primp": _primp,
}
