"""Content codings (RFC 9110, section 8.4) live here: which can be decoded, and how, without being made to explode.

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

from headrace.errors import ProtocolError, ResponseTooLarge

_STEP: Final = 256 * 1024
_MOST_MEMBERS: Final = 1024
_MOST_CODINGS: Final = 4
_ZSTD_WINDOW_LOG: Final = 23  # RFC 9659: a window of 8 MiB at most
_GZIP: Final = 16 + zlib.MAX_WBITS
_RESERVED: Final = 0xE0  # flags of a gzip member that have to be zero (RFC 1952, section 2.3.1.2)

#: What servers write where they have not coded anything; the second is no coding by the register, but well known.
_NO_CODING: Final = frozenset({"", "identity", "none"})

Decoder = Callable[[bytes], Iterator[bytes]]


class _Corrupt(ValueError):
    """The stream is not what its coding promises."""


def _fast_zlib() -> Any:
    """Find the fastest module with zlib's interface: ISA-L where the `speed` extra is installed."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


def _inflate(module: Any, data: bytes, wbits: int) -> Iterator[bytes]:
    for _ in range(_MOST_MEMBERS):
        if wbits == _GZIP and len(data) > 3 and data[3] & _RESERVED:  # which ISA-L lets pass
            reason = "unknown header flags set"
            raise _Corrupt(reason)
        stream = module.decompressobj(wbits=wbits)
        try:
            while not stream.eof:
                step = stream.decompress(data, _STEP)
                data = stream.unconsumed_tail
                if not step and not data and not stream.eof:
                    reason = "the stream is cut short"
                    raise _Corrupt(reason)
                yield step
        except (zlib.error, module.error) as error:
            raise _Corrupt(str(error)) from error
        data = stream.unused_data.lstrip(b"\0")  # padding
        if not data:
            return
        if wbits != _GZIP:
            reason = "bytes follow the stream"
            raise _Corrupt(reason)
    reason = f"more than {_MOST_MEMBERS} members"
    raise _Corrupt(reason)


def _gunzip(module: Any, data: bytes) -> Iterator[bytes]:
    return _inflate(module, data, _GZIP)


def _deflate(module: Any, data: bytes) -> Iterator[bytes]:
    """Decode `deflate`: the zlib format, or the bare deflate stream that some servers send under that name."""
    return _inflate(module, data, deflate_bits(data))


def deflate_bits(data: bytes) -> int:
    """Tell the two forms of `deflate` apart by their first two bytes, as zlib's `wbits`."""
    zlib_format = len(data) > 1 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0  # RFC 1950, section 2.2
    return zlib.MAX_WBITS if zlib_format else -zlib.MAX_WBITS


def _brotli(brotli: Any, data: bytes) -> Iterator[bytes]:
    stream = brotli.Decompressor()
    try:
        yield stream.process(data, output_buffer_limit=_STEP)
        # `can_accept_more_data` is true although output is left, so only an empty step says that nothing is.
        while not stream.is_finished() and (step := stream.process(b"", output_buffer_limit=_STEP)):
            yield step
    except brotli.error as error:
        raise _Corrupt(str(error)) from error
    if not stream.is_finished():
        reason = "the stream is cut short"
        raise _Corrupt(reason)


def _zstd_module() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def zstd_stream(zstd: Any) -> Any:
    """Begin a frame, whose window is bounded."""
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})


def _zstandard(zstd: Any, data: bytes) -> Iterator[bytes]:
    for _ in range(_MOST_MEMBERS):
        stream = zstd_stream(zstd)
        try:
            yield stream.decompress(data, _STEP)
            while not stream.eof and not stream.needs_input:
                yield stream.decompress(b"", _STEP)
        except zstd.ZstdError as error:
            raise _Corrupt(str(error)) from error
        if not stream.eof:
            reason = "the stream is cut short"
            raise _Corrupt(reason)
        data = stream.unused_data
        if not data:
            return
    reason = f"more than {_MOST_MEMBERS} frames"
    raise _Corrupt(reason)


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
        found["zstd"] = _zstd_module()
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


def decode(body: bytes, content_encoding: str, limit: int | None) -> bytes:
    """Undo the codings of a body, the last applied first.

    Args:
        body: The body as it came.
        content_encoding: The value of the `Content-Encoding` field.
        limit: Bytes that the body may have after each step; `None` is no limit.

    Returns:
        The decoded body. An empty body needs no decoding, whatever its field says.

    Raises:
        headrace.errors.ProtocolError: The coding is unknown, or the body is corrupt or cut short.
        headrace.errors.ResponseTooLarge: It has more than `limit` bytes.
    """
    if not body:
        return body
    for name in reversed(checked(content_encoding)):
        if not body:
            return body
        try:
            body = _bounded(decoders()[name](body), limit)
        except _Corrupt as error:
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


def _bounded(steps: Iterator[bytes], limit: int | None) -> bytes:
    parts, size = [], 0
    for step in steps:
        size += len(step)
        if limit is not None and size > limit:
            message = f"the body has more than {limit} bytes after decompression"
            raise ResponseTooLarge(message)
        parts.append(step)
    return parts[0] if len(parts) == 1 else b"".join(parts)
