"""What `raw=True` gives: the whole answer of a success, read by the names that it had in the libraries below."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import orjson

from headrace import _redact
from headrace._core.values import decode
from headrace.errors import ResponseParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from multidict import CIMultiDictProxy
    from yarl import URL


class RawResponse:
    """A success that is not decoded.

    Args:
        method: The method of the request.
        status: The status code.
        headers: The header fields, case-insensitive.
        url: The URL that answered.
        body: The content, decompressed.

    Attributes:
        status: The status code.
    """

    def __init__(self, method: str, status: int, headers: CIMultiDictProxy[str], url: URL, body: bytes) -> None:
        self.method = method
        self.status = status
        self.headers = headers
        self.url = url
        self._body = body

    @property
    def status_code(self) -> int:
        """What `status` is."""
        return self.status

    @property
    def ok(self) -> bool:
        """Whether it is a success, which it is."""
        return self.status < 400

    @property
    def reason(self) -> str:
        """The phrase of the status, as it is registered."""
        return HTTPStatus(self.status).phrase if self.status in HTTPStatus._value2member_map_ else ""

    @property
    def content_type(self) -> str:
        """The media type, without its parameters."""
        return self.headers.get("Content-Type", "application/octet-stream").partition(";")[0].strip()

    def raise_for_status(self) -> None:
        """Do nothing: what is no success was raised before."""

    def close(self) -> None:
        """Do nothing: the answer was read whole."""

    def _text(self) -> str:
        return decode.text(self._body, self.headers.get("Content-Type", ""))

    def _json(self) -> Any:
        try:
            return orjson.loads(self._body) if self._body else None
        except orjson.JSONDecodeError as error:
            raise ResponseParseError(raw_response=self._body) from _redact.emptied(error)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} {self.method} ({len(self._body)} bytes)>"


class AsyncRawResponse(RawResponse):
    """The answer that an asynchronous client gives, with what is used of an `aiohttp.ClientResponse`."""

    async def read(self) -> bytes:
        """Give the content."""
        return self._body

    async def text(self, encoding: str | None = None, errors: str = "strict") -> str:
        """Give the content as text.

        Args:
            encoding: Instead of what the answer says.
            errors: What becomes of bytes that are no text in it.
        """
        return self._text() if encoding is None else self._body.decode(encoding, errors)

    async def json(self, **_: Any) -> Any:
        """Give the content as plain JSON; arguments of aiohttp's are not needed.

        Raises:
            headrace.errors.ResponseParseError: It is none.
        """
        return self._json()

    async def release(self) -> None:
        """Do nothing: the answer was read whole."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class SyncRawResponse(RawResponse):
    """The answer that a synchronous client gives, with what is used of a `requests.Response`."""

    @property
    def content(self) -> bytes:
        """The content."""
        return self._body

    @property
    def text(self) -> str:
        """The content as text."""
        return self._text()

    def json(self, **_: Any) -> Any:
        """Give the content as plain JSON; arguments of the standard library's are not needed.

        Raises:
            headrace.errors.ResponseParseError: It is none.
        """
        return self._json()

    def iter_content(self, chunk_size: int | None = 1) -> Iterator[bytes]:
        """Give the content in pieces of so many bytes, or in one."""
        size = chunk_size or len(self._body) or 1
        return (self._body[start : start + size] for start in range(0, len(self._body), size))

    def iter_lines(self) -> Iterator[bytes]:
        """Give the content line by line, without their ends."""
        return iter(self._body.splitlines())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
