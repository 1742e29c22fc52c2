"""The C library's heap is told once that blocks of some megabytes come and go.

An event loop asks for 256 KiB for each read. glibc maps so large a block anew every time, and unmaps it, with a page
fault for each page that is touched, until one larger block was freed; from then on it keeps such blocks (mallopt(3),
"Note: Nowadays, glibc uses a dynamic mmap threshold"). Over TLS, and on asyncio's own loop, that is half of a request.

It also gives the end of the heap back to the system when twice that size is free there. Sixty answers of 43 KB that
come in one step of the loop, and are gone in the next, are more than two megabytes: with a block of one, a quarter of
the time of such a request went into pages that were given back and fetched again. With this one up to 8 MiB are kept.
"""

from __future__ import annotations

import sys
from typing import Final

_BLOCK: Final = 4 * 1024 * 1024
_settled = sys.platform != "linux"


def settle() -> None:
    """Free one such block, once a process; elsewhere than on Linux there is nothing to do."""
    global _settled  # noqa: PLW0603 - it is the process's heap
    if not _settled:
        _settled = True
        block = bytearray(_BLOCK)
        del block
