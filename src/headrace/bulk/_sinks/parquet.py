"""Rows as files of Parquet, each written aside and renamed; rows that make no file yet wait in one beside them."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable  # noqa: TC003 - a constant is annotated with it
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from headrace._checks import is_number, wrong_number
from headrace._core.request import encode
from headrace.bulk._sinks import columns
from headrace.bulk._sinks.base import Misfit, Mode, Target
from headrace.bulk._sinks.durable import Mark, hold, make_own, open_own, sync, sync_folder, write_at
from headrace.errors import JournalError, SinkError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_PART: Final = re.compile(r"part-([0-9]{6,})\.parquet").fullmatch
#: What Arrow raises for a value that it does not take; its own errors are some of these.
_REFUSALS: Final = (ValueError, TypeError, OverflowError, NotImplementedError)
_LENGTH: Final = struct.Struct("<Q")
#: Rows of a row group: as many as are held in memory when a file is made.
_GROUP: Final = 100_000


class Parquet(Target):
    """A folder of Parquet files; needs the extra `parquet`.

    Args:
        path: The folder, which is made where there is none.
        rows_per_file: Rows of each file but the last.
        mode: What becomes of a folder that has such files: ``"append"`` adds to them, ``"replace"`` deletes them;
            `None` refuses it.

    Raises:
        headrace.errors.ValidationError: An argument is wrong.
        ImportError: The extra is not installed.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, rows_per_file: int = 1_000_000, mode: Mode | None = None
    ) -> None:
        super().__init__(path, mode)
        _arrow()
        if not is_number(rows_per_file, integer=True):
            raise wrong_number("rows_per_file", rows_per_file, "a whole number above 0")
        self.rows_per_file = rows_per_file
        self._mark = Mark(self.path / ".mark")
        self._reader = columns.Reader(converter)
        self._folder: int | None = None
        self._waiting: int | None = None
        self._schema: Any = None
        self._first = self._parts = self._end = self._rows = 0
        self._tables: list[Any] = []

    def expect(self, row_format: Any) -> None:
        """Hear what a row is; see `Target.expect`."""
        self._reader.expect(row_format)

    def open(self, batch: int, /) -> int:
        """Open the folder, and take back what is behind a batch; see `Sink.open`.

        Raises:
            headrace.errors.JournalError: The folder has less than its journal says.
            headrace.errors.SinkError: It cannot be opened, or has such files.
        """
        self._tables.clear()
        try:
            return self._resume(batch) if batch else self._begin()
        except OSError as error:
            raise self._failed(error) from error

    def _begin(self) -> int:
        if not self.path.is_dir():
            self.path.mkdir(exist_ok=True)
            sync_folder(self.path.absolute().parent)
        self._hold()
        there = sorted(self.path.glob("*.parquet"))
        if there and self.mode is None:
            raise self._occupied()
        if self.mode == "replace":
            for each in there:
                each.unlink()
            there = []
        for left in self.path.glob(".waiting-*"):
            left.unlink()
        self._mark.remove()
        self._first = max((int(found[1]) + 1 for each in there if (found := _PART(each.name))), default=0)
        self._parts = self._first
        self._end = self._rows = 0
        self._waiting = self._made()
        self._note(0)
        return 0

    def _hold(self) -> None:
        """Let nobody else write the folder."""
        if os.name != "nt":  # where no folder can be opened
            self._folder = os.open(self.path, os.O_RDONLY)
            hold(self._folder, self.identity)

    def _resume(self, batch: int) -> int:
        facts = self._mark.read()
        number = self._settled(batch, None if facts is None else (facts["token"], facts["batch"]))
        self._hold()
        assert facts is not None  # noqa: S101 - it would not have settled
        self._first, self._parts, self._end, self._rows = (facts[name] for name in ("first", "parts", "end", "rows"))
        for part in map(self._part, range(self._first, self._parts)):
            if not part.exists():
                raise JournalError(f"{self.identity} lacks rows that its journal has: there is no {part}")
        for each in self.path.glob("part-*"):  # those that were begun, or not heard of any more
            found = _PART(each.name.removesuffix(".tmp"))
            if found and (each.suffix == ".tmp" or int(found[1]) >= self._parts):
                each.unlink()
        try:
            self._waiting = waiting = open_own(self._beside)
        except FileNotFoundError:
            self._waiting = waiting = self._made()
        size = os.fstat(waiting).st_size
        if size < self._end:
            raise JournalError(f"{self.identity} lacks rows that its journal has: {self._beside} was cut")
        os.ftruncate(waiting, self._end)
        return number

    def _part(self, number: int) -> Path:
        return self.path / f"part-{number:06}.parquet"

    @property
    def _beside(self) -> Path:
        return self.path / f".waiting-{self._parts:06}"

    def _made(self) -> int:
        descriptor = make_own(self._beside)
        sync_folder(self.path)
        return descriptor

    def _note(self, batch: int) -> None:
        if self.token:
            where = {"first": self._first, "parts": self._parts, "end": self._end, "rows": self._rows}
            self._mark.write(token=self.token, batch=batch, **where)

    def write(self, rows: Sequence[Any], /) -> list[Misfit]:
        """Make a table of rows; gives those that have no place in their columns.

        Raises:
            headrace.errors.SinkError: They have no columns.
        """
        arrow = _arrow()
        values, which, misfits = self._reader.read(rows)
        if not values:
            return misfits
        found = self._reader.columns
        assert found is not None  # noqa: S101 - there was a row
        if self._schema is None:
            self._schema = arrow.schema(
                [(name, arrow_type(kind)) for name, kind in zip(found.names, found.kinds, strict=True)]
            )
        try:
            self._tables.append(self._table(values))
        except _REFUSALS:
            for index, each in zip(which, values, strict=True):
                try:
                    self._tables.append(self._table([each]))
                except _REFUSALS as error:
                    misfits.append(Misfit(index, "$", str(error)))
        return sorted(misfits)

    def _table(self, values: list[list[Any]]) -> Any:
        """Make a table of the values of rows; raises some `ValueError`, `TypeError` or `OverflowError`."""
        arrow = _arrow()
        arrays = [
            arrow.array(each, field.type) for each, field in zip(zip(*values, strict=True), self._schema, strict=True)
        ]
        return arrow.Table.from_arrays(arrays, schema=self._schema)

    def commit(self, batch: int, /) -> None:
        """Put the rows with those that wait, and make files of them where they are enough; see `Sink.commit`.

        Raises:
            headrace.errors.SinkError: The disk is full, or the folder cannot be written.
        """
        if self._waiting is None:
            raise SinkError(f"{self.identity} is not open")
        tables, self._tables = self._tables, []
        try:
            self._append(tables)
            left = None
            if self._rows >= self.rows_per_file:
                left = self._make_part()
            self._note(batch)
            if left is not None:
                left.unlink(missing_ok=True)
        except OSError as error:
            raise self._failed(error) from error
        self._last = batch

    def _append(self, tables: list[Any]) -> None:
        assert self._waiting is not None  # noqa: S101 - it is open
        arrow = _arrow()
        for table in tables:
            made = arrow.BufferOutputStream()
            with arrow.ipc.new_stream(made, table.schema) as stream:
                stream.write_table(table)
            data = made.getvalue().to_pybytes()
            write_at(self._waiting, _LENGTH.pack(len(data)) + data, self._end)
            self._end += _LENGTH.size + len(data)
            self._rows += table.num_rows
        if tables and self.token:
            sync(self._waiting)

    def _make_part(self) -> Path:
        """Make a file of the rows that wait; returns the file that they waited in, which is not needed any more."""
        from pyarrow import parquet

        assert self._waiting is not None  # noqa: S101 - it is open
        final = self._part(self._parts)
        aside = final.with_name(f"{final.name}.tmp")
        writer = None
        with os.fdopen(make_own(aside, 0o666), "wb") as file:
            try:
                for table in self._groups():
                    writer = writer or parquet.ParquetWriter(file, table.schema)
                    writer.write_table(table)
            finally:
                if writer is not None:
                    writer.close()
            file.flush()
            sync(file.fileno())
        aside.replace(final)
        sync_folder(self.path)
        left = self._beside
        os.close(self._waiting)
        self._waiting = None
        self._parts += 1
        self._end = self._rows = 0
        self._waiting = self._made()
        return left

    def _groups(self) -> Iterator[Any]:
        """Read the rows that wait, a row group at once."""
        arrow = _arrow()
        gathered: list[Any] = []
        count = at = 0
        with os.fdopen(open_own(self._beside, writable=False), "rb") as file:
            while at < self._end:
                (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
                if length > self._end - at:
                    raise ValueError(f"{self._beside} is damaged")
                table = arrow.ipc.open_stream(file.read(length)).read_all()
                at += _LENGTH.size + length
                gathered.append(table)
                count += table.num_rows
                if count >= _GROUP:
                    yield arrow.concat_tables(gathered).combine_chunks()
                    gathered, count = [], 0
        if gathered:
            yield arrow.concat_tables(gathered).combine_chunks()

    def close(self) -> None:
        """Make a file of the committed rows that wait, and let go of the folder."""
        folder, self._folder = self._folder, None
        try:
            self._finish()
        finally:
            if folder is not None:
                os.close(folder)

    def _finish(self) -> None:
        if self._waiting is None:
            return
        try:
            facts = self._mark.read() if self.token else None
            if facts is not None and facts["end"] != self._end:
                self._rows = 0  # a commit has failed half-way: the next run cuts it back
            if self._rows:
                left = self._make_part()
                self._note(0 if facts is None else facts["batch"])
                left.unlink(missing_ok=True)
            elif not self.token:
                self._beside.unlink(missing_ok=True)
        except (OSError, ValueError, struct.error) as error:  # of Arrow, too: what waits is no table any more
            raise self._failed(error) from error
        finally:
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                os.close(waiting)
            self._mark.close()
            if not self.token:
                self._beside.unlink(missing_ok=True)


def _arrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.ipc
    except ImportError as error:
        raise ImportError("sinks.Parquet needs the extra `parquet`: pip install 'headrace[parquet]'") from error
    return pa


def arrow_type(kind: columns.Kind) -> Any:
    """Find the type of Arrow for what a column holds."""
    arrow = _arrow()
    if kind.name == "list":
        return arrow.list_(arrow_type(kind.parts[0][1]))
    if kind.name == "struct":
        return arrow.struct([(name, arrow_type(part)) for name, part in kind.parts])
    return {
        "bool": arrow.bool_(),
        "int": arrow.int64(),
        "float": arrow.float64(),
        "bytes": arrow.binary(),
        "date": arrow.date32(),
        "instant": arrow.timestamp("us", tz="UTC"),
        "local": arrow.timestamp("us"),
    }.get(kind.name, arrow.string())


def converter(kind: columns.Kind) -> Callable[[Any], Any]:
    """Make what makes of a value of a column what Arrow takes."""
    if kind.name == "list":
        one = _or_none(converter(kind.parts[0][1]))
        return lambda value: [one(each) for each in _native(value)]
    if kind.name == "struct":
        parts = [(name, _or_none(converter(part))) for name, part in kind.parts]
        return lambda value: {name: change(given.get(name)) for given in (_native(value),) for name, change in parts}
    return _CONVERTERS.get(kind.name, columns.as_text)


def _or_none(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else change(value)


def _native(value: Any) -> Any:
    """Make the outside of a value plain, its parts too, but for what Arrow knows."""
    from datetime import date

    return msgspec.to_builtins(value, builtin_types=(bytes, date, datetime), enc_hook=encode.plain)


_CONVERTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "bool": columns.truth,
    "int": columns.whole,
    "float": columns.real,
    "bytes": columns.octets,
    "date": columns.day,
    "instant": columns.instant_in_utc,
    "local": columns.local,
    "json": columns.as_json,
}
