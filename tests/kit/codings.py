"""The content codings, how each is made, and data that is hard for them."""

from __future__ import annotations

import gzip
import random
import sys
import zlib
from typing import TYPE_CHECKING

import brotli
import pytest

from headrace._core.http import content_coding

if TYPE_CHECKING:
    from collections.abc import Callable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1024 * 1024
#: Hardly compressible, and longer than one step of any decoder.
NOISE = random.Random(1).randbytes(700_000)  # noqa: S311 - no secret


def bare_deflate(data: bytes) -> bytes:
    """Compress without the header of zlib, as some servers do under the name `deflate`."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def checked_zstd(data: bytes) -> bytes:
    """Compress with a checksum at the end."""
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


def fast_brotli(data: bytes) -> bytes:
    """Compress at a quality that does not take seconds for megabytes."""
    return brotli.compress(data, quality=3)


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "bare deflate": ("deflate", bare_deflate),
    "br": ("br", fast_brotli),
    "zstd": ("zstd", checked_zstd),
}
each_coding = pytest.mark.parametrize(("name", "encode"), ENCODERS.values(), ids=ENCODERS)


def forget() -> None:
    """Let the available codings be found anew."""
    for found in (
        content_coding.modules,
        content_coding.decoders,
        content_coding.accept_encoding,
        content_coding.checked,
    ):
        found.cache_clear()
