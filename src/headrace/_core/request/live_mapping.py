"""A mapping of a client's may be changed in place, and the client notices."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from headrace import _redact

_states = itertools.count(1)


class LiveMapping(MutableMapping[Any, Any]):
    """A mapping that tells of its changes, so that what was made from it can be kept till then.

    Its `state` is a new number after every change; no two states of any two mappings share one.

    Args:
        initial: The first contents; copied.
        fold_case: Whether keys that differ in case are one key.
        on_change: Called after every change.
    """

    __slots__ = ("_entries", "_fold", "_on_change", "state")

    def __init__(
        self,
        initial: Mapping[Any, Any] | None = None,
        *,
        fold_case: bool = False,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self._on_change = on_change
        self._fold: Callable[[Any], Any] = _lower if fold_case else _same
        self._entries: dict[Any, tuple[Any, Any]] = {}
        self._note()
        if initial:
            self.update(initial)

    def _note(self) -> None:
        self.state = next(_states)
        if self._on_change is not None:
            self._on_change()

    def __getitem__(self, key: Any) -> Any:
        return self._entries[self._fold(key)][1]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._entries[self._fold(key)] = (key, value)
        self._note()

    def __delitem__(self, key: Any) -> None:
        del self._entries[self._fold(key)]
        self._note()

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return self._fold(key) in self._entries if isinstance(key, str) else key in self._entries

    def __repr__(self) -> str:
        shown = {
            key: _redact.MASK if isinstance(key, str) and _redact.is_secret(key) else value
            for key, value in self.items()
        }
        return repr(shown)

    def copy(self) -> dict[Any, Any]:
        """Copy the contents into a plain `dict`."""
        return dict(self.items())

    def __reduce__(self) -> tuple[Any, ...]:
        """Be copied and pickled without the client that is told of changes."""
        return _copied, (self.copy(), self._fold is _lower)


def _lower(key: Any) -> Any:
    return key.lower() if isinstance(key, str) else key  # what is no name is refused when it is written


def _same(key: Any) -> Any:
    return key


def _copied(contents: dict[Any, Any], fold_case: bool) -> LiveMapping:  # noqa: FBT001 - as pickled
    return LiveMapping(contents, fold_case=fold_case)
