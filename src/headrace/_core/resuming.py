"""What a part is of, and whether an answer is the rest of the same, is decided here (RFC 9110, sections 14 and 15.3.7).

The law: a part is joined only with an answer that shows the validator which was asked with, and contradicts nothing
that is known: tag, date of modification, length, place. Everything else is begun anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from headrace._core import ranges

if TYPE_CHECKING:
    from multidict import MultiMapping

#: Bytes that are read of a note.
MOST_NOTE: Final = 64 * 1024


class Note(msgspec.Struct, frozen=True):
    """What the bytes of a part are of.

    Attributes:
        resource: Names the URL without telling it: a URL may hold secrets.
        tag: The strong entity tag, where there is one.
        modified: The `Last-Modified`; without a tag, one that is strong.
        total: Bytes of the whole, where the server has said so.
    """

    resource: str
    tag: str | None = None
    modified: str | None = None
    total: int | None = None

    @property
    def validator(self) -> str:
        """What `If-Range` is sent with."""
        return self.tag or self.modified or ""


def note_of(resource: str, headers: MultiMapping[str], total: int | None) -> Note | None:
    """Note what the head of a whole says of it; `None` where a part of it cannot be resumed."""
    validator = ranges.strong_validator(headers)
    if validator is None:
        return None
    modified = ranges.single(headers, "Last-Modified")
    tag = validator if ranges.is_strong_tag(validator) else None
    return Note(resource, tag, modified if ranges.is_date(modified) else None, total)


def read(text: bytes, size: int) -> Note | None:
    """Read a note from disk; `None` where nobody can have written it of a part of so many bytes."""
    try:
        note = msgspec.json.decode(text, type=Note)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    sound = (
        bool(note.validator)
        and (note.tag is None or ranges.is_strong_tag(note.tag))
        and (note.modified is None or ranges.is_date(note.modified))
        and (note.total is None or note.total >= size)
    )
    return note if sound else None


def rest(headers: MultiMapping[str], note: Note, size: int) -> ranges.Range | None:
    """Find the range of a 206 that goes on behind a part.

    Args:
        headers: Of the answer.
        note: What the part is of.
        size: Bytes of the part.

    Returns:
        The range; `None` where the answer is not surely the rest of the same.
    """
    found = ranges.content_range(ranges.single(headers, "Content-Range"))
    if found is None or found.first != size or ranges.is_coded(headers) or not _is_same(headers, note):
        return None
    if note.total is not None and (found.last >= note.total or found.total not in (None, note.total)):
        return None
    return found


def is_whole(headers: MultiMapping[str], note: Note, size: int) -> bool:
    """Tell whether a 416 says that nothing is missing behind a part: the same file, and of just this length."""
    total = ranges.unsatisfied(ranges.single(headers, "Content-Range"))
    return total == size and note.total in (None, size) and _is_same(headers, note)


def learned(headers: MultiMapping[str], note: Note, found: ranges.Range) -> Note:
    """Add to a note what a 206 says first, so that what comes after it has to agree with that, too."""
    modified = ranges.single(headers, "Last-Modified")
    if note.modified is not None or not ranges.is_date(modified):
        modified = note.modified
    return Note(note.resource, note.tag, modified, found.total if note.total is None else note.total)


def _is_same(headers: MultiMapping[str], note: Note) -> bool:
    """Tell whether an answer shows the validator of a note, and no other tag or date beside it.

    A 206 has the `ETag` that a 200 would have had (RFC 9110, section 15.3.7). The `Last-Modified` may be missing there;
    a server that leaves it out gives no evidence that it has looked at `If-Range` at all.
    """
    tag, modified = ranges.single(headers, "ETag"), ranges.single(headers, "Last-Modified")
    if note.tag is not None:
        return tag == note.tag and (None in (modified, note.modified) or modified == note.modified)
    return modified == note.modified
