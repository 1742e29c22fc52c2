"""What is done, what failed and what did not fit, on disk: a bulk that is started again goes on from there."""

from __future__ import annotations

import os
import secrets
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import msgspec

from headrace._checks import wrong
from headrace.bulk import _book
from headrace.bulk._letters import DeadLetter, Rejected
from headrace.bulk.keys import SIZE, Digests
from headrace.bulk.samples import Sample
from headrace.errors import JournalError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

T = TypeVar("T")

_letter = msgspec.msgpack.Decoder(DeadLetter).decode
_rejected = msgspec.msgpack.Decoder(Rejected).decode
_sample = msgspec.msgpack.Decoder(Sample).decode


class More(msgspec.Struct):
    """What a batch holds beside the calls that are done.

    Attributes:
        dead: The digests of calls that failed, and their letters.
        rejects: Rows that did not fit.
        series: By the digest of its call, how far a series of pages is, and whether it is over for this run. Nothing,
            and not over, forgets the series; nothing, and over, leaves it where it is.
    """

    dead: list[tuple[bytes, DeadLetter]]
    rejects: list[Rejected]
    series: dict[bytes, tuple[bytes | None, bool]] = {}


#: Which run of its calls a journal is in, from 1.
_ROUND: Final = "coalesce((SELECT CAST(value AS INTEGER) FROM job WHERE name = 'round'), 1)"
_more = msgspec.msgpack.Decoder(More).decode


class _Settings(msgspec.Struct):
    """What is written down about the job, where there is one."""

    token: str = ""
    round: int = 1
    job: dict[str, str] | None = None


class Journal:
    """A journal of a bulk; it reads while another process writes.

    Args:
        path: The file, SQLite. A bulk that is given it makes it where there is none, with mode 0600.

    Raises:
        headrace.errors.ValidationError: `path` is no path.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise wrong("journal", path, "a path")
        self.path = Path(path)
        if not self.path.name or str(path) == ":memory:":
            raise ValidationError(f"journal: got {str(path)!r}, takes the path of a file")
        self._reader: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def failed(self) -> Iterator[DeadLetter]:
        """Read the dead letters: the calls that failed and did not succeed since.

        Raises:
            headrace.errors.JournalError: There is no such journal, or it cannot be read.
        """
        return self._decoded(self._read("SELECT letter FROM dead"), _letter)

    def rejects(self) -> Iterator[Rejected]:
        """Read the rows that did not fit.

        Raises:
            headrace.errors.JournalError: There is no such journal, or it cannot be read.
        """
        return self._decoded(self._read("SELECT row FROM reject ORDER BY id"), _rejected)

    def samples(self) -> Iterator[Sample]:
        """Read how its runs went, second by second.

        Raises:
            headrace.errors.JournalError: There is no such journal, or it cannot be read.
        """
        if not list(self._read("SELECT 1 FROM sqlite_master WHERE name = 'sample'")):
            return iter(())  # of an earlier version
        return self._decoded(self._read("SELECT body FROM sample ORDER BY id"), _sample)

    @property
    def about(self) -> dict[str, Any]:
        """What it is of: its job, the settings of the last run (masked), and what was seen of each route.

        Raises:
            headrace.errors.JournalError: There is no such journal, or it cannot be read.
        """
        rows = self._read("SELECT name, value FROM job WHERE name IN ('job', 'settings', 'routes')")
        with _book.reading(self.path):
            return {name: msgspec.json.decode(value) for name, value in rows}

    @property
    def done(self) -> int:
        """How many calls are done; of those that are incremental, in a run that has not ended.

        Raises:
            headrace.errors.JournalError: There is no such journal, or it cannot be read.
        """
        sizes = self._read("SELECT coalesce(sum(length(done)), 0) FROM batch WHERE NOT pending")
        ended = self._read(f"SELECT count(*) FROM series WHERE ended = ({_ROUND})")  # noqa: S608 - no input
        with _book.reading(self.path):
            ((size,),), ((over,),) = sizes, ended
            return int(size) // SIZE + int(over)

    def close(self) -> None:
        """Close it; may be called more than once."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def __repr__(self) -> str:
        return f"<Journal {self.path}>"

    def _read(self, query: str) -> Iterator[Any]:
        if self._reader is None:
            self._reader = _book.read(self.path)
        with _book.reading(self.path):
            return iter(self._reader.execute(query))

    def _decoded(self, rows: Iterator[Any], decode: Callable[[bytes], T]) -> Iterator[T]:
        with _book.reading(self.path):
            for (packed,) in rows:
                yield decode(packed)


class Writer:
    """Writes a journal, in one thread; the steps of a batch are `note`, the sink's commit, `mark`.

    Args:
        path: The file.

    Attributes:
        number: The last batch that is whole; 0 for a journal that has not begun.
        token: What a sink knows this journal by.
        dead: The calls that failed.

    Raises:
        headrace.errors.JournalError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._book, self._lock = _book.write(path)
        try:
            with _book.reading(path):
                settings = msgspec.convert(_book.settings(self._book), _Settings)
                self.token = settings.token or secrets.token_hex(8)
                self._round = settings.round
                self._job = settings.job
                rows = self._book.execute("SELECT coalesce(max(number), 0), count(*) FROM batch WHERE NOT pending")
                ((self.number, count),) = rows
                if self.number != count:
                    raise ValueError(f"it has {count} batches, and the last has the number {self.number}")
                self.dead = Digests(_digests(self._book.execute("SELECT digest FROM dead")))
        except JournalError:
            self.close()
            raise

    @property
    def pending(self) -> bool:
        """Whether a batch was noted whose end is not known."""
        query = "SELECT count(*) FROM batch WHERE pending"
        with _book.reading(self.path):
            return bool(self._book.execute(query).fetchone()[0])

    def check(self, job: Mapping[str, str]) -> None:
        """Compare the job with that of the journal, where it has one.

        Raises:
            headrace.errors.JournalError: It is another.
        """
        for name, value in job.items():
            noted = None if self._job is None else self._job.get(name)
            if self._job is not None and noted != value:
                message = (
                    f"journal: {self.path} is of another job: its {name} was {noted}, and is {value}; {_book.REMEDY}"
                )
                raise JournalError(message)

    def begin(self, job: Mapping[str, str]) -> None:
        """Begin a journal with its job and batch 1, which is empty: from now on the sink is not a fresh one."""
        with _Transaction(self):
            for name, value in (("job", dict(job)), ("token", self.token)):
                self._describe(name, value)
            self._book.execute("INSERT INTO batch VALUES (1, 0, x'', NULL, ?)", (_book.checksum(b"", None),))
        self.number = 1

    def load(self) -> Digests:
        """Read what is done."""
        found = Digests()
        with _book.reading(self.path):
            for number, packed, noted in self._book.execute(
                "SELECT number, done, checksum FROM batch WHERE NOT pending"
            ):
                _check_batch(number, packed, None, noted)
                found.load(packed)
            for each in _digests(self._book.execute("SELECT digest FROM series WHERE ended = ?", (self._round,))):
                found.add(each)
        return found

    def finish(self) -> None:
        """End a run: what is over in it, and is asked again in the next, is not done any more."""
        if self._book.execute("SELECT 1 FROM series WHERE ended = ?", (self._round,)).fetchone() is None:
            return
        with _Transaction(self):
            self._book.execute("INSERT OR REPLACE INTO job VALUES ('round', ?)", (str(self._round + 1),))
        self._round += 1

    @property
    def has_series(self) -> bool:
        """Whether it knows how far any series is."""
        with _book.reading(self.path):
            return self._book.execute("SELECT 1 FROM series LIMIT 1").fetchone() is not None

    def series(self, digests: list[bytes]) -> dict[bytes, bytes]:
        """Read how far the series of some calls are, but for those that have not begun.

        Raises:
            headrace.errors.JournalError: The journal cannot be read.
        """
        found = {}
        with _book.reading(self.path):
            for digest in digests:
                row = self._book.execute("SELECT state FROM series WHERE digest = ?", (digest,)).fetchone()
                if row is not None and row[0]:
                    found[digest] = row[0]
        return found

    def describe(self, settings: Mapping[str, str]) -> None:
        """Note the settings of a run, which hold no secret."""
        with _Transaction(self):
            self._describe("settings", dict(settings))

    def _describe(self, name: str, value: Any) -> None:
        self._book.execute("INSERT OR REPLACE INTO job VALUES (?, ?)", (name, msgspec.json.encode(value).decode()))

    def note(self, done: bytes, more: More, samples: Sequence[Sample] = (), routes: Any = None) -> None:
        """Note what the next batch ends, before its rows are in the sink; and how the run went meanwhile."""
        packed = msgspec.msgpack.encode(more) if more.dead or more.rejects or more.series else None
        with _Transaction(self):
            self._book.execute("DELETE FROM batch WHERE pending")
            values = (self.number + 1, done, packed, _book.checksum(done, packed))
            self._book.execute("INSERT INTO batch VALUES (?, 1, ?, ?, ?)", values)
            if samples:
                bodies = ((msgspec.msgpack.encode(sample),) for sample in samples)
                self._book.executemany("INSERT INTO sample (body) VALUES (?)", bodies)
                self._describe("routes", routes)

    def mark(self) -> None:
        """Mark that the sink has the batch that was noted."""
        with _Transaction(self):
            query = "SELECT number, done, more, checksum FROM batch WHERE pending"
            number, done, packed, noted = self._book.execute(query).fetchone()
            _check_batch(number, done, packed, noted)
            self._settle(done, packed)
            update = "UPDATE batch SET pending = 0, more = NULL, checksum = ? WHERE number = ?"
            self._book.execute(update, (_book.checksum(done, None), number))
        self.number = number

    def drop(self) -> None:
        """Forget the batch that was noted: the sink does not have it."""
        with _Transaction(self):
            self._book.execute("DELETE FROM batch WHERE pending")

    def _settle(self, done: bytes, packed: bytes | None) -> None:
        """Put what failed among the dead letters, and take out what is done since."""
        if len(self.dead):
            for at in range(0, len(done), SIZE):
                self._bring_to_life(done[at : at + SIZE])
        if packed is None:
            return
        more = _more(packed)
        encode = msgspec.msgpack.encode
        rows = ((digest, encode(letter)) for digest, letter in more.dead)
        self._book.executemany("INSERT OR REPLACE INTO dead VALUES (?, ?)", rows)
        self._book.executemany("INSERT INTO reject (row) VALUES (?)", ((encode(each),) for each in more.rejects))
        for digest, _ in more.dead:
            self.dead.add(digest)
        for digest, (state, over) in more.series.items():
            self._settle_series(digest, state, self._round if over else 0)

    def _settle_series(self, digest: bytes, state: bytes | None, ended: int) -> None:
        if ended:
            self._bring_to_life(digest)
        if state is not None:
            self._book.execute("INSERT OR REPLACE INTO series VALUES (?, ?, ?)", (digest, state, ended))
        elif ended:
            insert = "INSERT INTO series VALUES (?, x'', ?) ON CONFLICT (digest) DO UPDATE SET ended = excluded.ended"
            self._book.execute(insert, (digest, ended))
        else:
            self._book.execute("DELETE FROM series WHERE digest = ?", (digest,))

    def _bring_to_life(self, digest: bytes) -> None:
        """Take a call out of the dead letters."""
        if digest in self.dead:
            self.dead.discard(digest)
            self._book.execute("DELETE FROM dead WHERE digest = ?", (digest,))

    def close(self) -> None:
        """Close it, and let another write."""
        try:
            self._book.close()
        finally:
            self._lock.close()

    def execute(self, statement: str) -> None:
        """Do one statement of a transaction.

        Raises:
            headrace.errors.JournalError: It cannot be done, as on a full disk.
        """
        try:
            self._book.execute(statement)
        except sqlite3.Error as error:
            raise _book.refused(self.path, error) from error


def _digests(rows: Iterable[tuple[Any]]) -> Iterator[bytes]:
    """Read the digests of rows; a `ValueError` tells of one that is none."""
    for (each,) in rows:
        if not isinstance(each, bytes) or len(each) != SIZE:
            raise ValueError("it has a digest that is none")
        yield each


def _check_batch(number: int, done: bytes, more: bytes | None, noted: int) -> None:
    if _book.checksum(done, more) != noted or len(done) % SIZE:
        raise ValueError(f"batch {number} is not what was written")


class _Transaction:
    """A block that is written as a whole, and on disk at its end."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def __enter__(self) -> None:
        self._writer.execute("BEGIN IMMEDIATE")

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        if error is None:
            try:
                self._writer.execute("COMMIT")
            except JournalError:
                self._roll_back()
                raise
            return
        self._roll_back()
        with _book.reading(self._writer.path):
            raise error

    def _roll_back(self) -> None:
        try:
            self._writer.execute("ROLLBACK")
        except JournalError:
            return  # SQLite has done so itself
