"""A form with files (`multipart/form-data`, RFC 7578) is never in memory as a whole."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from headrace._checks import wrong
from headrace._core.pieces import Pieces
from headrace._core.request import encode
from headrace._io.bodies.files import guess_type
from headrace.errors import ValidationError
from headrace.types import Bytes, FileSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp.payload import Payload

    from headrace.types import Progress

    #: What `upload_file` takes: one file, several of one field, or the files of each field.
    #: The values of a mapping are like that too; type checkers do not find their way through a union so deep.
    Files: TypeAlias = "One | Sequence[One] | Mapping[str, Any]"
    One: TypeAlias = "FileSource | FilePart"

_ONE_WRITE = 64 * 1024  # bytes of fields that go out together
_LINE_END = r"\r\n|\r|\n"
#: HTML, "multipart/form-data encoding algorithm": what would end the line, or the quoted name. The other control
#: characters, which no field of a head may have (RFC 9110, section 5.5), go the same way.
_ESCAPES = str.maketrans({chr(code): f"%{code:02X}" for code in (*range(32), 34, 127)})


class FilePart(msgspec.Struct, frozen=True, eq=False):
    """A file of a form, where its name or type shall not be those that the file itself suggests.

    Attributes:
        file: A path, a file open for binary reading, an (async) iterable of bytes, or the bytes themselves.
        filename: The name that the server is told; `None` is the file's own.
        content_type: Its media type; `None` is a guess from the name.
    """

    file: FileSource | Bytes
    filename: str | None = None
    content_type: str | None = None


class MultipartBody:
    """A form of fields and files.

    Args:
        fields: Names and values of the fields, which come first: what a server needs to judge a file by.
        files: The field of each file, and the file: a part of `bodies.files`, `bodies.data` or below.
        progress: Told how much of the body is sent.
    """

    def __init__(
        self, fields: Sequence[tuple[str, bytes]], files: Sequence[tuple[str, Any]], progress: Progress | None = None
    ) -> None:
        self._files = [content for _, content in files]
        self._boundary = os.urandom(16).hex()  # 128 random bits: no file can hold it but by a miracle
        self.content_type = f"multipart/form-data; boundary={self._boundary}"
        self.progress = progress
        parts: list[bytes | Any] = []
        for name, value in fields:
            parts.append(self._head(name) + value + b"\r\n")
        for name, content in files:
            parts += [self._head(name, content), content, b"\r\n"]
        parts.append(f"--{self._boundary}--\r\n".encode())
        self._parts = parts
        sizes = [len(part) if isinstance(part, bytes) else part.size for part in parts]
        self.size: int | None = None if None in sizes else sum(sizes)

    def _head(self, name: str, content: Any = None) -> bytes:
        head = f'--{self._boundary}\r\nContent-Disposition: form-data; name="{_field_name(name)}"'
        if content is not None:
            head += f'; filename="{content.name.translate(_ESCAPES)}"\r\nContent-Type: {content.content_type}'
        # A name of this system that is no UTF-8 goes as the bytes that it is.
        return f"{head}\r\n\r\n".encode("utf-8", "surrogateescape")

    @property
    def refusal(self) -> str | None:
        """Why it cannot be begun any more; see `headrace._core.messages.StreamedBody`."""
        return next((content.refusal for content in self._files if content.refusal is not None), None)

    def payload(self) -> Payload:
        """Begin the form at its start; raises as its files do."""
        from headrace._io.bodies.payloads import Begun

        return Begun(self)

    async def write(self, writer: Any) -> None:
        """Write all of it; raises as its files do."""
        ready = Pieces(b"")  # the framing goes out with what is next to it, not in writes of its own
        for part in self._parts:
            if isinstance(part, bytes):
                ready.add(part)
                if ready.size < _ONE_WRITE:
                    continue
            await writer.write(ready.take())
            if not isinstance(part, bytes):
                await part.write(writer)
        await writer.write(ready.take())

    async def finish(self) -> None:
        """Put away what the files have begun."""
        for content in self._files:
            await content.finish()


class BytesPart:
    """Bytes in memory as a file of a form.

    Args:
        content: The bytes.
        name: The file's name.
        content_type: Its media type; `None` is a guess from the name.
    """

    refusal: str | None = None

    def __init__(self, content: Bytes, name: str | None, content_type: str | None) -> None:
        self._content = bytes(content)
        self.size = len(self._content)
        self.name = name or "file"
        self.content_type = content_type or guess_type(self.name)

    async def write(self, writer: Any) -> None:
        """Write them."""
        await writer.write(self._content)

    async def finish(self) -> None:
        """Nothing is left to put away."""

    async def close(self) -> None:
        """Nothing is open."""


def _field_name(name: str) -> str:
    return re.sub(_LINE_END, "\r\n", name).translate(_ESCAPES)


def fields_of(fields: Any) -> list[tuple[str, bytes]]:
    """Read the fields of a form: nested ones get dotted keys, lists repeat the key, bytes stay as they are.

    Args:
        fields: A mapping or model, or `None`.

    Raises:
        headrace.errors.ValidationError: It is none, or a value has no text.
    """
    found: list[tuple[str, bytes]] = []
    for key, value in encode.mapping(fields, "fields").items():
        if isinstance(value, (bytes, bytearray, memoryview)):
            if not isinstance(key, str):
                raise wrong(f"fields: the key {key!r}", key, "keys that are text")
            found.append((key, bytes(value)))
        else:
            found += [(name, text.encode()) for name, text in encode.listed({key: value}, "fields")]
    return found


def check_names(field: Any, filename: Any, content_type: Any) -> None:
    """Raise a `ValidationError` for a name or type that no part may have."""
    if not isinstance(field, str):
        raise wrong("field", field, "the name of a form field, a str")
    if filename is not None and not isinstance(filename, str):
        raise wrong("filename", filename, "a str or None")
    if content_type is not None:
        if not isinstance(content_type, str):
            raise wrong("content_type", content_type, "a media type such as text/csv, a str, or None")
        try:
            encode.header("Content-Type", content_type)
        except ValidationError:
            message = "content_type: has a character that no header field may have; takes a media type such as text/csv"
            raise ValidationError(message) from None
