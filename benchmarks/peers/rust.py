"""Clients that are written in Rust live here, their bodies decoded by msgspec: pyreqwest, rnet, primp."""

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
    return await {"pyreqwest": _pyreqwest, "rnet": _rnet, "primp": _primp}[work.variant](work, decode)


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


async def _rnet(work: Work, decode: Any) -> tuple[Any, Any]:
    import rnet

    client, url = rnet.Client(), work.url

    async def one() -> Any:
        response = await client.get(url)
        if response.status != 200:
            raise AssertionError(response.status)
        return decode(await response.bytes())

    return one, _nothing


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
