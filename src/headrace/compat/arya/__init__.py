"""The older framework (arya-api-framework 0.3.9) as it was imported, over the clients and models of headrace.

``from arya_api_framework import …`` becomes ``from headrace.compat.arya import …``, its modules included. A client here
is one of headrace with the names that it had there: sub-clients, extensions, `tree()`, `raw=True`. Models are pydantic
models of version 2, and need the extra `pydantic`. docs/migration-names.md says of every name what became of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from headrace.compat.arya.async_framework import AsyncClient
from headrace.compat.arya.framework import SubClient

if TYPE_CHECKING:
    from headrace.compat.arya.models import BaseModel, PaginatedResponse, Response
    from headrace.compat.arya.sync_framework import SyncClient as SyncClient

__all__ = ["AsyncClient", "BaseModel", "PaginatedResponse", "Response", "SubClient", "SyncClient"]

#: Imported when they are asked for: the models need pydantic, and the other client a thread.
_LATER: Final = {
    "BaseModel": "models",
    "PaginatedResponse": "models",
    "Response": "models",
    "SyncClient": "sync_framework",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _LATER:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
