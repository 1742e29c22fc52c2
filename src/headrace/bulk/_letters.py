"""What a journal keeps of a call that failed: enough to ask it again, and no credential."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec
from yarl import URL

from headrace import _redact
from headrace._checks import shown
from headrace._core.call import Call
from headrace._core.pages import compared
from headrace._core.request import encode
from headrace.bulk.report import kind_of
from headrace.errors import HTTPError, JournalError, ResponseParseError

if TYPE_CHECKING:
    from headrace._core.pages.incremental import Incremental
    from headrace._core.pages.strategies import Strategy
    from headrace.bulk.outcomes import Err
    from headrace.errors import FrameworkException

#: What of an `Incremental` is a value.
_BOUNDS: Final = ("initial", "end", "lag")
#: Characters of an answer, and of an error, that are kept.
_MOST = 500


@functools.cache
def _strategies() -> dict[str, type[Strategy]]:
    """Name the ways in which there is a next page; most bulks have none, and do not wait for their import."""
    from headrace._core.pages.counted import Offset, PageNumber
    from headrace._core.pages.strategies import Cursor, HeaderCursor, Link, NextUrl

    return {each.__name__: each for each in (Cursor, HeaderCursor, Link, NextUrl, Offset, PageNumber)}


class DeadLetter(msgspec.Struct, frozen=True):
    """A call that failed, as a journal keeps it.

    Attributes:
        key: What the journal knows it by.
        kind: The name of the error, with the number of a status before it.
        error: Its text.
        status: The status; `None` where no answer came.
        attempts: How many requests a `Retry` made of it.
        excerpt: The beginning of the answer.
        time: When it failed, in seconds since 1970.
    """

    key: str
    kind: str
    error: str
    status: int | None
    attempts: int
    excerpt: str
    time: float
    stored: bytes | None = None
    why: str = ""

    @property
    def call(self) -> Call:
        """The call, to be asked again.

        Raises:
            headrace.errors.JournalError: It was not stored, because it had credentials of its own, or a body that is
                read once.
        """
        if self.stored is None:
            raise JournalError(f"the call {self.key} was not stored: {self.why}; take it from where it came from")
        try:
            return self._read(self.stored)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise JournalError(f"the call {self.key} cannot be read: its journal is damaged ({error})") from error

    def _read(self, stored: bytes) -> Call:
        given = msgspec.msgpack.decode(stored)
        if "body" in given:
            given["body"] = msgspec.json.decode(given["body"])
        if "pages" in given:
            from headrace._core.pages.strategies import Header

            name, arguments = given["pages"]
            headers = {key: Header(value["header"]) for key, value in arguments.items() if isinstance(value, dict)}
            given["pages"] = _strategies()[name](**{**arguments, **headers})
        if "incremental" in given:
            from headrace._core.pages.incremental import Incremental

            asked = given["incremental"]
            bounds = {name: compared.read(asked[name]) for name in _BOUNDS if asked[name] is not None}
            given["incremental"] = Incremental(**{**asked, **bounds})
        return Call(**given)

    def __repr__(self) -> str:
        return f"<DeadLetter {self.key}: {self.error[:80]}>"


class Rejected(msgspec.Struct, frozen=True):
    """A row that did not fit, as a report and a journal keep it.

    Attributes:
        key: What the journal knows its call by; `None` where there is none.
        index: Which row of the answer it is, from 0.
        path: Where the fault is.
        message: What is wrong there.
        raw: The bytes of the row.
    """

    key: str | None
    index: int
    path: str
    message: str
    raw: bytes


def letter_of(outcome: Err, time: float) -> DeadLetter:
    """Write down a failure.

    Args:
        outcome: The failure, of a call that a journal knows by a key.
        time: Seconds since 1970.
    """
    error, meta = outcome.error, outcome.meta
    stored, why = _stored(outcome.call)
    key, kind = meta.key or "", kind_of(error)
    text, excerpt = _text(error).encode(errors="replace").decode(), _excerpt(error)
    return DeadLetter(key, kind, text, meta.status, meta.attempts, excerpt, time, stored, why)


def _text(error: Exception) -> str:
    if isinstance(error, HTTPError):  # whose text has the answer, which the excerpt has already
        bare = type(error)(status_code=error.status_code, url=error.url, method=error.method)
        return str(bare)[:_MOST]
    return str(error)[:_MOST]


def _excerpt(error: Exception) -> str:
    if isinstance(error, HTTPError):
        response: Any = error.response
        if isinstance(response, bytes):
            return response[:_MOST].decode("utf-8", "replace")
        return ("" if response is None else response if isinstance(response, str) else repr(_masked(response)))[:_MOST]
    if isinstance(error, ResponseParseError):
        raw = error.raw_response
        return (raw if isinstance(raw, str) else raw[:_MOST].decode("utf-8", "replace"))[:_MOST]
    return ""


def _stored(call: Call) -> tuple[bytes | None, str]:
    """Write down a call, or why it cannot be."""
    try:
        headers = dict(encode.mapping(call.headers, "headers"))
        parameters = encode.mapping(call.parameters, "parameters")
        if call.cookies is not None or any(_redact.is_secret(str(name)) for name in headers) or _secret(call):
            return None, "it has credentials of its own"
        body = None if call.body is None else encode.body(call.body)
        tags = None if call.tags is None else dict(encode.mapping(call.tags, "tags"))
        if any(map(_hides, (parameters, tags, call.data))) or any(map(_hides_in, (body, call.data))):
            return None, "it has credentials of its own"
        if call.pages is not None and type(call.pages) not in _strategies().values():
            return None, "its pages are a function"
        given: dict[str, Any] = {
            "path": None if call.path is None else str(call.path),
            "method": call.method,
            "body": body,
            "data": call.data,
            "headers": headers or None,
            "parameters": encode.listed(parameters, "parameters") or None,
            "items": call.items,
            "pages": None if call.pages is None else _paged(call.pages),
            "incremental": None if call.incremental is None else _asked(call.incremental),
            "key": call.key,
            "tags": tags,
            "route": call.route,
        }
        if given["parameters"] is not None:
            given["parameters"] = _grouped(given["parameters"])
        return msgspec.msgpack.encode({name: value for name, value in given.items() if value is not None}), ""
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        return None, f"it cannot be written down ({type(error).__name__})"


def _paged(pages: Any) -> tuple[str, dict[str, Any]]:
    from headrace._core.pages.strategies import Header

    own = attrs.asdict(pages, recurse=False).items()
    arguments = {name: {"header": value.name} if isinstance(value, Header) else value for name, value in own}
    return type(pages).__name__, arguments


def _asked(incremental: Incremental) -> dict[str, Any]:
    asked = attrs.asdict(incremental)
    return {**asked, **{name: compared.plain(asked[name]) for name in _BOUNDS}}


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _secret(call: Call) -> bool:
    """Tell whether the path has userinfo or a secret parameter."""
    if call.path is None:
        return False
    text = str(call.path)
    if _redact.path(text) != text:
        return True
    return "://" in text and URL(text).raw_user is not None


def _hides(value: Any) -> bool:
    """Tell whether a name anywhere in a value is one that credentials have."""
    if isinstance(value, Mapping):
        return any(_redact.is_secret(str(name)) or _hides(each) for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return any(map(_hides, value))
    return False


def _hides_in(content: Any) -> bool:
    """Tell whether a name in the text of a form or of JSON is one that credentials have."""
    if not isinstance(content, (str, bytes, bytearray, memoryview)):
        return False
    text = content if isinstance(content, str) else bytes(content).decode("utf-8", "replace")
    if _redact.query(text) != text:
        return True
    try:
        return _hides(msgspec.json.decode(text))
    except (msgspec.DecodeError, UnicodeEncodeError):
        return False


def _masked(value: Any) -> Any:
    """Copy plain JSON with what credentials' names stand for masked."""
    if isinstance(value, Mapping):
        return {name: _redact.MASK if _redact.is_secret(str(name)) else _masked(each) for name, each in value.items()}
    return [_masked(each) for each in value] if isinstance(value, list) else value


def place_of(error: FrameworkException) -> str:
    """Show where an error happened, cut."""
    return shown(error.url)
