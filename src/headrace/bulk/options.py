"""The names that the signature of `AsyncClient.bulk` is written in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Callable, Collection, Iterable, Mapping

    from yarl import URL

    from headrace._core.call import Call
    from headrace._core.pages.incremental import Incremental
    from headrace.bulk._sinks.base import Sink
    from headrace.bulk.journal import Journal
    from headrace.bulk.report import Report
    from headrace.policies import Retry
    from headrace.types import OnInvalid, Unset

#: One path or `Call`, or an (async) iterable of paths, mappings of the arguments of a `Call`, and `Call`s.
Calls: TypeAlias = "str | URL | Call | Mapping[str, Any] | Iterable[Any] | AsyncIterable[Any]"


class BulkOptions(TypedDict, total=False):
    """The options of a bulk beside its format and the place of its rows."""

    incremental: Incremental | None
    in_flight: int | Literal["auto"] | tuple[int, int]
    ordered: bool
    retry: Retry | Unset | None
    expected: Collection[int]
    on_invalid: OnInvalid
    transform: Callable[[Any], Any] | None
    sink: Sink[Any] | None
    journal: Journal | str | os.PathLike[str] | bool | None
    retry_failed: bool
    commit_every: float
    max_failures: float | None
    progress: Callable[[Report], object] | bool | None
