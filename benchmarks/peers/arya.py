"""The older framework that headrace takes the place of lives here, as its users wrote it: models of pydantic 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import arya_api_framework as arya

from benchmarks.models.pydantics import users_on

if TYPE_CHECKING:
    from benchmarks.work import Work


async def setup(work: Work) -> tuple[Any, Any]:
    """Make the client and the call."""

    class Client(arya.AsyncClient, uri=work.origin):  # its constructor's own `uri` is not enough
        pass

    client = Client()
    model, path = users_on(arya.Response, arya.BaseModel), work.path

    async def one() -> Any:
        return await client.get(path, response_format=model)

    return one, client.close
