"""Python's cyclic garbage collector is held off while one large body is decoded.

CPython before 3.12 looks for cycles in the middle of what a decoder allocates, again and again, and finds none: what is
decoded is a tree. With 10,000 users in a list that was half of the time. From 3.12 on it waits for the decoder anyway.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Bytes of a body from which on it pays; the collector begins with 700 objects, which have about as many.
LARGE: Final = 64 * 1024 if sys.version_info < (3, 12) else sys.maxsize


def held_off(decode: Callable[[bytes], Any], body: bytes) -> Any:
    """Decode a large body; a collector that somebody else has turned off stays off.

    Args:
        decode: Called with the body.
        body: Bytes.

    Returns:
        What it returns.
    """
    if not gc.isenabled():
        return decode(body)
    gc.disable()
    try:
        return decode(body)
    finally:
        gc.enable()
