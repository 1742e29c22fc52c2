"""What a caller names as files becomes bodies, all of them closed again whatever happens."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from headrace._checks import is_number, wrong, wrong_number
from headrace._core.request import encode
from headrace._io.bodies.data import IterableBody
from headrace._io.bodies.files import FileBody, check_binary, open_body
from headrace._io.bodies.multipart import BytesPart, FilePart, MultipartBody, check_names, fields_of
from headrace._merging import merge_mapping
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headrace.types import Progress

_TAKES = "a path, a file open for binary reading ('rb'), or an (async) iterable of bytes"


@asynccontextmanager
async def single(
    file: Any, chunk_size: int | None, progress: Progress | None
) -> AsyncIterator[FileBody | IterableBody | BytesPart]:
    """Make a body of one file, which is closed in the end if it was opened here.

    Args:
        file: A path, a file open for binary reading, or an (async) iterable of bytes.
        chunk_size: Bytes of one read, or `None`.
        progress: Told how much of it is sent, or `None`.

    Raises:
        headrace.errors.ValidationError: It is none of them, or another argument is wrong.
        OSError: The file cannot be opened.
    """
    _check(chunk_size, progress)
    body = await _open("file", file, chunk_size=chunk_size, progress=progress)
    try:
        yield body
    finally:
        await body.close()


@asynccontextmanager
async def form(
    files: Any,
    field: str,
    filename: str | None,
    fields: Any,
    content_type: str | None,
    chunk_size: int | None,
    progress: Progress | None,
) -> AsyncIterator[MultipartBody]:
    """Make a form of files, which are closed in the end if they were opened here.

    Args:
        files: One file or several; see `headrace._io.bodies.multipart.Files`.
        field: The field of those that have none of their own.
        filename: The name of the only file, or `None`.
        fields: The other fields, a mapping or model, or `None`.
        content_type: The media type of the only file, or `None`.
        chunk_size: Bytes of one read, or `None`.
        progress: Told how much of the body is sent, or `None`.

    Raises:
        headrace.errors.ValidationError: An argument is wrong.
        OSError: A file cannot be opened.
    """
    _check(chunk_size, progress)
    check_names(field, filename, content_type)
    named = [(name, _part(one)) for name, one in _listed(files, field)]
    if len(named) != 1 and (filename is not None or content_type is not None):
        message = "filename and content_type: go with one file; give a FilePart for each of several"
        raise ValidationError(message)
    for name, part in named:
        check_names(name, part.filename, part.content_type)
    texts = fields_of(fields)
    async with AsyncExitStack() as stack:
        contents: list[tuple[str, Any]] = []
        for name, part in named:
            content = await _open(
                "file",
                part.file,
                in_form=True,
                name=part.filename if filename is None else filename,
                content_type=part.content_type if content_type is None else content_type,
                chunk_size=chunk_size,
            )
            stack.push_async_callback(content.close)
            contents.append((name, content))
        yield MultipartBody(texts, contents, progress)


def expecting(headers: Any) -> Mapping[Any, Any]:
    """Add the field that asks a server whether it wants a body (RFC 9110, section 10.1.1)."""
    return merge_mapping(encode.mapping(headers, "headers"), {"Expect": "100-continue"}, fold_case=True)


def _listed(files: Any, field: str) -> list[tuple[str, Any]]:
    """Name the field of every file."""
    fields = files.items() if isinstance(files, Mapping) else [(field, files)]
    listed = [(name, one) for name, some in fields for one in (some if isinstance(some, (list, tuple)) else [some])]
    if not listed:
        message = "file: is empty, takes at least one file"
        raise ValidationError(message)
    return listed


def _part(one: Any) -> FilePart:
    if isinstance(one, (list, tuple)):
        raise wrong("file", one, "a list of files, not of lists; pieces of one file go in a FilePart")
    return one if isinstance(one, FilePart) else FilePart(one)


async def _open(
    argument: str,
    source: Any,
    *,
    in_form: bool = False,
    name: str | None = None,
    content_type: str | None = None,
    chunk_size: int | None = None,
    progress: Progress | None = None,
) -> FileBody | IterableBody | BytesPart:
    options: dict[str, Any] = {"name": name, "content_type": content_type, "progress": progress}
    if in_form and isinstance(source, (bytes, bytearray, memoryview)) and name is not None:
        return BytesPart(source, name, content_type)
    if isinstance(source, (bytes, bytearray, memoryview, Mapping)):
        raise wrong(argument, source, _TAKES + (", or a FilePart with the bytes and a filename" if in_form else ""))
    if isinstance(source, (str, os.PathLike)):
        return await open_body(source, argument, chunk_size=chunk_size, **options)
    if isinstance(source, AsyncIterable):
        return IterableBody(source, argument, **options)
    if hasattr(source, "read"):
        check_binary(source, argument)
        return await open_body(source, argument, chunk_size=chunk_size, **options)
    if isinstance(source, Iterable):
        return IterableBody(source, argument, **options)
    raise wrong(argument, source, _TAKES)


def _check(chunk_size: Any, progress: Any) -> None:
    if chunk_size is not None and not is_number(chunk_size, integer=True):
        raise wrong_number("chunk_size", chunk_size, "a whole number of bytes above 0, or None")
    if progress is not None and not callable(progress):
        raise wrong("progress", progress, "a function of the bytes done and the bytes in all, or None")
