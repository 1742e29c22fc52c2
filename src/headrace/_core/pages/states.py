"""How far a series of pages has come, and the form in which JSON knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from headrace._core.pages import positions
from headrace._core.pages.driven import Called, Driven
from headrace._core.pages.sieve import Marks
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from headrace._core.pages.sieve import Sieve
    from headrace._core.pages.strategies import Strategy

_VERSION: Final = 1
#: What a state may say that its series is read by.
_NAMES: Final = ("Called", "Cursor", "Driven", "HeaderCursor", "Link", "NextUrl", "Offset", "PageNumber", "Single")
_TAKES: Final = "the .state of a series like this one"


class Progress(msgspec.Struct, frozen=True):
    """How far a series has come.

    Attributes:
        position: Where it goes on; `None` where it has not begun, or is over.
        number: How many pages there were.
        rows: How many rows there were.
        size: How many rows a page has: as asked for, else as the first one had.
        total: How many rows or pages there are, as the last page said.
        over: Whether that was the last page.
        again: Whether the rows of the page at `position` were handed out: it is asked for what it leads to alone.
        refused: Where that page led, if it was to a page that had come before.
        marks: What tells new rows from old ones; `None` where all are given.
    """

    position: Any = None
    number: int = 0
    rows: int = 0
    size: int | None = None
    total: int | None = None
    over: bool = False
    again: bool = False
    refused: Any = None
    marks: Marks | None = None


#: What a state has only where there is something to say.
_SELDOM: Final = ("again", "refused")


def written(progress: Progress, strategy: Strategy, sieve: Sieve | None) -> dict[str, Any]:
    """Write down how far a series is.

    Args:
        progress: How far.
        strategy: How there is a next page.
        sieve: What lets new rows through, if something does.

    Raises:
        headrace.errors.ValidationError: A function of the caller's has made a position that JSON does not know.
    """
    known = msgspec.structs.asdict(progress)
    del known["marks"]
    try:
        known |= positions.plain({"position": progress.position, "refused": progress.refused})
    except TypeError:
        message = "state: what leads to the next page is not all text, numbers, lists and mappings"
        raise ValidationError(message) from None
    known = {name: value for name, value in known.items() if value or name not in _SELDOM}
    if sieve is not None:
        known["incremental"] = sieve.written(progress.marks or Marks())
    return {"version": _VERSION, "pages": type(strategy).__name__, **known}


def read(state: Any, strategy: Strategy, sieve: Sieve | None) -> Progress:
    """Read what `written` has written.

    Args:
        state: What was written.
        strategy: How there is a next page.
        sieve: What lets new rows through, if something does.

    Raises:
        headrace.errors.ValidationError: It is no state of a series by that strategy, and of such rows.
    """
    if not isinstance(state, dict) or state.get("version") != _VERSION:
        message = f"resume: got {type(state).__name__}, takes {_TAKES}"
        raise ValidationError(message)
    name = type(strategy).__name__
    if state.get("pages") != name:
        given = state.get("pages")
        other = repr(given) if given in _NAMES else "another strategy"
        message = f"resume: is of a series by {other}, and this one is by {name!r}"
        raise ValidationError(message)
    try:
        names = [name for name in Progress.__struct_fields__ if name != "marks"]
        known = {name: state.get(name) if name in _SELDOM else state[name] for name in names}
        progress = msgspec.convert({**known, "again": known["again"] is True}, Progress)
    except (KeyError, msgspec.ValidationError):
        message = f"resume: got a mapping with other keys or values, takes {_TAKES}"
        raise ValidationError(message) from None
    wanted: Any = object
    if strategy.counted:
        wanted = int
    elif strategy.leads_by_url:
        wanted = str
    elif isinstance(strategy, (Called, Driven)):
        wanted = dict
    if progress.position is not None and not isinstance(progress.position, wanted):
        message = f"resume: its position is a {type(progress.position).__name__}, takes {_TAKES}"
        raise ValidationError(message)
    if sieve is not None:
        return msgspec.structs.replace(progress, marks=sieve.read(state.get("incremental")))
    if "incremental" in state:
        message = "resume: is of a series with incremental=, and this one is without; give it the same"
        raise ValidationError(message)
    return progress
