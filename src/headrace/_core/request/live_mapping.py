"""A mapping of a client's may be changed in place, and the client notices."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from headrace import _redact

_states = itertools.count(1)
_NOTHING: Any = object()


class LiveMapping(dict[Any, Any]):
    """A `dict` that tells of its changes, so that what was made from it can be kept till then.

    Its `state` is a new number after every change; no two states of any two mappings share one. Its `repr` masks
    secrets; `dict(mapping)` and `mapping.copy()` are plain, and show everything.

    Args:
        initial: The first contents; copied.
        fold_case: Whether keys that differ in case are one key.
        hidden: Whether every value is a secret.
        on_change: Called after every change.
    """

    __slots__ = ("_hidden", "_names", "_on_change", "state")

    def __init__(
        self,
        initial: Mapping[Any, Any] | None = None,
        *,
        fold_case: bool = False,
        hidden: bool = False,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self._on_change = on_change
        self._hidden = hidden
        #: Each key by its lower case; `None` where case counts.
        self._names: dict[Any, Any] | None = {} if fold_case else None
        self._note()
        if initial:
            self.update(initial)

    def _note(self) -> None:
        self.state = next(_states)
        if self._on_change is not None:
            self._on_change()

    def _key(self, key: Any) -> Any:
        """Find how a key is written here."""
        return key if self._names is None else self._names.get(_lower(key), key)

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self._key(key))

    def get(self, key: Any, default: Any = None) -> Any:
        """Find a value, or the default."""
        return super().get(self._key(key), default)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self._key(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        old = self._key(key)
        if old != key and super().__contains__(old):
            # Another spelling takes the place of the old one: where it stands is the order of the fields on the wire.
            entries = [(key if name == old else name, before) for name, before in self.items()]
            super().clear()
            super().update(entries)
        if self._names is not None:
            self._names[_lower(key)] = key
        super().__setitem__(key, value)
        self._note()

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(self._key(key))
        if self._names is not None:
            del self._names[_lower(key)]
        self._note()

    def pop(self, key: Any, default: Any = _NOTHING) -> Any:
        """Remove a key and return its value, or the default."""
        if key not in self:
            if default is _NOTHING:
                raise KeyError(key)
            return default
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[Any, Any]:
        """Remove the last key and return it with its value."""
        key, value = super().popitem()
        if self._names is not None:
            del self._names[_lower(key)]
        self._note()
        return key, value

    def clear(self) -> None:
        """Remove everything."""
        super().clear()
        if self._names is not None:
            self._names.clear()
        self._note()

    def update(self, *others: Any, **named: Any) -> None:
        """Lay a mapping, or pairs, over what is there."""
        for key, value in dict(*others, **named).items():
            self[key] = value

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Find a value; where there is none, the default is it from now on."""
        if key not in self:
            self[key] = default
        return self[key]

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self

    def __or__(self, other: Any) -> dict[Any, Any]:
        return self._merged(self, other) if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Any) -> dict[Any, Any]:
        return self._merged(other, self) if isinstance(other, Mapping) else NotImplemented

    def _merged(self, base: Mapping[Any, Any], over: Mapping[Any, Any]) -> dict[Any, Any]:
        merged = LiveMapping(base, fold_case=self._names is not None)
        merged.update(over)
        return merged.copy()

    def __repr__(self) -> str:
        return repr(dict(self._shown()))

    def __rich_repr__(self) -> Iterator[tuple[Any, Any]]:
        """Be masked where rich prints it, too, such as in a traceback with local variables."""
        yield from self._shown()

    def _shown(self) -> Iterator[tuple[Any, Any]]:
        for key, value in self.items():
            secret = self._hidden or (isinstance(key, str) and _redact.is_secret(key))
            yield key, _redact.MASK if secret else value

    def copy(self) -> dict[Any, Any]:
        """Copy the contents into a plain `dict`."""
        return dict(self.items())

    def __reduce__(self) -> tuple[Any, ...]:
        """Be copied and pickled without the client that is told of changes."""
        return _copied, (self.copy(), self._names is not None, self._hidden)


def _lower(key: Any) -> Any:
    return key.lower() if isinstance(key, str) else key  # what is no name is refused when it is written


def _copied(contents: dict[Any, Any], fold_case: bool, hidden: bool) -> LiveMapping:  # noqa: FBT001 - as pickled
    return LiveMapping(contents, fold_case=fold_case, hidden=hidden)
