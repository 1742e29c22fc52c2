"""A content coding (RFC 9110, section 8.4) is undone whole or is an error, and never takes more than its limit.

Every decoder yields its output in steps of at most 256 KiB, so that a bomb is stopped at the limit and not after it,
and every one insists on the end of its stream: a body that was cut short is an error, never a shorter success.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from headrace._core.pieces import Pieces
from headrace.errors import ProtocolError, ResponseTooLarge

STEP: Final = 256 * 1024
#: Bytes that a decoder is given at once: it copies those that it has no room for, so that more would cost a square.
SLICE: Final = 32 * 1024
MOST_MEMBERS: Final = 1024
_MOST_CODINGS: Final = 4
_ZSTD_WINDOW_LOG: Final = 23  # RFC 9659: a window of 8 MiB at most
GZIP: Final = 16 + zlib.MAX_WBITS
FLAGS: Final = 3  # where the head of a gzip member says which optional fields it has (RFC 1952, section 2.3.1)
#: The flags of a head with at most one of them: of any other that comes in pieces ISA-L (isal 1.9.1) loses its place.
SIMPLE_HEADS: Final = frozenset({0, 1, 4, 5, 8, 9, 16, 17})

CUT_SHORT: Final = "the stream is cut short"

#: What servers write where they have not coded anything; the second is no coding by the register, but well known.
_NO_CODING: Final = frozenset({"", "identity", "none"})

Decoder = Callable[[bytes], Iterator[bytes]]


class Corrupt(ValueError):
    """The stream is not what its coding promises."""


class Stopped(Exception):
    """Whoever wanted the content is gone."""


def _fast_zlib() -> Any:
    """Find the fastest module with zlib's interface: ISA-L where the `speed` extra is installed."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


def _inflate(module: Any, data: bytes, wbits: int) -> Iterator[bytes]:
    view, at = memoryview(data), 0
    for _ in range(MOST_MEMBERS):
        complex_head = wbits == GZIP and len(data) > at + FLAGS and data[at + FLAGS] not in SIMPLE_HEADS
        stream = (zlib if complex_head else module).decompressobj(wbits=wbits)
        left: Any = b""
        try:
            while not stream.eof:
                if not left:
                    left = view[at : at + SLICE]
                    at += len(left)
                ended = not left
                step = stream.decompress(left, STEP)
                left = stream.unconsumed_tail
                if ended and not step and not stream.eof:
                    raise Corrupt(CUT_SHORT)
                yield step
        except (zlib.error, module.error) as error:
            raise Corrupt(str(error)) from error
        at -= len(stream.unused_data)
        while at < len(data) and not data[at]:  # padding
            rest = data[at : at + SLICE]
            at += len(rest) - len(rest.lstrip(b"\0"))
        if at == len(data):
            return
        if wbits != GZIP:
            reason = "bytes follow the stream"
            raise Corrupt(reason)
    reason = f"more than {MOST_MEMBERS} members"
    raise Corrupt(reason)


def _gunzip(module: Any, data: bytes) -> Iterator[bytes]:
    return _inflate(module, data, GZIP)


def _deflate(module: Any, data: bytes) -> Iterator[bytes]:
    """Decode `deflate`: the zlib format, or the bare deflate stream that some servers send under that name."""
    return _inflate(module, data, deflate_bits(data))


def deflate_bits(data: bytes) -> int:
    """Tell the two forms of `deflate` apart by their first two bytes, as zlib's `wbits`."""
    zlib_format = len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0  # RFC 1950, section 2.2
    return zlib.MAX_WBITS if zlib_format else -zlib.MAX_WBITS


def _brotli(brotli: Any, data: bytes) -> Iterator[bytes]:
    stream, view = brotli.Decompressor(), memoryview(data)
    try:
        for at in range(0, len(data), SLICE):
            step = stream.process(view[at : at + SLICE], output_buffer_limit=STEP)
            yield step
            # `can_accept_more_data` is true although output is left, so only an empty step says that nothing is.
            while step and not stream.is_finished():
                step = stream.process(b"", output_buffer_limit=STEP)
                yield step
    except brotli.error as error:
        raise Corrupt(str(error)) from error
    if not stream.is_finished():
        raise Corrupt(CUT_SHORT)


def zstd_module() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def zstd_stream(zstd: Any) -> Any:
    """Begin a frame, whose window is bounded."""
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})


def _zstandard(zstd: Any, data: bytes) -> Iterator[bytes]:
    view, at = memoryview(data), 0
    for _ in range(MOST_MEMBERS):
        stream = zstd_stream(zstd)
        try:
            while not stream.eof:
                piece = view[at : at + SLICE] if stream.needs_input else b""
                if stream.needs_input and not piece:
                    raise Corrupt(CUT_SHORT)
                at += len(piece)
                yield stream.decompress(piece, STEP)
        except zstd.ZstdError as error:
            raise Corrupt(str(error)) from error
        at -= len(stream.unused_data)
        if at == len(data):
            return
    reason = f"more than {MOST_MEMBERS} frames"
    raise Corrupt(reason)


@functools.cache
def modules() -> dict[str, Any]:
    """Name every coding that can be decoded here, the preferred first, and its module; they are looked for once."""
    inflater = _fast_zlib()
    found: dict[str, Any] = {"gzip": inflater, "deflate": inflater}
    with contextlib.suppress(ImportError):
        import brotli

        if hasattr(brotli.Decompressor, "can_accept_more_data"):  # without it, output has no bound (CVE-2025-6176)
            found["br"] = brotli
    with contextlib.suppress(ImportError):
        found["zstd"] = zstd_module()
    return found


@functools.cache
def decoders() -> dict[str, Decoder]:
    """Name every coding that can be decoded here, the preferred first, and what decodes it."""
    kinds = {"gzip": _gunzip, "deflate": _deflate, "br": _brotli, "zstd": _zstandard}
    return {name: functools.partial(kinds[name], module) for name, module in modules().items()}


@functools.cache
def accept_encoding() -> str:
    """Write the `Accept-Encoding` field that names exactly what can be decoded."""
    return ", ".join(decoders())


def decode(body: bytes, content_encoding: str, limit: int | None, stopped: Callable[[], bool] | None = None) -> bytes:
    """Undo the codings of a body, the last applied first.

    Args:
        body: The body as it came.
        content_encoding: The value of the `Content-Encoding` field.
        limit: Bytes that the body may have after each step; `None` is no limit.
        stopped: Tells before every step whether nobody wants the content any more, and that is the end of it.

    Returns:
        The decoded body. An empty body needs no decoding, whatever its field says.

    Raises:
        headrace.errors.ProtocolError: The coding is unknown, or the body is corrupt or cut short.
        headrace.errors.ResponseTooLarge: It has more than `limit` bytes.
        Stopped: Nobody wants it any more.
    """
    if not body:
        return body
    for name in reversed(checked(content_encoding)):
        if not body:
            return body
        try:
            steps = decoders()[name](body)
            del body  # from here on it is the decoder's alone, which lets go of it before its steps are joined
            body = _bounded(steps, limit, stopped)
        except Corrupt as error:
            message = f"the body is not valid {name}: {error}"
            raise ProtocolError(message) from error
    return body


@functools.lru_cache(maxsize=128)
def checked(content_encoding: str) -> list[str]:
    """Read the codings that a field names.

    Raises:
        headrace.errors.ProtocolError: There are too many, or one that cannot be decoded here.
    """
    names = _named(content_encoding)
    if len(names) > _MOST_CODINGS:
        message = f"the body has {len(names)} content codings, more than {_MOST_CODINGS}"
        raise ProtocolError(message)
    for name in names:
        if name not in decoders():
            message = f"the body has the content coding {name[:40]!r}, and only {accept_encoding()} can be decoded here"
            raise ProtocolError(message)
    return names


def _named(content_encoding: str) -> list[str]:
    """Read the codings that a field names."""
    names = [name.strip().lower().removeprefix("x-") for name in content_encoding.split(",")]
    return [name for name in names if name not in _NO_CODING]


def _bounded(steps: Iterator[bytes], limit: int | None, stopped: Callable[[], bool] | None) -> bytes:
    pieces = Pieces(b"")
    for step in steps:
        pieces.add(step)
        if limit is not None and pieces.size > limit:
            message = f"the body has more than {limit} bytes after decompression"
            raise ResponseTooLarge(message)
        if stopped is not None and stopped():
            raise Stopped
    return pieces.take()
