"""The client for code that is not async; its types are in `sync.pyi`, which ``make stubs`` writes."""

from headrace._client.iterating import SyncIterator
from headrace._sync import SyncClient, SyncPages, SyncStreamedResponse

__all__ = ["SyncClient", "SyncIterator", "SyncPages", "SyncStreamedResponse"]
