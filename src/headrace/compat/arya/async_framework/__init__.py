"""The older framework's asynchronous client, over that of headrace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from headrace import client
from headrace.compat.arya._raw import AsyncRawResponse
from headrace.compat.arya.constants import ClientBranch
from headrace.compat.arya.framework import ClientInternal

if TYPE_CHECKING:
    from headrace.compat.arya._raw import RawResponse

__all__ = ["AsyncClient"]


class AsyncClient(ClientInternal, client.AsyncClient):  # pyright: ignore[reportIncompatibleMethodOverride]  # the older verbs
    """A `headrace.AsyncClient` with sub-clients, extensions, `tree()` and `raw=True`.

    Everything of headrace is there as well, the constructor and its settings, too. An `__init__` of the subclass's own
    need not call `super()`.
    """

    branch: ClassVar[ClientBranch] = ClientBranch.async_
    _raw: ClassVar[type[RawResponse]] = AsyncRawResponse

    async def close(self) -> None:
        """Close the client as in headrace, then unload its extensions and remove its sub-clients."""
        await super().close()
        self._tear_down()

    async def _whole(self, method: str, asked: Any) -> AsyncRawResponse:
        response = await asked
        try:
            return AsyncRawResponse(method, response.status, response.headers, response.url, await response.aread())
        finally:
            await response.aclose()
