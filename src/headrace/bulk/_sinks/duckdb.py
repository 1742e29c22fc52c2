"""Rows in a table of DuckDB, in one transaction with the number of their batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from headrace.bulk._sinks.arrow import Tables, load
from headrace.bulk._sinks.base import Misfit, Mode, Target
from headrace.bulk._sinks.table import check_file, check_key, check_table, keys_in, quoted
from headrace.errors import SinkError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from headrace.bulk._sinks.kinds import Kind

_BATCHES: Final = "_headrace_batches"
#: What the rows are called in a statement that inserts them.
_ROWS: Final = "_headrace_rows"
_TYPES: Final = {
    "bool": "BOOLEAN",
    "int": "BIGINT",
    "float": "DOUBLE",
    "bytes": "BLOB",
    "date": "DATE",
    "instant": "TIMESTAMPTZ",
    "local": "TIMESTAMP",
    "json": "JSON",
}
#: What is a text in a part of a column, and how that is written; the others are what they are.
_INSIDE: Final = {"bytes": "base64", "date": "text", "instant": "text", "local": "text"}


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

    at_once = 5000  # a statement costs as much as some hundreds of rows

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
        self._made = False  # whether the table is made in the transaction of the batch
        self._written: list[Any] = []  # into the transaction of the batch, as tables of Arrow
        self._arrow = Tables(_narrowed)

    @property
    def identity(self) -> str:
        """What a journal knows the sink by."""
        return f"{super().identity} {self.table}"

    def expect(self, row_format: Any) -> None:
        """Hear what a row is; see `Target.expect`."""
        self._arrow.reader.expect(row_format)

    def open(self, batch: int, /) -> int:
        """Open the database; see `Sink.open`.

        Raises:
            headrace.errors.JournalError: The table is not what its journal says.
            headrace.errors.SinkError: The database cannot be opened, or the table is not empty.
        """
        duckdb = _duckdb()
        self._insert, self._open, self._made, self._written = "", False, False, []
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
        table, which, misfits = self._arrow.read(rows)
        if table is None:
            return misfits
        try:
            self._begin_rows()
            table, which, keyless = self._keyed(table, which)
            misfits += keyless
            try:
                self._put(table)
            except _refusals():
                misfits += self._sorted_out(table, which)
        except duckdb.Error as error:
            raise self._failed(error) from error
        return sorted(misfits)

    def _keyed(self, table: Any, which: list[int]) -> tuple[Any, list[int], list[Misfit]]:
        """Leave out the rows whose key is null, and all but the last of a key: no statement changes a row twice."""
        if not self._keys:
            return table, which, []
        misfits = []
        last: dict[tuple[Any, ...], int] = {}
        for at, key in enumerate(zip(*[_comparable(table.column(at)) for at in self._keys], strict=True)):
            if None in key:
                misfits.append(Misfit(which[at], "$", "a column of the primary key is null"))
            else:
                last[key] = at
        if len(last) == len(which):
            return table, which, []
        kept = list(last.values())
        return table.take(kept), [which[at] for at in kept], misfits

    def _put(self, table: Any) -> None:
        self._execute(table)
        self._written.append(table)

    def _execute(self, table: Any) -> None:
        names = [f"c{index}" for index in range(table.num_columns)]
        self._book.register(_ROWS, table.rename_columns(names).to_reader())
        self._book.execute(self._insert)
        self._book.unregister(_ROWS)

    def _sorted_out(self, table: Any, which: list[int]) -> list[Misfit]:
        """Write the rows that a table takes, without the others: one of those takes the whole transaction with it."""
        good: list[int] = []
        misfits: list[Misfit] = []
        self._try_out(table, range(len(which)), good, misfits)
        self._begin_anew()
        for each in self._written:
            self._execute(each)
        if good:
            self._put(table.take(good))
        return [misfit._replace(row=which[misfit.row]) for misfit in misfits]

    def _try_out(self, table: Any, some: range, good: list[int], misfits: list[Misfit]) -> None:
        """Find by halves which of some rows a table takes."""
        self._begin_anew()
        try:
            self._execute(table.slice(some.start, len(some)))
        except _refusals() as error:
            if len(some) == 1:
                misfits.append(Misfit(some.start, "$", str(error).partition("\n")[0]))
                return
            middle = len(some) // 2
            self._try_out(table, some[:middle], good, misfits)
            self._try_out(table, some[middle:], good, misfits)
        else:
            good += some

    def _begin_anew(self) -> None:
        self._book.execute("ROLLBACK")
        self._open = False
        if self._made:
            self._insert, self._made = "", False
        self._begin_rows()

    def _begin_batch(self) -> None:
        if not self._open:
            self._book.execute("BEGIN")
            self._open = True

    def _begin_rows(self) -> None:
        self._begin_batch()
        if not self._insert:
            self._insert = self._prepared()

    def _prepared(self) -> str:
        """Make the table where there is none, and write the statement that inserts rows."""
        found = self._arrow.reader.columns
        assert found is not None  # noqa: S101 - there was a row
        keys = keys_in("DuckDB", self.primary_key, found.names)
        self._keys = [found.names.index(key) for key in keys]
        there = self._columns(self._book)
        missing = [name for name in found.names if name not in there]
        if there and missing:
            raise SinkError(f"{self.identity} has no column {missing[0]!r}; add it, or give another table")
        if not there:
            self._made = True
            made = [f"{quoted(name)} {_type(kind)}" for name, kind in zip(found.names, found.kinds, strict=True)]
            made += [f"PRIMARY KEY ({', '.join(map(quoted, keys))})"] if keys else []
            self._book.execute(f"CREATE TABLE {quoted(self.table)} ({', '.join(made)})")
        picked = ", ".join(_picked(f"c{index}", kind) for index, kind in enumerate(found.kinds))
        names = ", ".join(map(quoted, found.names))
        insert = f"INSERT INTO {quoted(self.table)} ({names}) SELECT {picked} FROM {_ROWS}"  # noqa: S608 - quoted
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
            self._open = self._made = False
            self._written.clear()
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

        load()
    except ImportError as error:
        raise ImportError("sinks.DuckDB needs the extra `duckdb`: pip install 'headrace[duckdb]'") from error
    return duckdb


def _refusals() -> tuple[type[Exception], ...]:
    """Name what is raised where a row is wrong, and not the statement."""
    duckdb = _duckdb()
    return duckdb.IntegrityError, duckdb.DataError, duckdb.InvalidInputException


def _type(kind: Kind) -> str:
    """Write the type of a column."""
    if kind.name == "list":
        return f"{_inner(kind.parts[0][1])}[]"
    if kind.name == "struct":
        return f"STRUCT({', '.join(f'{quoted(name)} {_inner(part)}' for name, part in kind.parts)})"
    return _TYPES.get(kind.name, "VARCHAR")


def _inner(kind: Kind) -> str:
    """Write the type of a part of a column: what JSON has no word for is text there."""
    return _type(kind) if kind.name in ("list", "struct", "bool", "int", "float") else "VARCHAR"


def _narrowed(kind: Kind) -> Kind:
    """Tell what a column is in a table of Arrow."""
    return kind._replace(parts=tuple((name, _narrowed_inside(part)) for name, part in kind.parts))


def _narrowed_inside(kind: Kind) -> Kind:
    return _narrowed(kind)._replace(name=_INSIDE.get(kind.name, kind.name))


def _picked(name: str, kind: Kind) -> str:
    """Write what makes a value of the column of what is in the table of Arrow."""
    return f"CAST({name} AS JSON)" if kind.name == "json" else name


def _comparable(column: Any) -> list[Any]:
    """Read the values of a column of a key, so that those that are equal in a table are equal."""
    arrow = load()
    values: list[Any] = (column.cast(arrow.int64()) if arrow.types.is_timestamp(column.type) else column).to_pylist()
    return ["NaN" if value != value else value for value in values]  # noqa: PLR0124 - a NaN
