"""Content codings (RFC 9110, section 8.4) are undone here while a body arrives; `content_coding` does it at once.

The law is the same: output comes in steps of at most 256 KiB, and the end of a stream is insisted on. A decoder is fed
one piece after the other, and each is used up, step by step, before the next one.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Protocol

from headrace._core.http import content_coding
from headrace._core.http.content_coding import CUT_SHORT, GZIP, MOST_MEMBERS, STEP, Corrupt
from headrace.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator


class _Decoder(Protocol):
    """One coding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode at least one byte more, in steps."""
        ...

    def end(self) -> None:
        """Insist that the stream is whole."""
        ...


class _Inflater:
    """`gzip` with any number of members, or `deflate` in either of the forms that servers send."""

    def __init__(self, module: Any, wbits: int | None) -> None:
        self._module = module
        self._wbits = wbits
        self._stream: Any = None
        self._members = 0
        self._held = b""
        self._whole = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._wbits is None:
            data = self._held = self._held + data
            if len(data) < 2:
                return
            self._wbits, self._held = content_coding.deflate_bits(data), b""
        try:
            yield from self._inflate(data)
        except (zlib.error, self._module.error) as error:
            raise Corrupt(str(error)) from error

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._stream is None:
                data = self._at_member(data)
                if not data:
                    return
            stream = self._stream or self._begin_member(data)
            step = stream.decompress(data, STEP)
            data = stream.unconsumed_tail
            while step and not data and not stream.eof:  # only an empty step says that nothing is left inside
                yield step
                step = stream.decompress(b"", STEP)
                data = stream.unconsumed_tail
            if step:
                yield step
            if stream.eof:
                data, self._stream, self._whole = stream.unused_data, None, True

    def _at_member(self, data: bytes) -> bytes:
        """Skip padding behind the member before, and wait for what `_begin_member` has to know."""
        if self._wbits == GZIP:
            data, self._held = self._held + data, b""
        if self._members:
            data = data.lstrip(b"\0")
        if self._wbits == GZIP and 0 < len(data) <= content_coding.FLAGS:
            self._held, self._whole = data, False
            return b""
        return data

    def _begin_member(self, data: bytes) -> Any:
        if self._members and self._wbits != GZIP:
            reason = "bytes follow the stream"
            raise Corrupt(reason)
        self._members += 1
        if self._members > MOST_MEMBERS:
            reason = f"more than {MOST_MEMBERS} members"
            raise Corrupt(reason)
        if self._wbits == GZIP and data[content_coding.FLAGS] not in content_coding.SIMPLE_HEADS:
            self._stream = zlib.decompressobj(wbits=GZIP)
        else:
            self._stream = self._module.decompressobj(wbits=self._wbits)
        self._whole = False
        return self._stream

    def end(self) -> None:
        if not self._whole:
            raise Corrupt(CUT_SHORT)


class _Brotli:
    """`br` (RFC 7932)."""

    def __init__(self, brotli: Any) -> None:
        self._error = brotli.error
        self._stream = brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        stream = self._stream
        try:
            step = stream.process(data, output_buffer_limit=STEP)
            # `can_accept_more_data` is true although output is left, so only an empty step says that nothing is.
            while step:
                yield step
                step = b"" if stream.is_finished() else stream.process(b"", output_buffer_limit=STEP)
        except self._error as error:
            raise Corrupt(str(error)) from error

    def end(self) -> None:
        if not self._stream.is_finished():
            raise Corrupt(CUT_SHORT)


class _Zstandard:
    """`zstd` with any number of frames (RFC 8878)."""

    def __init__(self, zstd: Any) -> None:
        self._zstd = zstd
        self._stream: Any = None
        self._frames = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            while data:
                data = yield from self._frame(data)
        except self._zstd.ZstdError as error:
            raise Corrupt(str(error)) from error

    def _frame(self, data: bytes) -> Generator[bytes, None, bytes]:
        if self._stream is None:
            self._frames += 1
            if self._frames > MOST_MEMBERS:
                reason = f"more than {MOST_MEMBERS} frames"
                raise Corrupt(reason)
            self._stream = content_coding.zstd_stream(self._zstd)
        stream = self._stream
        step = stream.decompress(data, STEP)
        while step:
            yield step
            step = b"" if stream.eof or stream.needs_input else stream.decompress(b"", STEP)
        if not stream.eof:
            return b""
        self._stream = None
        return bytes(stream.unused_data)

    def end(self) -> None:
        if self._stream is not None or not self._frames:
            raise Corrupt(CUT_SHORT)


def _made(name: str) -> _Decoder:
    """Begin a decoder; its name is one of `content_coding.decoders()`."""
    module = content_coding.modules()[name]
    kinds: dict[str, Callable[[Any], _Decoder]] = {
        "gzip": lambda module: _Inflater(module, GZIP),
        "deflate": lambda module: _Inflater(module, None),
        "br": _Brotli,
        "zstd": _Zstandard,
    }
    return kinds[name](module)


class Decoding:
    """Undoes the codings of a body that arrives piece by piece.

    Args:
        content_encoding: The value of the `Content-Encoding` field.

    Raises:
        headrace.errors.ProtocolError: A coding is unknown, or there are too many.
    """

    __slots__ = ("_begun", "_layers")

    def __init__(self, content_encoding: str) -> None:
        self._layers = [(name, _made(name)) for name in reversed(content_coding.checked(content_encoding))]
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Decode a piece.

        Args:
            data: At least one byte.

        Yields:
            The content, in steps of at most 256 KiB; every one has to be taken. One may be empty, so that a piece which
            takes long and brings nothing leaves others their turn.

        Raises:
            headrace.errors.ProtocolError: The body is corrupt.
        """
        self._begun = True
        return self._through(0, data) if self._layers else iter((data,))

    def _in_slices(self, layer: int, data: bytes) -> Iterator[bytes]:
        """Give a decoder no more than it can copy now and then; see `content_coding.SLICE`."""
        decoder = self._layers[layer][1]
        if len(data) <= content_coding.SLICE:
            yield from decoder.feed(data)
            return
        for at in range(0, len(data), content_coding.SLICE):
            yield from decoder.feed(data[at : at + content_coding.SLICE])

    def _through(self, layer: int, data: bytes) -> Iterator[bytes]:
        if layer == len(self._layers):
            yield data
            return
        steps = self._in_slices(layer, data)
        while True:
            try:
                step = next(steps, b"")
            except Corrupt as error:
                raise _invalid(self._layers[layer][0], error) from error
            if not step:
                return
            brought = False
            for content in self._through(layer + 1, step):
                brought = True
                yield content
            if not brought:
                yield b""

    def end(self) -> None:
        """Insist that the body is whole; one without a byte needs no decoding.

        Raises:
            headrace.errors.ProtocolError: It was cut short.
        """
        if not self._begun:
            return
        for name, decoder in self._layers:
            try:
                decoder.end()
            except Corrupt as error:
                raise _invalid(name, error) from error


def _invalid(name: str, error: Corrupt) -> ProtocolError:
    return ProtocolError(f"the body is not valid {name}: {error}")
