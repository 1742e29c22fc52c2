"""Where the calls come from: pulled one by one, when there is room for one."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from time import monotonic
from typing import Any, Final, TypeAlias

import msgspec
from yarl import URL

from headrace import _calling, _words
from headrace._checks import given, wrong
from headrace._core.call import Call
from headrace._core.request.proof import EMPTY_BODY
from headrace.errors import ValidationError
from headrace.types import UNSET

#: Seconds that calls are taken for before the first of them goes out, where a thread has to be asked for them.
_MOMENT: Final = 0.001
_FIELDS: Final = frozenset(Call.__struct_fields__)
_OF_ROWS: Final = ("items", "pages", "incremental")
#: What of a call whoever made it may still have in hand.
_PARTS: Final = ("body", "data", "parameters", "headers", "cookies", "tags")
_CONTAINERS: Final = (dict, list)
_TAKES: Final = "a path, a mapping of Call's arguments, or a Call"

#: A call that has to be asked, with its key and digest, its number from 1, and whether it is plain.
Pulled: TypeAlias = tuple[Call, str | None, bytes | None, int, bool]


class Source:
    """An iterator of calls.

    Args:
        calls: One path or `Call`, or an (async) iterable of paths, mappings and `Call`s.
        has_rows: Whether the bulk names `items` or `pages`, so that a call may name others.
        has_journal: Whether the bulk has one.

    Attributes:
        asynchronous: Whether `apull` is to be used, and not `pull`.
        count: How many calls were pulled.
        is_plain: Whether the last of them names nothing but a path, a method and perhaps a body.

    Raises:
        headrace.errors.ValidationError: `calls` is nothing of the kind.
    """

    def __init__(self, calls: Any, *, has_rows: bool, has_journal: bool) -> None:
        self._has_rows = has_rows
        self._has_journal = has_journal
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

    def pull_where_called(self, most: int) -> None:
        """Have the iterator run in the thread that waits for the bulk, where one does; it is asked some calls ahead.

        Args:
            most: How many.
        """
        if self._aiterator is None and _calling.current.get() is not None:
            self._aiterator = _pulled(self._iterator, most)
            self.asynchronous = True

    async def aclose(self) -> None:
        """Close an async generator that was left."""
        close = getattr(self._aiterator, "aclose", None)
        if close is not None:
            await close()

    def _read(self, each: Any) -> Call:
        self.count += 1
        self.is_plain = type(each) is str
        if isinstance(each, (str, URL)):
            return Call(each)
        return self._checked(_settled(each if isinstance(each, Call) else _of_mapping(each, self.count - 1)))

    def _checked(self, each: Call) -> Call:
        index = self.count - 1
        names_rows = each.items is not None or each.pages is not None or each.incremental is not None
        if names_rows and not self._has_rows:
            for name in _OF_ROWS:
                if getattr(each, name) is not None:
                    message = (
                        f"calls[{index}]: has {name}, which a call may change only where the bulk has items= or pages="
                    )
                    raise ValidationError(message)
        asked = each.incremental
        if asked is not None:
            check_incremental(f"calls[{index}]: incremental", asked, has_journal=self._has_journal)
        self.is_plain = _is_plain(each)
        return each


async def _pulled(iterator: Iterator[Any], most: int) -> AsyncIterator[Any]:
    """Give what an iterator gives that runs in the thread that waits."""
    while True:
        found, error = await _calling.call(_take, iterator, most)
        for each in found:
            yield each
        if error is not None:
            raise error
        if not found:
            return


def _take(iterator: Iterator[Any], most: int) -> tuple[list[Any], Exception | None]:
    """Take what comes in a moment, and the error that it ends with."""
    found: list[Any] = []
    until = monotonic() + _MOMENT
    try:
        for each in iterator:
            found.append(each)
            if len(found) >= most or monotonic() >= until:
                break
    except Exception as error:  # noqa: BLE001 - raised behind what came before it
        return found, error
    return found, None


def _of_mapping(each: Any, index: int) -> Call:
    """Make a call of a mapping of its arguments."""
    if not isinstance(each, Mapping):
        raise ValidationError(f"calls[{index}]: got {given('calls', each)}, takes {_TAKES}")
    unknown = each.keys() - _FIELDS
    if unknown:
        raise ValidationError(f"calls[{index}]: {_words.of_call('Call', str(min(unknown)), _FIELDS)}")
    return Call(**each)


def _settled(call: Call) -> Call:
    """Copy the mappings and lists of a call: whoever made it may use them for the next one, before this one is sent."""
    if (
        call.body is None
        and call.data is None
        and call.parameters is None
        and call.headers is None
        and call.cookies is None
        and call.tags is None
    ):
        return call
    parts = {name: getattr(call, name) for name in _PARTS}
    own = {name: part for name, part in parts.items() if type(part) in _CONTAINERS}
    del parts
    if not own:
        return call
    try:
        return msgspec.structs.replace(call, **{name: _copied(part) for name, part in own.items()})
    except RecursionError:  # it is in itself: nobody can send that, and whoever tries says so
        return call


def _copied(value: Any) -> Any:
    if type(value) is dict:
        return {name: _copied(each) for name, each in value.items()}
    return [_copied(each) for each in value] if type(value) is list else value


def check_incremental(argument: str, value: Any, *, has_journal: bool) -> None:
    """Check what a bulk is asked to tell new rows by.

    Raises:
        headrace.errors.ValidationError: It is nothing of the kind, or there is no journal.
    """
    from headrace._core.pages.incremental import Incremental  # few need it, and everybody would wait for its import

    if not isinstance(value, Incremental):
        raise wrong(argument, value, "a headrace.Incremental")
    if not has_journal:
        raise ValidationError(f"{argument}: is taken with a journal, which keeps the marks; give the bulk journal=")


def _is_plain(call: Call) -> bool:
    """Tell whether a call names nothing that the lane of a client does not know."""
    return (
        call.headers is None
        and call.parameters is None
        and call.data is None
        and call.response_format is None
        and call.items is None
        and call.pages is None
        and call.incremental is None
        and call.timeout is UNSET
        and call.cookies is None
        and call.error_responses is None
        and call.method in EMPTY_BODY
    )
