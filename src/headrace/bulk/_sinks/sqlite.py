"""Rows in a table of SQLite, in one transaction with the number of their batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable  # noqa: TC003 - a constant is annotated with it
from typing import TYPE_CHECKING, Any, Final

from headrace.bulk._sinks import columns
from headrace.bulk._sinks.base import Misfit, Mode, Target
from headrace.bulk._sinks.table import check_file, check_key, check_table, keyed, keys_in, quoted
from headrace.errors import SinkError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from headrace.bulk._sinks.kinds import Kind

_TYPES: Final = {"bool": "INTEGER", "int": "INTEGER", "float": "REAL", "bytes": "BLOB"}
_BATCHES: Final = "_headrace_batches"


#: What SQLite raises for a row, and not for the statement.
_REFUSALS: Final = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, UnicodeEncodeError)


def _converter(kind: Kind) -> Callable[[Any], Any]:
    return _CONVERTERS.get(kind.name, columns.as_text)


def _real(value: Any) -> float:
    number = columns.real(value)
    if number != number:  # noqa: PLR0124 - a NaN, which SQLite takes for NULL
        raise ValueError("SQLite has no NaN")
    return number


_CONVERTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "bool": lambda value: int(columns.truth(value)),
    "int": columns.whole,
    "float": _real,
    "bytes": columns.octets,
    "date": lambda value: columns.as_text(columns.day(value)),
    "instant": lambda value: columns.as_text(columns.instant(value)),
    "local": lambda value: columns.as_text(columns.local(value)),
    "json": columns.as_json,
    "list": columns.as_json,
    "struct": columns.as_json,
}


def _changed(kind: Kind) -> Callable[[list[Any]], list[Any]]:
    """Make what changes the values of a column."""
    changed = columns.at_once(kind, _converter(kind))
    if kind.name != "float":
        return changed

    def checked(values: list[Any]) -> list[Any]:
        found = changed(values)
        if any(value != value for value in found):  # noqa: PLR0124 - a NaN
            raise ValueError("SQLite has no NaN")
        return found

    return checked


class SQLite(Target):
    """A table of a SQLite database.

    Args:
        path: The database.
        table: The table, which is made where there is none.
        primary_key: The column, or columns, by which a row takes the place of the one before it (an upsert).
        mode: What becomes of a table that is not empty: ``"append"`` adds to it, ``"replace"`` drops it; `None`
            refuses it.

    Raises:
        headrace.errors.ValidationError: An argument is wrong.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        table: str,
        primary_key: str | Sequence[str] | None = None,
        *,
        mode: Mode | None = None,
    ) -> None:
        super().__init__(path, mode)
        check_file("SQLite", self.path)
        self.table = check_table("SQLite", table)
        self.primary_key = check_key("SQLite", primary_key)
        self._book: sqlite3.Connection | None = None
        self._insert = ""
        self._keys: list[int] = []
        self._reader = columns.Reader(_converter)
        self._change: list[Callable[[list[Any]], list[Any]]] = []

    @property
    def identity(self) -> str:
        """What a journal knows the sink by."""
        return f"{super().identity} {self.table}"

    def expect(self, row_format: Any) -> None:
        """Hear what a row is; see `Target.expect`."""
        self._reader.expect(row_format)

    def open(self, batch: int, /) -> int:
        """Open the database; see `Sink.open`.

        Raises:
            headrace.errors.JournalError: The table is not what its journal says.
            headrace.errors.SinkError: The database cannot be opened, or the table is not empty.
        """
        self._insert, self._change = "", []
        self._check_plain()
        try:  # an absolute path, for SQLite takes others for what they are not, such as `file:`
            self._book = book = sqlite3.connect(self.path.absolute(), isolation_level=None, check_same_thread=False)
            book.execute("PRAGMA synchronous=FULL")
            book.execute("PRAGMA fullfsync=ON")
            book.execute("BEGIN IMMEDIATE")
            book.execute(f"CREATE TABLE IF NOT EXISTS {_BATCHES} (sink TEXT PRIMARY KEY, token TEXT, batch INTEGER)")
            if batch:
                rows = book.execute(f"SELECT token, batch FROM {_BATCHES} WHERE sink = ?", (self.table,))  # noqa: S608
                number = self._settled(batch, rows.fetchone())
            else:
                self._begin(book)
                number = 0
            book.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return number

    def _begin(self, book: sqlite3.Connection) -> None:
        name = quoted(self.table)
        if self._columns(book):
            if self.mode == "replace":
                book.execute(f"DROP TABLE {name}")
            elif self.mode is None and book.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone():  # noqa: S608 - quoted
                raise self._occupied()
        book.execute(f"DELETE FROM {_BATCHES} WHERE sink = ?", (self.table,))  # noqa: S608 - no input

    def _columns(self, book: sqlite3.Connection) -> list[str]:
        return [row[1] for row in book.execute(f"PRAGMA table_info({quoted(self.table)})")]

    def write(self, rows: Sequence[Any], /) -> list[Misfit]:
        """Insert rows into the transaction of the next batch; gives those that have no place in their columns.

        Raises:
            headrace.errors.SinkError: They have no columns, or the database cannot be written.
        """
        if self._book is None:
            raise SinkError(f"{self.identity} is not open")
        try:
            if self._write_at_once(self._book, rows):
                return []
            values, which, misfits = self._reader.read(rows)
            return sorted(misfits + self._write_values(self._book, values, which)) if values else misfits
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _begin_rows(self, book: sqlite3.Connection) -> None:
        if not book.in_transaction:
            book.execute("BEGIN IMMEDIATE")
        if not self._insert:
            self._insert = self._prepared(book)

    def _write_at_once(self, book: sqlite3.Connection, rows: Sequence[Any]) -> bool:
        """Insert rows that all have their place; tells whether they had, and leaves none where they had not."""
        gathered = self._reader.gather(rows)
        if gathered is None:
            return False
        try:
            values = [change(each) for change, each in zip(self._changes(), gathered, strict=True)]
        except columns.REFUSALS:
            return False
        self._begin_rows(book)
        if any(None in values[at] for at in self._keys):
            return False
        return self._insert_all(book, zip(*values, strict=True))

    def _write_values(self, book: sqlite3.Connection, values: list[list[Any]], which: list[int]) -> list[Misfit]:
        """Insert the values of rows; gives those of them that have no place."""
        self._begin_rows(book)
        values, which, keyless = keyed(values, which, self._keys)
        return keyless if self._insert_all(book, values) else keyless + self._one_by_one(book, values, which)

    def _insert_all(self, book: sqlite3.Connection, values: Iterable[Sequence[Any]]) -> bool:
        book.execute("SAVEPOINT rows")
        try:
            book.executemany(self._insert, values)
            fit = True
        except (*_REFUSALS, OverflowError):
            book.execute("ROLLBACK TO rows")
            fit = False
        book.execute("RELEASE rows")
        return fit

    def _changes(self) -> list[Callable[[list[Any]], list[Any]]]:
        """Find what changes the values of each column."""
        found = self._reader.columns
        assert found is not None  # noqa: S101 - there was a row
        if not self._change:
            self._change = [_changed(kind) for kind in found.kinds]
        return self._change

    def _one_by_one(self, book: sqlite3.Connection, values: list[list[Any]], which: list[int]) -> list[Misfit]:
        misfits = []
        for index, each in zip(which, values, strict=True):
            try:
                book.execute(self._insert, each)
            except _REFUSALS as error:
                misfits.append(Misfit(index, "$", str(error)))
        return misfits

    def _prepared(self, book: sqlite3.Connection) -> str:
        """Make the table where there is none, and write the statement that inserts a row."""
        found = self._reader.columns
        assert found is not None  # noqa: S101 - there was a row
        keys = keys_in("SQLite", self.primary_key, found.names)
        self._keys = [found.names.index(key) for key in keys]
        there = self._columns(book)
        missing = [name for name in found.names if name not in there]
        if there and missing:
            raise SinkError(f"{self.identity} has no column {missing[0]!r}; add it, or give another table")
        if not there:
            kinds = [_TYPES.get(kind.name, "TEXT") for kind in found.kinds]
            made = [f"{quoted(name)} {kind}" for name, kind in zip(found.names, kinds, strict=True)]
            made += [f"PRIMARY KEY ({', '.join(map(quoted, keys))})"] if keys else []
            book.execute(f"CREATE TABLE {quoted(self.table)} ({', '.join(made)})")
        names = ", ".join(map(quoted, found.names))
        marks = ", ".join("?" * len(found.names))
        insert = f"INSERT INTO {quoted(self.table)} ({names}) VALUES ({marks})"  # noqa: S608 - quoted
        if not keys:
            return insert
        rest = [f"{quoted(name)} = excluded.{quoted(name)}" for name in found.names if name not in keys]
        action = f"UPDATE SET {', '.join(rest)}" if rest else "NOTHING"
        return f"{insert} ON CONFLICT ({', '.join(map(quoted, keys))}) DO {action}"

    def commit(self, batch: int, /) -> None:
        """Commit the rows and the number of their batch; see `Sink.commit`.

        Raises:
            headrace.errors.SinkError: The disk is full, or the database cannot be written.
        """
        if self._book is None:
            raise SinkError(f"{self.identity} is not open")
        book = self._book
        try:
            if not book.in_transaction:
                book.execute("BEGIN IMMEDIATE")
            book.execute(
                f"INSERT OR REPLACE INTO {_BATCHES} VALUES (?, ?, ?)",  # noqa: S608 - no input
                (self.table, self.token, batch),
            )
            book.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the database; what was not committed is not there."""
        book, self._book = self._book, None
        if book is not None:
            book.close()
