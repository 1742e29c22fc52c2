"""Rows as files of Parquet, each written aside and renamed; rows that make no file yet wait in one beside them."""

from __future__ import annotations

import os
import re
import struct
from typing import TYPE_CHECKING, Any, Final

from headrace._checks import is_number, wrong_number
from headrace.bulk._sinks.arrow import Tables, load
from headrace.bulk._sinks.base import Misfit, Mode, Target
from headrace.bulk._sinks.durable import Mark, hold, make_own, open_own, sync, sync_folder, write_at
from headrace.errors import JournalError, SinkError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_PART: Final = re.compile(r"part-([0-9]{6,})\.parquet").fullmatch
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
        _check_extra()
        if not is_number(rows_per_file, integer=True):
            raise wrong_number("rows_per_file", rows_per_file, "a whole number above 0")
        self.rows_per_file = rows_per_file
        self._mark = Mark(self.path / ".mark")
        self._arrow = Tables()
        self._folder: int | None = None
        self._waiting: int | None = None
        self._first = self._parts = self._end = self._rows = 0
        self._tables: list[Any] = []

    def expect(self, row_format: Any) -> None:
        """Hear what a row is; see `Target.expect`."""
        self._arrow.reader.expect(row_format)

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
        table, _, misfits = self._arrow.read(rows)
        if table is not None:
            self._tables.append(table)
        return sorted(misfits)

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
        arrow = load()
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
        arrow = load()
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


def _check_extra() -> None:
    try:
        load()
    except ImportError as error:
        raise ImportError("sinks.Parquet needs the extra `parquet`: pip install 'headrace[parquet]'") from error
