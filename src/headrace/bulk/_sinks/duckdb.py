"""Rows in a table of DuckDB, in one transaction with the number of their batch."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - a constant is annotated with it
from typing import TYPE_CHECKING, Any, Final

import msgspec

from headrace.bulk._sinks import columns
from headrace.bulk._sinks.base import Misfit, Mode, Target
from headrace.bulk._sinks.table import check_file, check_key, check_table, keyed, keys_in, quoted
from headrace.errors import SinkError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

_BATCHES: Final = "_headrace_batches"
#: By kind: the type of a column, and the type that its JSON is read as.
_TYPES: Final = {
    "bool": ("BOOLEAN", "BOOLEAN"),
    "int": ("BIGINT", "BIGINT"),
    "float": ("DOUBLE", "DOUBLE"),
    "bytes": ("BLOB", "VARCHAR"),
    "date": ("DATE", "VARCHAR"),
    "instant": ("TIMESTAMPTZ", "VARCHAR"),
    "local": ("TIMESTAMP", "VARCHAR"),
    "json": ("JSON", "VARCHAR"),
}


class DuckDB(Target):
    """A table of a DuckDB database; needs the extra `duckdb`.

    Args:
        path: The database.
        table: The table, which is made where there is none.
        primary_key: The column, or columns, by which a row takes the place of the one before it (an upsert).
        mode: What becomes of a table that is not empty: ``"append"`` adds to it, ``"replace"`` drops it; `None`
            refuses it.

    Raises:
        headrace.errors.ValidationError: An argument is wrong.
        ImportError: The extra is not installed.
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
        _duckdb()
        check_file("DuckDB", self.path)
        self.table = check_table("DuckDB", table)
        self.primary_key = check_key("DuckDB", primary_key)
        self._book: Any = None
        self._insert = ""
        self._keys: list[int] = []
        self._open = False
        self._reader = columns.Reader(_converter)

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
        duckdb = _duckdb()
        self._insert, self._open = "", False
        self._check_plain()
        if self.path.with_name(f"{self.path.name}.wal").is_symlink():  # DuckDB would write through it
            raise SinkError(f"{self.identity} cannot be written: {self.path.name}.wal beside it is a link; remove it")
        try:  # an absolute path, for DuckDB takes others for what they are not, such as `md:`
            self._book = book = duckdb.connect(str(self.path.absolute()))
            book.execute("BEGIN")
            book.execute(f"CREATE TABLE IF NOT EXISTS {_BATCHES} (sink VARCHAR, token VARCHAR, batch BIGINT)")
            if batch:
                rows = book.execute(f"SELECT token, batch FROM {_BATCHES} WHERE sink = ?", [self.table])  # noqa: S608
                number = self._settled(batch, rows.fetchone())
            else:
                self._begin(book)
                number = 0
            book.execute("COMMIT")
        except duckdb.Error as error:
            raise self._failed(error) from error
        return number

    def _begin(self, book: Any) -> None:
        name = quoted(self.table)
        if self._columns(book):
            if self.mode == "replace":
                book.execute(f"DROP TABLE {name}")
            elif self.mode is None and book.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone():  # noqa: S608 - quoted
                raise self._occupied()
        book.execute(f"DELETE FROM {_BATCHES} WHERE sink = ?", [self.table])  # noqa: S608 - no input

    def _columns(self, book: Any) -> list[str]:
        query = "SELECT column_name FROM information_schema.columns WHERE table_name = ? AND table_schema = 'main'"
        return [row[0] for row in book.execute(query, [self.table]).fetchall()]

    def write(self, rows: Sequence[Any], /) -> list[Misfit]:
        """Insert rows into the transaction of the next batch; gives those that have no place in their columns.

        Raises:
            headrace.errors.SinkError: They have no columns, or the database cannot be written.
        """
        if self._book is None:
            raise SinkError(f"{self.identity} is not open")
        duckdb = _duckdb()
        values, which, misfits = self._reader.read(rows)
        if not values:
            return misfits
        try:
            self._begin_batch()
            if not self._insert:
                self._insert = self._prepared()
            values, _, keyless = keyed(values, which, self._keys)
            misfits = sorted(misfits + keyless)
            if self._keys:  # the last of each, because one statement may not change a row twice
                values = list({tuple(each[at] for at in self._keys): each for each in values}.values())
            found = self._reader.columns
            assert found is not None  # noqa: S101 - there was a row
            names = [f"c{index}" for index in range(len(found.names))]
            text = msgspec.json.encode([dict(zip(names, each, strict=True)) for each in values]).decode()
            self._book.execute(self._insert, [text])
        except duckdb.Error as error:
            raise self._failed(error) from error
        return misfits

    def _begin_batch(self) -> None:
        if not self._open:
            self._book.execute("BEGIN")
            self._open = True

    def _prepared(self) -> str:
        """Make the table where there is none, and write the statement that inserts rows."""
        found = self._reader.columns
        assert found is not None  # noqa: S101 - there was a row
        keys = keys_in("DuckDB", self.primary_key, found.names)
        self._keys = [found.names.index(key) for key in keys]
        there = self._columns(self._book)
        missing = [name for name in found.names if name not in there]
        if there and missing:
            raise SinkError(f"{self.identity} has no column {missing[0]!r}; add it, or give another table")
        if not there:
            made = [f"{quoted(name)} {_type(kind)}" for name, kind in zip(found.names, found.kinds, strict=True)]
            made += [f"PRIMARY KEY ({', '.join(map(quoted, keys))})"] if keys else []
            self._book.execute(f"CREATE TABLE {quoted(self.table)} ({', '.join(made)})")
        read = msgspec.json.encode([{f"c{index}": _read(kind) for index, kind in enumerate(found.kinds)}]).decode()
        picked = ", ".join(_picked(f"r.c{index}", kind) for index, kind in enumerate(found.kinds))
        names = ", ".join(map(quoted, found.names))
        structure = read.replace("'", "''")
        insert = (
            f"INSERT INTO {quoted(self.table)} ({names}) SELECT {picked} "  # noqa: S608 - quoted
            f"FROM (SELECT unnest(from_json(?::JSON, '{structure}')) AS r)"
        )
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
        duckdb = _duckdb()
        try:
            self._begin_batch()
            self._book.execute(f"DELETE FROM {_BATCHES} WHERE sink = ?", [self.table])  # noqa: S608 - no input
            self._book.execute(f"INSERT INTO {_BATCHES} VALUES (?, ?, ?)", [self.table, self.token, batch])  # noqa: S608
            self._book.execute("COMMIT")
            self._open = False
        except duckdb.Error as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the database; what was not committed is not there."""
        book, self._book = self._book, None
        if book is not None:
            book.close()


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise ImportError("sinks.DuckDB needs the extra `duckdb`: pip install 'headrace[duckdb]'") from error
    return duckdb


def _type(kind: columns.Kind) -> str:
    """Write the type of a column."""
    if kind.name == "list":
        return f"{_inner(kind.parts[0][1])}[]"
    if kind.name == "struct":
        return f"STRUCT({', '.join(f'{quoted(name)} {_inner(part)}' for name, part in kind.parts)})"
    return _TYPES.get(kind.name, ("VARCHAR", ""))[0]


def _inner(kind: columns.Kind) -> str:
    """Write the type of a part of a column: what JSON has no word for is text there."""
    return _type(kind) if kind.name in ("list", "struct", "bool", "int", "float") else "VARCHAR"


def _read(kind: columns.Kind) -> Any:
    """Tell as what the JSON of a column is read."""
    if kind.name == "list":
        return [_read(kind.parts[0][1])]
    if kind.name == "struct":
        return {name: _read(part) for name, part in kind.parts}
    return _TYPES.get(kind.name, ("", "VARCHAR"))[1]


def _picked(name: str, kind: columns.Kind) -> str:
    """Write what makes a value of the column of what was read."""
    if kind.name == "bytes":
        return f"from_base64({name})"
    if kind.name in ("date", "instant", "local", "json"):
        return f"CAST({name} AS {_TYPES[kind.name][0]})"
    return name


def _converter(kind: columns.Kind) -> Callable[[Any], Any]:
    if kind.name == "list":
        one = _converter(kind.parts[0][1])
        return lambda value: [None if each is None else one(each) for each in columns.native(value)]
    if kind.name == "struct":
        parts = [(name, _converter(part)) for name, part in kind.parts]

        def change(value: Any) -> dict[str, Any]:
            given = columns.native(value)
            return {name: None if given.get(name) is None else one(given[name]) for name, one in parts}

        return change
    return _CONVERTERS.get(kind.name, columns.as_text)


_CONVERTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "bool": bool,
    "int": columns.whole,
    "float": float,
    "bytes": bytes,
    "json": columns.as_json,
}
