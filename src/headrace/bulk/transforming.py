"""The rows of an answer, and what a transform makes of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def rows_of(value: Any) -> list[Any]:
    """Read the rows of an answer."""
    return value if type(value) is list else [] if value is None else [value]


def transformed(transform: Callable[[Any], Any], rows: list[Any]) -> list[list[Any]]:
    """Transform rows: tell of each what it becomes."""
    return [list(_several(transform(row))) for row in rows]


def made_of(transform: Callable[[Any], Any], values: list[Any]) -> tuple[list[list[list[Any]]], Exception | None]:
    """Transform the rows of answers, as far as that goes, and give the error that it ends with."""
    made: list[list[list[Any]]] = []
    try:
        for value in values:
            made.append(transformed(transform, rows_of(value)))  # noqa: PERF401 - may end
    except Exception as error:  # noqa: BLE001 - raised where the outcomes are
        return made, error
    return made, None


def _several(made: Any) -> Any:
    """Read what a transform has made: a row, several, or none."""
    if made is None:
        return ()
    return made if type(made) in (list, tuple) or isinstance(made, Iterator) else (made,)
