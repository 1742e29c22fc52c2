"""Where the calls come from: pulled one by one, when there is room for one."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from yarl import URL

from headrace import _words
from headrace._checks import given, wrong
from headrace._core.call import Call
from headrace._core.request.proof import EMPTY_BODY
from headrace.errors import ValidationError
from headrace.types import UNSET

_FIELDS: Final = frozenset(Call.__struct_fields__)
_TAKES: Final = "a path, a mapping of Call's arguments, or a Call"


class Source:
    """An iterator of calls.

    Args:
        calls: One path or `Call`, or an (async) iterable of paths, mappings and `Call`s.
        has_items: Whether the bulk names a place of rows, so that a call may name another.

    Attributes:
        asynchronous: Whether `apull` is to be used, and not `pull`.
        count: How many calls were pulled.
        is_plain: Whether the last of them names nothing but a path, a method and perhaps a body.

    Raises:
        headrace.errors.ValidationError: `calls` is nothing of the kind.
    """

    def __init__(self, calls: Any, *, has_items: bool) -> None:
        self._has_items = has_items
        self.count = 0
        self.is_plain = True
        self._iterator: Iterator[Any] = iter(())
        self._aiterator: AsyncIterator[Any] | None = None
        if isinstance(calls, (str, URL, Call, Mapping)):
            self._iterator = iter((calls,))
        elif isinstance(calls, AsyncIterable):
            self._aiterator = aiter(calls)
        elif isinstance(calls, Iterable) and not isinstance(calls, (bytes, bytearray, memoryview, msgspec.Struct)):
            self._iterator = iter(calls)
        else:
            raise wrong("calls", calls, f"an (async) iterable; each item {_TAKES}")
        self.asynchronous = self._aiterator is not None

    def pull(self) -> Call | None:
        """Give the next call; `None` behind the last."""
        for each in self._iterator:
            if type(each) is str:
                self.count += 1
                self.is_plain = True
                return Call(each)
            return self._read(each)
        return None

    async def apull(self) -> Call | None:
        """Give the next call of an async iterable; `None` behind the last."""
        assert self._aiterator is not None  # noqa: S101 - asked only then
        try:
            each = await anext(self._aiterator)
        except StopAsyncIteration:
            return None
        return self._read(each)

    async def aclose(self) -> None:
        """Close an async generator that was left."""
        close = getattr(self._aiterator, "aclose", None)
        if close is not None:
            await close()

    def _read(self, each: Any) -> Call:
        index = self.count
        self.count += 1
        self.is_plain = type(each) is str
        if isinstance(each, (str, URL)):
            return Call(each)
        if isinstance(each, Mapping):
            unknown = each.keys() - _FIELDS
            if unknown:
                raise ValidationError(f"calls[{index}]: {_words.of_call('Call', str(min(unknown)), _FIELDS)}")
            each = Call(**each)
        if not isinstance(each, Call):
            raise ValidationError(f"calls[{index}]: got {given('calls', each)}, takes {_TAKES}")
        if each.items is not None and not self._has_items:
            message = f"calls[{index}]: has items, which a call may change only where the bulk has items="
            raise ValidationError(message)
        self.is_plain = _is_plain(each)
        return each


def _is_plain(call: Call) -> bool:
    """Tell whether a call names nothing that the lane of a client does not know."""
    return (
        call.headers is None
        and call.parameters is None
        and call.data is None
        and call.response_format is None
        and call.items is None
        and call.timeout is UNSET
        and call.cookies is None
        and call.error_responses is None
        and call.method in EMPTY_BODY
    )
