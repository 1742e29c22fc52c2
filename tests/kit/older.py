"""What tests of the older framework's clients share: both kinds, asked in the same way."""

import asyncio
import importlib.util
from typing import Any, Final

import headrace.compat.arya as older

#: The kinds of client that there are.
KINDS: Final = ("async", "sync") if importlib.util.find_spec("headrace.sync") else ("async",)


def client_class(kind: str) -> Any:
    """Find the class of a kind."""
    return getattr(older, f"{kind.capitalize()}Client")


async def done(kind: str, call: Any, *args: Any, **options: Any) -> Any:
    """Make a call and wait for what comes of it; one that blocks is made in a thread, for the server is in this one."""
    return await (call(*args, **options) if kind == "async" else asyncio.to_thread(call, *args, **options))
