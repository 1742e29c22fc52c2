"""What sinks that are tables have in common: names that are quoted, and keys that are columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headrace._checks import given
from headrace.bulk._sinks.base import Misfit
from headrace.errors import SinkError, ValidationError

if TYPE_CHECKING:
    from pathlib import Path


def quoted(name: str) -> str:
    """Write the name of a table or column for SQL."""
    return '"' + name.replace('"', '""') + '"'


def check_file(sink: str, path: Path) -> None:
    """Check that a path names a file, and not a database in memory, which is gone when the run ends.

    Raises:
        headrace.errors.ValidationError: It names none.
    """
    if not path.name or str(path).startswith(":memory:"):
        raise ValidationError(f"{sink}: path: got {str(path)!r}, takes the path of a file")


def check_table(sink: str, table: Any) -> str:
    """Check the name of a table.

    Raises:
        headrace.errors.ValidationError: It is none.
    """
    if not isinstance(table, str) or not table or "\0" in table:
        raise ValidationError(f"{sink}: table: got {given('table', table)}, takes the name of a table")
    return table


def check_key(sink: str, key: Any) -> tuple[str, ...]:
    """Check the names of the columns of a key; none is an empty tuple.

    Raises:
        headrace.errors.ValidationError: They are none.
    """
    if key is None:
        return ()
    names = (key,) if isinstance(key, str) else tuple(key) if isinstance(key, Sequence) else ()
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValidationError(f"{sink}: primary_key: got {given('primary', key)}, takes names of columns")
    return names


def keys_in(sink: str, key: tuple[str, ...], names: Sequence[str]) -> tuple[str, ...]:
    """Check that a key is made of columns.

    Raises:
        headrace.errors.SinkError: It is not.
    """
    for name in key:
        if name not in names:
            raise SinkError(f"{sink}: primary_key: there is no column {name!r}; the columns are {', '.join(names)}")
    return key


def keyed(
    values: list[list[Any]], which: list[int], keys: Sequence[int]
) -> tuple[list[list[Any]], list[int], list[Misfit]]:
    """Leave out the rows whose key is null, which databases take in odd ways.

    Args:
        values: The values of rows.
        which: Which rows these are.
        keys: The places of the key's columns; none leaves nothing out.

    Returns:
        The values of the others, which rows these are, and those that were left out.
    """
    if not any(each[at] is None for each in values for at in keys):
        return values, which, []
    kept, numbers, misfits = [], [], []
    for number, each in zip(which, values, strict=True):
        if any(each[at] is None for at in keys):
            misfits.append(Misfit(number, "$", "a column of the primary key is null"))
        else:
            kept.append(each)
            numbers.append(number)
    return kept, numbers, misfits
