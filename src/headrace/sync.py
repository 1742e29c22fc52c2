"""The client for code that is not async; its types are in `sync.pyi`, which ``make stubs`` writes."""

from typing import TYPE_CHECKING, Any

from headrace._client.iterating import SyncIterator
from headrace._sync import SyncClient, SyncPages, SyncStreamedResponse, bulk_view

__all__ = ["SyncBulk", "SyncClient", "SyncIterator", "SyncPages", "SyncStreamedResponse"]

if TYPE_CHECKING:
    SyncBulk: Any


def __getattr__(name: str) -> Any:
    """Load what few need when somebody asks for it."""
    if name == "SyncBulk":
        return bulk_view()
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
