r"""What `\d` and `\s` mean is asked of the two engines: Rust's, with which pydantic searches, and Python's.

Both mean classes of Unicode, but each has the Unicode of its own day, and another thought of what a space is. So each
class is written for Python as what pydantic's engine matches, found by looking once at every character that there is.
"""

from __future__ import annotations

import functools
import re
import sys
from typing import TYPE_CHECKING, Final

from pydantic_core import SchemaValidator, core_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SURROGATES: Final = range(0xD800, 0xE000)  # no text of JSON has them alone
_OURS: Final = {r"\d": re.compile(r"\d"), r"\s": re.compile(r"\s")}
_BLOCK: Final = 512
_FEW: Final = 40  # ranges that a person still takes in


@functools.cache
def for_python(escape: str) -> str | None:
    r"""Write the inside of a character class for Python that matches what an escape matches for pydantic.

    Args:
        escape: `\d` or `\s`.

    Returns:
        The inside of the brackets; the escape itself where both engines agree, and `None` where it would be too long.
    """
    every = _every()
    theirs = set(map(ord, _matched(every, SchemaValidator(core_schema.str_schema(pattern=escape)).isinstance_python)))
    ours = set(map(ord, _OURS[escape].findall(every)))
    if ours <= theirs:
        ranges, start = _ranges(theirs - ours), escape
    else:
        ranges, start = _ranges(theirs), ""
    return None if len(ranges) > _FEW else start + "".join(ranges)


@functools.cache
def _every() -> str:
    return "".join(map(chr, (*range(_SURROGATES.start), *range(_SURROGATES.stop, sys.maxunicode + 1))))


def _matched(text: str, search: Callable[[str], bool]) -> Iterator[str]:
    """Find every character in which a search finds something: by blocks, most of which have none."""
    for start in range(0, len(text), _BLOCK):
        block = text[start : start + _BLOCK]
        if search(block):
            yield from filter(search, block)


def _ranges(characters: set[int]) -> list[str]:
    """Write characters as the ranges of a class."""
    return [
        _escaped(first) if first == last else f"{_escaped(first)}-{_escaped(last)}" for first, last in _runs(characters)
    ]


def _runs(characters: set[int]) -> Iterator[tuple[int, int]]:
    ordered = sorted(characters)
    first = last = ordered[0] if ordered else -1
    for number in ordered[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    if ordered:
        yield first, last


def _escaped(character: int) -> str:
    # As the patterns of a JSON Schema have it (ECMA-262) beside Python, which have no `\\U`.
    return chr(character) if character > 0xFFFF else f"\\u{character:04x}"
