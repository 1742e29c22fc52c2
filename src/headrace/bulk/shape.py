"""What a bulk makes of an answer: its format, the place of its rows, and what becomes of those that do not fit."""

from __future__ import annotations

import functools
import types
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import msgspec

from headrace import _redact
from headrace._checks import shown
from headrace._core.call import Call
from headrace._core.values.decode import BodyDecoder, Verbatim
from headrace._core.values.formats import find
from headrace._core.values.measured import Measure, Measured
from headrace._core.values.partial import Partial, check_on_invalid
from headrace._io.frames import go_on
from headrace.bulk.outcomes import Meta, Ok, failed
from headrace.errors import AsyncClientError, ResponseParseError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from headrace._core.pages.incremental import Incremental
    from headrace._core.pages.strategies import Single
    from headrace._core.values.partial import Reject
    from headrace.bulk.ordering import Ended
    from headrace.bulk.outcomes import Outcome
    from headrace.bulk.source import Pulled


class Shape:
    """How every call of a bulk is asked.

    Args:
        response_format: What an answer becomes; with `items`, what a row becomes.
        items: The place of the rows, or `None`.
        on_invalid: What becomes of rows that do not fit.
        pages: How there is a next page, or `None`.
        incremental: How new rows are told from old ones, or `None`.
        verbatim: Whether whoever takes the rows takes JSON as it came.

    Attributes:
        serial: Whether every call is a series of pages, if of one.
        decoder: Reads the value of an answer from its content; `None` where more is needed.

    Raises:
        headrace.errors.ValidationError: One of them is wrong, or they do not go together.
    """

    def __init__(
        self,
        response_format: Any,
        items: Any,
        on_invalid: Any,
        pages: Any,
        incremental: Any,
        *,
        verbatim: bool = False,
    ) -> None:
        self.format = response_format
        self.items = items
        self.pages = pages
        self.incremental = incremental
        self.on_invalid = on_invalid
        self.skips = on_invalid == "skip"
        self.serial = pages is not None or incremental is not None
        self._rows = items is not None
        self._is_verbatim = verbatim and not self._rows and not self.serial
        check_on_invalid(on_invalid)
        # What is skipped is collected, and dropped: one way for both.
        self._on_invalid: Literal["raise", "collect"] = (
            "raise" if on_invalid == "raise" or not self._rows else "collect"
        )
        self._measure, self._none = self._of(response_format)
        inner = find(self._measure, self._on_invalid, items).inner
        self.decoder = inner if type(inner) is BodyDecoder and inner.stamp is None else None

    def _of(self, response_format: Any) -> tuple[Measure, bool]:
        inner = response_format
        if self._rows:
            row = Any if response_format is None else response_format
            inner = list[row]  # type: ignore[valid-type] # made at run time
        elif response_format is None and self._is_verbatim:
            inner = Verbatim
        measure = Measure(inner)
        find(measure, self._on_invalid, self.items)
        return measure, _takes_none(response_format)

    def asked(self, call: Call) -> Call:
        """Make the call that the client is asked."""
        measure = self._measure if call.response_format is None else self._of(call.response_format)[0]
        return Call(
            call.path, call.method, measure, call.body, call.data, call.headers, call.cookies, call.parameters,
            call.timeout, call.error_responses, self._on_invalid, self.items if call.items is None else call.items,
        )  # fmt: skip

    def is_series(self, call: Call) -> bool:
        """Tell whether a call is a series of pages, whose answers are pages."""
        return self.serial or call.pages is not None or call.incremental is not None

    def incremental_of(self, call: Call) -> Incremental | None:
        """Find how the new rows of a call are told from old ones; `None` where all are given."""
        found: Incremental | None = self.incremental if call.incremental is None else call.incremental
        return found

    def first(self, call: Call) -> Call:
        """Make what a series of pages is made of: the call, with what the bulk says where it is silent."""
        pages = self.pages if call.pages is None else call.pages
        return msgspec.structs.replace(
            call,
            response_format=self.format if call.response_format is None else call.response_format,
            items=self.items if call.items is None else call.items,
            pages=_single() if pages is None else pages,
            incremental=self.incremental_of(call),
            on_invalid=self.on_invalid,
        )

    def takes_none(self, call: Call) -> bool:
        """Tell whether an answer without a body fits."""
        return self._none if call.response_format is None else _takes_none(call.response_format)

    async def ended(self, asked: Awaitable[Any], pulled: Pulled, began: float) -> Ended:
        """Wait for what comes of a call, and make an outcome of it."""
        call, key, mark, number, _ = pulled
        try:
            answer = await asked
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome
            go_on(error)
            return failed(error, call, key, monotonic() - began), mark, number
        if type(answer) is not Measured:
            raise self.no_answer(answer)
        meta = Meta(key, answer.status, answer.elapsed, answer.attempts, answer.size)
        return self.outcome(answer.value, call, meta), mark, number

    def outcome(self, value: Any, call: Call, meta: Meta) -> Outcome[Any]:
        """Make the outcome of an answer that is a success."""
        rejects: Sequence[Reject] = ()
        if type(value) is Partial:
            rejects = () if self.skips else value.rejects
            value = value.items
        elif value is None and not meta.bytes and not self.takes_none(call):
            return failed(self.empty(call, meta.status or 0), call, meta.key, meta.elapsed)
        return Ok(value, call, meta, rejects)

    def empty(self, call: Call, status: int) -> ResponseParseError:
        """Make the error of a success without a body."""
        error = ResponseParseError("the answer is a success without a body, which the format does not take")
        error.status_code = status
        error.method = call.method
        error.url = "" if call.path is None else shown(_redact.path(call.path))
        return error

    def no_answer(self, answer: Any) -> AsyncClientError:
        """Make the error for what is no answer to a call of a bulk."""
        if answer is None:
            return AsyncClientError("the client was closed while its bulk was under way")
        message = f"request() returned {type(answer).__name__} for a bulk; it has to return what super().request() does"
        return AsyncClientError(message)


@functools.cache
def _single() -> Single:
    """Make what says of a call that it is a series of one page, so that its rows are told apart."""
    from headrace._core.pages.strategies import Single  # few need it, and everybody would wait for its import

    return Single()


def _takes_none(response_format: Any) -> bool:
    if response_format in (None, Any, types.NoneType):
        return True
    if get_origin(response_format) in (Union, types.UnionType):
        return types.NoneType in get_args(response_format)
    return False
