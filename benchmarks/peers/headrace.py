"""headrace as it is released lives here; the variants are what a user would turn on."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from headrace import AsyncClient, PoolLimits, Retry

if TYPE_CHECKING:
    from benchmarks.work import Work

#: Everything that a careful user sets, with a limit that no run reaches.
_FULL: dict[str, Any] = {
    "rate_limit": 1_000_000,
    "rate_limit_interval": 1,
    "retry": Retry(),
    "cookies": {"session": "c2x1aWNl", "lang": "en"},
    "timeout": 300,
}


async def setup(work: Work) -> tuple[Any, Any]:
    """Make the client and the call."""
    settings: dict[str, Any] = dict(_FULL) if work.variant == "full" else {}
    if work.concurrency > PoolLimits().max_connections:
        settings["pool"] = PoolLimits(max_connections=work.concurrency)
    if work.ca:
        settings["tls"] = ssl.create_default_context(cafile=work.ca)
    client = AsyncClient(work.origin, **settings)
    model, path = _model(work), work.path
    if work.body:
        from benchmarks.models.structs import order

        body = order(work.body)

        async def one() -> Any:
            return await client.post(path, body=body, response_format=model)

    else:

        async def one() -> Any:
            return await client.get(path, response_format=model)

    return one, client.close


def _model(work: Work) -> Any:
    if work.variant == "pydantic":
        from benchmarks.models.pydantics import User

        return {"user": User, "users": list[User]}[work.answer]
    from benchmarks.models.structs import ANSWERS

    return ANSWERS[work.answer]
