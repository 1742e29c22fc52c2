"""The file of a journal: SQLite with a write-ahead log, its form, its job, and who writes in it."""

from __future__ import annotations

import os
import sqlite3
import zlib
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec

from headrace._io.answers import own_files
from headrace.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: "hdrc": what a journal is told by (SQLite's `application_id`).
APPLICATION: Final = 0x68647263
VERSION: Final = 1
REMEDY: Final = "give another journal, or delete this one to begin anew"
_TABLES: Final = """
CREATE TABLE job (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE batch (
    number INTEGER PRIMARY KEY, pending INTEGER NOT NULL, done BLOB NOT NULL, more BLOB, checksum INTEGER NOT NULL
);
CREATE TABLE dead (digest BLOB PRIMARY KEY, letter BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE series (digest BLOB PRIMARY KEY, state BLOB NOT NULL, ended INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE reject (id INTEGER PRIMARY KEY, row BLOB NOT NULL);
"""
#: What a journal of an earlier version lacks, and none needs: it is made where it is missing.
_SAMPLES: Final = "CREATE TABLE IF NOT EXISTS sample (id INTEGER PRIMARY KEY, body BLOB NOT NULL)"


def refused(path: Path, error: Exception) -> JournalError:
    """Make the error for a file that SQLite, or the system, refuses."""
    return JournalError(f"journal: {path} cannot be used: {error}")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Make one error of all that a file may say, a disk that has lost or turned some of its bits.

    Raises:
        headrace.errors.JournalError: It cannot be read.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        raise refused(path, error) from error
    except (sqlite3.Error, msgspec.MsgspecError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise JournalError(f"journal: {path} is damaged: {error}; {REMEDY}") from error


def checksum(done: bytes, more: bytes | None) -> int:
    """Find what tells whether a batch is as it was written."""
    return zlib.crc32(more or b"", zlib.crc32(done))


def read(path: Path) -> sqlite3.Connection:
    """Open a journal to read it, also while another process writes.

    Raises:
        headrace.errors.JournalError: It is none, or not there.
    """
    if not path.is_file():
        raise JournalError(f"journal: there is no file {path}")
    book = None
    try:
        book = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
        with reading(path):
            _check(book, path, new=False)
    except sqlite3.Error as error:
        raise refused(path, error) from error
    except JournalError:
        assert book is not None  # noqa: S101 - it was checked
        book.close()
        raise
    return book


def write(path: Path) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Open a journal to write it, or begin one that its owner alone may read.

    Returns:
        Its connection, and one that holds its lock, which the system lets go of when the process dies.

    Raises:
        headrace.errors.JournalError: It is no journal, another one writes it, or its folder cannot be written.
    """
    lock = book = None
    path = path.absolute()  # others SQLite takes for what they are not, such as `:memory:` and `file:`
    try:
        lock = _locked(path)
        _make(path)
        book = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        _check(book, path, new=True)
        book.execute("PRAGMA journal_mode=WAL")
        book.execute("PRAGMA synchronous=FULL")
        book.execute("PRAGMA fullfsync=ON")  # macOS: a plain fsync leaves the bytes in the drive
        book.execute("PRAGMA checkpoint_fullfsync=ON")
        book.execute(_SAMPLES)
    except (OSError, sqlite3.Error, UnicodeError) as error:  # the last of a schema that is damaged
        for each in (book, lock):
            if each is not None:
                each.close()
        raise refused(path, error) from error
    except JournalError:
        for each in (book, lock):
            if each is not None:
                each.close()
        raise
    return book, lock


def _locked(path: Path) -> sqlite3.Connection:
    """Hold the one place of a writer; a lock of SQLite's, because it is there on every platform."""
    beside = path.with_name(f"{path.name}-lock")
    try:
        descriptor = own_files.open_existing(beside, writable=True)
    except FileNotFoundError:
        try:
            descriptor = own_files.make(beside)
        except FileExistsError:  # another run has just made it
            descriptor = own_files.open_existing(beside, writable=True)
    is_plain = own_files.is_plain(descriptor)
    os.close(descriptor)
    if not is_plain:
        raise JournalError(f"journal: {beside} cannot be used: it is no plain file; remove it")
    lock = sqlite3.connect(beside, isolation_level=None, timeout=0, check_same_thread=False)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if "locked" in str(error):
            raise JournalError(
                f"journal: {path} is being written by another run; wait for it, or give another"
            ) from None
        raise
    return lock


def _make(path: Path) -> None:
    """Make the file, where there is none; not through a link that leads nowhere."""
    try:
        os.close(own_files.make(path))
    except FileExistsError:
        if path.is_file():
            return
        raise JournalError(f"journal: {path} cannot be used: it is no plain file, or a link to nothing") from None


def _check(book: sqlite3.Connection, path: Path, *, new: bool) -> None:
    (application,) = book.execute("PRAGMA application_id").fetchone()
    (version,) = book.execute("PRAGMA user_version").fetchone()
    if application == APPLICATION:
        if version != VERSION:
            raise JournalError(f"journal: {path} has format {version}, and this version reads {VERSION}")
        return
    (tables,) = book.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables or application or not new:
        raise JournalError(f"journal: {path} is no journal of headrace; give another path, it is left as it is")
    book.executescript(
        f"BEGIN IMMEDIATE; {_TABLES} PRAGMA application_id={APPLICATION}; PRAGMA user_version={VERSION}; COMMIT;"
    )


def settings(book: sqlite3.Connection) -> dict[str, Any]:
    """Read what is written down about the job."""
    with closing(book.execute("SELECT name, value FROM job")) as rows:
        return {name: msgspec.json.decode(value) for name, value in rows}
