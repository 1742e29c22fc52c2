"""aiohttp's `ClientSession` lives here, its bodies decoded by msgspec or by pydantic 2."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from benchmarks.work import Work

_DEFAULT_LIMIT = 100


async def setup(work: Work) -> tuple[Any, Any]:
    """Make the session and the call."""
    context: Any = ssl.create_default_context(cafile=work.ca) if work.ca else True
    connector = aiohttp.TCPConnector(limit=max(_DEFAULT_LIMIT, work.concurrency), ssl=context)
    session = aiohttp.ClientSession(connector=connector)
    decode, url = _decoder(work), work.url
    if work.body:
        import msgspec

        from benchmarks.models.structs import order

        encode = msgspec.json.Encoder().encode
        body = order(work.body)
        headers = {"Content-Type": "application/json"}

        async def one() -> Any:
            async with session.post(url, data=encode(body), headers=headers) as response:
                response.raise_for_status()
                return decode(await response.read())

    else:

        async def one() -> Any:
            async with session.get(url) as response:
                response.raise_for_status()
                return decode(await response.read())

    return one, session.close


def _decoder(work: Work) -> Any:
    if work.variant == "pydantic":
        from pydantic import TypeAdapter

        from benchmarks.models.pydantics import User

        return TypeAdapter({"user": User, "users": list[User]}[work.answer]).validate_json
    import msgspec

    from benchmarks.models.structs import ANSWERS

    return msgspec.json.Decoder(ANSWERS[work.answer]).decode
