"""Rows as lines of JSON, plain or compressed, cut back to the last batch that is whole."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING, Any

import msgspec

from headrace._core.http import content_coding
from headrace._core.request import encode
from headrace.bulk._sinks.base import Misfit, Mode, Tagged, Target
from headrace.bulk._sinks.columns import builtins, is_row_finite
from headrace.bulk._sinks.durable import Mark, hold, sync, sync_folder, write_at
from headrace.bulk._sinks.kinds import Decoded, decoded
from headrace.bulk._sinks.table import check_file
from headrace.errors import JournalError, SinkError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_encoder = msgspec.json.Encoder(enc_hook=encode.plain)


class NDJSON(Target):
    """A file of lines, each a row in JSON.

    Args:
        path: The file. One whose name ends in `.gz` or `.zst` is compressed, each batch a member or frame of its own.
        mode: What becomes of a file that is not empty: ``"append"`` writes behind it, ``"replace"`` empties it; `None`
            refuses it.

    Raises:
        headrace.errors.ValidationError: An argument is wrong, or nothing here can write zstd.
    """

    at_once = 250  # a call of `write` costs next to nothing

    def __init__(self, path: str | os.PathLike[str], *, mode: Mode | None = None) -> None:
        super().__init__(path, mode)
        check_file("NDJSON", self.path)
        if self.path.suffix == ".zst":
            _zstd()
        self._mark = Mark(self.path.with_name(f".{self.path.name}.mark"))
        self._descriptor: int | None = None
        self._end = 0
        self._pieces: list[bytes] = []
        self._torn = False
        self._decoded = Decoded()  # rows in whose text `null` stands for no NaN

    @property
    def takes_json(self) -> bool:
        """Whether rows may be text; not where a class of somebody's writes them."""
        return type(self).write is NDJSON.write

    def expect(self, row_format: Any) -> None:
        """Hear what a row is; see `Target.expect`."""
        self._decoded = decoded(row_format)

    def open(self, batch: int, /) -> int:
        """Open the file, and cut it back to a batch; see `Sink.open`.

        Raises:
            headrace.errors.JournalError: The file has less than its journal says.
            headrace.errors.SinkError: It cannot be opened, or is not empty.
        """
        self._pieces.clear()
        try:
            number = self._resume(batch) if batch else self._begin()
        except OSError as error:
            raise self._failed(error) from error
        return number

    def _begin(self) -> int:
        descriptor = self._opened()
        size = os.fstat(descriptor).st_size
        if size and self.mode is None:
            raise self._occupied()
        if size and self.mode == "replace":
            os.ftruncate(descriptor, 0)
            size = 0
        self._end = size
        if size and self._compress() is None:
            os.lseek(descriptor, size - 1, os.SEEK_SET)
            if os.read(descriptor, 1) != b"\n":  # or the first row would go on with the last one of another
                self._pieces.append(b"\n")
        if self.token:
            sync(descriptor)
            self._mark.write(token=self.token, batch=0, end=size)
        else:
            self._mark.remove()
        return 0

    def _resume(self, batch: int) -> int:
        facts = self._mark.read()
        number = self._settled(batch, None if facts is None else (facts["token"], facts["batch"]))
        descriptor = self._opened()
        self._end = end = (facts or {})["end"]
        size = os.fstat(descriptor).st_size
        if size < end:
            raise JournalError(f"{self.identity} has {size:,} bytes, and its journal says {end:,}: it was cut")
        os.ftruncate(descriptor, end)
        return number

    def _opened(self) -> int:
        self._check_plain()
        there = self.path.exists()
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        self._descriptor = descriptor = os.open(self.path, flags, 0o666)
        hold(descriptor, self.identity)
        if not there:
            sync_folder(self.path.parent)
        return descriptor

    def write(self, rows: Sequence[Any], /) -> list[Misfit]:
        """Encode rows; gives those that have no JSON."""
        classes = set(map(type, rows))
        if Tagged not in classes:
            try:
                text = _encoder.encode_lines(rows)
            except (TypeError, ValueError, RecursionError, OverflowError):
                pass
            else:
                is_decoded = classes <= self._decoded.classes  # a call may have a format of its own
                is_whole = is_decoded or b"null" not in text or all(map(is_row_finite, rows))
                is_in_lines = is_decoded and self._decoded.is_in_lines
                if is_whole and (is_in_lines or (text.count(b"\n") == len(rows) and b"\r" not in text)):
                    self._pieces.append(text)
                    return []
        misfits, lines = [], []
        for index, row in enumerate(rows):
            try:
                lines.append(_line(row, as_decoded=type(row) in self._decoded.classes))
            except (TypeError, ValueError, RecursionError, OverflowError) as error:
                misfits.append(Misfit(index, "$", str(error)))
        self._pieces.append(b"".join(lines))
        return misfits

    def commit(self, batch: int, /) -> None:
        """Write the rows behind those of the last batch; see `Sink.commit`.

        Raises:
            headrace.errors.SinkError: The disk is full, or the file cannot be written.
        """
        if self._descriptor is None:
            raise SinkError(f"{self.identity} is not open")
        data = b"".join(self._pieces)
        self._pieces.clear()
        compress = self._compress()
        if data and compress is not None:
            data = compress(data)
        try:
            if data:
                self._torn = True
                write_at(self._descriptor, data, self._end)
            if self.token:
                if data:
                    sync(self._descriptor)
                self._mark.write(token=self.token, batch=batch, end=self._end + len(data))
        except OSError as error:
            raise self._failed(error) from error
        self._end += len(data)
        self._torn = False

    def close(self) -> None:
        """Close the file; what was not committed is cut off."""
        descriptor, self._descriptor = self._descriptor, None
        self._decoded = Decoded()  # of the run that ends
        self._mark.close()
        if descriptor is None:
            return
        try:
            if self._torn and not self.token:  # with a journal, the next run cuts: its mark may be written already
                os.ftruncate(descriptor, self._end)
            sync(descriptor)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            os.close(descriptor)

    def _compress(self) -> Callable[[bytes], bytes] | None:
        if self.path.suffix == ".gz":
            return _gzip
        if self.path.suffix == ".zst":
            compress: Callable[[bytes], bytes] = _zstd().compress
            return compress
        return None


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


def _zstd() -> Any:
    try:
        return content_coding.zstd_module()
    except ImportError:
        message = "NDJSON: a file that ends in .zst needs the extra `zstd`: pip install 'headrace[zstd]'"
        raise ValidationError(message) from None


def _line(row: Any, *, as_decoded: bool) -> bytes:
    """Write a row in one line."""
    value = {**_plain(row.row), **row.tags} if type(row) is Tagged else row
    text = _encoder.encode(value)
    if b"null" in text and not (as_decoded and value is row) and not is_row_finite(value):
        raise ValueError("NaN and infinities have no JSON text")
    if b"\n" in text or b"\r" in text:
        text = msgspec.json.format(text, indent=-1)
    return text + b"\n"


def _plain(row: Any) -> Any:
    """Make a row plain, of which tags become a part."""
    return msgspec.json.decode(row) if type(row) is msgspec.Raw else builtins(row)
