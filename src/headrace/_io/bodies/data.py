"""What is given as it is (`data=`) is sent as it is; aiohttp's payloads carry what is not bytes."""

from __future__ import annotations

import asyncio
import codecs
import io
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Collection, Iterable, Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from headrace import _redact
from headrace._checks import wrong
from headrace._core.request import encode
from headrace._core.values import shims
from headrace._io.bodies.files import FileBody, check_binary, guess_type
from headrace._io.bodies.multipart import MultipartBody
from headrace._io.bodies.pieces import pieces_of
from headrace._io.bodies.refusal import check_refusal
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from aiohttp.payload import Payload

    from headrace._core.messages import StreamedBody
    from headrace.types import Progress

_OCTETS = "application/octet-stream"
#: So many pieces that needed no waiting, and everybody else gets a turn.
_PIECES_IN_A_ROW = 16
_FORM = "application/x-www-form-urlencoded"
_TEXT = "text/plain; charset=utf-8"
#: What makes a form one of parts.
_PARTS = (io.IOBase, bytes, bytearray)


class IterableBody:
    """Pieces of bytes from an iterable, sent chunked because nobody knows their length.

    Args:
        source: An async or plain iterable of bytes. An iterator can be sent once, a list again and again.
        argument: The name that an error shall give it.
        name: The name of the file, where it is one.
        content_type: Its media type.
        progress: Told how much of it is sent, where it is the whole body.
    """

    size: int | None = None

    def __init__(
        self,
        source: AsyncIterable[bytes] | Iterable[bytes],
        argument: str = "data",
        *,
        name: str | None = None,
        content_type: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._source = source
        self._argument = argument
        self.name = name or "file"
        self.content_type = content_type or (_OCTETS if name is None else guess_type(name))
        self.progress = progress
        self._begun = False

    @property
    def refusal(self) -> str | None:
        """Why it cannot be begun any more; see `headrace._core.messages.StreamedBody`."""
        if self._begun and (hasattr(self._source, "__anext__") or hasattr(self._source, "__next__")):
            return "its body came from an iterator that was sent once; give a list, a file or bytes"
        return None

    def payload(self) -> Payload:
        """Begin at the first piece.

        Raises:
            headrace.errors.UploadError: The pieces came from an iterator that is used up.
        """
        from headrace._io.bodies.payloads import Begun

        return Begun(self)

    async def write(self, writer: Any) -> None:
        """Write every piece; raises `UploadError` if they are used up, and `ValidationError` for one of no bytes."""
        check_refusal(self)
        self._begun = True
        if isinstance(self._source, AsyncIterable):
            await self._write(self._source, writer)
        else:
            async with aclosing(pieces_of(self._source)) as pieces:  # a thread that takes them shall take no more
                await self._write(pieces, writer)

    async def _write(self, pieces: AsyncIterable[Any], writer: Any) -> None:
        count = 0
        async for piece in pieces:
            if not isinstance(piece, (bytes, bytearray, memoryview)):
                raise wrong(self._argument, piece, "an iterable whose items are bytes")
            await writer.write(bytes(piece))  # a copy of what its owner may change while the socket still has it
            count += 1
            if not count % _PIECES_IN_A_ROW:
                await asyncio.sleep(0)  # neither the source nor the socket may ever have to be waited for

    async def finish(self) -> None:
        """End an async generator, which else would go on living half consumed until the collector finds it."""
        if isinstance(self._source, AsyncGenerator):
            await self._source.aclose()

    async def close(self) -> None:
        """Nothing of ours is open."""


class PayloadBody:
    """A body that aiohttp writes: a payload of its own, or what its `FormData` makes.

    Args:
        made: The payload.
        what: What an error shall call it.
    """

    progress: Progress | None = None

    def __init__(self, made: Any, what: str) -> None:
        self._payload = made
        self._what = what
        self._begun = False
        self.size: int | None = made.size
        self.content_type: str = made.headers["Content-Type"]

    async def finish(self) -> None:
        """Nothing is left to put away."""

    @property
    def refusal(self) -> str | None:
        """Why it cannot be begun any more; see `headrace._core.messages.StreamedBody`."""
        # Only bytes are whole again whatever has happened to them: others keep their place where they were cut off.
        again = not self._begun or isinstance(self._payload, sys.modules["aiohttp.payload"].BytesPayload)
        return None if again and not self._payload.consumed else f"{self._what} can be sent once"

    def payload(self) -> Payload:
        """Begin the body.

        Raises:
            headrace.errors.UploadError: It was sent before.
        """
        check_refusal(self)
        self._begun = True
        return self._payload  # type: ignore[no-any-return] # a MultipartWriter is a Payload


class Encoded:
    """A text stream as the file of its bytes in UTF-8, so that it is read and wound back like any other.

    Args:
        stream: What is open for reading text.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.tell = stream.tell
        self.name = getattr(stream, "name", None)

    @property
    def closed(self) -> bool:
        """Whether the stream is closed."""
        return bool(self._stream.closed)

    def seekable(self) -> bool:
        """Whether it can be wound back; a reader of `codecs` tells where its bytes are, and not its text."""
        return isinstance(self._stream, io.TextIOBase) and self._stream.seekable()

    def read(self, size: int) -> bytes:
        """Read so many characters; raises `ValidationError` for those that have no bytes."""
        try:
            return str(self._stream.read(size)).encode()
        except UnicodeError as error:
            message = f"data: the text stream has what cannot be decoded, or encoded as UTF-8: {error.reason}"  # type: ignore[attr-defined] # both kinds have one
            raise ValidationError(message) from _redact.emptied(error)

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        """Go back to a place that `tell` gave; a text has no other, and nobody knows its length in bytes."""
        if whence != io.SEEK_SET:
            message = "a text stream has no length in bytes"
            raise ValueError(message)
        return int(self._stream.seek(place))


def of_data(data: Any) -> tuple[bytes | StreamedBody, str]:
    """Turn the `data` argument into a body.

    Args:
        data: Bytes, text or a number, a mapping, model or list of pairs (a form), an `aiohttp.FormData` or
            `aiohttp.payload.Payload`, an open file, or an (async) iterable of bytes.

    Returns:
        The body and its `Content-Type`.

    Raises:
        headrace.errors.ValidationError: It is none of them.
    """
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data), _OCTETS
    if isinstance(data, str):
        return data.encode(), _TEXT
    if isinstance(data, (int, float, Decimal)):
        return encode.text(data, "data").encode(), _TEXT
    if isinstance(data, msgspec.Struct) or shims.for_value(data) is not None:
        data = encode.mapping(data, "data")
    if isinstance(data, Mapping):
        return _form(data.items())
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], (list, tuple)):
        for number, pair in enumerate(data):
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise wrong(f"data[{number}]", pair, "a pair of a name and a value, as the items before it")
        return _form(data)
    return _streamed(_of_source(data))


def borrows(data: Any) -> bool:
    """Tell whether aiohttp makes the body of some data: it is a form with a part that is no text."""
    fields = data.items() if isinstance(data, Mapping) else data if isinstance(data, (list, tuple)) else ()
    return any(isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[1], _PARTS) for pair in fields)


def _of_source(data: Any) -> FileBody | MultipartBody | IterableBody | PayloadBody:
    """Find how something is sent that is not in memory."""
    if isinstance(data, (FileBody, MultipartBody, IterableBody)):
        return data
    aiohttp: Any = sys.modules.get("aiohttp")  # where nobody has loaded it, nobody has made anything of it
    if isinstance(data, getattr(aiohttp, "FormData", ())):
        form: Any = data
        return PayloadBody(form(), "an aiohttp.FormData")
    if isinstance(data, getattr(aiohttp, "Payload", ())):
        return PayloadBody(data, "a payload of aiohttp")
    if hasattr(data, "read"):
        return _of_file(data)
    if isinstance(data, (AsyncIterable, Iterable)) and not isinstance(data, msgspec.Struct):
        return IterableBody(data)
    raise wrong(
        "data",
        data,
        "bytes, text, a number, a mapping, a model or a list of pairs, an aiohttp.FormData or payload, an open file, or"
        " an iterable of bytes",
    )


def _form(fields: Collection[tuple[Any, Any]]) -> tuple[bytes | StreamedBody, str]:
    """Make a form of pairs: one with parts where a value is a file or bytes."""
    if not any(isinstance(value, _PARTS) for _, value in fields):
        return encode.form(fields), _FORM
    import aiohttp

    parts: list[tuple[str, Any]] = []
    for name, value in fields:
        parts += [(name, value)] if isinstance(value, _PARTS) else encode.listed([(name, value)], "data")
    return _streamed(PayloadBody(aiohttp.FormData(parts)(), "a form of parts"))


def _of_file(file: Any) -> FileBody:
    """Read a file from where it stands, one that gives text as UTF-8."""
    inner = getattr(file, "file", file)  # of a `tempfile.NamedTemporaryFile`
    if isinstance(inner, (io.TextIOBase, codecs.StreamReader, codecs.StreamReaderWriter)):
        if inner.closed:
            raise wrong("data", file, "an open file; this one is closed")
        encoded: Any = Encoded(inner)
        return FileBody(encoded, owned=False, content_type=_TEXT)
    check_binary(file, "data")
    return FileBody(file, owned=False)


def _streamed(body: FileBody | MultipartBody | IterableBody | PayloadBody) -> tuple[StreamedBody, str]:
    return body, body.content_type
