"""What a sink is, and what ours have in common: a token of their journal, a mode, and errors that say what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

from headrace._checks import given, wrong
from headrace.errors import JournalError, SinkError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T_contra = TypeVar("T_contra", contravariant=True)

Mode: TypeAlias = Literal["append", "replace"]
MODES: Final = (None, "append", "replace")


@runtime_checkable
class Sink(Protocol[T_contra]):
    """Where the rows of a bulk go.

    Its functions are plain, and are called one after the other in one thread that is not the event loop's. Until
    `open` it holds nothing that cannot be pickled.
    """

    def open(self, batch: int, /) -> int:
        """Open the target, and take back what is behind a batch.

        Args:
            batch: The last batch that the journal has as whole; 0 where everything begins.

        Returns:
            `batch`; or `batch + 1` where that one was committed and is whole.
        """
        ...

    def write(self, rows: Sequence[T_contra], /) -> object:
        """Take rows that belong to the next batch."""
        ...

    def commit(self, batch: int, /) -> object:
        """Make the rows since the last commit durable, all or none, and remember the number of the batch."""
        ...

    def close(self) -> object:
        """Let go of the target; rows that were not committed are not there. May be called more than once."""
        ...


class Misfit(NamedTuple):
    """A row that a sink cannot hold.

    Attributes:
        row: Which of the rows that were written.
        path: Which part of it.
        message: What is wrong with that.
    """

    row: int
    path: str
    message: str


class Tagged(NamedTuple):
    """A row, and what its call adds to it."""

    row: Any
    tags: Mapping[str, Any]


class Target:
    """What the sinks of this library have in common.

    Args:
        path: A file or folder.
        mode: What becomes of rows that are there before anything was written; `None` refuses them.

    Attributes:
        token: What the journal of the run is known by; empty without one. The run says so before it opens the sink.
    """

    #: What beside the rows is given to `write`: `Tagged` rows, and what a row is.
    token: str = ""
    #: How many rows are written at once: few are in the cache still, and no garbage collector goes over them.
    at_once: int = 1000

    def __init__(self, path: str | os.PathLike[str], mode: Mode | None = None) -> None:
        name = type(self).__name__
        if not isinstance(path, (str, os.PathLike)):
            raise wrong(f"{name}: path", path, "a path")
        if mode not in MODES:
            raise ValidationError(f'{name}: mode: got {given("mode", mode)}, takes "append" or "replace"')
        self.path = Path(path)
        self.mode: Mode | None = mode

    @property
    def identity(self) -> str:
        """What a journal knows the sink by; where it lies is no part of it."""
        return f"{type(self).__name__} {self.path.name}"

    @property
    def takes_json(self) -> bool:
        """Whether a row of plain JSON may be the text that came, as `msgspec.Raw`."""
        return False

    @property
    def journal(self) -> Path:
        """Where the journal lies with ``journal=True``."""
        path = self.path if self.path.name else self.path.absolute()
        return path.with_name(f"{path.name}.journal")

    def expect(self, row_format: Any) -> None:
        """Hear what a row is, before anything is asked; raises a `SinkError` for what has no place here."""

    def __repr__(self) -> str:
        return f"<{self.identity}>"

    def _check_plain(self) -> None:
        """Refuse a place that is no file: to open a pipe would wait for its other end.

        Raises:
            headrace.errors.SinkError: It is a folder, a device, a pipe or a socket.
        """
        if self.path.exists() and not self.path.is_file():
            raise SinkError(f"{self.identity} cannot be written: {str(self.path)!r} is no plain file")

    def _occupied(self) -> SinkError:
        message = f'{self.identity} is not empty: give it mode="append" or mode="replace", or the journal that it is of'
        return SinkError(message)

    def _failed(self, error: Exception) -> SinkError:
        return SinkError(f"{self.identity} cannot be written: {error}")

    def _settled(self, batch: int, noted: tuple[str, int] | None) -> int:
        """Compare the batch of the journal with the one that was noted here.

        Raises:
            headrace.errors.JournalError: They are not of one run.
        """
        if noted is None:
            raise JournalError(f"{self.identity} is empty or knows of no journal, whose batch {batch} it should have")
        token, number = noted
        if token != self.token:
            raise JournalError(f"{self.identity} was written by another run since; it is not what the journal is of")
        if number not in (batch, batch + 1):
            raise JournalError(f"{self.identity} has batch {number}, and its journal batch {batch}")
        return number
