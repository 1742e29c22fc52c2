"""The older framework's synchronous client, over that of headrace."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.compat.arya._raw import RawResponse, SyncRawResponse
from headrace.compat.arya.constants import ClientBranch
from headrace.compat.arya.framework import ClientInternal

__all__ = ["SyncClient"]

if TYPE_CHECKING:
    SyncClient: Any  # made when it is asked for


@functools.cache
def _made() -> Any:
    """Make the client when it is asked for, because that of headrace is imported then, too."""
    sync: Any = importlib.import_module("headrace.sync")

    class SyncClient(ClientInternal, sync.SyncClient):  # type: ignore[misc]  # which it has no types of
        """A `headrace.SyncClient` with sub-clients, extensions, `tree()` and `raw=True`.

        Everything of headrace is there as well, the constructor and its settings, too. An `__init__` of the subclass's
        own need not call `super()`.
        """

        branch: ClassVar[ClientBranch] = ClientBranch.sync
        _raw: ClassVar[type[RawResponse]] = SyncRawResponse

        def close(self) -> None:
            """Close the client as in headrace, then unload its extensions and remove its sub-clients."""
            super().close()
            self._tear_down()

        def _whole(self, method: str, asked: Any) -> SyncRawResponse:
            try:
                return SyncRawResponse(method, asked.status, asked.headers, asked.url, asked.read())
            finally:
                asked.close()

    SyncClient.__qualname__ = "SyncClient"
    return SyncClient


def __getattr__(name: str) -> Any:
    if name == "SyncClient":
        return _made()
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
